"""The tasks of NixtlaClient: forecasts, their intervals, the past, anomalies, simulated paths.

Answers are flat arrays in the order of the request (series-major); see `service.wire`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine import Engine, Predictor
from service.errors import Problem
from service.exogenous import contributions
from service.schemas import ForecastRequest
from service.settings import Settings
from service.values import FloatArray
from service.wire import Wire

Rows = list[FloatArray]

MAX_SIMULATED = 10_000_000
INSAMPLE_WINDOWS = 64
MIN_HISTORY = 4
HISTORY_PER_DETECTION = 5
LEVEL_GRID = tuple(n / 100 for n in range(1, 100))
COUPLING = 0.9  # of neighbouring steps of a simulated path


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Forecasts by cut: mean (n, h) and quantiles (n, h, Q) of the chosen levels."""

    mean: FloatArray
    quantiles: FloatArray


async def forecast_cut(
    engine: Engine,
    predictor: Predictor,
    wire: Wire,
    ends: NDArray[np.int64],
    h: int,
    quantile_levels: tuple[float, ...],
) -> Forecasts:
    """Forecast each series from its first `ends[i]` values."""
    series = [
        replace(item, y=item.y[:end]) for item, end in zip(wire.series, ends.tolist(), strict=True)
    ]
    request = ForecastRequest("", series, h, quantile_levels, None)
    pieces = await engine.forecast(predictor, request)
    return Forecasts(
        np.stack([piece.mean for piece in pieces]), np.stack([piece.quantiles for piece in pieces])
    )


def quantile_levels_of(levels: Sequence[int | float] | None) -> tuple[float, ...]:
    """Return the quantile levels that interval levels need; the median is always there."""
    wanted = {0.5}
    for level in levels or ():
        wanted |= {_low(level), round(1.0 - _low(level), 6)}
    return tuple(sorted(wanted))


def _low(level: float) -> float:
    return round((100.0 - level) / 200.0, 6)


def intervals_of(
    levels: Sequence[int | float] | None, quantiles: FloatArray
) -> dict[str, FloatArray] | None:
    """Return `lo-80`, `hi-80` and so on, flat; levels are printed as they came."""
    if levels is None:
        return None
    known = quantile_levels_of(levels)
    found = {}
    for level in levels:
        for side, quantile in (("lo", _low(level)), ("hi", round(1.0 - _low(level), 6))):
            column = quantiles[..., known.index(quantile)]
            found[f"{side}-{level}"] = np.ascontiguousarray(column).ravel()
    return found


def tokens(wire: Wire, n_out: int) -> dict[str, int]:
    """Return the counts that the protocol asks for."""
    return {
        "input_tokens": int(wire.lengths.sum()),
        "output_tokens": n_out,
        "finetune_tokens": 0,
    }


async def forecast(
    engine: Engine, predictor: Predictor, wire: Wire, settings: Settings
) -> dict[str, Any]:
    """Answer `/v2/forecast`."""
    _refuse_finetuning(wire)
    h = _horizon(wire, settings)
    levels = wire.levels()
    wanted = quantile_levels_of(levels)
    made = await forecast_cut(engine, predictor, wire, wire.lengths, h, wanted)
    added = await contributions(predictor, wire.series, h, wire.n_exogenous)
    mean = made.mean.ravel()
    answer: dict[str, Any] = {
        "mean": mean,
        "intervals": intervals_of(levels, made.quantiles),
        "weights_x": added.weights or None,
        **tokens(wire, mean.size),
    }
    if wire.fields.get("feature_contributions"):
        answer["feature_contributions"] = [*added.ahead, mean - added.ahead.sum(axis=0)]
    return answer


def _horizon(wire: Wire, settings: Settings, windows: int = 1) -> int:
    h = wire.whole("h", None, 1, settings.max_horizon)
    if h * len(wire.series) * windows > settings.max_forecast_values:
        raise Problem(
            422,
            f"Series times horizon times windows may be {settings.max_forecast_values:,}."
            " Use num_partitions.",
        )
    return h


def _refuse_finetuning(wire: Wire) -> None:
    if wire.fields.get("finetune_steps"):
        raise Problem(
            422,
            "finetune_steps inside another call is not offered. Call finetune() once and pass its"
            " finetuned_model_id.",
        )


async def cross_validation(
    engine: Engine, predictor: Predictor, wire: Wire, settings: Settings
) -> dict[str, Any]:
    """Answer `/v2/cross_validation`: windows of h rows that end where the series end."""
    if wire.fields.get("full_history"):
        return await historic(engine, predictor, wire, settings)
    _refuse_finetuning(wire)
    n_windows = wire.whole("n_windows", 1, 1, 1000)
    h = _horizon(wire, settings, n_windows)
    step = wire.whole("step_size", h, 1, settings.max_horizon)
    levels = wire.levels()
    starts = [wire.lengths - h - (n_windows - 1 - w) * step for w in range(n_windows)]
    short = np.flatnonzero(starts[0] < 1)
    if short.size:
        need = h + (n_windows - 1) * step + 1
        raise Problem(
            422,
            f"Series {int(short[0])} has {wire.lengths[short[0]]:,} values; {n_windows} windows of"
            f" {h} need {need:,}. Use fewer windows or a shorter h.",
        )
    wanted = quantile_levels_of(levels)
    made = [await forecast_cut(engine, predictor, wire, cut, h, wanted) for cut in starts]
    mean = np.stack([item.mean for item in made], axis=1)
    quantiles = np.stack([item.quantiles for item in made], axis=1)
    first = np.stack(starts, axis=1) + wire.offsets[:, None]
    idxs = first[:, :, None] + np.arange(h)
    return {
        "mean": mean.ravel(),
        "sizes": [n_windows * h] * len(wire.series),
        "idxs": idxs.ravel(),
        "intervals": intervals_of(levels, quantiles),
        "feature_contributions": None,
        **tokens(wire, mean.size),
    }


@dataclass(frozen=True, slots=True)
class Tail:
    """Forecasts of the end of every series' own past, one flat array per series."""

    mean: Rows
    quantiles: Rows

    @property
    def sizes(self) -> list[int]:
        """Points forecast, by series."""
        return [len(row) for row in self.mean]


async def forecast_past(
    engine: Engine,
    predictor: Predictor,
    wire: Wire,
    levels: Sequence[int | float] | None,
    block: int,
    n_windows: int,
) -> Tail:
    """Forecast up to `n_windows` blocks that end where each series ends, each from its past."""
    wanted = quantile_levels_of(levels)
    plain = [replace(item, future_covariates={}) for item in wire.series]  # too many to regress
    mean: list[Rows] = [[] for _ in wire.series]
    quantiles: list[Rows] = [[] for _ in wire.series]
    for back in range(n_windows, 0, -1):
        cuts = wire.lengths - back * block
        rows = [
            i
            for i in np.flatnonzero(cuts >= MIN_HISTORY)
            if np.isfinite(wire.series[i].y[: cuts[i]]).any()
        ]
        if not rows:
            continue
        part = replace(wire, series=[plain[i] for i in rows])
        made = await forecast_cut(engine, predictor, part, cuts[rows], block, wanted)
        for place, i in enumerate(rows):
            mean[i].append(made.mean[place])
            quantiles[i].append(made.quantiles[place])
    for number, parts in enumerate(mean):
        if not parts:
            need = MIN_HISTORY + block
            raise Problem(422, f"Series {number} has too few values; {need:,} or more are needed.")
    return Tail(
        [np.concatenate(parts) for parts in mean], [np.concatenate(parts) for parts in quantiles]
    )


def _block(wire: Wire) -> int:
    return max(1, -(-int(wire.lengths.max()) // INSAMPLE_WINDOWS))


async def _whole_past(
    engine: Engine, predictor: Predictor, wire: Wire, levels: Sequence[int | float] | None
) -> Tail:
    block = _block(wire)
    n_windows = int(wire.lengths.max()) // block
    return await forecast_past(engine, predictor, wire, levels, block, n_windows)


def _tail_indices(wire: Wire, sizes: Sequence[int]) -> NDArray[np.int64]:
    ends = wire.offsets + wire.lengths
    return np.concatenate(
        [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    )


async def historic(
    engine: Engine, predictor: Predictor, wire: Wire, _settings: Settings
) -> dict[str, Any]:
    """Answer `/v2/historic_forecast`, and cross_validation with `full_history`."""
    levels = wire.levels()
    tail = await _whole_past(engine, predictor, wire, levels)
    mean = np.concatenate(tail.mean)
    return {
        "mean": mean,
        "sizes": tail.sizes,
        "idxs": _tail_indices(wire, tail.sizes),
        "intervals": intervals_of(levels, np.concatenate(tail.quantiles)),
        "weights_x": [0.0] * wire.n_exogenous if wire.n_exogenous else None,
        "feature_contributions": None,
        **tokens(wire, mean.size),
    }


async def anomaly_detection(
    engine: Engine, predictor: Predictor, wire: Wire, settings: Settings
) -> dict[str, Any]:
    """Answer `/v2/anomaly_detection`; a payload with `detection_size` is the online one."""
    if "detection_size" in wire.fields:
        return await online_anomaly_detection(engine, predictor, wire, settings)
    levels = wire.levels() or [99]
    tail = await _whole_past(engine, predictor, wire, levels[:1])
    intervals = intervals_of(levels[:1], np.concatenate(tail.quantiles)) or {}
    low, high = intervals.values()
    y = np.concatenate([item.y[-size:] for item, size in zip(wire.series, tail.sizes, strict=True)])
    with np.errstate(invalid="ignore"):
        is_outside = (y < low) | (y > high)
    return {
        "mean": np.concatenate(tail.mean),
        "sizes": tail.sizes,
        "anomaly": is_outside.tolist(),
        "intervals": intervals,
        "weights_x": None,
        **tokens(wire, len(y)),
    }


async def online_anomaly_detection(
    engine: Engine, predictor: Predictor, wire: Wire, settings: Settings
) -> dict[str, Any]:
    """Answer `/v2/online_anomaly_detection`: errors of the last points beside those before."""
    _refuse_finetuning(wire)
    size = wire.whole("detection_size", None, 1, int(wire.lengths.min()))
    h = _horizon(wire, settings)
    step = wire.whole("step_size", h, 1, h)
    levels = wire.levels() or [99]
    is_joint = wire.fields.get("threshold_method") == "multivariate"
    if is_joint and len(set(wire.lengths.tolist())) > 1:
        raise Problem(422, "threshold_method='multivariate' needs series of equal length.")
    n_windows = -(-size * (1 + HISTORY_PER_DETECTION) // step)
    tail = await forecast_past(engine, predictor, wire, None, step, n_windows)
    detected = [
        _detect(item.y, row, size) for item, row in zip(wire.series, tail.mean, strict=True)
    ]
    score = np.stack([item.score for item in detected])
    deviations = NormalDist().inv_cdf(1.0 - _low(levels[0]))
    flags, joint = np.abs(score) > deviations, None
    if is_joint:
        joint = np.repeat(np.sqrt(np.mean(score**2, axis=0))[None], len(score), axis=0)
        flags = joint > deviations
    mean = np.stack([item.mean for item in detected])
    center = mean + np.array([item.bias for item in detected])[:, None]
    half = deviations * np.array([item.spread for item in detected])[:, None]
    answer: dict[str, Any] = {
        "mean": mean.ravel(),
        "sizes": [size] * len(score),
        "idxs": _tail_indices(wire, [size] * len(score)),
        "anomaly": flags.ravel().tolist(),
        "anomaly_score": score.ravel(),
        "intervals": {
            f"lo-{levels[0]}": (center - half).ravel(),
            f"hi-{levels[0]}": (center + half).ravel(),
        },
        **tokens(wire, score.size),
    }
    if joint is not None:
        answer["accumulated_anomaly_score"] = joint.ravel()
    return answer


@dataclass(frozen=True, slots=True)
class _Detected:
    mean: FloatArray
    score: FloatArray
    bias: float
    spread: float


def _detect(y: FloatArray, mean: FloatArray, size: int) -> _Detected:
    """Score the last `size` errors by the mean and deviation of the errors before them."""
    if len(mean) < size:
        raise Problem(422, f"detection_size of {size} needs longer series. Use a smaller one.")
    errors = y[-len(mean) :] - mean
    before = errors if len(errors) < (1 + HISTORY_PER_DETECTION) * size else errors[:-size]
    known = before[np.isfinite(before)]
    bias = float(known.mean()) if known.size else 0.0
    spread = float(known.std()) if known.size else 0.0
    spread = spread or max(1e-12, abs(bias) * 1e-6)
    score = np.nan_to_num((errors[-size:] - bias) / spread)
    return _Detected(mean[-size:], score, bias, spread)


async def simulate(
    engine: Engine, predictor: Predictor, wire: Wire, settings: Settings
) -> dict[str, Any]:
    """Answer `simulate`: paths whose steps are coupled and whose marginals are the forecast's."""
    h = _horizon(wire, settings)
    n_paths = wire.whole("n_paths", 100, 1, 10_000)
    seed = wire.fields.get("seed")
    if seed is not None and (type(seed) not in (int, float) or abs(seed) >= 2**65):
        raise Problem(422, "seed must be a whole number from -2**63 to 2**64-1.")
    n_series = len(wire.series)
    if n_series * h * n_paths > MAX_SIMULATED:
        raise Problem(422, f"Series times h times n_paths may be {MAX_SIMULATED:,}.")
    made = await forecast_cut(engine, predictor, wire, wire.lengths, h, LEVEL_GRID)
    rng = np.random.default_rng(None if seed is None else int(seed) % 2**64)
    samples = np.empty((n_paths, n_series, h))
    for i in range(n_series):
        ranks = _coupled_ranks(rng, n_paths, h)
        for t in range(h):
            samples[:, i, t] = np.interp(ranks[:, t], LEVEL_GRID, made.quantiles[i, t])
    return {
        "n_paths": n_paths,
        "h": h,
        "sizes": [h] * n_series,
        "samples": samples.ravel(),
        "coupled": False,
        **tokens(wire, samples.size),
    }


def _coupled_ranks(rng: np.random.Generator, n_paths: int, h: int) -> FloatArray:
    """Return ranks (n_paths, h), uniform at each step and alike from step to step."""
    noise = rng.standard_normal((n_paths, h))
    walk = noise[:, 0]
    levels = np.empty_like(noise)
    for t in range(h):
        if t:
            walk = COUPLING * walk + np.sqrt(1.0 - COUPLING**2) * noise[:, t]
        order = np.argsort(np.argsort(walk))
        levels[:, t] = (order + rng.random(n_paths)) / n_paths
    return levels
