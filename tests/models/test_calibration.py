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


def test_too_few_windows_shift_nothing():
    levels = (0.1, 0.5, 0.9)
    quantiles = GaussianHead().quantiles(torch.zeros(10, 4, 2), levels)
    calibration = fit_calibration(quantiles, targets(0)[:10, :4], torch.ones(10, 4), levels)
    assert set(sum(calibration.values, ())) == {0.0}


@pytest.mark.parametrize("horizon", [1, 2, 3, 20])
def test_any_horizon_has_parts_and_goes_through_json_unchanged(horizon):
    levels = (0.1, 0.5, 0.9)
    quantiles = GaussianHead().quantiles(torch.zeros(99, horizon, 2), levels)
    target = torch.randn(99, horizon)
    calibration = fit_calibration(quantiles, target, torch.ones(99, horizon), levels)
    assert len(calibration.values) == len(calibration.bounds) + 1 == min(horizon, 3)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
