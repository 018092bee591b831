"""A forecaster that was saved forecasts exactly what it did."""

import json
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

import tcn
from tcn.checkpoint import read_checkpoint
from tcn.checkpoint.directory import CONFIG_FILE, MANIFEST_FILE
from tcn.errors import CheckpointError, ConfigError
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork
from tcn.models.calibration import Calibration
from tcn.series.conditions import Column, Conditions

SMALL = {
    "horizon": 6,
    "context_length": 32,
    "channels": 8,
    "hidden_channels": 8,
    "head_channels": 8,
    "dilations": (1, 2),
}


def forecaster(cls=tcn.TCNConfig, **options) -> Forecaster:
    torch.manual_seed(0)
    config = cls(**SMALL)
    network = ForecastNetwork(config)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return Forecaster(config=config, network=network.eval(), **options)


def panel() -> tcn.Panel:
    random = np.random.default_rng(0)
    return tcn.Panel.from_arrays([random.normal(size=n).cumsum() for n in (50, 20)])


def edit_config(path: Path, change) -> None:
    """Change the config and sign it, as someone who means harm would."""
    config = json.loads((path / CONFIG_FILE).read_text())
    change(config)
    (path / CONFIG_FILE).write_text(json.dumps(config))
    manifest = json.loads((path / MANIFEST_FILE).read_text())
    manifest["sha256"][CONFIG_FILE] = sha256((path / CONFIG_FILE).read_bytes()).hexdigest()
    (path / MANIFEST_FILE).write_text(json.dumps(manifest))


@pytest.mark.parametrize("cls", [tcn.TCNConfig, tcn.WaveNetConfig])
@pytest.mark.parametrize("horizon", [6, 9])
def test_a_loaded_forecaster_forecasts_bit_for_bit_the_same(tmp_path, cls, horizon):
    before = forecaster(cls)
    tcn.save(before, tmp_path / "sales")
    after = tcn.load(tmp_path / "sales")
    assert after.config == before.config
    assert after.name == "sales"
    assert not after.network.training
    expected = before.predict(panel(), horizon)
    found = after.predict(panel(), horizon)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    np.testing.assert_array_equal(found.mean, expected.mean)


def test_calibration_conditions_and_manifest_are_kept(tmp_path):
    calibration = Calibration((0.1, 0.5, 0.9), (3,), ((-0.1, 0.0, 0.1), (-0.2, 0.1, 0.3)))
    conditions = Conditions(future=(Column("price", 3.0, 2.0), Column("day", category="mon")))
    before = forecaster(
        calibration=calibration, conditions=conditions, manifest={"loss": 0.5, "steps": [1, 2]}
    )
    tcn.save(before, tmp_path / "m")
    after = tcn.load(str(tmp_path / "m"))
    assert after.calibration == calibration
    assert after.conditions == conditions
    assert after.manifest["loss"] == 0.5
    assert after.manifest["parameters"] == sum(w.numel() for w in before.network.parameters())
    tcn.save(after, tmp_path / "m2")
    assert dict(read_checkpoint(tmp_path / "m2").info) == {"loss": 0.5, "steps": [1, 2]}


def test_weights_may_be_stored_in_half_the_bytes(tmp_path):
    before = forecaster()
    tcn.save(before, tmp_path / "full")
    tcn.save(before, tmp_path / "half", dtype=torch.bfloat16)
    sizes = [(tmp_path / n / "weights.safetensors").stat().st_size for n in ("full", "half")]
    assert sizes[1] < 0.75 * sizes[0]
    after = tcn.load(tmp_path / "half")
    assert all(weight.dtype == torch.float32 for weight in after.network.parameters())
    expected, found = before.predict(panel(), 6), after.predict(panel(), 6)
    scale = np.abs(expected.mean).max()
    np.testing.assert_allclose(found.mean, expected.mean, atol=0.05 * scale)


def test_weights_stored_as_whole_numbers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^dtype must be one of floats, .* got torch\.int64\.$"):
        tcn.save(tcn.load("zero"), tmp_path / "whole", dtype=torch.int64)


def test_the_default_dtype_of_torch_changes_no_forecast():
    panel = tcn.Panel.from_arrays([np.arange(30.0)])
    expected = tcn.load("zero").predict(panel, 5).quantiles
    torch.set_default_dtype(torch.float64)
    try:
        found = tcn.load("zero").predict(panel, 5).quantiles
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_loading_draws_no_random_numbers(tmp_path):
    tcn.save(forecaster(), tmp_path / "m")
    torch.manual_seed(1)
    state = torch.get_rng_state()
    tcn.load(tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_model_says_what_may_be_given(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"No model at 'zer0'\. Give the directory .*: zero\."
    ):
        tcn.load("zer0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["config"].update(channels=10**9), r"channels must be .* got 1000000000"),
        (lambda c: c["config"].update(kernel=3), r"Unknown key 'kernel' in TCNConfig"),
        (lambda c: c.update(kind="os.system"), r"Unknown kind of network 'os\.system'"),
        (
            lambda c: c["config"].update(channels=2048),
            r"has shape .*, but the config asks for .*2048",
        ),
        (lambda c: c["config"].update(dilations=[1] * 64), r"missing: \['encoder"),
        (lambda c: c["config"].update(dilations=1), r"dilations must list"),
        (lambda c: c["config"].update(head=["quantile"]), r"is not valid"),
        (lambda c: c.update(extras=[]), r"must have an object as 'extras'"),
        (lambda c: c["extras"].update(calibration={"levels": 3}), r"extras .* cannot be read"),
        (lambda c: c["extras"].update(conditions=[1]), r"extras .* cannot be read"),
        (lambda c: c["extras"].update(conditions={"past": [{"x": 1}]}), r"cannot be read"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_before_anything_is_built(tmp_path, change, message):
    tcn.save(forecaster(), tmp_path / "m")
    edit_config(tmp_path / "m", change)
    with pytest.raises(CheckpointError, match=message):
        tcn.load(tmp_path / "m")


def test_a_network_with_nan_is_not_saved(tmp_path):
    broken = forecaster()
    with torch.no_grad():
        broken.network.stem.weight.fill_(float("nan"))
    with pytest.raises(CheckpointError, match=r"'stem\.weight' has NaN or infinite values"):
        tcn.save(broken, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_saving_over_a_model_keeps_one_whole_model(tmp_path):
    tcn.save(forecaster(), tmp_path / "m")
    tcn.save(replace(forecaster(), manifest={"run": 2}), tmp_path / "m")
    assert tcn.load(tmp_path / "m").manifest["run"] == 2


def test_a_model_that_is_replaced_again_and_again_can_be_loaded_at_any_time(tmp_path):
    models = [replace(forecaster(), manifest={"run": run}) for run in range(2)]
    tcn.save(models[0], tmp_path / "m")
    is_done = threading.Event()

    def replace_it() -> None:
        for run in range(60):
            tcn.save(models[run % 2], tmp_path / "m")
        is_done.set()

    writer = threading.Thread(target=replace_it)
    writer.start()
    n_loads = 0
    while not is_done.is_set():
        assert tcn.load(tmp_path / "m").manifest["run"] in (0, 1)
        n_loads += 1
    writer.join()
    assert n_loads > 0
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


def test_the_bundled_model_is_whole():
    zero = tcn.load("zero")
    assert zero.name == "zero"
    assert zero.predict(panel(), 3).mean.shape == (2, 3)
