import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcn.models.waveform import compand, dequantise, expand, quantise

samples = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20)
scales = st.none() | st.floats(0.01, 1e5)


@given(samples, scales)
def test_companding_and_expanding_is_the_identity(values, mu):
    np.testing.assert_allclose(expand(compand(values, mu), mu), values, rtol=1e-9, atol=1e-12)


@given(samples, scales)
def test_companding_is_odd_ascending_and_stays_between_minus_one_and_one(values, mu):
    values = np.sort(values)
    companded = compand(values, mu)
    assert np.abs(companded).max() <= 1.0 + 1e-12
    assert (np.diff(companded) >= 0.0).all()
    np.testing.assert_array_equal(compand(-values, mu), -companded)


@given(samples, st.integers(2, 65_536))
def test_a_level_is_at_most_half_a_step_away_and_keeps_its_number(values, n_levels):
    levels = quantise(values, n_levels)
    back = dequantise(levels, n_levels)
    assert np.abs(back - values).max() <= 1.0 / (n_levels - 1) + 1e-12
    np.testing.assert_array_equal(quantise(back, n_levels), levels)


@given(st.integers(0, 255))
def test_each_of_256_levels_survives_expanding_and_companding(level):
    value = expand(dequantise([level], 256))
    assert quantise(compand(np.float32(value)), 256)[0] == level


@pytest.mark.parametrize(
    ("sample", "companded"),  # log(1 + 255 x) / log(256), by hand
    [(1.0, 1.0), (0.0, 0.0), (1 / 255, 0.125), (15 / 255, 0.5), (-3 / 255, -0.25)],
)
def test_mu_law_is_that_of_the_standard(sample, companded):
    assert compand([sample])[0] == pytest.approx(companded)


def test_small_samples_are_kept_more_finely_than_without_companding():
    quiet = np.linspace(-0.01, 0.01, 101)
    plain = dequantise(quantise(quiet, 256), 256)
    fine = expand(dequantise(quantise(compand(quiet), 256), 256))
    assert np.abs(fine - quiet).max() < 0.1 * np.abs(plain - quiet).max()
