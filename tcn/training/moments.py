"""Running moments of batch norms, for training that is short or keeps earlier weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class RunningMoments:
    """The running means and variances of a network's batch norms.

    A moving average of small momentum is far from the truth for its first hundred steps. Here the
    moments begin as plain means over the batches seen, and move on with the norm's momentum once
    that is the larger weight.
    """

    def __init__(self, network: nn.Module) -> None:
        kinds = nn.BatchNorm1d | nn.BatchNorm2d
        self.norms = [module for module in network.modules() if isinstance(module, kinds)]
        self.momenta = [norm.momentum for norm in self.norms]

    def prepare(self) -> None:
        """Before a training step: let the newest batch weigh as much as each one before it."""
        for norm, momentum in zip(self.norms, self.momenta, strict=True):
            if norm.num_batches_tracked is not None and momentum is not None:
                norm.momentum = max(momentum, 1.0 / (int(norm.num_batches_tracked) + 1))

    def restore(self) -> None:
        """After training: the momenta of the config."""
        for norm, momentum in zip(self.norms, self.momenta, strict=True):
            norm.momentum = momentum

    @torch.no_grad()
    def measure(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        """Take the plain means over `batches` for the network's present weights."""
        for norm in self.norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for inputs in batches:
            network(inputs)
        for norm in self.norms:
            norm.eval()
        self.restore()
