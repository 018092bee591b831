"""Location and scale of each position, and the features and references made from them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tcn.series.features import N_FEATURES, encoder_features
from tcn.series.references import N_DRAFTS, N_REFERENCES, N_STEP_FEATURES, step_inputs
from tcn.series.scaling import loc_scale_at, read_history

SEASONS = torch.tensor([7, 1, 12])


def windows(seed: int = 0, length: int = 50) -> torch.Tensor:
    """Three windows (3, length): complete, with gaps, and beginning late."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, length)).cumsum(axis=1)
    values[1, rng.random(length) < 0.3] = np.nan
    values[2, :11] = np.nan
    return torch.from_numpy(values)


def all_ends(values: torch.Tensor) -> torch.Tensor:
    return torch.arange(1, values.shape[1] + 1).expand(len(values), -1)


def spread(values: np.ndarray, before: float) -> float:
    """Half the standard deviation plus half the mean change, as a loop; `before` is older."""
    seen = values[~np.isnan(values)]
    if not seen.size:
        return 0.0
    changes = np.abs(np.diff(np.concatenate([[before], seen])))
    changes = changes[~np.isnan(changes)]
    return 0.5 * seen.std() + 0.5 * (changes.mean() if changes.size else 0.0)


def slow_loc_scale(values: np.ndarray, season: int, end: int) -> tuple[float, float]:
    """What the library computes from cumulative sums, as sentences say it."""
    past = values[:end]
    seen = past[~np.isnan(past)]
    recent = past[-season if season >= 4 else -6 :]
    loc = np.nanmean(recent) if (~np.isnan(recent)).any() else seen[-1]
    width = min(max(4 * season, 24), 192)
    older = past[:-width][~np.isnan(past[:-width])]
    before = older[-1] if older.size else np.nan
    scale = max(spread(past[-width:], before), 0.1 * spread(past, np.nan))
    share = 0.1 if seen.size < 2 else 1e-9
    return loc, max(scale, share * abs(loc))


def test_location_and_scale_are_those_of_a_loop():
    values = windows(length=130)
    history = read_history(values, SEASONS)
    found = loc_scale_at(history, all_ends(values))
    loc = (found.loc + history.centre) * history.unit
    scale = found.scale * history.unit
    for row in range(3):
        first = int(torch.isfinite(values[row]).nonzero()[0])
        for end in range(first + 1, 131):
            expected = slow_loc_scale(values[row].numpy(), int(SEASONS[row]), end)
            assert float(loc[row, end - 1]) == pytest.approx(expected[0], rel=1e-9, abs=1e-9)
            assert float(scale[row, end - 1]) == pytest.approx(expected[1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("factor", [1e-300, 1e-9, 3.0, 1e300])
def test_any_unit_of_the_data_gives_the_same_features(factor):
    values = windows()
    first = encoder_features(read_history(values, SEASONS))
    second = encoder_features(read_history(values * factor, SEASONS))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shift", [-5.0, 100.0, 1e6])
def test_a_shift_changes_no_feature_of_a_series_that_begins_below_zero(shift):
    values = windows()
    values[:, :12] = torch.where(values[:, :12].isnan(), values[:, :12], -1e7)
    first = encoder_features(read_history(values, SEASONS))
    second = encoder_features(read_history(values + shift, SEASONS))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)


@given(st.integers(1, 49), st.integers(0, 20))
def test_features_up_to_a_time_ignore_what_comes_later(end, seed):
    values = windows(seed)
    other = values.clone()
    other[:, end:] = 50.0 + 20.0 * torch.randn_like(other[:, end:])
    first = encoder_features(read_history(values, SEASONS))
    second = encoder_features(read_history(other, SEASONS))
    assert first.shape == (3, N_FEATURES, 50)
    torch.testing.assert_close(first[..., :end], second[..., :end], rtol=1e-4, atol=1e-4)


def test_a_part_of_the_features_is_that_part_of_them_all():
    history = read_history(windows(), SEASONS)
    whole = encoder_features(history)
    torch.testing.assert_close(encoder_features(history, 13, 40), whole[..., 13:40])
    torch.testing.assert_close(encoder_features(history, first=45), whole[..., 45:])


def test_features_are_zero_before_the_first_value_and_finite_after():
    values = windows()
    values[1] = torch.nan
    features = encoder_features(read_history(values, SEASONS))
    assert torch.isfinite(features).all()
    assert (features[1] == 0.0).all()
    assert (features[2, :, :11] == 0.0).all()
    assert (features[2, :, 11:].abs().sum(dim=0) > 0.0).all()


def test_features_of_constant_and_extreme_series_are_bounded():
    values = torch.zeros(3, 40, dtype=torch.float64)
    values[1] = 7.0
    values[2, ::5] = 1e308
    features = encoder_features(read_history(values, SEASONS))
    assert torch.isfinite(features).all()
    assert features.abs().max() <= 8.0


def inputs_at(values: torch.Tensor, ends: list[int], horizon: int = 10):
    history = read_history(values, SEASONS)
    end = torch.tensor(ends).expand(len(values), -1)
    steps = torch.arange(1, horizon + 1).expand(*end.shape, -1)
    step = step_inputs(history, end, steps)
    assert step.references.shape == (*end.shape, horizon, N_REFERENCES)
    assert step.drafts.shape == (*end.shape, horizon, N_DRAFTS)
    assert step.steps.shape == (*end.shape, horizon, N_STEP_FEATURES)
    level = (step.scaling.loc + history.centre)[..., None, None]
    drafts = (step.drafts * step.scaling.scale[..., None, None] + level) * history.unit[
        ..., None, None
    ]
    return step, drafts


def test_the_first_draft_is_the_seasonal_naive_forecast():
    values = windows(length=60)
    values[1] = windows(1, 60)[0]
    _, drafts = inputs_at(values, [30, 60])
    for row, season in enumerate(SEASONS.tolist()):
        for origin, end in enumerate((30, 60)):
            last = values[row, end - season : end].tolist()
            expected = [last[step % season] for step in range(10)]
            np.testing.assert_allclose(drafts[row, origin, :, 0], expected, rtol=1e-5, atol=1e-5)


def test_seasonal_means_continue_a_pure_season():
    time = torch.arange(94, dtype=torch.float64)  # whole cycles of 7 and 12, and 10 steps
    values = 5.0 + torch.sin(2.0 * torch.pi * time / SEASONS[:, None])
    _, drafts = inputs_at(values[:, :84], [84])
    for row in (0, 2):
        for draft in (0, 1, 2, 3):
            np.testing.assert_allclose(drafts[row, 0, :, draft], values[row, 84:], atol=1e-5)


def test_a_line_is_continued_by_the_straight_drafts():
    values = (3.0 + 0.5 * torch.arange(60, dtype=torch.float64)).expand(3, -1)
    _, drafts = inputs_at(values, [60])
    expected = 3.0 + 0.5 * np.arange(60, 70)
    for draft in (5, 6):
        np.testing.assert_allclose(drafts[0, 0, :, draft], expected, rtol=1e-5)
    damped = drafts[0, 0, :, 7].numpy()
    assert (np.diff(damped) > 0).all()
    assert (damped < expected).all()


def test_references_ignore_what_comes_after_their_origin():
    values = windows()
    other = values.clone()
    other[:, 30:] = 99.0
    first, _ = inputs_at(values, [20, 30])
    second, _ = inputs_at(other, [20, 30])
    for name in ("references", "drafts", "steps"):
        torch.testing.assert_close(
            getattr(first, name), getattr(second, name), rtol=1e-4, atol=1e-4
        )


@given(st.integers(1, 50), st.integers(0, 20))
def test_references_are_finite_at_any_origin(end, seed):
    step, _ = inputs_at(windows(seed), [end])
    assert torch.isfinite(step.references).all()
    assert torch.isfinite(step.drafts).all()
    assert step.references.abs().max() <= 8.0
