"""Training windows, origins and targets: what is drawn, and what is never seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tcn.errors import DataError
from tcn.models.heads import GaussianHead
from tcn.models.precision import number_format
from tcn.series import Panel
from tcn.series.conditions import Column, Conditions
from tcn.series.features import N_FEATURES
from tcn.series.scaling import loc_scale_at, read_history
from tcn.training.averaging import MovingAverage
from tcn.training.loop import parameter_groups, warmup_then_linear
from tcn.training.origins import (
    LARGEST_Z,
    Targets,
    origin_ends,
    random_origins,
    random_steps,
    step_targets,
    weighted_loss,
)
from tcn.training.windows import PanelBatches, WindowSettings, split_by_time, validation_batches

SETTINGS = WindowSettings(
    horizon=5, context_length=40, patch_length=4, positions=400, origins=6, steps=3, seed=0
)


def panel_of_lengths(*lengths: int) -> Panel:
    rng = np.random.default_rng(0)
    return Panel.from_arrays([rng.normal(size=n).cumsum() for n in lengths], season_length=4)


def batches_of(panel: Panel, held_back: int | None = None) -> tuple[PanelBatches, np.ndarray]:
    lengths = split_by_time(panel, SETTINGS.horizon, held_back).train_lengths
    seasons = np.full(len(panel), 4)
    return PanelBatches(panel, lengths, seasons, Conditions(), SETTINGS), lengths


def test_the_end_of_each_series_is_held_back():
    split = split_by_time(panel_of_lengths(7, 8, 30, 200), 5, None)
    assert split.train_lengths.tolist() == [7, 3, 25, 180]
    assert set(split.windows.rows.tolist()) == {1, 2, 3}
    for row, first, last in ((1, 3, 3), (2, 25, 25), (3, 180, 195)):
        ends = split.windows.ends[split.windows.rows == row]
        assert (ends.min(), ends.max()) == (first, last)
    split = split_by_time(panel_of_lengths(30, 200), 5, 10)
    assert split.train_lengths.tolist() == [20, 190]


def test_a_series_ends_with_its_last_known_value():
    panel = panel_of_lengths(30, 20, 40)
    panel.values[24:30] = np.nan
    panel.values[50:] = np.nan
    split = split_by_time(panel, 5, None)
    assert split.train_lengths.tolist() == [19, 15, 0]
    assert set(zip(split.windows.rows.tolist(), split.windows.ends.tolist(), strict=True)) == {
        (0, 19),
        (1, 15),
    }


def test_there_are_only_so_many_validation_windows():
    split = split_by_time(panel_of_lengths(*[20] * 3000), 5, None)
    assert len(split.windows.rows) == 1024
    assert split.windows.rows.max() > 2900
    split = split_by_time(panel_of_lengths(100_000), 5, None)
    assert len(split.windows.rows) == 1024


def test_a_panel_without_a_long_series_is_refused():
    with pytest.raises(DataError, match=r"8 points that a horizon of 5 needs .* longest has 7\."):
        split_by_time(panel_of_lengths(7, 2), 5, None)


def test_batches_depend_on_seed_and_step_alone():
    batches, _ = batches_of(panel_of_lengths(30, 60, 90))
    again, _ = batches_of(panel_of_lengths(30, 60, 90))
    batches(7)
    first, second = batches(3), again(3)
    assert torch.equal(first.inputs.features, second.inputs.features)
    assert torch.equal(first.targets.values, second.targets.values)
    assert not torch.equal(first.targets.values, batches(4).targets.values)
    again.settings = replace(SETTINGS, seed=1)
    assert first.targets.values.shape != again(3).targets.values.shape or not torch.equal(
        first.targets.values, again(3).targets.values
    )


def test_what_is_held_back_is_never_trained_on():
    panel = panel_of_lengths(9, 30, 60, 90)
    batches, lengths = batches_of(panel)
    spoiled = panel.values.copy()
    for index, length in enumerate(lengths):
        spoiled[panel.offsets[index] + length : panel.offsets[index + 1]] = 1e9
    other, _ = batches_of(replace(panel, values=spoiled))
    for step in range(20):
        first, second = batches(step), other(step)
        assert torch.equal(first.inputs.features, second.inputs.features)
        assert torch.equal(first.targets.values, second.targets.values)
        assert torch.equal(first.targets.weights, second.targets.weights)


def test_windows_are_cut_from_series_that_are_as_long():
    batches, _ = batches_of(panel_of_lengths(12, 30, 60, 90))
    lengths = set()
    for step in range(30):
        observed = batches(step).inputs.features[:, 1]
        assert (observed == 1.0).all()
        lengths.add(observed.shape[1])
    assert min(lengths) < 12 < max(lengths)


def test_longer_series_are_drawn_more_often_and_those_too_short_never():
    batches, lengths = batches_of(panel_of_lengths(3, 21, 40, 46))
    assert lengths.tolist() == [3, 16, 35, 41]
    rng = np.random.default_rng(0)
    drawn = np.bincount(batches._draw(rng, 20_000, 0), minlength=4) / 20_000
    weight = np.sqrt(np.minimum([0, 16, 35, 41], batches.length))
    np.testing.assert_allclose(drawn, weight / weight.sum(), atol=0.02)
    some = np.bincount(batches._draw(rng, 20_000, 2), minlength=4) / 20_000
    np.testing.assert_allclose(some, [0, 0, *(weight[2:] / weight[2:].sum())], atol=0.02)


def numbered_panel() -> Panel:
    """Covariates tell the number of each step, of which every seventh has no value."""
    lengths, ahead = (50, 90), 5
    steps = [np.arange(float(n + ahead)) for n in lengths]
    values = [np.where(each % 7 == 3, np.nan, each**0.5)[:-ahead] for each in steps]
    return Panel.from_arrays(
        values,
        past_covariates={"p": [each[:-ahead] / 10 for each in steps]},
        future_covariates={"f": [each / 10 for each in steps]},
    )


def check_steps(features: torch.Tensor, known: torch.Tensor, weights: torch.Tensor) -> None:
    """Values, covariates and targets are of the same steps; all tensors of one batch."""
    past, is_past, future, is_future = features[:, N_FEATURES:].unbind(1)
    number, target = (past * 10).round(), (known[..., 0] * 10).round()
    inside = is_past > 0
    assert torch.equal(inside, is_future > 0)
    assert torch.equal(past[inside], future[inside])
    assert torch.equal(features[:, 1] > 0, inside & (number % 7 != 3))
    assert torch.equal(weights > 0, target % 7 != 3)


def test_covariates_stand_beside_the_values_and_targets_of_their_step():
    panel, seasons = numbered_panel(), np.full(2, 4)
    conditions = Conditions((Column("p"),), (Column("f"),))
    split = split_by_time(panel, SETTINGS.horizon, None)
    batches = PanelBatches(panel, split.train_lengths, seasons, conditions, SETTINGS)
    for step in range(8):
        (features, _, known, _), origins, targets = batches(step)
        check_steps(features, known, targets.weights)
        ends = origin_ends(origins, features.shape[2], SETTINGS.patch_length)
        newest = (features[:, N_FEATURES].gather(1, ends - 1) * 10).round()
        ahead = (known[..., 0] * 10).round() - newest[:, :, None]
        assert ((ahead >= 1) & (ahead <= SETTINGS.horizon)).all()
    held_back = validation_batches(panel, split.windows, seasons, conditions, SETTINGS, 24)
    for (features, _, known, _), targets in held_back:
        check_steps(features, known, targets.weights)
        newest = (features[:, N_FEATURES, -1:, None] * 10).round()
        assert ((known[..., 0] * 10).round() - newest == torch.arange(1.0, 6.0)).all()


def test_targets_are_the_data_in_units_of_their_origin():
    values = torch.randn(2, 30, dtype=torch.float64)
    values[0, 12] = torch.nan
    history = read_history(values, torch.tensor([4, 1]))
    ends = torch.tensor([[10, 20], [10, 29]])
    steps = torch.tensor([1, 3, 5]).expand(2, 2, 3)
    scaling = loc_scale_at(history, ends)
    targets = step_targets(history, ends, steps, scaling)
    for row in range(2):
        for origin in range(2):
            for index, step in enumerate((1, 3, 5)):
                at = int(ends[row, origin]) - 1 + step
                if at >= 30 or torch.isnan(values[row, at]):
                    assert targets.weights[row, origin, index] == 0.0
                    continue
                level = scaling.loc[row, origin] + history.centre[row, 0]
                z = (values[row, at] / history.unit[row, 0] - level) / scaling.scale[row, origin]
                assert float(targets.values[row, origin, index]) == pytest.approx(float(z), 1e-5)
                assert targets.weights[row, origin, index] > 0.0


def test_far_targets_are_cut_and_count_less():
    values = torch.ones(1, 20, dtype=torch.float64)
    values[0, ::2] = 1.1
    values[0, 15] = 1e6
    history = read_history(values, torch.tensor([1]))
    ends, steps = torch.tensor([[14]]), torch.tensor([[[1, 2]]])
    targets = step_targets(history, ends, steps, loc_scale_at(history, ends))
    near, far = targets.values[0, 0].abs().tolist()
    assert far == LARGEST_Z > near
    assert targets.weights[0, 0, 1] < 0.2 * targets.weights[0, 0, 0]


def test_the_loss_is_a_mean_over_what_was_seen():
    head = GaussianHead()
    raw, values = torch.randn(2, 3, 4, 2), torch.randn(2, 3, 4)
    weights = (torch.rand(2, 3, 4) > 0.3).float()
    expected = head.loss(raw, values)[weights > 0].mean()
    torch.testing.assert_close(weighted_loss(head, raw, Targets(values, weights)), expected)
    values[weights == 0] = 1e6
    torch.testing.assert_close(weighted_loss(head, raw, Targets(values, weights)), expected)
    nothing = weighted_loss(head, raw, Targets(values, torch.zeros(2, 3, 4)))
    assert float(nothing) == 0.0


@given(st.integers(0, 50), st.integers(-3, 60), st.integers(1, 9), st.integers(0, 99))
def test_origins_lie_in_their_range_in_order(first, room, count, seed):
    generator = torch.Generator().manual_seed(seed)
    start = torch.tensor([first, 0])
    stop = start + torch.tensor([room, 7])
    origins = random_origins(generator, start, stop, count)
    assert origins.shape == (2, count)
    assert (origins >= start[:, None]).all()
    assert (origins < torch.maximum(stop, start + 1)[:, None]).all()
    assert (origins.diff(dim=1) >= 0).all()


@given(st.integers(-2, 30), st.integers(1, 9), st.integers(1, 20), st.integers(0, 99))
def test_steps_lie_within_what_is_left_of_the_window(room, count, furthest, seed):
    generator = torch.Generator().manual_seed(seed)
    steps = random_steps(generator, torch.full((2, 3), room), count, furthest)
    assert steps.shape == (2, 3, count)
    assert steps.min() >= 1
    assert steps.max() <= max(min(room, furthest), 1)


@given(st.integers(1, 60), st.integers(1, 8))
def test_the_newest_origin_ends_where_the_window_does(length, patch):
    n_patches = -(-length // patch)
    ends = origin_ends(torch.arange(n_patches), length, patch)
    assert ends[-1] == length
    assert ends[0] >= 1
    assert (ends.diff() == patch).all()


def test_validation_windows_compare_with_the_steps_after_them():
    panel = panel_of_lengths(20, 33, 90)
    split = split_by_time(panel, 5, None)
    seasons = np.full(3, 4)
    batches = validation_batches(panel, split.windows, seasons, Conditions(), SETTINGS, 24)
    assert sum(len(targets.values) for _, targets in batches) == len(split.windows.rows)
    for inputs, targets in batches:
        assert inputs.features.shape[2] <= 24
        assert targets.values.shape[1:] == (1, 5)
        assert (targets.weights > 0).all()


def test_the_learning_rate_rises_stays_and_falls_to_nothing():
    rate = warmup_then_linear(2.0, 10, 100, hold=0.5)
    assert [rate(step) for step in (0, 4, 9, 50)] == [0.2, 1.0, 2.0, 2.0]
    assert rate(75) == pytest.approx(1.0)
    assert rate(100) == 0.0
    assert warmup_then_linear(2.0, 0, 10)(0) == 2.0


def test_the_moving_average_follows_the_weights():
    network = nn.Linear(2, 1)
    average = MovingAverage(network, 0.9)
    with torch.no_grad():
        network.weight.add_(1.0)
    for step in range(200):
        average.update(network, step)
    torch.testing.assert_close(average.weights["weight"], network.weight.detach())
    last = MovingAverage(network, 0.0)
    with torch.no_grad():
        network.weight.add_(1.0)
    last.update(network, 1)
    assert torch.equal(last.weights["weight"], network.weight.detach())


def test_biases_and_norms_do_not_decay():
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    matrices, others = parameter_groups(network, 0.1)
    assert [p.shape for p in matrices["params"]] == [(3, 2)]
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(others["params"]) == 3


def test_a_number_format_can_be_asked_for():
    assert number_format("bfloat16") == torch.bfloat16
    assert number_format("float32") == torch.float32
    assert number_format("auto") in {torch.bfloat16, torch.float32}
