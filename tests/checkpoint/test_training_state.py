"""The state of a training run survives bit for bit."""

import math
import threading

import pytest
import torch

from tcn.checkpoint import load_state, save_state
from tcn.errors import CheckpointError


def test_tensors_and_meta_come_back_bit_for_bit(tmp_path):
    generator = torch.Generator().manual_seed(3)
    tensors = {
        "weight": torch.randn(3, 4, generator=generator),
        "moment": torch.randn(5, generator=generator).double(),
        "half": torch.randn(5, generator=generator).bfloat16(),
        "step": torch.tensor(7),
        "random": generator.get_state(),
        "mask": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
    }
    meta = {"epoch": 3, "loss": 0.1 + 0.2, "best": math.inf, "names": ["a", "b"], "none": None}
    save_state(tmp_path / "state.safetensors", tensors, meta)
    loaded, loaded_meta = load_state(tmp_path / "state.safetensors")
    assert loaded_meta == meta
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name


def test_a_state_is_replaced_and_nothing_is_left_behind(tmp_path):
    for step in range(3):
        save_state(tmp_path / "runs" / "state", {"a": torch.full((2,), float(step))}, {"s": step})
    assert load_state(tmp_path / "runs" / "state")[1] == {"s": 2}
    assert [item.name for item in (tmp_path / "runs").iterdir()] == ["state"]


def test_a_state_read_while_it_is_replaced_is_one_of_those_written(tmp_path):
    path = tmp_path / "state"
    stop = threading.Event()

    def write():
        step = 0
        while not stop.is_set():
            step += 1
            save_state(path, {"a": torch.full((step % 50 + 1,), float(step))}, {"step": step})

    save_state(path, {"a": torch.zeros(1)}, {"step": 0})
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            tensors, meta = load_state(path)
            assert tensors["a"][0] == meta["step"]
    finally:
        stop.set()
        writer.join()


def test_a_missing_cut_or_foreign_state_is_refused(tmp_path):
    path = tmp_path / "state"
    with pytest.raises(CheckpointError, match="No training state at"):
        load_state(path)
    save_state(path, {"a": torch.ones(2)}, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="its header describes 8"):
        load_state(path)
    path.write_bytes(b"\x80\x04" + bytes(100))
    with pytest.raises(CheckpointError, match="Nothing is ever unpickled"):
        load_state(path)


def test_a_meta_that_is_not_json_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="training state cannot be written as JSON"):
        save_state(tmp_path / "state", {}, {"a": object()})
