"""Weights on the way from those of a start to those after training."""

import torch
from torch import Tensor

from tcn.models.forecast import ForecastNetwork
from tcn.training.validation import HeldBack, validation_loss

SHARES_OF_TRAINING = (0.0, 0.25, 0.5, 0.75, 1.0)
HALF = 0.5
MOST_OF_FEW = ((2, 0.25), (8, 0.5))  # of the way, with fewer windows apart than the first number
MANY = 8
NEARLY_BEST = 0.01  # of the loss: what a share nearer to the start may lose


def pull_back(
    network: ForecastNetwork,
    first: ForecastNetwork,
    held_back: HeldBack,
    n_apart: int,
    *,
    is_refitted: bool,
) -> tuple[float, float]:
    """Move the weights back towards the first as far as they validate nearly as well.

    n_apart: windows held back that do not overlap.

    Returns the share of the way that is kept, and its loss. Weights between a pretrained and a
    fine-tuned network often beat both (Wortsman et al. 2022, arXiv:2109.01903).
    """
    trained = weights_of(network)
    losses = {}
    for share in SHARES_OF_TRAINING:
        set_between(network, first, trained, share)
        with torch.inference_mode():
            losses[share] = validation_loss(network, held_back)
    best = share_to_keep(losses, n_apart, is_refitted=is_refitted)
    set_between(network, first, trained, best)
    return best, losses[best]


def share_to_keep(losses: dict[float, float], n_apart: int, *, is_refitted: bool) -> float:
    """Share of the way from the first weights by the validation losses of several.

    Of shares that differ by next to nothing, the smallest is the safest. A run that is repeated on
    all points will know more than was validated: it keeps half at least, unless half does harm.
    One window, or few, say little of the next ones: then a quarter, or half, is the most.
    """
    most = next((share for few, share in MOST_OF_FEW if n_apart < few), 1.0)
    nearly = {share: loss + NEARLY_BEST * abs(loss) for share, loss in losses.items()}
    allowed = {share: loss for share, loss in losses.items() if share <= most}
    lowest = min(allowed, key=allowed.__getitem__)
    safest = min(share for share, loss in allowed.items() if loss <= nearly[lowest])
    if is_refitted and n_apart >= MANY and losses[HALF] <= nearly[0.0]:
        return max(safest, HALF)
    return safest


def weights_of(network: ForecastNetwork) -> dict[str, Tensor]:
    """Copies of all parameters by name."""
    return {name: value.detach().clone() for name, value in network.named_parameters()}


@torch.no_grad()
def set_between(
    network: ForecastNetwork, first: ForecastNetwork, last: dict[str, Tensor], share: float
) -> None:
    """Put weights into `network`: a share of the way from those of `first` to `last`."""
    begin = dict(first.named_parameters())
    for name, value in network.named_parameters():
        value.copy_(last[name] if share == 1.0 else torch.lerp(begin[name], last[name], share))
