"""The season length of series: given, suggested by the frequency, or found in the values.

A season shows as a local peak in the autocorrelation of differences (of differences, so that
trends and slow walks, whose own autocorrelation is high everywhere, show none). Differences over
one step drown a long smooth season in noise; so each octave of lags is looked at in differences
over a wider step: lags 2 to 5 in those over 1, lags 6 to 11 over 2, 12 to 23 over 4, and so on.

The highest peak wins that is either significant (Bartlett; 1.3 standard errors for the usual
periods, 2.5 for others, of which there are many) or plainly strong in 2.5 cycles. A shorter period
nearly as high is preferred to its multiples, a usual period to one right beside it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcn.series.frequency import DAY
from tcn.series.panel import Panel, require_season_length
from tcn.series.ragged import flat_index, positions_within

MAX_LENGTH = 4096  # newest points that are looked at
MIN_LENGTH = 8
MIN_CYCLES = 2
USUAL = (4, 7, 12, 24, 48, 52, 96, 168, 288, 336, 365)
USUAL_THRESHOLD = 1.3  # standard errors a peak must stand above zero
OTHER_THRESHOLD = 2.5
STRONG = 0.6  # a correlation that needs no further test in STRONG_CYCLES cycles
STRONG_CYCLES = 2.5
NEARLY = 0.85  # of the highest peak, for a shorter period to be preferred
MAX_SMOOTHING = 4  # lags
SNAP = 0.03  # how far beside a usual period a peak may lie to be read as that period
DAYS_OF_WEEK = 7
USUAL_DAYS = (24, 48, 96, 144, 288)  # hours, halves, quarters, ten and five minutes
CLOSER = 0.85  # changes over a week by changes over a day, for the week to be the cycle
VALUES_AT_ONCE = 1 << 22  # that are compared, to keep temporaries small
HUGE = 2.0**800  # sums of numbers below it stay inside float64
CELLS = 1 << 15  # size of a batch: series times padded length


def seasons_of(
    panel: Panel, season_length: int | None = None, *, newest: int | None = None
) -> NDArray[np.int64]:
    """Season length of each series, (S,).

    The given one; or else that of the panel; or else that of its frequency where this suggests
    one; or else, for series without a frequency, what `detect_seasons` finds in the `newest`
    points, or in all.
    """
    given = panel.season_length if season_length is None else season_length
    if given is not None:
        require_season_length(given)
        return np.full(len(panel), given, np.int64)
    if panel.freq is not None and panel.frequency.family != "step":
        return np.full(len(panel), panel.frequency.season_length, np.int64)
    return detect_seasons(panel if newest is None else panel.last(newest))


def cycles_of(
    panel: Panel, season_length: int | None = None, *, newest: int | None = None
) -> NDArray[np.int64]:
    """The cycle by which each series is best continued, (S,): its season, or a week of days.

    That of `seasons_of`; but where nobody asks for a `season_length`, the cycle is a day, and the
    `newest` points hold two weeks, it is the week for series that repeat their weeks more closely
    than their days, as work and leisure make them.
    """
    seasons = seasons_of(panel, season_length, newest=newest)
    if season_length is not None:
        return seasons
    lengths = panel.lengths if newest is None else np.minimum(panel.lengths, newest)
    for day in np.unique(seasons).tolist():
        if not _is_day(panel, day):
            continue
        rows = np.flatnonzero((seasons == day) & (lengths >= 2 * DAYS_OF_WEEK * day))
        n_parts = -(-int(panel.lengths[rows].sum()) // VALUES_AT_ONCE)
        for part in np.array_split(rows, n_parts) if n_parts else ():
            recent = panel.take(part)
            recent = recent if newest is None else recent.last(newest)
            seasons[part[_repeats_weeks(recent, day)]] = DAYS_OF_WEEK * day
    return seasons


def detect_season(values: ArrayLike) -> int:
    """Season length seen in one series (NaN missing); 1 where there is none.

    >>> detect_season(np.sin(2 * np.pi * np.arange(60) / 12))
    12
    """
    return int(detect_seasons(Panel.from_arrays([values]))[0])


def detect_seasons(panel: Panel) -> NDArray[np.int64]:
    """Season length seen in the newest 4,096 points of every series, (S,); 1 where none is."""
    lengths = np.minimum(panel.lengths, MAX_LENGTH)
    seasons = np.ones(len(panel), np.int64)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] >= MIN_LENGTH]
    begin = 0
    while begin < len(order):  # batches of like length, so that little is padding
        longest = lengths[order[begin]] * 1.25
        end = int(np.searchsorted(lengths[order], longest, side="right"))
        end = min(end, begin + max(1, int(CELLS // longest)))
        batch = order[begin:end]
        seasons[batch] = _detect_in_any_unit(_padded(panel, batch, lengths[batch]))
        begin = end
    return seasons


def _is_day(panel: Panel, season: int) -> bool:
    """Whether a season is a day: by the frequency, or a usual number of steps without one."""
    if panel.freq is None or panel.frequency.family == "step":
        return season in USUAL_DAYS
    return panel.frequency.family == "fixed" and season * panel.frequency.size == DAY


def _repeats_weeks(panel: Panel, day: int) -> NDArray[np.bool_]:
    """Series of two weeks or more whose changes over a week are well below those over a day."""
    week = DAYS_OF_WEEK * day
    with np.errstate(over="ignore"):  # what is beyond float64 is no closer
        over_week = np.abs(panel.values[week:] - panel.values[:-week])
        over_day = np.abs(panel.values[week:] - panel.values[week - day : -day])
        is_seen = ~(np.isnan(over_week) | np.isnan(over_day))
        edges = np.stack([panel.offsets[:-1], panel.offsets[1:] - week], axis=1).ravel()
        sums = [
            np.add.reduceat(np.append(np.where(is_seen, changes, 0.0), 0.0), edges)[::2]
            for changes in (over_week, over_day)
        ]
    is_closer: NDArray[np.bool_] = sums[0] < CLOSER * sums[1]
    return is_closer


def _padded(
    panel: Panel, batch: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The newest points of some series as rows of a matrix, NaN behind the shorter ones."""
    values = np.full((len(batch), int(lengths.max())), np.nan)
    where = flat_index(panel.offsets[batch + 1] - lengths, lengths)
    values[np.repeat(np.arange(len(batch)), lengths), positions_within(lengths)] = panel.values[
        where
    ]
    return values


def _detect_in_any_unit(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The season of each row of (N, L); huge ones are looked at in another unit."""
    try:
        with np.errstate(over="raise"):
            return _detect(values)
    except FloatingPointError:
        is_huge = np.fmax.reduce(np.abs(values), axis=1, initial=0.0) > HUGE
        return _detect(np.where(is_huge[:, None], values / HUGE, values))


def _detect(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The season of each row of (N, L)."""
    height, z, is_peak = _peaks(values)
    lags = np.arange(height.shape[1])
    n_seen = (~np.isnan(values)).sum(axis=1)[:, None]
    threshold = np.where(np.isin(lags, USUAL), USUAL_THRESHOLD, OTHER_THRESHOLD)
    unshrunk = height / np.clip(1 - lags / np.maximum(n_seen, 1), 0.1, None)
    is_strong = (unshrunk > STRONG) & (n_seen >= STRONG_CYCLES * lags) & (n_seen >= lags + 8)
    is_season = is_peak & (height > 0) & ((z > threshold) | is_strong)
    is_season &= MIN_CYCLES * lags <= n_seen
    candidates = np.where(is_season, height, -np.inf)
    highest = candidates.max(axis=1, keepdims=True)
    season = np.argmax(candidates >= NEARLY * highest, axis=1)  # the first one nearly as high
    return np.where(is_season.any(axis=1), _snapped(season, height), 1)


def _snapped(season: NDArray[np.int64], height: NDArray[np.float64]) -> NDArray[np.int64]:
    """A usual period right beside the one found, where the correlation is nearly as high."""
    found = np.take_along_axis(height, season[:, None], axis=1)[:, 0]
    for usual in USUAL:
        if usual < height.shape[1] - 1:
            is_near = np.abs(season - usual) <= max(SNAP * usual, float(usual >= 24))
            season = np.where(is_near & (height[:, usual] >= 0.9 * found), usual, season)
    return season


def _peaks(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Autocorrelation at each lag (N, K), in standard errors, and whether it is a local peak.

    All octaves W are looked at together; where two of them meet, the higher peak counts.
    """
    n_lags = values.shape[1] // MIN_CYCLES + 2
    widths = _octaves(n_lags)
    correlation, shrink, n_seen = _autocorrelation(values, widths, n_lags)
    shrunk = correlation * shrink
    smooth = np.concatenate(
        [_smoothed(correlation[:, i], min(w // 4, MAX_SMOOTHING)) for i, w in enumerate(widths)],
        axis=1,
    ).reshape(correlation.shape)
    found = np.zeros(correlation.shape, bool)
    middle = smooth[..., 1:-1]
    found[..., 1:-1] = (middle > smooth[..., :-2]) & (middle >= smooth[..., 2:])
    lowest = np.minimum.accumulate(correlation, axis=2)
    found[..., 1:] &= lowest[..., :-1] < 0.5 * correlation[..., 1:]  # it stands behind a valley
    lags = np.arange(n_lags)
    within = (lags >= [[2 if w == 1 else 3 * w] for w in widths]) & (
        lags < [[max(int(7.5 * w), 3 * w)] for w in widths]  # a little into the next octave
    )
    within[:, -1] = False
    found &= within
    is_peak = np.asarray(found.any(axis=1))
    last = len(widths) - 1 - within[::-1].argmax(axis=0)
    best = np.where(found, shrunk, -np.inf).argmax(axis=1)
    chosen = np.where(is_peak, best, last)[:, None]
    squares = np.cumsum(shrunk**2, axis=2)
    before = np.concatenate([squares[..., :1], squares[..., :-1]], axis=2)
    error = np.sqrt(np.maximum(2 * before - 1, 1) / np.maximum(n_seen, 1)[..., None])
    is_read = within.any(axis=0)
    height = np.take_along_axis(shrunk, chosen, axis=1)[:, 0] * is_read
    z: NDArray[np.float64] = np.take_along_axis(shrunk / error, chosen, axis=1)[:, 0] * is_read
    return height, z, is_peak


def _octaves(n_lags: int) -> list[int]:
    """Widths of differences: 1, 2, 4, ... as long as lags of three widths are seen."""
    widths = [1]
    while 6 * widths[-1] < n_lags - 1:
        widths.append(2 * widths[-1])
    return widths


def _smoothed(correlation: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Triangular mean over `half` lags to both sides: a jagged crest has one top, at its middle."""
    smooth = (half + 1) * correlation
    for k in range(1, half + 1):
        smooth[:, k:] += (half + 1 - k) * correlation[:, :-k]
        smooth[:, :-k] += (half + 1 - k) * correlation[:, k:]
    return smooth


def _autocorrelation(
    values: NDArray[np.float64], widths: list[int], n_lags: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Autocorrelation (N, W, K) of differences over each width, shrinkage, differences seen (N, W).

    The mean product of the pairs seen; times the shrinkage it is that of a whole series whose
    n - k products are divided by n: far lags, seen in few pairs, count less.
    """
    steps, is_seen = _differences(values, widths)
    n_seen = is_seen.sum(axis=2)
    mean = steps.sum(axis=2) / np.maximum(n_seen, 1)
    steps = (steps - mean[..., None]) * is_seen
    scale = np.abs(steps).max(axis=2, keepdims=True, initial=0.0)
    steps = np.divide(steps, scale, out=np.zeros_like(steps), where=scale > 0)
    size = 1 << int(steps.shape[2] + n_lags - 1).bit_length()
    lags = np.arange(n_lags)
    room = n_seen[..., None] - lags
    if (n_seen == values.shape[1] - np.array(widths)).all():
        pairs = np.maximum(room, 1.0)
    else:
        pairs = np.maximum(_lagged_products(is_seen.astype(np.float64), size, n_lags), 1.0)
    covariance = _lagged_products(steps, size, n_lags) / pairs
    variance = covariance[..., :1]
    correlation = np.divide(
        covariance, variance, out=np.zeros_like(covariance), where=variance > 1e-12
    )
    shrink = np.maximum(room, 0) / np.maximum(n_seen, 1)[..., None]
    return correlation, shrink, n_seen


def _differences(
    values: NDArray[np.float64], widths: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Differences over each width, 0 where not seen, and where they were seen, (N, W, L - 1)."""
    n, length = values.shape
    steps = np.full((n, len(widths), length - 1), np.nan)
    for index, width in enumerate(widths):
        np.subtract(values[:, width:], values[:, :-width], out=steps[:, index, : length - width])
    is_seen = ~np.isnan(steps)
    steps[~is_seen] = 0.0
    return steps, is_seen


def _lagged_products(x: NDArray[np.float64], size: int, n_lags: int) -> NDArray[np.float64]:
    """Sums of x[t] x[t + k] for each lag k, by the Fourier transform."""
    spectrum = np.fft.rfft(x, size)
    power = spectrum.real**2 + spectrum.imag**2
    return np.fft.irfft(power, size)[..., :n_lags]
