"""What the points held back tell of a network: its loss, and how its quantiles are calibrated."""

import torch

from tcn.config import DEFAULT_QUANTILE_LEVELS
from tcn.models.calibration import HIGH, LOW, Calibration, fit_calibration
from tcn.models.forecast import ForecastNetwork
from tcn.models.inputs import NetworkInputs
from tcn.training.origins import Targets, weighted_loss

HeldBack = list[tuple[NetworkInputs, Targets]]


def validation_loss(network: ForecastNetwork, held_back: HeldBack) -> float:
    """Mean loss over the held-back windows."""
    total, count = 0.0, 0
    for inputs, targets in held_back:
        number = int(targets.weights.count_nonzero())
        loss = weighted_loss(network.distribution, network(inputs), targets)
        total, count = total + float(loss) * number, count + number
    return total / max(count, 1)


def calibrate(
    network: ForecastNetwork, held_back: HeldBack, n_apart: int, before: Calibration | None
) -> Calibration:
    """Shifts of the quantiles by which they hold their share of the held-back windows.

    n_apart: windows that do not overlap. before: of the network that training began with.
    """
    head = network.distribution
    trained = getattr(head, "levels", None) or DEFAULT_QUANTILE_LEVELS
    levels = tuple(sorted({*trained, LOW, HIGH}))
    with torch.inference_mode():
        quantiles = [head.quantiles(network(inputs)[:, 0], levels) for inputs, _ in held_back]
    target = torch.cat([targets.values[:, 0] for _, targets in held_back])
    weight = torch.cat([targets.weights[:, 0] for _, targets in held_back])
    return fit_calibration(
        torch.cat(quantiles), target, weight, levels, n_apart=n_apart, before=before
    )
