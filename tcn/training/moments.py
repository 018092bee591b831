"""Batch norms in training: their running moments, and the biases that they take away again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from tcn.models.image.modules import OneRow

BATCH_NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def cancelled_biases(network: nn.Module) -> list[nn.Parameter]:
    """Biases of layers right before a batch norm, which subtracts them again with the mean."""
    found = []
    for sequence in network.modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        for layer, norm in pairwise(sequence):
            inner = layer.layer if isinstance(layer, OneRow) else layer
            bias = getattr(inner, "bias", None)
            if isinstance(norm, BATCH_NORMS) and isinstance(bias, nn.Parameter):
                found.append(bias)
    return found


@contextmanager
def resting_biases(network: nn.Module) -> Iterator[None]:
    """Inside, biases without effect are not trained.

    Their gradient is zero but for rounding, and Adam turns rounding into steps of full size: the
    bias wanders, the running mean lags behind it, and a network that is right in training is wrong
    afterwards.
    """
    biases = [bias for bias in cancelled_biases(network) if bias.requires_grad]
    for bias in biases:
        bias.requires_grad_(False)
    try:
        yield
    finally:
        for bias in biases:
            bias.requires_grad_(True)


class RunningMoments:
    """The running means and variances of a network's batch norms.

    A moving average of small momentum is far from the truth for its first hundred steps. Here the
    moments begin as plain means over the batches seen, and move on with the norm's momentum once
    that is the larger weight.
    """

    def __init__(self, network: nn.Module) -> None:
        self.norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
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
