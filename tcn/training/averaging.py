"""Moving average of weights."""

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of a network's parameters (Polyak averaging).

    Early on the average forgets faster, so that it does not hold on to the first weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the weights after optimiser step `step`."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        own = [value.detach() for _, value in network.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), own, 1.0 - decay)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Go on from stored weights."""
        for name, value in self.weights.items():
            value.copy_(weights[name])
