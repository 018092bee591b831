"""Split-conformal calibration: a share `level` of later values lies below each quantile."""

import json

import numpy as np
import pytest
import torch

from tcn.config import DEFAULT_QUANTILE_LEVELS
from tcn.models.calibration import Calibration, fit_calibration
from tcn.models.heads import GaussianHead, QuantileHead, StudentTHead

N, H = 4000, 9


def targets(seed: int) -> torch.Tensor:
    """Skewed around a median of 0 and wider with each step, (N, H)."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(1.0, 3.0, H)
    return torch.from_numpy(spread * (rng.gamma(2.0, size=(N, H)) - 1.678)).float()


@pytest.mark.parametrize("head", [QuantileHead(), GaussianHead(), StudentTHead()])
def test_quantiles_cover_what_they_say_once_calibrated(head):
    raw = torch.zeros(N, H, head.n_raw)
    levels = DEFAULT_QUANTILE_LEVELS
    quantiles = head.quantiles(raw, levels)
    calibration = fit_calibration(quantiles, targets(0), torch.ones(N, H), levels)
    later = targets(1)
    before = (later[..., None] <= quantiles).double().mean(dim=(0, 1))
    shifted = quantiles + calibration.shifts(head, raw, levels, first_step=1)
    after = (later[..., None] <= shifted).double().mean(dim=(0, 1))
    expected = torch.tensor(levels, dtype=torch.float64)
    assert (before - expected).abs().max() > 0.1
    assert (after - expected).abs().max() < 0.01
    middle = (later[:, 3:6, None] <= shifted[:, 3:6]).double().mean(dim=(0, 1))
    assert (middle - expected).abs().max() < 0.02


def test_what_all_points_held_back_have_in_common_moves_nothing():
    head = QuantileHead()
    raw, levels = torch.zeros(N, H, head.n_raw), DEFAULT_QUANTILE_LEVELS
    quantiles, weight = head.quantiles(raw, levels), torch.ones(N, H)
    found = [fit_calibration(quantiles, targets(0) + by, weight, levels) for by in (0.0, 7.0)]
    shifts = [torch.tensor(calibration.values) for calibration in found]
    torch.testing.assert_close(shifts[0], shifts[1])
    assert (shifts[0][:, levels.index(0.5)] == 0.0).all()


def test_each_part_of_the_horizon_has_its_own_shifts():
    head, levels = QuantileHead((0.1, 0.5, 0.9)), (0.1, 0.5, 0.9)
    calibration = Calibration(levels, (3, 6), ((0.0,) * 3, (1.0,) * 3, (2.0,) * 3))
    raw = torch.zeros(1, 4, 3)
    width = float(head.quantiles(raw, (0.9,))[0, 0] - head.quantiles(raw, (0.1,))[0, 0])
    for first, parts in ((1, [0, 0, 0, 1]), (4, [1, 1, 1, 2]), (50, [2, 2, 2, 2])):
        shifts = calibration.shifts(head, raw, levels, first)[0, :, 0] / width
        np.testing.assert_allclose(shifts, parts, rtol=1e-6)


def test_shifts_at_other_levels_are_interpolated():
    head = GaussianHead()
    calibration = Calibration((0.1, 0.5, 0.9), (), ((-1.0, 0.0, 1.0),))
    shifts = calibration.shifts(head, torch.zeros(1, 1, 2), (0.1, 0.3, 0.5, 0.7), 1)[0, 0]
    assert (shifts.diff() > 0).all()
    assert shifts[1] == pytest.approx(-float(shifts[3]))


def test_values_that_were_not_seen_do_not_count():
    levels = (0.1, 0.5, 0.9)
    quantiles = GaussianHead().quantiles(torch.zeros(N, H, 2), levels)
    target, weight = targets(0), torch.ones(N, H)
    expected = fit_calibration(quantiles[:2000], target[:2000], weight[:2000], levels)
    target[2000:], weight[2000:] = 1e6, 0.0
    assert fit_calibration(quantiles, target, weight, levels) == expected


LEVELS = (0.1, 0.5, 0.9)


def widening(factor: float, n_windows: int, before: Calibration | None = None, seed: int = 0):
    """Of intervals of the standard normal, where targets are `factor` times as far away."""
    quantiles = GaussianHead().quantiles(torch.zeros(n_windows, 8, 2), LEVELS)
    unit = float(quantiles[0, 0, 2]) / 1.28155
    target = torch.randn(n_windows, 8, generator=torch.Generator().manual_seed(seed))
    found = fit_calibration(
        quantiles,
        factor * unit * target,
        torch.ones(n_windows, 8),
        LEVELS,
        n_apart=n_windows,
        before=before,
    )
    return found.widening


def test_few_windows_only_widen_and_by_no_less_than_before():
    before = Calibration(LEVELS, (), ((-0.25, 0.0, 0.25),))
    assert before.widening == pytest.approx(1.5)
    assert widening(0.1, 2) == pytest.approx(1.25)
    assert widening(0.1, 2, before) == pytest.approx(1.5)
    assert 1.25 < widening(100.0, 1) < 2.5
    assert widening(3.0, 1) <= widening(3.0, 3) <= widening(3.0, 7)


def test_no_window_leaves_what_was_known_before():
    quantiles = torch.zeros(0, 4, 3)
    empty = torch.zeros(0, 4)
    found = fit_calibration(quantiles, empty, empty, LEVELS, n_apart=0)
    assert found.widening == pytest.approx(1.25)


def test_a_few_windows_widen_nearly_as_far_as_they_are_missed():
    found = np.mean([widening(2.5, 7, seed=seed) for seed in range(20)])
    assert 1.8 < found < 3.0


def test_many_windows_of_one_time_count_as_few():
    quantiles = GaussianHead().quantiles(torch.zeros(100, 8, 2), LEVELS)
    target, weight = 0.01 * torch.randn(100, 8), torch.ones(100, 8)
    assert fit_calibration(quantiles, target, weight, LEVELS).widening < 0.5
    assert fit_calibration(quantiles, target, weight, LEVELS, n_apart=3).widening > 1.2


@pytest.mark.parametrize("horizon", [1, 2, 3, 20])
def test_any_horizon_has_parts_and_goes_through_json_unchanged(horizon):
    levels = (0.1, 0.5, 0.9)
    quantiles = GaussianHead().quantiles(torch.zeros(99, horizon, 2), levels)
    target = torch.randn(99, horizon)
    calibration = fit_calibration(quantiles, target, torch.ones(99, horizon), levels)
    assert len(calibration.values) == len(calibration.bounds) + 1 == min(horizon, 3)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
