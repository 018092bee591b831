"""What each head must pass: `check_head(head, sample)`."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tcn.models.heads import Head

LEVELS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
N_DRAWS = 100_000

# (head, raw (n_raw,), count) -> independent draws from the distribution of `raw`, (count,) float64
Sample = Callable[[Head, Tensor, int], Tensor]


def check_head(head: Head, sample: Sample) -> None:
    """Run all laws, on raw outputs of any size and on targets drawn by `sample`."""
    check_shapes(head)
    check_quantiles_ascend(head)
    check_mean_and_quantiles_are_those_of_each(head)
    check_location_moves_everything(head)
    check_gradients_are_finite(head)
    check_loss_is_least_at_the_truth(head, sample)
    check_quantiles_match_their_level(head, sample)


def check_shapes(head: Head) -> None:
    raw = torch.randn(2, 3, 5, head.n_raw)
    assert head.loss(raw, torch.randn(2, 3, 5)).shape == (2, 3, 5)
    assert head.mean(raw).shape == (2, 3, 5)
    assert head.quantiles(raw, LEVELS).shape == (2, 3, 5, len(LEVELS))
    assert head.quantiles(raw[0], (0.3,)).shape == (3, 5, 1)


def check_quantiles_ascend(head: Head) -> None:
    for size in (0.0, 1.0, 10.0, 100.0):
        raw = size * torch.randn(500, head.n_raw)
        quantiles = head.quantiles(raw, LEVELS)
        assert torch.isfinite(quantiles).all()
        assert torch.isfinite(head.mean(raw)).all()
        assert (quantiles.diff(dim=-1) >= 0).all()


def check_mean_and_quantiles_are_those_of_each(head: Head) -> None:
    for levels in (LEVELS, (0.3,), getattr(head, "levels", LEVELS)):
        raw = 3.0 * torch.randn(200, head.n_raw)
        mean, quantiles = head.mean_and_quantiles(raw, levels)
        assert mean.dtype == quantiles.dtype == torch.float64
        torch.testing.assert_close(mean, head.mean(raw).double(), rtol=1e-5, atol=1e-5)
        expected = head.quantiles(raw, levels).double()
        torch.testing.assert_close(quantiles, expected, rtol=1e-5, atol=1e-5)
        assert (quantiles.diff(dim=-1) >= 0).all()


def check_location_moves_everything(head: Head) -> None:
    """raw[..., 0] is the location: adding to it adds to the mean and to each quantile."""
    raw = torch.randn(100, head.n_raw, dtype=torch.float64)
    moved = raw.clone()
    moved[:, 0] += 3.0
    torch.testing.assert_close(head.mean(moved), head.mean(raw) + 3.0)
    torch.testing.assert_close(head.quantiles(moved, LEVELS), head.quantiles(raw, LEVELS) + 3.0)
    target = torch.randn(100, dtype=torch.float64)
    torch.testing.assert_close(head.loss(moved, target + 3.0), head.loss(raw, target))


def check_gradients_are_finite(head: Head) -> None:
    for size in (0.0, 1.0, 30.0):
        for target in (0.0, 1e-6, 40.0, -40.0):
            raw = (size * torch.randn(200, head.n_raw)).requires_grad_()
            head.loss(raw, torch.full((200,), target)).sum().backward()
            assert torch.isfinite(raw.grad).all()


def check_loss_is_least_at_the_truth(head: Head, sample: Sample) -> None:
    """Mean loss of draws from the head's distribution is lower at its own raw outputs."""
    truth = 0.5 * torch.randn(head.n_raw, dtype=torch.float64)
    target = sample(head, truth, N_DRAWS)
    least = head.loss(truth.expand(N_DRAWS, -1), target).mean()
    for index in range(head.n_raw):
        for change in (-0.5, 0.5):
            other = truth.clone()
            other[index] += change
            assert head.loss(other.expand(N_DRAWS, -1), target).mean() > least


def check_quantiles_match_their_level(head: Head, sample: Sample) -> None:
    """A share `level` of draws lies below the quantile of that level; the mean is theirs."""
    truth = 0.5 * torch.randn(head.n_raw, dtype=torch.float64)
    target = sample(head, truth, N_DRAWS)
    for level, quantile in zip(LEVELS, head.quantiles(truth, LEVELS), strict=True):
        error = math.sqrt(level * (1.0 - level) / N_DRAWS)
        assert abs((target <= quantile).double().mean() - level) < 5.0 * error
    assert abs(target.mean() - head.mean(truth)) < 0.02 * target.std()
