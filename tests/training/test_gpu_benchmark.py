"""The benchmark for CUDA devices: what it says without one, and that each of its parts runs."""

import sys

import pytest
import torch

from benchmarks import gpu


def test_without_a_device_it_says_so_in_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match=r"^No CUDA device was found: nothing was measured\."):
        gpu.main()


def test_a_dry_run_goes_through_every_part_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu", "--dry-run"])
    monkeypatch.setattr(gpu, "write_result", lambda *_: pytest.fail("a dry run was written"))
    gpu.main()
    printed = capsys.readouterr().out
    for part in ("training", "forecast", "streams", "images"):
        assert f"{part}\n" in printed
    for contestant in ("on demand, bfloat16", "a step", "channels last, bfloat16"):
        assert contestant in printed
