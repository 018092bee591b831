"""What covariates known ahead add to series, found by regression."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcn.series import Covariates, Panel
from tcn.series.effects import known_effects

HORIZON = 6


def panel_of(series, columns, categories=()):
    """Series (n_i,) and their covariates (K, n_i + HORIZON)."""
    panel = Panel.from_arrays(series)
    offsets = np.concatenate([[0], np.cumsum([each.shape[1] for each in columns])])
    names = tuple(f"x{k}" for k in range(len(columns[0])))
    values = np.concatenate(columns, axis=1)
    return replace(panel, future_covariates=Covariates(names, values, offsets, categories))


def effects_of(series, columns, season=1, categories=()):
    panel = panel_of(series, columns, categories)
    seasons = np.full(len(series), season)
    return known_effects(panel, panel.future_covariates.names, seasons, HORIZON)


def driven(n=200, season=7, seed=0):
    """A seasonal series, a random walk and noise, and 3 for each unit of a covariate."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, n + HORIZON)) + 5.0
    cycle = 4.0 * np.sin(2 * np.pi * np.arange(n) / season)
    y = 40.0 + cycle + 0.3 * rng.normal(size=n).cumsum() + 0.3 * rng.normal(size=n) + 3.0 * x[0, :n]
    return y, x


def test_a_linear_effect_is_found_and_centred():
    y, x = driven()
    found = effects_of([y], [x], 7)
    wanted = 3.0 * (x[0] - x[0, : len(y)].mean())
    joined = np.concatenate([found.past[0], found.ahead[0, :, 0]])
    assert np.abs(joined - wanted).max() < 0.5
    assert abs(found.past.mean()) < 1e-9


def test_a_bent_effect_is_found():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1.0, 1.0, (1, 400 + HORIZON))
    y = np.abs(x[0, :400]) * 10.0 + 0.2 * rng.normal(size=400)
    found = effects_of([y], [x]).past[0]
    assert np.corrcoef(found, np.abs(x[0, :400]))[0, 1] > 0.95


def test_the_effect_of_each_of_two_covariates_is_told_apart():
    y, x = driven()
    other = np.random.default_rng(3).normal(size=x.shape)
    found = effects_of([y - 2.0 * other[0, : len(y)]], [np.concatenate([x, other])], 7)
    assert np.polyfit(x[0, : len(y)], found.past[0], 1)[0] == pytest.approx(3.0, abs=0.3)
    assert np.polyfit(other[0, : len(y)], found.past[1], 1)[0] == pytest.approx(-2.0, abs=0.3)


def test_categories_act_each_by_itself():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, (1, 150 + HORIZON)).astype(float)
    y = np.array([0.0, 5.0, -4.0])[codes[0, :150].astype(int)] + 0.3 * rng.normal(size=150)
    found = effects_of([y], [codes], categories=(("a", "b", "c"),))
    means = [found.ahead[0, codes[0, 150:] == code, 0] for code in range(3)]
    first = found.past[0, codes[0, :150] == 0].mean()
    for step, mean in zip((0.0, 5.0, -4.0), means, strict=True):
        np.testing.assert_allclose(mean - first, step, atol=0.6)


def test_covariates_without_influence_are_hardly_ever_found_to_have_one():
    rng = np.random.default_rng(4)
    n_found = 0
    for _ in range(100):
        y = rng.normal(size=120).cumsum()
        x = rng.normal(size=(2, 120 + HORIZON))
        n_found += bool(effects_of([y], [x]).past.any())
    assert n_found <= 5


def test_a_covariate_that_repeats_with_the_season_adds_nothing():
    y, _ = driven(season=7)
    x = np.cos(2 * np.pi * np.arange(len(y) + HORIZON) / 7)[None]
    assert not effects_of([y], [x], 7).past.any()


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_units_and_origins_of_both_sides_do_not_matter(unit, origin, scale, shift):
    y, x = driven(90)
    plain = effects_of([y], [x], 7)
    other = effects_of([unit * (y + origin)], [scale * (x + shift)], 7)
    np.testing.assert_allclose(other.ahead, unit * plain.ahead, rtol=1e-3, atol=1e-4 * unit)


def test_a_series_has_the_same_effects_whatever_else_is_in_the_panel():
    (y, x), (z, w) = driven(), driven(90, seed=5)
    alone = effects_of([y], [x], 7)
    beside = effects_of([z, y], [w, x], 7)
    np.testing.assert_array_equal(beside.ahead[1:], alone.ahead)
    np.testing.assert_array_equal(beside.past[:, 90:], alone.past)


def test_nothing_of_the_future_reaches_the_past():
    y, x = driven()
    later = x.copy()
    later[:, len(y) :] += 100.0
    np.testing.assert_array_equal(effects_of([y], [later], 7).past, effects_of([y], [x], 7).past)


def test_a_covariate_acts_little_beyond_what_was_seen_of_it():
    y, x = driven()
    far = x.copy()
    far[:, len(y) :] = 1e9
    reach = np.ptp(x[0, : len(y)])
    assert effects_of([y], [far], 7).ahead.max() < 3.0 * 1.25 * reach + 1.0


def test_missing_values_are_left_out_on_both_sides():
    y, x = driven()
    whole = effects_of([y], [x], 7).ahead
    y[[3, 50, 51, 120]] = np.nan
    x[:, [10, 60]] = np.nan
    found = effects_of([y], [x], 7)
    assert np.isfinite(found.past).all()
    np.testing.assert_allclose(found.ahead, whole, atol=0.5)


@pytest.mark.parametrize(
    "y", [np.full(60, 3.0), np.zeros(60), np.array([1.0]), np.full(30, np.nan), np.arange(12.0)]
)
def test_series_that_tell_nothing_have_no_effects(y):
    x = np.random.default_rng(0).normal(size=(1, len(y) + HORIZON))
    found = effects_of([y], [x])
    assert not found.past.any()
    assert not found.ahead.any()


numbers = st.floats(-1e300, 1e300, allow_subnormal=False) | st.just(np.nan) | st.just(0.0)


@given(
    st.lists(numbers, min_size=1, max_size=60),
    st.integers(1, 3),
    st.integers(1, 13),
    st.data(),
)
def test_effects_of_anything_are_finite(y, n_columns, season, data):
    length = len(y) + HORIZON
    column = st.lists(numbers, min_size=length, max_size=length)
    x = np.array([data.draw(column) for _ in range(n_columns)])
    found = effects_of([np.array(y)], [x], season)
    assert np.isfinite(found.past).all()
    assert np.isfinite(found.ahead).all()
