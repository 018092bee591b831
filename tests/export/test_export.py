import functools
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
    check_against_torch,
    export_layer,
    export_network,
    export_step,
    file_names,
    require_packages,
    signature_of,
)
from tcn.forecaster import Forecaster
from tcn.layers import CausalConv1d, GatedStack, ResidualBlock, RMSNorm, StreamSequential
from tcn.models.inputs import NetworkInputs
from tcn.series.references import StepInputs
from tcn.series.scaling import LocScale

pytestmark = pytest.mark.timeout(240)  # the first export of a process loads its compilers

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
ONNX_FILE = "forecast.onnx"
OPENVINO_FILES = ("forecast.xml", "forecast.bin")
QUICK = [("onnx", "tcn"), ("onnx", "student_t"), ("openvino", "wavenet_with_covariates")]
ALL = [(export_format, name) for export_format in FORMATS for name in CONFIGS]


def require(export_format):
    for name in ("onnx", "onnxscript", "onnxruntime" if export_format == "onnx" else "openvino"):
        pytest.importorskip(name)


def forecaster_of(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Forecaster(CONFIGS[name], random_network(CONFIGS[name]), name)


@functools.cache
def exported(export_format, name):
    """An export of 3 steps from 27 values; made once, for it takes seconds."""
    forecaster = forecaster_of(name)
    forecaster.network.train()
    threads = torch.get_num_threads()
    export = export_network(forecaster, export_format, context_length=27, horizon=3)
    assert forecaster.network.training
    assert torch.get_num_threads() == threads
    return export


SIZES = ("--context", "27", "--horizon", "3")


@pytest.fixture
def converted_once(monkeypatch):
    """Commands with these sizes take the ONNX that was made of the network `tcn` before."""
    require("onnx")
    content = exported("onnx", "tcn").files[ONNX_FILE]
    monkeypatch.setattr("tcn.export.formats.to_onnx", lambda *_: content)


def runner(files, name="forecast"):
    """An export in its own runtime: arrays by name to the outputs."""
    if f"{name}.onnx" in files:
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(
            files[f"{name}.onnx"], providers=["CPUExecutionProvider"]
        )
        return lambda inputs: session.run(None, inputs)
    core = pytest.importorskip("openvino").Core()
    model = core.read_model(*(files[file] for file in file_names(name, "openvino")))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: list(compiled(inputs).to_tuple())


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
    forecaster, export = forecaster_of(name), exported(export_format, name)
    assert export.difference <= 1e-5
    run = runner(export.files)
    generator = np.random.default_rng(0)
    for n in (1, 5, 33):
        inputs = {
            key: generator.normal(size=(n, *shape)).astype(np.float32)
            for key, shape in export.signature.inputs.items()
        }
        wanted = torch_output(forecaster, inputs)
        assert wanted.shape == (n, *one_output(export.signature))
        np.testing.assert_allclose(run(inputs)[0], wanted, rtol=1e-5, atol=1e-5)


def one_output(signature):
    (shape,) = signature.outputs.values()
    return shape


@pytest.mark.usefixtures("converted_once")
def test_the_command_replaces_an_export_by_one_that_describes_itself(tmp_path, capsys):
    require("openvino")
    tcn.save(forecaster_of("tcn"), tmp_path / "model")
    out = tmp_path / "exports" / "small"
    out.mkdir(parents=True)
    for name in (DESCRIPTION_FILE, ONNX_FILE):
        (out / name).write_text("old")
    arguments = ["export", str(tmp_path / "model"), "--format", "openvino", *SIZES]
    assert exit_code(*arguments, "--out", str(out), "--json") == 0
    answer, said = capsys.readouterr()
    assert (
        names_in(out) == json.loads(answer)["files"] == sorted([DESCRIPTION_FILE, *OPENVINO_FILES])
    )
    assert names_in(out.parent) == ["small"]
    assert said.splitlines()[0] == "Input features: (batch, 21, 28)"
    description = json.loads((out / DESCRIPTION_FILE).read_text())
    assert description["format"] == "openvino"
    assert description["inputs"]["features"] == ["batch", 21, 28]
    assert description["outputs"] == {"quantiles": ["batch", 3, 3]}
    assert description["quantile_levels"] == [0.1, 0.5, 0.9]


@pytest.mark.usefixtures("converted_once")
def test_nothing_is_written_when_the_result_differs(tmp_path, capsys, monkeypatch):
    tcn.save(forecaster_of("tcn"), tmp_path / "model")
    monkeypatch.setattr("tcn.export.formats.TOLERANCE", -1.0)
    arguments = ["export", str(tmp_path / "model"), "--format", "onnx", *SIZES]
    assert exit_code(*arguments, "--out", str(tmp_path / "out")) == 2
    assert "differs from torch by" in capsys.readouterr().err
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: y + 1e-3, "differs from torch by"),
        (lambda y: y * np.nan, "differs from torch by nan"),
        (lambda y: y[:1], r"gives \(1, 5, 3\) for a batch of 2, torch \(2, 5, 3\)"),
    ],
)
def test_a_result_that_differs_is_refused(change, sentence):
    signature = signature_of(forecaster_of("tcn"))
    output = np.ones((17, *one_output(signature)), dtype=np.float32)

    class Constant(torch.nn.Module):
        def forward(self, features, *others):
            return torch.from_numpy(output[: len(features)])

    def same(inputs):
        return output[: len(inputs["features"])]

    assert check_against_torch(Constant(), signature, lambda inputs: [same(inputs)]) == 0.0
    with pytest.raises(ConfigError, match=sentence):
        check_against_torch(Constant(), signature, lambda inputs: [change(same(inputs))])


def test_features_end_where_the_network_stops_reading():
    forecaster = forecaster_of("tcn")
    assert signature_of(forecaster, context_length=9).inputs["features"] == (21, 12)
    long = Forecaster(TCNConfig(**SMALL | {"context_length": 4000}), forecaster.network)
    read = forecaster.network.positions_read
    assert signature_of(long).inputs["features"] == (21, read)


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


STEP_CASES = [
    pytest.param("onnx", "tcn"),
    pytest.param("openvino", "tcn", marks=pytest.mark.slow),
    pytest.param("openvino", "wavenet_with_covariates", marks=pytest.mark.slow),
    pytest.param("onnx", "wavenet_with_covariates", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("export_format", "name"), STEP_CASES)
def test_an_exported_step_follows_a_series_patch_by_patch(export_format, name):
    require(export_format)
    forecaster = forecaster_of(name)
    export = export_step(forecaster, export_format, horizon=3)
    assert export.difference <= 1e-5
    patch, n, n_patches = forecaster.config.patch_length, 4, 9
    whole = signature_of(forecaster, horizon=3).inputs
    generator = np.random.default_rng(0)
    given = {
        key: generator.normal(size=(n, *shape)).astype(np.float32)
        for key, shape in (whole | {"features": (whole["features"][0], n_patches * patch)}).items()
    }
    run = runner(export.files, "step")
    state = {
        key: np.zeros((n, *shape), dtype=np.float32)
        for key, shape in export.signature.inputs.items()
        if key.startswith("state_")
    }
    for end in range(patch, (n_patches + 1) * patch, patch):
        new = given | {"features": given["features"][..., end - patch : end]}
        quantiles, *after = run(new | state)
        state = dict(zip(state, after, strict=True))
        seen = given | {"features": given["features"][..., :end]}
        np.testing.assert_allclose(quantiles, torch_output(forecaster, seen), rtol=2e-5, atol=2e-5)


@pytest.mark.slow
def test_the_command_writes_a_step_that_describes_its_state(tmp_path, capsys):
    require("openvino")
    tcn.save(forecaster_of("tcn"), tmp_path / "model")
    out = tmp_path / "step"
    arguments = ["export", str(tmp_path / "model"), "--format", "openvino", "--streaming"]
    assert exit_code(*arguments, "--context", "8", "--out", str(out)) == 2
    assert "--streaming reads one patch at a time" in capsys.readouterr().err
    assert exit_code(*arguments, "--out", str(out)) == 0
    assert names_in(out) == sorted([DESCRIPTION_FILE, *file_names("step", "openvino")])
    description = json.loads((out / DESCRIPTION_FILE).read_text())
    assert description["inputs"]["features"] == ["batch", 21, 4]
    assert description["inputs"]["state_2"] == description["outputs"]["next_state_2"]
    assert description["inputs"]["state_2"] == ["batch", 8, 8]
    assert next(iter(description["outputs"])) == "quantiles"


def layers_of_all_kinds():
    return StreamSequential(
        [
            CausalConv1d(3, 8, 1),
            ResidualBlock(8, 8, 3, 4, weight_norm=True, dropout=0.4),
            GatedStack(8, skip_channels=6, dilations=(1, 2)),
            RMSNorm(6),
        ]
    )


@pytest.mark.parametrize(
    "export_format", ["openvino", pytest.param("onnx", marks=pytest.mark.slow)]
)
def test_an_exported_layer_steps_through_a_series(export_format):
    require(export_format)
    layer = layers_of_all_kinds()
    export = export_layer(layer, 3, export_format, streaming=True, length=2)
    assert layer.training
    x = torch.randn(5, 3, 24)
    run = runner(export.files, "step")
    state = {
        key: np.zeros((5, *shape), dtype=np.float32)
        for key, shape in export.signature.inputs.items()
        if key.startswith("state_")
    }
    assert len(state) == 4
    outputs = []
    for start in range(0, 24, 2):
        y, *after = run({"x": x[..., start : start + 2].numpy()} | state)
        state = dict(zip(state, after, strict=True))
        outputs.append(y)
    wanted = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(np.concatenate(outputs, axis=2), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_layer_of_one_channel_is_exported_for_any_batch():
    require("onnx")
    layer, x = ResidualBlock(1, 4, 3, 2).eval(), torch.randn(40, 1, 200)
    export = export_layer(layer, 1, "onnx", length=200)
    (y,) = runner(export.files, "layer")({"x": x.numpy()})
    np.testing.assert_allclose(y, layer(x).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_layer_is_exported_whole_or_for_its_last_outputs():
    require("onnx")
    layer, x = ResidualBlock(2, 4, 3, 2).eval(), torch.randn(3, 2, 11)
    for count, n_outputs in ((None, 11), (2, 2)):
        export = export_layer(layer, 2, "onnx", length=11, count=count)
        (y,) = runner(export.files, "layer")({"x": x.numpy()})
        assert export.signature.outputs == {"y": (4, n_outputs)}
        np.testing.assert_allclose(y, layer(x).detach()[..., -n_outputs:], rtol=1e-5, atol=1e-5)


def test_a_step_of_a_layer_that_changes_the_rate_is_refused():
    with pytest.raises(ConfigError, match="of a layer that keeps the length"):
        export_layer(CausalConv1d(1, 1, 3, stride=2), 1, "onnx", streaming=True)


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def exit_code(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return exit_.value.code
