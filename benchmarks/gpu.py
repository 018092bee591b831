"""What a CUDA device gives: training, forecasts, streams and images, each beside the plain way.

    python -m benchmarks.gpu [--dry-run]

Without a device the script says so and measures nothing. `--dry-run` runs every part on the
processor at a tiny size, to see that it works; its times mean nothing and are not written.

    training   6 levels of 32, windows of 168: all positions, on demand, in bfloat16, compiled
    forecast   the default forecasting network on windows of 512: float32, bfloat16, compiled
    streams    one new position of many streams: a step, and the receptive field computed anew
    images     a training step of a small CNN: as it is, channels last, and that in bfloat16

The answers of all contestants are compared before anything is timed. Times are of a synchronised
call, on the host's clock. A compiled contestant is timed after its first calls.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import tcn
from benchmarks import plain_networks as nets
from benchmarks.side_by_side import Call, print_table, race, ratio, write_result
from tcn.layers import Streams
from tcn.models import ForecastNetwork, ImageConfig, ImageNetwork, NetworkInputs
from tcn.models.precision import autocast
from tcn.series.features import encoder_features
from tcn.series.references import StepInputs, step_inputs
from tcn.series.scaling import read_history

NO_DEVICE = (
    "No CUDA device was found: nothing was measured. "
    "--dry-run runs every part on the processor at a tiny size."
)
Network = Callable[[Any], Tensor]
COARSE = 0.1  # of the largest output, between number formats


@dataclass(frozen=True)
class Place:
    """Where it runs and how much."""

    device: torch.device
    batch: int
    rounds: int
    is_compiled: bool

    def dtypes(self) -> dict[str, torch.dtype]:
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}

    def timed(self, call: Call) -> Call:
        """The call, and the wait until the device has done it."""
        if self.device.type != "cuda":
            return call

        def run() -> object:
            answer = call()
            torch.cuda.synchronize(self.device)
            return answer

        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if options.dry_run:
        place = Place(torch.device("cpu"), batch=3, rounds=1, is_compiled=False)
    elif torch.cuda.is_available():
        place = Place(torch.device("cuda"), batch=4096, rounds=20, is_compiled=True)
    else:
        raise SystemExit(NO_DEVICE)
    torch.manual_seed(0)  # noqa: TID251
    parts = {"training": training, "forecast": forecast, "streams": streams, "images": images}
    tables: dict[str, Any] = {}
    for name, part in parts.items():
        calls = {each: place.timed(call) for each, call in part(place).items()}
        found = race(calls, rounds=place.rounds, warm_up=3 if place.is_compiled else 0)
        first = next(iter(found))
        print_table(name, found, first)
        tables[name] = {
            "times": found,
            "faster_than_the_first": {each: ratio(found, first, each) for each in found},
        }
    if place.device.type == "cuda":
        report = {"device": torch.cuda.get_device_name(place.device), "tables": tables}
        print(write_result("gpu", report))


def training(place: Place) -> dict[str, Call]:
    """Forward and backward of a batch of windows."""
    full, own = nets.FullTCN().to(place.device), nets.OnDemandTCN().to(place.device)
    full.copy_weights(own)
    x = torch.randn(place.batch, 1, nets.CONTEXT, device=place.device)
    target = torch.randn(place.batch, nets.HORIZON, device=place.device)
    _require_close(full(x), own(x), 1e-3)
    contestants: dict[str, tuple[Network, torch.dtype]] = {
        "all positions, float32": (full, torch.float32),
        "on demand, float32": (own, torch.float32),
        "on demand, bfloat16": (own, torch.bfloat16),
    }
    if place.is_compiled:
        contestants["on demand, bfloat16, compiled"] = (torch.compile(own), torch.bfloat16)
        contestants["all positions, bfloat16, compiled"] = (torch.compile(full), torch.bfloat16)

    def step(network: Network, dtype: torch.dtype, weights: list[nn.Parameter]) -> object:
        with autocast(place.device, dtype):
            answer = network(x)
        return torch.autograd.grad(functional.mse_loss(answer.float(), target), weights)

    weights = {name: list((full if "all" in name else own).parameters()) for name in contestants}
    return {name: partial(step, *kind, weights[name]) for name, kind in contestants.items()}


def forecast(place: Place) -> dict[str, Call]:
    """Raw outputs of the default forecasting network for the newest position."""
    network = ForecastNetwork(tcn.TCNConfig(horizon=24)).eval().to(place.device)
    n, length = place.batch, 512
    history = read_history(torch.randn(n, length).double().cumsum(1), torch.full((n,), 24))
    ends, steps = torch.full((n, 1), length), torch.arange(1, 25).expand(n, 1, 24)
    read = min(length, network.positions_read)
    step = step_inputs(history, ends, steps)
    references, drafts, columns = (each.to(place.device) for each in step[:3])
    moved = StepInputs(references, drafts, columns, step.scaling)
    features = encoder_features(history, first=length - read).to(place.device)
    inputs = NetworkInputs(features, moved)
    runs: dict[str, tuple[Network, torch.dtype]] = {
        name: (network, dtype) for name, dtype in place.dtypes().items()
    }
    if place.is_compiled:
        runs["bfloat16, compiled"] = (torch.compile(network), torch.bfloat16)

    def call(network: Network, dtype: torch.dtype) -> Tensor:
        with torch.no_grad(), autocast(place.device, dtype):
            raw: Tensor = network(inputs)
        return raw

    answers = [call(*run) for run in runs.values()]
    for answer in answers[1:]:
        _require_close(answers[0], answer.float(), COARSE)
    return {name: partial(call, *run) for name, run in runs.items()}


def streams(place: Place) -> dict[str, Call]:
    """One new position of each stream, by its state and from its newest inputs."""
    stack = nets.OnDemandTCN().stack.eval().to(place.device)
    past = torch.randn(place.batch, 1, stack.receptive_field, device=place.device)
    own = Streams(stack, place.batch)
    with torch.no_grad():
        _require_close(stack.last(past), own.push(past)[..., -1:], 1e-3)
    new = torch.randn(place.batch, 1, 1, device=place.device)

    def anew() -> Tensor:
        with torch.no_grad():
            last: Tensor = stack(past)[..., -1:]
        return last

    def on_demand() -> Tensor:
        with torch.no_grad():
            return stack.last(past)

    return {"anew": anew, "anew, on demand": on_demand, "a step": lambda: own.push(new)}


def images(place: Place) -> dict[str, Call]:
    """Forward and backward of a batch of 32 x 32 images."""
    layers: list[dict[str, Any]] = []
    for channels, stride in ((32, 1), (64, 2), (128, 2)):
        layers += [{"type": "conv", "channels": channels, "kernel_size": 3, "stride": stride}]
    layers += [{"type": "flatten"}, {"type": "dense", "units": 10}]
    config = ImageConfig((32, 32, 3), layers)  # type: ignore[arg-type]
    network = ImageNetwork(config).to(place.device)
    x = torch.rand(place.batch, 3, 32, 32, device=place.device)
    labels = torch.arange(place.batch, device=place.device) % 10
    last = x.contiguous(memory_format=torch.channels_last)
    _require_close(network(x), network(last), 1e-3)
    kinds: dict[str, tuple[Tensor, torch.dtype]] = {
        "channels first, float32": (x, torch.float32),
        "channels last, float32": (last, torch.float32),
        "channels last, bfloat16": (last, torch.bfloat16),
    }

    def step(pixels: Tensor, dtype: torch.dtype) -> object:
        with autocast(place.device, dtype):
            logits = network.logits(pixels)
        loss = functional.cross_entropy(logits.float(), labels)
        return torch.autograd.grad(loss, list(network.parameters()))

    return {name: partial(step, *kind) for name, kind in kinds.items()}


def _require_close(expected: Tensor, found: Tensor, tolerance: float) -> None:
    difference = float(
        (expected - found).detach().abs().max() / expected.abs().max().detach().clamp(min=1e-6)
    )
    if difference > tolerance:
        raise SystemExit(f"Two contestants differ by {difference:.1e} of the largest output.")


if __name__ == "__main__":
    main()
