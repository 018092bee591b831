import json
import os
import sys

import numpy as np
import pytest
import torch
from contract_networks import random_network

import tcn
from tcn.cli import main
from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.export import (
    DESCRIPTION_FILE,
    ONNX_FILE,
    OPENVINO_FILES,
    check_against_torch,
    export_network,
    require_packages,
    signature_of,
)
from tcn.forecaster import Forecaster
from tcn.models.inputs import NetworkInputs
from tcn.series.references import StepInputs
from tcn.series.scaling import LocScale

SMALL = {
    "horizon": 5,
    "context_length": 30,
    "channels": 8,
    "hidden_channels": 8,
    "head_channels": 8,
    "dilations": (1, 2, 4),
}
COVARIATES = {
    "past_covariates": ("a",),
    "future_covariates": ("b", "c"),
    "static_covariates": ("d",),
}
CONFIGS = {
    "tcn": TCNConfig(**SMALL, quantile_levels=(0.1, 0.5, 0.9)),
    "student_t": TCNConfig(**SMALL, head="student_t"),
    "wavenet_with_covariates": WaveNetConfig(**SMALL, **COVARIATES),
}
FORMATS = ("onnx", "openvino")
QUICK = [("onnx", "tcn"), ("onnx", "student_t"), ("openvino", "wavenet_with_covariates")]
ALL = [(export_format, name) for export_format in FORMATS for name in CONFIGS]


def require(export_format):
    for name in ("onnx", "onnxscript", "onnxruntime" if export_format == "onnx" else "openvino"):
        pytest.importorskip(name)


def forecaster_of(name):
    return Forecaster(CONFIGS[name], random_network(CONFIGS[name]), name)


def runner(files):
    """The exported network in its own runtime: arrays by name to the output."""
    if ONNX_FILE in files:
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(files[ONNX_FILE], providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, inputs)[0]
    core = pytest.importorskip("openvino").Core()
    model = core.read_model(*(files[name] for name in OPENVINO_FILES))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: compiled(inputs)[0]


def torch_output(forecaster, inputs):
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    step = StepInputs(
        *(given[name][:, None] for name in ("references", "drafts", "steps")),
        LocScale(torch.zeros(0), torch.zeros(0)),
    )
    known = given["known"][:, None] if "known" in given else None
    with torch.inference_mode():
        raw = forecaster.network(
            NetworkInputs(given["features"], step, known, given.get("static"))
        )[:, 0]
        head = forecaster.network.distribution
        return (head.trained_quantiles(raw) if hasattr(head, "levels") else raw).numpy()


@pytest.mark.parametrize(
    ("export_format", "name"),
    [pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.slow) for pair in ALL],
)
def test_an_exported_network_equals_torch_for_any_batch(export_format, name):
    require(export_format)
    forecaster = forecaster_of(name)
    forecaster.network.train()
    threads = torch.get_num_threads()
    export = export_network(forecaster, export_format, context_length=27, horizon=3)
    assert forecaster.network.training
    assert torch.get_num_threads() == threads
    assert export.difference <= 1e-5
    forecaster.network.eval()
    run = runner(export.files)
    generator = np.random.default_rng(0)
    for n in (1, 5, 33):
        inputs = {
            key: generator.normal(size=(n, *shape)).astype(np.float32)
            for key, shape in export.signature.inputs.items()
        }
        wanted = torch_output(forecaster, inputs)
        assert wanted.shape == (n, *export.signature.output_shape)
        np.testing.assert_allclose(run(inputs), wanted, rtol=1e-5, atol=1e-5)


def test_the_command_replaces_an_export_by_one_that_describes_itself(tmp_path, capsys):
    require("openvino")
    tcn.save(forecaster_of("tcn"), tmp_path / "model")
    out = tmp_path / "exports" / "small"
    out.mkdir(parents=True)
    for name in (DESCRIPTION_FILE, ONNX_FILE):
        (out / name).write_text("old")
    arguments = ["export", str(tmp_path / "model"), "--format", "openvino", "--horizon", "4"]
    assert exit_code(*arguments, "--out", str(out), "--json") == 0
    answer, said = capsys.readouterr()
    assert (
        names_in(out) == json.loads(answer)["files"] == sorted([DESCRIPTION_FILE, *OPENVINO_FILES])
    )
    assert names_in(out.parent) == ["small"]
    assert said.splitlines()[0] == "Input features: (batch, 19, 32)"
    description = json.loads((out / DESCRIPTION_FILE).read_text())
    assert description["format"] == "openvino"
    assert description["inputs"]["features"] == ["batch", 19, 32]
    assert description["outputs"] == {"quantiles": ["batch", 4, 3]}
    assert description["quantile_levels"] == [0.1, 0.5, 0.9]


def test_nothing_is_written_when_the_result_differs(tmp_path, capsys, monkeypatch):
    require("onnx")
    tcn.save(forecaster_of("tcn"), tmp_path / "model")
    monkeypatch.setattr("tcn.export.TOLERANCE", -1.0)
    arguments = ["export", str(tmp_path / "model"), "--format", "onnx"]
    assert exit_code(*arguments, "--out", str(tmp_path / "out")) == 2
    assert "differs from torch by" in capsys.readouterr().err
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: y + 1e-3, "differs from torch by"),
        (lambda y: y * np.nan, "differs from torch by nan"),
        (lambda y: y[:1], r"gives \(1, 5, 3\) for 2 windows, torch \(2, 5, 3\)"),
    ],
)
def test_a_result_that_differs_is_refused(change, sentence):
    signature = signature_of(forecaster_of("tcn"))
    output = np.ones((17, *signature.output_shape), dtype=np.float32)

    class Constant(torch.nn.Module):
        def forward(self, features, *others):
            return torch.from_numpy(output[: len(features)])

    def same(inputs):
        return output[: len(inputs["features"])]

    assert check_against_torch(Constant(), signature, same) == 0.0
    with pytest.raises(ConfigError, match=sentence):
        check_against_torch(Constant(), signature, lambda inputs: change(same(inputs)))


def test_features_end_where_the_network_stops_reading():
    forecaster = forecaster_of("tcn")
    assert signature_of(forecaster, context_length=9).inputs["features"] == (19, 12)
    long = Forecaster(TCNConfig(**SMALL | {"context_length": 4000}), forecaster.network)
    read = forecaster.network.positions_read
    assert signature_of(long).inputs["features"] == (19, read)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"horizon": 6}, r"horizon of an export must be a whole number from 1 to 5, got 6\.$"),
        ({"context_length": 31}, r"context_length must be a whole number from 1 to 30, got 31\.$"),
        ({"context_length": 0}, r"context_length must be a whole number from 1 to 30, got 0\.$"),
    ],
)
def test_sizes_beyond_the_model_are_refused(sizes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        signature_of(forecaster_of("tcn"), **sizes)


def test_an_unknown_format_is_refused():
    with pytest.raises(ConfigError, match=r"format must be one of 'onnx', 'openvino', got 'tf'"):
        require_packages("tf")


@pytest.mark.parametrize("export_name", FORMATS)
def test_a_missing_extra_says_what_to_install(export_name, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code = exit_code("export", "zero", "--format", export_name, "--out", str(tmp_path / "out"))
    assert code == 2
    extras = {"onnx": "[onnx]", "openvino": "[onnx,openvino]"}[export_name]
    assert f"pip install 'tcn-forecast{extras}'" in capsys.readouterr().err


def test_a_place_that_holds_other_files_is_refused(tmp_path, capsys):
    options = ["export", "zero", "--format", "onnx", "--out"]
    for name in ("letter.txt", DESCRIPTION_FILE):
        (tmp_path / name).write_text("Dear")
        assert exit_code(*options, str(tmp_path)) == 2
        assert "holds other files. Give --out a new directory" in capsys.readouterr().err
    assert exit_code(*options, str(tmp_path / "letter.txt")) == 2
    assert "is a file. Give --out the name of a directory" in capsys.readouterr().err
    assert names_in(tmp_path) == [DESCRIPTION_FILE, "letter.txt"]


def test_nothing_is_imported_before_it_is_needed():
    heavy = {"onnx", "onnxscript", "onnxruntime", "openvino"}
    code = f"import sys, tcn.export; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def exit_code(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return exit_.value.code
