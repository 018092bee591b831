"""Small networks with random weights, and generation by computing the whole past anew."""

import numpy as np
import torch
from torch import nn

from tcn.generator import WaveformGenerator
from tcn.layers import Condition
from tcn.models.waveform import WaveformConfig, WaveformNetwork

SIZES = {"channels": 6, "skip_channels": 9, "n_levels": 32, "n_components": 3}
CONFIGS = {
    "categorical": WaveformConfig(dilations=(1, 2, 4), **SIZES),
    "logistic": WaveformConfig("logistic", dilations=(1, 2, 4, 1, 2), kernel_size=3, **SIZES),
    "gaussian": WaveformConfig("gaussian", mu=None, dilations=(4, 1, 3), **SIZES),
    "pointwise": WaveformConfig(dilations=(1, 1), kernel_size=1, **SIZES),
    "conditioned": WaveformConfig(
        "logistic", dilations=(1, 2, 4), constant_channels=2, step_channels=3, **SIZES
    ),
}


def random_network(config, dtype=torch.float64):
    """A network in which no weight is zero, so that each path shows."""
    network = WaveformNetwork(config).to(dtype).eval()
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.8 * max(weight[0].numel(), 2) ** -0.5)
    return network


def random_conditions(config, n_series, length):
    random = np.random.default_rng(7)
    constant = random.normal(size=(n_series, config.constant_channels))
    steps = random.normal(size=(n_series, config.step_channels, length))
    return {
        "constant": constant if config.constant_channels else None,
        "steps": steps if config.step_channels else None,
    }


def generate_anew(generator, n_samples, prefix, seed, temperature, constant, steps):
    """The same waveforms, companded, with the network run over all that came before each sample."""
    network, n_series = generator.network, len(prefix)
    dtype = next(network.parameters()).dtype
    condition = Condition(
        None if constant is None else torch.tensor(constant, dtype=dtype),
        None if steps is None else torch.tensor(steps, dtype=dtype),
    )
    randoms = [np.random.default_rng([seed, row]) for row in range(n_series)]
    draws = np.stack([network.output.draws(random, n_samples) for random in randoms], axis=1)
    values = np.concatenate([np.zeros((n_series, 1)), prefix], axis=1)
    for place in range(n_samples):
        length = values.shape[1]
        x = torch.tensor(values[:, None], dtype=dtype)
        with torch.inference_mode():
            raw = network(x, condition.piece(0, length))[:, :, -1].numpy()
        new = network.output.sample(raw, draws[place], temperature)
        values = np.concatenate([values, new[:, None]], axis=1)
    return values[:, 1 + prefix.shape[1] :]


def generator_of(name, dtype=torch.float64):
    config = CONFIGS[name]
    return WaveformGenerator(config, random_network(config, dtype))
