"""What each forecasting network must pass: `check_network(config, directory)`."""

from pathlib import Path

import torch
from torch import Tensor, nn

import tcn
from tcn.config import TCNConfig, WaveNetConfig
from tcn.forecaster import Forecaster
from tcn.models import ForecastNetwork, NetworkInputs
from tcn.training.origins import Targets, origin_ends, training_pairs, weighted_loss

Config = TCNConfig | WaveNetConfig

N, LENGTH, READ, SEASON = 3, 61, 49, 6
STEPS = (1, 2, 5)


def check_network(config: Config, directory: Path) -> None:
    """Run all laws on a network of random weights."""
    check_batch_mates_do_not_matter(config)
    check_missing_values_do_not_leak(config)
    check_saved_weights_are_the_same(config, directory)
    check_every_weight_learns(config)
    check_loss_falls_on_one_batch(config)
    check_later_values_do_not_matter(config)
    check_on_demand_equals_dense(config)
    if config.head == "quantile":
        check_export(config)
    check_threads_are_left_alone(config)


def random_network(config: Config) -> ForecastNetwork:
    """A network in which no weight is zero, in eval mode."""
    network = ForecastNetwork(config)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.5 * max(weight[0].numel(), 4) ** -0.5)
    return network.eval()


def random_values(length: int = LENGTH) -> Tensor:
    """Seasonal series with noise and a few missing values, (N, length) float64."""
    time = torch.arange(length, dtype=torch.float64)
    season = torch.sin(2.0 * torch.pi * time / SEASON)
    values = 5.0 + season + 0.3 * torch.randn(N, length, dtype=torch.float64)
    values[1, 7:12] = torch.nan
    return values


def batch(
    config: Config, values: Tensor, read: int, origins: Tensor
) -> tuple[NetworkInputs, Targets]:
    """Inputs and targets at `origins` (O,) of windows of which the encoder reads `read` values.

    Covariates depend on position and row alone, so that two windows agree where they overlap.
    """
    n = len(values)
    origins = origins.expand(n, -1)
    steps = torch.tensor(STEPS).expand(n, origins.shape[1], -1)
    season = torch.full((n,), SEASON)
    pairs = training_pairs(values, season, read, origins, steps, config.patch_length)
    rows = torch.arange(n)[:, None, None]
    ends = origin_ends(origins, read, config.patch_length)
    n_past, n_future = len(config.past_covariates), len(config.future_covariates)
    n_context, n_static = 2 * (n_past + n_future), len(config.static_covariates)
    channel = torch.arange(n_context)[:, None]
    context = torch.sin(rows + 3.0 * channel + 0.7 * torch.arange(read))
    known = torch.cos((ends[:, :, None] + steps)[..., None] + 2.0 * torch.arange(n_future))
    static = torch.sin(rows[:, 0] + 0.9 * torch.arange(n_static))
    inputs = NetworkInputs(
        torch.cat([pairs.inputs.features, context.float()], dim=1),
        pairs.inputs.step,
        known.float() if n_future else None,
        static.float() if n_static else None,
    )
    return inputs, pairs.targets


def patches_in(config: Config, read: int) -> int:
    return -(-read // config.patch_length)


def row(inputs: NetworkInputs, index: int) -> NetworkInputs:
    """The inputs of one window."""
    kept = slice(index, index + 1)
    step = inputs.step
    return NetworkInputs(
        inputs.features[kept],
        step._replace(
            references=step.references[kept], drafts=step.drafts[kept], steps=step.steps[kept]
        ),
        None if inputs.known is None else inputs.known[kept],
        None if inputs.static is None else inputs.static[kept],
    )


def check_batch_mates_do_not_matter(config: Config) -> None:
    network = random_network(config)
    origins = torch.tensor([3, patches_in(config, READ) - 1])
    inputs, _ = batch(config, random_values(), READ, origins)
    raw = network(inputs, origins.expand(N, -1))
    assert raw.shape == (N, 2, len(STEPS), network.distribution.n_raw)
    for index in range(N):
        alone = network(row(inputs, index), origins[None])
        torch.testing.assert_close(alone[0], raw[index], rtol=1e-4, atol=1e-5)


def check_missing_values_do_not_leak(config: Config) -> None:
    """Outputs are finite, and values missing before the start are as if they were not there."""
    network = random_network(config)
    pad = -READ % config.patch_length
    values = random_values()
    origins = torch.arange(patches_in(config, READ))
    raw = network(batch(config, values, READ, origins)[0], origins.expand(N, -1))
    assert torch.isfinite(raw).all()
    if config.past_covariates or config.future_covariates:
        return
    padded = nn.functional.pad(values, (pad, 0), value=torch.nan)
    same = network(batch(config, padded, READ + pad, origins)[0], origins.expand(N, -1))
    torch.testing.assert_close(same, raw, rtol=1e-3, atol=1e-4)


def check_saved_weights_are_the_same(config: Config, directory: Path) -> None:
    network = random_network(config)
    origins = torch.tensor([patches_in(config, READ) - 1])
    inputs, _ = batch(config, random_values(), READ, origins)
    tcn.save(Forecaster(config, network), directory / "model")
    loaded = tcn.load(directory / "model")
    assert loaded.config == config
    assert torch.equal(loaded.network(inputs), network(inputs))


def check_every_weight_learns(config: Config) -> None:
    """Gradients are finite, and no weight is left without one."""
    network = random_network(config)
    origins = torch.arange(patches_in(config, READ))
    inputs, targets = batch(config, random_values(), READ, origins)
    raw = network(inputs, origins.expand(N, -1))
    weighted_loss(network.distribution, raw, targets).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


def check_loss_falls_on_one_batch(config: Config) -> None:
    network = ForecastNetwork(config).train()
    origins = torch.arange(2, patches_in(config, READ))
    inputs, targets = batch(config, random_values(), READ, origins)
    optimiser = torch.optim.AdamW(network.parameters(), lr=6e-3)
    losses = []
    for _ in range(12):
        loss = weighted_loss(network.distribution, network(inputs, origins.expand(N, -1)), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.03 * abs(losses[0])


def check_later_values_do_not_matter(config: Config) -> None:
    """Outputs at an origin are the same whatever comes after it."""
    network = random_network(config)
    values = random_values()
    origin = patches_in(config, READ) // 2
    origins = torch.arange(origin + 1)
    end = int(origin_ends(torch.tensor(origin), READ, config.patch_length))
    other = values.clone()
    other[:, end:] = 9.0 + 5.0 * torch.randn_like(other[:, end:])
    raw = network(batch(config, values, READ, origins)[0], origins.expand(N, -1))
    same = network(batch(config, other, READ, origins)[0], origins.expand(N, -1))
    torch.testing.assert_close(same, raw, rtol=1e-3, atol=1e-4)
    moved = other.clone()
    moved[:, end - 1] += 1.0
    different = network(batch(config, moved, READ, origins)[0], origins.expand(N, -1))
    assert (different[:, -1] - same[:, -1]).abs().max() > 1e-3


def check_on_demand_equals_dense(config: Config) -> None:
    """The newest origin of a window that was cut is the same origin of the whole window."""
    network = random_network(config)
    values = random_values()
    for origin in range(1, patches_in(config, READ), 4):
        origins = torch.tensor([origin])
        end = int(origin_ends(origins, READ, config.patch_length))
        dense = network(batch(config, values, READ, origins)[0], origins.expand(N, -1))
        last = network(batch(config, values[:, :end], end, origins)[0])
        torch.testing.assert_close(last, dense, rtol=1e-3, atol=1e-4)


def check_export(config: Config) -> None:
    network = random_network(config)
    origins = torch.tensor([patches_in(config, READ) - 1])
    inputs, _ = batch(config, random_values(), READ, origins)
    exported = torch.export.export(network, (inputs,)).module()
    torch.testing.assert_close(exported(inputs), network(inputs))


def check_threads_are_left_alone(config: Config) -> None:
    network = random_network(config)
    origins = torch.tensor([patches_in(config, READ) - 1])
    inputs, _ = batch(config, random_values(), READ, origins)
    before = torch.get_num_threads()
    with torch.inference_mode():
        raw = network(inputs)
    assert raw.is_inference()
    assert torch.get_num_threads() == before
