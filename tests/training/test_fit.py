"""fit: what it learns, from what it starts, what it refuses."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from training.small_runs import (
    QUICK,
    by_group,
    noise,
    over_time,
    panel_with,
    seasonal_panel,
    small,
)

import tcn
from tcn.config import TCNConfig, TrainConfig, WaveNetConfig
from tcn.errors import CheckpointError, ConfigError, DataError
from tcn.series import Panel
from tcn.training.pulling_back import share_to_keep


def weights_of(forecaster):
    return dict(forecaster.network.state_dict())


def same(first, second) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("head", ["quantile", "gaussian", "student_t"])
@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
def test_training_lowers_the_loss_with_each_head(kind, head):
    settings = replace(QUICK, learning_rate=5e-3)
    forecaster = tcn.fit(seasonal_panel(40), small(kind, head=head), settings, start=None)
    history = forecaster.manifest["history"]
    assert [entry["step"] for entry in history] == [10, 20, 30]
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["score"] < history[0]["score"]
    assert forecaster.manifest["validation_loss"] == min(entry["score"] for entry in history)
    forecast = forecaster.predict(seasonal_panel(seed=1))
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
    assert not forecaster.network.training


def test_a_trained_forecaster_tells_how_it_was_made():
    panel = seasonal_panel()
    forecaster = tcn.fit(panel, small(), QUICK, start=None, name="sales")
    manifest = forecaster.manifest
    assert forecaster.name == "sales"
    assert (manifest["start"], manifest["n_series"], manifest["n_values"]) == (None, 8, 480)
    assert (manifest["steps"], manifest["train"]) == (30, QUICK.to_dict())
    assert forecaster.calibration is not None


def test_a_horizon_alone_takes_the_place_of_the_configs():
    settings = replace(QUICK, max_epochs=0)
    panel = seasonal_panel()
    first = tcn.fit(panel, small(), settings, start=None)
    shorter = tcn.fit(panel, None, settings, horizon=3, start=first)
    assert shorter.config == replace(first.config, horizon=3)
    assert tcn.fit(panel, small(), settings, horizon=4, start=None).config.horizon == 4
    with pytest.raises(
        ConfigError, match=r"^config must be a .* got a int\. .* pass horizon=12\.$"
    ):
        tcn.fit(panel, 12)
    with pytest.raises(ConfigError, match=r"^horizon must be"):
        tcn.fit(panel, horizon=0)


def test_the_seed_decides_everything_and_nothing_global_moves():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    config = small(dropout=0.2)
    first = tcn.fit(seasonal_panel(), config, QUICK, start=None)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(6)
    second = tcn.fit(seasonal_panel(), config, QUICK, start=None)
    assert same(weights_of(first), weights_of(second))
    other = tcn.fit(seasonal_panel(), config, replace(QUICK, seed=1), start=None)
    assert not same(weights_of(first), weights_of(other))


def test_the_default_dtype_of_torch_changes_no_training():
    expected = tcn.fit(seasonal_panel(), small(), QUICK, start=None)
    torch.set_default_dtype(torch.float64)
    try:
        found = tcn.fit(seasonal_panel(), small(), QUICK, start=None)
    finally:
        torch.set_default_dtype(torch.float32)
    names = {str(value.dtype) for value in weights_of(found).values()}
    assert names == {"torch.float32"}
    assert found.manifest["validation_loss"] == pytest.approx(
        expected.manifest["validation_loss"], rel=0.3
    )


def test_progress_reports_each_evaluation():
    entries = []
    tcn.fit(seasonal_panel(), small(), QUICK, start=None, progress=entries.append)
    assert [(entry["step"], entry["steps"]) for entry in entries] == [(10, 30), (20, 30), (30, 30)]
    assert all({"loss", "score", "best"} <= entry.keys() for entry in entries)


def test_all_points_are_trained_on_for_as_many_steps_as_were_best_without_the_last():
    entries = []
    settings = replace(QUICK, refit=True)
    forecaster = tcn.fit(seasonal_panel(), small(), settings, start=None, progress=entries.append)
    steps = forecaster.manifest["best_step"]
    assert forecaster.manifest["refit_steps"] == steps > 0
    later = entries[3:]
    assert [entry["step"] for entry in later] == list(range(40, 31 + steps, 10))
    assert {entry["steps"] for entry in later} == {30 + steps}
    assert all("score" not in entry for entry in later)


@pytest.mark.parametrize("refit", [False, True])
def test_the_newest_points_are_trained_on_only_by_a_run_with_all_points(refit):
    panel = seasonal_panel()
    values = panel.values.reshape(8, 60).copy()
    values[:, -6:] += 1e-3  # too little to choose other weights by
    moved = Panel.from_arrays(list(values), season_length=7)
    settings = replace(QUICK, refit=refit)
    fitted = [tcn.fit(each, small(), settings, start=None) for each in (panel, moved)]
    assert fitted[0].manifest["best_step"] == fitted[1].manifest["best_step"]
    assert same(*map(weights_of, fitted)) is not refit


def test_half_of_a_run_that_is_repeated_is_kept_unless_it_does_harm():
    helps = {0.0: 1.0, 0.25: 0.9, 0.5: 0.8, 0.75: 0.7, 1.0: 0.75}
    hardly = {0.0: 1.0, 0.25: 0.999, 0.5: 1.005, 0.75: 1.1, 1.0: 1.2}
    harms = {0.0: 1.0, 0.25: 1.01, 0.5: 1.1, 0.75: 1.2, 1.0: 1.3}
    for is_refitted, kept in ((False, (0.75, 0.0, 0.0)), (True, (0.75, 0.5, 0.0))):
        found = [
            share_to_keep(losses, 8, is_refitted=is_refitted) for losses in (helps, hardly, harms)
        ]
        assert tuple(found) == kept


def test_little_is_kept_where_few_windows_say_that_it_helps():
    helps = {0.0: 1.0, 0.25: 0.9, 0.5: 0.8, 0.75: 0.7, 1.0: 0.75}
    kept = [share_to_keep(helps, n_apart, is_refitted=True) for n_apart in (1, 2, 3, 4, 7, 100)]
    assert kept == [0.25, 0.5, 0.5, 0.5, 0.5, 0.75]
    hardly = {0.0: 1.0, 0.25: 0.999, 0.5: 1.005, 0.75: 1.1, 1.0: 1.2}
    assert [share_to_keep(hardly, n_apart, is_refitted=True) for n_apart in (1, 7, 8)] == [
        0,
        0,
        0.5,
    ]


def test_training_stops_when_nothing_is_gained():
    settings = replace(
        QUICK, refit=False, max_epochs=50, steps_per_epoch=1, patience=2, learning_rate=1e-8
    )
    values = np.full((3, 40), 5.0)
    forecaster = tcn.fit(panel_with(values), small(), settings, start=None)
    assert forecaster.manifest["steps"] == 2


def test_zero_fine_tuned_is_never_worse_than_zero_on_the_validation_windows():
    """Steps that only do harm are undone: the weights are those of zero."""
    zero = tcn.load("zero")
    options = {"max_epochs": 2, "steps_per_epoch": 1, "learning_rate": 0.5, "average": 0.0}
    settings = replace(QUICK, refit=True, **options)
    forecaster = tcn.fit(seasonal_panel(), replace(zero.config, horizon=6), settings, start="zero")
    scores = [entry["score"] for entry in forecaster.manifest["history"]]
    assert forecaster.manifest["validation_loss"] < min(scores)
    assert forecaster.manifest["share_of_training"] == 0.0
    assert "refit_steps" not in forecaster.manifest
    assert same(weights_of(forecaster), weights_of(zero))
    assert forecaster.manifest["start"] == "zero"


def test_training_may_take_no_step_at_all():
    zero = tcn.load("zero")
    config = replace(zero.config, horizon=6)
    forecaster = tcn.fit(seasonal_panel(), config, TrainConfig(max_epochs=0), start=zero)
    assert same(weights_of(forecaster), weights_of(zero))
    assert forecaster.calibration is not None


def test_new_covariates_change_nothing_of_a_start_before_training():
    start = tcn.fit(seasonal_panel(), small(), QUICK, start=None)
    panel = seasonal_panel(seed=1)
    covariates = over_time(np.random.default_rng(0).normal(size=(8, 66)))
    group = by_group(np.arange(8) % 2)
    told = replace(panel, future_covariates=covariates, static_covariates=group)
    none = replace(QUICK, max_epochs=0)
    forecaster = tcn.fit(told, small(), none, start=start)
    assert forecaster.config.future_covariates == ("x",)
    assert forecaster.config.static_covariates == ("shop=A", "shop=B")
    found = replace(forecaster, calibration=None).predict(told)
    expected = replace(start, calibration=None).predict(panel)
    np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=1e-5)


def test_a_start_reads_the_covariates_it_knows_in_its_own_units():
    driver = np.random.default_rng(4).normal(5.0, 2.0, size=(6, 66))
    panel = panel_with(noise(6, 60) + driver[:, :60], future_covariates=over_time(driver))
    start = tcn.fit(panel, small(), QUICK, start=None)
    shifted = panel_with(noise(6, 60), future_covariates=over_time(0.1 * driver + 9.0))
    again = tcn.fit(shifted, train_config=replace(QUICK, max_epochs=0), start=start)
    assert again.conditions == start.conditions
    forecasts = [replace(each, calibration=None).predict(shifted) for each in (start, again)]
    np.testing.assert_array_equal(forecasts[0].quantiles, forecasts[1].quantiles)


@pytest.mark.parametrize("kind", [TCNConfig, WaveNetConfig])
def test_a_target_driven_by_a_future_covariate_is_learnt(kind):
    x = np.random.default_rng(0).normal(size=(16, 70))
    values = noise(16, 64) + 2.0 * x[:, :64]
    told = panel_with(values, future_covariates=over_time(x))
    settings = replace(QUICK, max_epochs=5)
    blind = tcn.fit(panel_with(values), small(kind), settings, start=None)
    seeing = tcn.fit(told, small(kind), settings, start=None)
    assert seeing.manifest["validation_loss"] < 0.7 * blind.manifest["validation_loss"]
    forecast = seeing.predict(told)
    assert np.corrcoef(forecast.mean.ravel(), x[:, 64:].ravel())[0, 1] > 0.8


def test_a_target_driven_by_a_past_covariate_is_learnt():
    x = np.random.default_rng(0).normal(size=(16, 64))
    values = noise(16, 64)
    values[:, 1:] += 2.0 * x[:, :-1]
    config = small(horizon=1, patch_length=1)
    blind = tcn.fit(panel_with(values), config, QUICK, start=None)
    told = panel_with(values, past_covariates=over_time(x))
    seeing = tcn.fit(told, config, QUICK, start=None)
    assert seeing.manifest["validation_loss"] < 0.7 * blind.manifest["validation_loss"]


def test_a_static_category_that_turns_an_effect_around_is_learnt():
    rng = np.random.default_rng(0)
    group = np.arange(60) % 2
    x = (rng.random((60, 24)) < 0.3) * 1.0
    values = noise(60, 24) + 2.0 * x * np.where(group > 0, 1.0, -1.0)[:, None]
    told = panel_with(values, future_covariates=over_time(x))
    settings = replace(QUICK, max_epochs=14, learning_rate=2e-2)
    blind = tcn.fit(told, small(horizon=4), settings, start=None)
    known = replace(told, static_covariates=by_group(group))
    seeing = tcn.fit(known, small(horizon=4), settings, start=None)
    assert seeing.manifest["validation_loss"] < 0.85 * blind.manifest["validation_loss"]


def test_quantile_levels_without_the_calibrated_ones_are_trained_too():
    config = small(quantile_levels=(0.25, 0.5, 0.75))
    forecaster = tcn.fit(seasonal_panel(), config, QUICK, start=None)
    assert forecaster.calibration.levels == (0.1, 0.25, 0.5, 0.75, 0.9)
    assert forecaster.predict(seasonal_panel(), 3, (0.05, 0.5)).quantiles.shape == (8, 3, 2)


def test_training_in_bfloat16_learns_too():
    settings = replace(QUICK, precision="bfloat16", learning_rate=5e-3)
    forecaster = tcn.fit(seasonal_panel(40), small(), settings, start=None)
    history = forecaster.manifest["history"]
    assert history[-1]["score"] < history[0]["score"]
    assert all(value.dtype == torch.float32 for value in weights_of(forecaster).values())


def test_series_of_any_length_with_missing_values_are_trained_on():
    values = [noise(1, n)[0] for n in (1, 2, 5, 9, 30, 80, 200)]
    values[4][3:20] = np.nan
    values[5][:30] = np.nan
    forecaster = tcn.fit(Panel.from_arrays(values), small(), QUICK, start=None)
    assert np.isfinite(forecaster.manifest["validation_loss"])
    assert np.isfinite(forecaster.predict(Panel.from_arrays(values)).quantiles).all()


def test_what_is_not_known_at_the_end_takes_no_part():
    panel = seasonal_panel()
    longer = panel.extended(np.full((len(panel), 9), np.nan))
    settings = replace(QUICK, refit=True)
    first, second = (tcn.fit(each, small(), settings, start=None) for each in (panel, longer))
    assert same(weights_of(first), weights_of(second))
    with pytest.raises(DataError, match=r"^No series has the 9 points .* the longest has 0\."):
        tcn.fit(Panel.from_arrays([np.full(40, np.nan)]), small(), QUICK, start=None)


def test_series_too_short_for_the_horizon_are_refused():
    message = (
        r"^No series has the 9 points that a horizon of 6 needs for training and validation; the "
        r"longest has 8\. Give longer series or a shorter horizon\.$"
    )
    with pytest.raises(DataError, match=message):
        tcn.fit(seasonal_panel(length=8), small(), QUICK, start=None)


def test_a_config_that_differs_from_its_start_is_refused():
    start = tcn.fit(seasonal_panel(), small(), replace(QUICK, max_epochs=0), start=None, name="a")
    message = r"^The config differs from that of 'a' in channels\. Use channels=12, or pass start="
    with pytest.raises(ConfigError, match=message):
        tcn.fit(seasonal_panel(), small(channels=13), QUICK, start=start)
    message = r"^A WaveNetConfig cannot start from 'a', whose config is a TCNConfig\. Pass start=N"
    with pytest.raises(ConfigError, match=message):
        tcn.fit(seasonal_panel(), small(WaveNetConfig), QUICK, start=start)
    with pytest.raises(CheckpointError, match=r"^No model at 'nowhere'\."):
        tcn.fit(seasonal_panel(), small(), QUICK, start="nowhere")


def test_a_state_of_another_run_is_refused(tmp_path):
    panel, once = seasonal_panel(), replace(QUICK, max_epochs=1, steps_per_epoch=1)
    told = replace(panel, static_covariates=by_group(np.arange(8) % 2))
    tcn.fit(told, small(), once, start=None, directory=tmp_path)
    message = r"belongs to other data or settings\. Remove it to start anew, or give the settings"
    other = tcn.fit(panel, small(), replace(once, seed=3), start=None)
    for data, config, settings, start in (
        (replace(told, values=told.values + 1.0), small(), once, None),
        (panel, small(), once, None),
        (replace(told, static_covariates=by_group(np.arange(8) % 3 % 2)), small(), once, None),
        (told, small(channels=13), once, None),
        (told, small(dropout=0.1), once, None),
        (told, small(season_length=5), once, None),
        (told, small(), replace(once, learning_rate=1e-3), None),
        (told, small(), once, other),
    ):
        with pytest.raises(CheckpointError, match=message):
            tcn.fit(data, config, settings, start=start, directory=tmp_path)


def promoted(n_series, n_points, effect=15.0):
    """Weekly series that promotions lift; the last 7 days are what came, but for the promotions."""
    rng = np.random.default_rng(0)
    days = np.arange(n_points + 7)
    is_on = (rng.random((n_series, n_points + 7)) < 0.2).astype(float)
    sales = 20.0 + 5.0 * np.sin(2 * np.pi * days / 7) + effect * is_on
    sales += 0.3 * rng.normal(size=sales.shape)
    known = {"promotion": list(is_on)}
    panel = Panel.from_arrays(list(sales[:, :-7]), freq="D", future_covariates=known)
    return panel, sales[:, -7:]


BRIEF = TrainConfig(max_epochs=1, steps_per_epoch=1)


@pytest.mark.parametrize("n_series", [1, 12])
def test_a_run_from_a_start_leaves_covariates_known_ahead_to_the_regression(n_series):
    panel, actual = promoted(n_series, 127)
    forecaster = tcn.fit(panel, None, BRIEF, horizon=7)
    assert not forecaster.conditions.has_any
    assert forecaster.manifest["by_regression"] == ["promotion"]
    assert np.abs(forecaster.predict(panel).mean - actual).mean() < 2.0


def test_a_run_sees_what_the_effects_leave(monkeypatch):
    seen = []
    module = importlib.import_module("tcn.training.fit")
    split = module.validation_batches
    monkeypatch.setattr(
        module, "validation_batches", lambda panel, *rest: seen.append(panel) or split(panel, *rest)
    )
    panel, _ = promoted(12, 127)
    tcn.fit(panel, None, BRIEF, horizon=7)
    assert np.ptp(panel.values) > 25.0
    assert np.ptp(seen[0].values) < 15.0


def test_a_run_learns_covariates_that_no_regression_is_sure_of():
    panel, _ = promoted(12, 127, effect=0.0)
    forecaster = tcn.fit(panel, None, BRIEF, horizon=7)
    assert [column.name for column in forecaster.conditions.future] == ["promotion"]
    assert forecaster.manifest["by_regression"] == []


def test_a_run_from_random_weights_learns_all_covariates():
    panel, _ = promoted(12, 60)
    forecaster = tcn.fit(panel, small(), replace(BRIEF, refit=False), start=None)
    assert [column.name for column in forecaster.conditions.future] == ["promotion"]


def test_covariates_that_end_with_the_series_are_enough_to_train_on():
    panel, _ = promoted(12, 127)
    known = [panel.future_covariates[i][0, :127] for i in range(12)]
    ended = Panel.from_arrays(list(panel), freq="D", future_covariates={"promotion": known})
    assert tcn.fit(ended, None, BRIEF, horizon=7).manifest["by_regression"] == ["promotion"]
