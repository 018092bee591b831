"""Sample paths through quantiles, and mixtures of laws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tcn.config import DEFAULT_QUANTILE_LEVELS as LEVELS
from tcn.series.paths import (
    draw_paths,
    mixture_quantiles,
    normal_quantiles,
    path_normals,
    persistent_share,
)

PROBITS = normal_quantiles(np.asarray(LEVELS))


def normal_law(spread):
    """Quantiles (1, 1, H, Q) of normal laws with these standard deviations."""
    return (np.asarray(spread)[:, None] * PROBITS)[None, None]


def test_nothing_stays_where_the_interval_does_not_grow():
    low, high = -np.ones(60), np.ones(60)
    np.testing.assert_array_equal(persistent_share(low, high), 0.0)


def test_nearly_all_stays_late_in_a_random_walk():
    width = np.sqrt(np.arange(1.0, 2001.0))
    assert persistent_share(-width, width)[-1] > 0.99


def test_paths_lie_within_the_outer_quantiles():
    law = normal_law(np.sqrt(np.arange(1.0, 50.0)))
    paths = draw_paths(law, LEVELS, *path_normals(12, 0, 49))
    assert paths.shape == (1, 12, 49)
    assert np.all(paths >= law[..., 0])
    assert np.all(paths <= law[..., -1])


def test_paths_are_the_same_at_every_call_and_differ_between_blocks():
    first, again, other = path_normals(12, 1, 8), path_normals(12, 1, 8), path_normals(12, 2, 8)
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_the_mixture_of_equal_laws_is_that_law():
    law = np.repeat(normal_law([2.0, 3.0]), 5, axis=1)
    wanted = np.array([0.1, 0.5, 0.9])
    mixed = mixture_quantiles(law, LEVELS, wanted)
    np.testing.assert_allclose(mixed[0, 0], 2.0 * normal_quantiles(wanted), atol=0.5)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(0.1, 4))
def test_quantiles_of_a_mixture_ascend_and_lie_between_its_parts(centres, spread):
    law = np.asarray(centres)[None, :, None, None] + spread * PROBITS
    mixed = mixture_quantiles(law, LEVELS, np.array([0.1, 0.3, 0.5, 0.7, 0.9]))
    assert np.all(np.diff(mixed, axis=-1) >= 0)
    assert mixed.min() >= law.min()
    assert mixed.max() <= law.max()
