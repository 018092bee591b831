"""Windows cut by index: the right values, every window, the same for the same seed."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tcn.errors import ConfigError, DataError
from tcn.series import Panel
from tcn.training.panel_windows import PanelWindows


def test_every_window_of_every_series_comes_in_order():
    arrays = [np.arange(10.0), np.arange(3.0), 100 + np.arange(6.0)]
    windows = PanelWindows(Panel.from_arrays(arrays), context_length=3, horizon=2)
    past, future = windows.take(np.arange(len(windows)))
    expected = [a[i : i + 5] for a in arrays for i in range(len(a) - 4)]
    assert torch.cat([past[:, 0], future], dim=1).tolist() == [list(each) for each in expected]


def test_batches_depend_on_seed_and_step_alone():
    panel = Panel.from_arrays([np.random.default_rng(0).normal(size=200)])
    first, again = (PanelWindows(panel, 8, 2, batch_size=16) for _ in range(2))
    first(4)
    assert torch.equal(first(3).past, again(3).past)
    assert not torch.equal(first(3).past, first(4).past)
    assert not torch.equal(first(3).past, PanelWindows(panel, 8, 2, batch_size=16, seed=1)(3).past)


def test_values_may_stay_in_a_file(tmp_path):
    values = np.random.default_rng(0).normal(size=300)
    np.save(tmp_path / "values.npy", values)
    stored = np.load(tmp_path / "values.npy", mmap_mode="r")
    offsets = np.array([0, 100, 300])
    starts = np.zeros(2, np.int64)
    ids = np.array(["a", "b"])
    there = PanelWindows(Panel(ids, stored, offsets, starts), 20, 4)
    here = PanelWindows(Panel(ids, values, offsets, starts), 20, 4)
    assert torch.equal(there(0).past, here(0).past)


def test_windows_that_cannot_be_are_refused():
    panel = Panel.from_arrays([np.arange(4.0)])
    with pytest.raises(DataError, match=r"^No series has the 5 points of a window; the longest"):
        PanelWindows(panel, 3, 2)
    with pytest.raises(ConfigError, match=r"must be at least 1, got 3, 0 and 256\.$"):
        PanelWindows(panel, 3, 0)


def test_the_page_on_performance_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "performance.md"
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, "performance.md", "exec"), names)
    assert len(blocks) == 3
