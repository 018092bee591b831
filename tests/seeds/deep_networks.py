"""Networks of twenty layers, and how their gradients change from the last to the first."""

import torch
from torch import nn
from torch.nn import functional

from tcn.layers import Conv2d
from tcn.models.image import ImageConfig, ImageNetwork, specs


def deep_network(*, norm, alpha=0.3):
    layers = []
    for _ in range(20):
        layers.append(specs.Conv(channels=16))
        layers += [specs.BatchNorm()] if norm else []
        layers.append(specs.LeakyReLU(alpha=alpha))
    return ImageNetwork(
        ImageConfig((6, 6, 2), (*layers, specs.GlobalPool(), specs.Dense(units=10)))
    ).train()


def gradient_ratio(network, scale=1.0):
    """Norm of the gradient at the output of the first hidden layer over that at the last.

    scale: what the weights of a Glorot-uniform initialisation are multiplied by.
    """
    outputs = []
    for module in network.body:
        if isinstance(module, Conv2d):
            module.weight.data.mul_(scale)
        if isinstance(module, nn.LeakyReLU):
            module.register_forward_hook(lambda _module, _inputs, y: outputs.append(y))
    labels = torch.arange(64) % 10
    loss = functional.cross_entropy(network(torch.randn(64, 2, 6, 6)), labels)
    gradients = torch.autograd.grad(loss, outputs)
    return float(gradients[0].norm() / gradients[-1].norm())
