"""What does a sample of a WaveNet cost when the past is kept, and when it is computed anew?

    python -m benchmarks.generation

A network of 10 levels goes on from a waveform as long as its receptive field, by 1,000 samples,
three times with the same random numbers: from cached state; with the whole receptive field computed
anew for each sample; and anew with the positions alone that the newest output needs. The samples
must be equal. Then the time of a sample for 6 to 12 levels, in turns, and for many waveforms at a
time. One thread.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.side_by_side import print_table, race, threads, write_result
from tcn.generator import WaveformGenerator
from tcn.layers import dilation_cycles
from tcn.models.waveform import WaveformConfig, WaveformNetwork, compand, expand

LEVELS, SAMPLES = 10, 1000
DEPTHS = range(6, 13)
PER_TURN = 200


def random_generator(levels: int, output: Any = "categorical") -> WaveformGenerator:
    """A network of the default width whose weights are random but large enough to differ."""
    config = WaveformConfig(output, dilations=dilation_cycles(levels))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # noqa: TID251 - the weights of the benchmark
        network = WaveformNetwork(config)
        for weight in network.parameters():
            nn.init.normal_(weight, std=max(weight[0].numel(), 4) ** -0.5)
    return WaveformGenerator(config, network)


def anew(
    generator: WaveformGenerator,
    prefix: NDArray[np.float32],
    outputs: Callable[[Tensor], Tensor],
) -> NDArray[np.float32]:
    """Samples after a prefix; `outputs` gives raw outputs for the receptive field before each."""
    network, field = generator.network, generator.config.receptive_field
    draws = network.output.draws(np.random.default_rng([0, 0]), SAMPLES)
    values = np.zeros(field + SAMPLES)
    values[:field] = network.output.snap(compand(prefix, generator.config.mu))
    with torch.inference_mode():
        for place in range(SAMPLES):
            past = torch.tensor(values[place : place + field], dtype=torch.float32)
            row = outputs(past[None, None])[:, :, -1].numpy()
            values[field + place] = network.output.sample(row, draws[place : place + 1], 1.0)[0]
    return expand(values[None, field:], generator.config.mu).astype(np.float32)


def timed(call: Callable[[], NDArray[np.float32]]) -> tuple[NDArray[np.float32], float]:
    begin = time.perf_counter()
    found = call()
    return found, time.perf_counter() - begin


def against_recomputation(output: str) -> dict[str, Any]:
    """Seconds for 1,000 samples, and how the samples differ."""
    generator = random_generator(LEVELS, output)
    network = generator.network
    field = generator.config.receptive_field
    prefix = np.random.default_rng(1).uniform(-1, 1, field).astype(np.float32)

    def go_on() -> NDArray[np.float32]:
        return generator.generate(SAMPLES, prefix=prefix)

    go_on()
    cached = timed(go_on)
    full = timed(lambda: anew(generator, prefix, network))
    demanded = timed(lambda: anew(generator, prefix, network.last))
    cached = min(cached, timed(go_on), key=lambda found: found[1])
    return {
        "output": output,
        "levels": LEVELS,
        "receptive_field": field,
        "samples": SAMPLES,
        "seconds": {"cached": cached[1], "anew": full[1], "anew on demand": demanded[1]},
        "times_as_fast_as_anew": round(full[1] / cached[1], 1),
        "times_as_fast_as_on_demand": round(demanded[1] / cached[1], 1),
        "largest_difference": float(
            max(np.abs(cached[0] - other[0]).max() for other in (full, demanded))
        ),
    }


def by_depth() -> dict[str, Any]:
    """Milliseconds of a sample for networks of 6 to 12 levels."""
    generators = {f"{levels} levels": random_generator(levels) for levels in DEPTHS}
    calls = {name: _writing(generator, 1) for name, generator in generators.items()}
    times = race(calls, rounds=12, turn_ms=30.0)
    print_table(f"{PER_TURN} samples", times, "6 levels")
    ms = {name: round(taken.wall_ms / PER_TURN, 4) for name, taken in times.items()}
    return {"ms_per_sample": ms, "12_to_6": round(ms["12 levels"] / ms["6 levels"], 2)}


def by_series() -> dict[str, Any]:
    """Samples a second for 1 to 64 waveforms at a time."""
    generator = random_generator(LEVELS)
    calls = {f"{n} waveforms": _writing(generator, n) for n in (1, 8, 64)}
    times = race(calls, rounds=6, turn_ms=30.0)
    print_table(f"{PER_TURN} samples of each", times, "1 waveforms")
    return {
        name: round(PER_TURN * int(name.split()[0]) / taken.wall_ms * 1e3)
        for name, taken in times.items()
    }


def _writing(generator: WaveformGenerator, n_series: int) -> Callable[[], object]:
    return lambda: generator.generate(PER_TURN, n_series=n_series)


def main() -> None:
    with threads(1):
        compared = [against_recomputation(name) for name in ("categorical", "logistic")]
        for each in compared:
            print(each)
        tables = {
            "against_recomputation": compared,
            "by_depth": by_depth(),
            "samples_per_second": by_series(),
        }
        print(tables["by_depth"], tables["samples_per_second"])
        write_result("generation", tables)


if __name__ == "__main__":
    main()
