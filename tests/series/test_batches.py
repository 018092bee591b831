"""Windows of a panel, and its rows in batches of like length."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tcn.series import Panel
from tcn.series.batches import batches_by_length, windows_ending_at

lengths_strategy = st.lists(st.integers(0, 30), min_size=1, max_size=25)


@given(lengths_strategy, st.integers(1, 12), st.data())
def test_windows_are_slices_with_nothing_where_there_is_nothing(lengths, width, data):
    arrays = [100.0 * index + np.arange(n) for index, n in enumerate(lengths)]
    panel = Panel.from_arrays(arrays)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1)))
    ends = np.array([data.draw(st.integers(0, lengths[row] + 5)) for row in rows])
    found = windows_ending_at(panel, rows, ends, width)
    for row, end, window in zip(rows, ends, found, strict=True):
        padded = np.concatenate([np.full(width, np.nan), arrays[row], np.full(6, np.nan)])
        np.testing.assert_array_equal(window, padded[end : end + width])


@given(lengths_strategy, st.integers(1, 7), st.integers(1, 20))
def test_each_row_is_in_one_batch_that_is_long_enough(lengths, batch_size, longest):
    sizes = np.array(lengths)
    groups = sizes % 3
    seen = []
    for rows, length in batches_by_length(sizes, groups, batch_size, longest):
        assert 1 <= len(rows) <= batch_size
        assert len(set(groups[rows])) == 1
        assert length == np.clip(sizes[rows], 1, longest).max()
        seen.extend(rows.tolist())
    assert sorted(seen) == list(range(len(lengths)))


def test_rows_of_one_kind_are_neighbours():
    sizes, kinds = np.array([5, 5, 9, 5, 5]), np.array([7, 24, 7, 7, 24])
    found = [rows.tolist() for rows, _ in batches_by_length(sizes, sizes, 2, 9, kinds)]
    assert found == [[0, 3], [1, 4], [2]]


def test_an_empty_panel_has_no_batches():
    empty = np.zeros(0, np.int64)
    assert list(batches_by_length(empty, empty, 4, 10)) == []
