"""The same lines on numpy arrays and on tensors give the same numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tcn.series.arrays import space_of
from tcn.series.features import encoder_features
from tcn.series.references import inputs_at_end, step_inputs
from tcn.series.scaling import loc_scale_at, read_history


def window(kind: str, length: int, seed: int) -> np.ndarray:
    """One window (length,) of a kind of series that is easily mistaken."""
    rng = np.random.default_rng(seed)
    values = 50.0 + 10.0 * np.sin(np.arange(length) / 2.0) + rng.normal(size=length)
    if kind == "gaps":
        values[rng.random(length) < 0.4] = np.nan
    elif kind == "late":
        values[: length // 2] = np.nan
    elif kind == "empty":
        values[:] = np.nan
    elif kind == "constant":
        values[:] = 3.7
    elif kind == "counts":
        values = rng.poisson(0.4, length).astype(float)
    elif kind == "negative":
        values *= -1.0
    elif kind == "huge":
        values *= 1e300
    elif kind == "tiny":
        values *= 1e-300
    return values


KINDS = ["plain", "gaps", "late", "empty", "constant", "counts", "negative", "huge", "tiny"]


def both(*arrays: np.ndarray) -> tuple[tuple[np.ndarray, ...], tuple[Tensor, ...]]:
    return arrays, tuple(torch.from_numpy(each) for each in arrays)


def assert_same(found, expected, tolerance=1e-9) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    st.integers(1, 90),
    st.sampled_from([1, 2, 3, 4, 5, 7, 12, 24, 336]),
    st.integers(0, 20),
)
def test_features_and_references_are_those_of_tensors(kinds, length, season, seed):
    values = np.stack([window(kind, length, seed + i) for i, kind in enumerate(kinds)])
    seasons = np.full(len(kinds), season)
    seasons[0] = 1 + seed % 8
    ends = np.tile([[1 + seed % length, length]], (len(kinds), 1))
    steps = np.broadcast_to([1, 2, 3, 24, 192, 1000], (*ends.shape, 6)).copy()
    of_arrays, of_tensors = [], []
    for out, given_ in zip(
        (of_arrays, of_tensors), both(values, seasons, ends, steps), strict=True
    ):
        history = read_history(*given_[:2])
        step = step_inputs(history, *given_[2:])
        scaling = loc_scale_at(history, given_[2])
        assert type(history.table) is type(given_[0])
        assert_same(scaling.scale, step.scaling.scale)
        out.append([history.table, history.centre, history.unit, *step.scaling])
        out.append([step.references, step.drafts, step.steps, encoder_features(history)])
    for array, tensor in zip(of_arrays[0], of_tensors[0], strict=True):
        assert_same(array, tensor)
    for array, tensor in zip(of_arrays[1], of_tensors[1], strict=True):
        assert isinstance(array, Tensor)
        assert_same(array, tensor, 2e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_columns_of_each_matrix_are_gathered(n):
    table = np.random.default_rng(0).normal(size=(n, 4, 9))
    index = np.random.default_rng(1).integers(0, 9, (n, 6))
    expected = np.stack([each[:, chosen] for each, chosen in zip(table, index, strict=True)])
    for table_, index_ in both(table, index):
        np.testing.assert_array_equal(space_of(table_).gather(table_, index_), expected)


@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    st.integers(1, 90),
    st.sampled_from([1, 2, 5, 7, 12, 24, 336]),
    st.integers(0, 20),
)
def test_series_of_one_season_are_read_as_those_of_several(kinds, length, season, seed):
    values = np.stack([window(kind, length, seed + i) for i, kind in enumerate(kinds)])
    history = read_history(values, np.full(len(kinds), season))
    assert history.cycle == season
    apart = history._replace(cycle=None)
    first = seed % length
    assert_same(encoder_features(history, first), encoder_features(apart, first), 2e-6)
    steps = np.tile(np.arange(1, 11), (len(kinds), 1, 1))
    expected = step_inputs(apart, np.full((len(kinds), 1), length), steps)
    for given_ in (history, apart):
        found = inputs_at_end(given_, 10)
        for name in ("references", "drafts", "steps"):
            assert_same(getattr(found, name), getattr(expected, name), 2e-6)
        assert_same(found.scaling.scale, expected.scaling.scale)
