"""What a forecasting network reads, as one value."""

from typing import NamedTuple

from torch import Tensor

from tcn.series.references import StepInputs


class NetworkInputs(NamedTuple):
    """Inputs for N windows of length L, O origins each and H steps per origin."""

    features: Tensor  # (N, F, L) float32, the last column is the newest position
    step: StepInputs
    known: Tensor | None = None  # (N, O, H, K) future covariates at each step, standardised
    static: Tensor | None = None  # (N, S) static covariates, standardised
