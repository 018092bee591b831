"""Forecasters whose network runs in another runtime give the same answers."""

import copy

import numpy as np
import pytest
import torch
from contract_networks import random_network

import tcn
from tcn.config import TCNConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.export import CompiledNetwork, compile_forecaster, signature_of
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
CONFIGS = {
    "tcn": TCNConfig(**SMALL),
    "student_t": TCNConfig(**SMALL, head="student_t"),
    "wavenet": WaveNetConfig(**SMALL | {"horizon": 1}),
}
CASES = [
    ("openvino", "tcn"),
    pytest.param("onnxruntime", "wavenet", marks=pytest.mark.slow),
    pytest.param("openvino", "wavenet", marks=pytest.mark.slow),
    pytest.param("openvino", "student_t", marks=pytest.mark.slow),
]


def saved(name, folder):
    tcn.save(Forecaster(CONFIGS[name], random_network(CONFIGS[name]), name), folder)
    return folder


def panel(lengths=(1, 7, 29, 30, 31, 80)):
    generator = np.random.default_rng(0)
    values = [generator.normal(size=n).cumsum() for n in lengths]
    values[-1][-3] = np.nan
    return tcn.Panel.from_arrays(values)


@pytest.mark.parametrize(("runtime", "name"), CASES)
def test_another_runtime_gives_the_same_forecasts(runtime, name, tmp_path, monkeypatch):
    pytest.importorskip(runtime)
    path = saved(name, tmp_path / "model")
    threads = torch.get_num_threads()
    plain, compiled = tcn.load(path), tcn.load(path, runtime=runtime)
    assert torch.get_num_threads() == threads
    series = panel()
    runs = count_runs(compiled.network, monkeypatch)
    for horizon in (1, 3, 5, 12):
        wanted = plain.predict(series, horizon)
        found = compiled.predict(series, horizon)
        np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.quantiles, wanted.quantiles, rtol=1e-4, atol=1e-4)
    assert len(runs) >= 4
    for key, tensor in plain.network.state_dict().items():
        assert torch.equal(tensor, compiled.network.state_dict()[key])


def count_runs(network, monkeypatch):
    assert isinstance(network, CompiledNetwork)
    runs, run = [], network._run
    monkeypatch.setattr(network, "_run", lambda inputs: runs.append(1) or run(inputs))
    return runs


@pytest.mark.slow
def test_a_compiled_forecaster_is_saved_copied_and_trained_as_any_other(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    path = saved("tcn", tmp_path / "model")
    compiled = tcn.load(path, runtime="onnxruntime")
    runs = count_runs(compiled.network, monkeypatch)
    tcn.save(compiled, tmp_path / "again")
    series = panel()
    wanted = tcn.load(path).predict(series).mean
    np.testing.assert_array_equal(tcn.load(tmp_path / "again").predict(series).mean, wanted)
    copied = copy.deepcopy(compiled.network)
    assert not runs
    with torch.no_grad():
        for network in (compiled.network, copied):
            network.train()
            for parameter in network.parameters():
                parameter.mul_(0.9)
            network.eval()
    moved = Forecaster(compiled.config, copied).predict(series).mean
    assert not np.allclose(moved, wanted)
    np.testing.assert_array_equal(compiled.predict(series).mean, moved)
    assert not runs


@pytest.mark.slow
def test_covariates_reach_the_other_runtime(monkeypatch):
    pytest.importorskip("onnxruntime")
    config = WaveNetConfig(
        **SMALL, past_covariates=("a",), future_covariates=("b", "c"), static_covariates=("d",)
    )
    plain = Forecaster(config, random_network(config)).network.eval()
    compiled = compile_forecaster(Forecaster(config, plain), "onnxruntime").network
    runs = count_runs(compiled, monkeypatch)
    sizes = signature_of(Forecaster(config, plain), horizon=3).inputs
    given = {name: torch.randn(4, *shape) for name, shape in sizes.items()}
    steps = (given[name][:, None] for name in ("references", "drafts", "steps"))
    inputs = NetworkInputs(
        given["features"],
        StepInputs(*steps, LocScale(torch.zeros(0), torch.zeros(0))),
        given["known"][:, None],
        given["static"],
    )
    with torch.inference_mode():
        torch.testing.assert_close(compiled(inputs), plain(inputs), rtol=1e-4, atol=1e-4)
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"runtime": "tensorrt"}, r"runtime must be one of 'torch', 'openvino', 'onnxruntime'"),
        ({"precision": "bfloat16"}, r"must be 'float32' in torch, got 'bfloat16'\."),
        ({"runtime": "openvino", "precision": "int8"}, r"precision must be one of 'float32'"),
        (
            {"runtime": "onnxruntime", "precision": "bfloat16"},
            r"bfloat16 needs runtime='openvino'",
        ),
    ],
)
def test_runtimes_and_precisions_that_are_not_to_be_had_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tcn.load("zero", **options)


def test_a_missing_runtime_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tcn-forecast\[onnx,openvino\]'\.$"):
        tcn.load("zero", runtime="openvino")


@pytest.mark.slow
def test_bfloat16_differs_little_where_the_processor_has_it(tmp_path):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("no bfloat16")
    plain, half = tcn.load("zero"), tcn.load("zero", runtime="openvino", precision="bfloat16")
    series = tcn.Panel.from_arrays([50 + 10 * np.sin(np.arange(1100) * (2 * np.pi / 24))])
    wanted, found = plain.predict(series, 24).mean, half.predict(series, 24).mean
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, atol=1.0)
