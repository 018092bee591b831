"""A saved model comes back bit for bit, and anything else is refused with a sentence."""

import contextlib
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from tcn.checkpoint import MAX_PARAMETERS, atomic, read_checkpoint, write_checkpoint
from tcn.checkpoint.directory import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE
from tcn.checkpoint.header import read_header
from tcn.errors import CheckpointError


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 2)
        self.norm = nn.BatchNorm1d(3)


def toy(seed: int = 0) -> Toy:
    torch.manual_seed(seed)
    return Toy()


def save(path: Path, network: nn.Module | None = None, **options: object) -> Path:
    values = {"kind": "toy", "config": {"channels": 3}, "info": {"seed": 0}} | options
    values.setdefault("tensors", (network or toy()).state_dict())
    write_checkpoint(path, **values)
    return path


def load(path: Path) -> Toy:
    with torch.device("meta"):
        network = Toy()
    read_checkpoint(path).load_into(network)
    return network


def resign(path: Path) -> None:
    """Make the manifest fit the files again, as someone who means harm would."""
    import hashlib

    manifest = json.loads((path / MANIFEST_FILE).read_text())
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        manifest["sha256"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / MANIFEST_FILE).write_text(json.dumps(manifest))


def rewrite_weights(path: Path, change) -> None:
    tensors = load_file(path / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, path / WEIGHTS_FILE)
    resign(path)


def raw_weights(path: Path, header: object, data: bytes = b"") -> None:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    (path / WEIGHTS_FILE).write_bytes(struct.pack("<Q", len(text)) + text + data)
    resign(path)


def test_a_saved_model_comes_back_bit_for_bit(tmp_path):
    network = toy()
    path = save(tmp_path / "model", network)
    loaded = load(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert all(p.requires_grad for p in loaded.parameters())


def test_kind_config_info_and_counts_are_kept(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path / "model"))
    assert checkpoint.kind == "toy"
    assert checkpoint.config == {"channels": 3}
    assert checkpoint.info == {"seed": 0}
    assert checkpoint.manifest["tensors"] == len(toy().state_dict())
    assert checkpoint.manifest["parameters"] == checkpoint.n_parameters
    assert checkpoint.specs["conv.weight"].shape == (3, 2, 2)
    assert sorted(item.name for item in (tmp_path / "model").iterdir()) == sorted(
        [CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE]
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_stored_in_another_float_come_back_as_the_network_has_them(tmp_path, dtype):
    network = toy()
    small = {k: v.to(dtype) if v.is_floating_point() else v for k, v in toy().state_dict().items()}
    loaded = load(save(tmp_path / "model", tensors=small))
    assert loaded.conv.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.conv.weight, network.conv.weight, rtol=0.01, atol=0.01)


def test_tensors_that_share_memory_or_are_not_contiguous_can_be_saved(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    write_checkpoint(
        tmp_path / "m", kind="toy", config={}, tensors={"a": base, "b": base, "c": base.T}, info={}
    )
    tensors = load_file(tmp_path / "m" / WEIGHTS_FILE)
    assert torch.equal(tensors["b"], base)
    assert torch.equal(tensors["c"], base.T)


def test_saving_again_replaces_the_model_and_leaves_nothing_behind(tmp_path):
    save(tmp_path / "model", toy(0))
    save(tmp_path / "model", toy(1))
    assert torch.equal(load(tmp_path / "model").conv.weight, toy(1).conv.weight)
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_saving_again_works_where_directories_cannot_be_swapped(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_swap", lambda first, second: False)
    save(tmp_path / "model", toy(0))
    save(tmp_path / "model", toy(1))
    assert torch.equal(load(tmp_path / "model").conv.weight, toy(1).conv.weight)
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_a_directory_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"holds other files \(thesis\.tex\)"):
        save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path):
    name = ".model." + "0" * 32 + ".tmp"
    (tmp_path / name).mkdir()
    (tmp_path / name / "weights.safetensors").write_bytes(b"half")
    save(tmp_path / "model")
    assert (tmp_path / name).exists(), "it may still be in use"
    os.utime(tmp_path / name, (0, 0))
    save(tmp_path / "model")
    assert not (tmp_path / name).exists()


def test_a_missing_model_says_what_a_model_is(tmp_path):
    with pytest.raises(CheckpointError, match=r"No model at '.*absent'\. A model is a directory"):
        read_checkpoint(tmp_path / "absent")


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(tmp_path, name):
    path = save(tmp_path / "model")
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", [CONFIG_FILE, MANIFEST_FILE])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[1]", "must hold a JSON object"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"format": 2}', "has format 2; this version reads 1"),
        (b'{"format": 1}', "lacks the sha256|must have 'kind'"),
    ],
)
def test_broken_json_is_refused(tmp_path, name, text, message):
    path = save(tmp_path / "model")
    (path / name).write_bytes(text)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_a_changed_config_does_not_fit_its_manifest(tmp_path):
    path = save(tmp_path / "model")
    text = (path / CONFIG_FILE).read_text().replace('"channels": 3', '"channels": 4')
    (path / CONFIG_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json' is not the file its manifest"):
        read_checkpoint(path)


def test_one_flipped_bit_in_the_weights_is_noticed(tmp_path):
    path = save(tmp_path / "model")
    data = bytearray((path / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (path / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors' is not the file"):
        load(path)


def test_weights_cut_by_one_byte_are_refused_before_they_are_read(tmp_path):
    path = save(tmp_path / "model")
    data = (path / WEIGHTS_FILE).read_bytes()
    (path / WEIGHTS_FILE).write_bytes(data[:-1])
    resign(path)
    with pytest.raises(CheckpointError, match=r"bytes of data, but its header describes"):
        read_checkpoint(path)


@pytest.mark.parametrize("keep", [0, 4, 8, 40])
def test_weights_cut_inside_the_header_are_refused(tmp_path, keep):
    path = save(tmp_path / "model")
    data = (path / WEIGHTS_FILE).read_bytes()
    (path / WEIGHTS_FILE).write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match=r"It was cut off: save it again\.$"):
        read_checkpoint(path)


def test_a_missing_tensor_is_named(tmp_path):
    path = save(tmp_path / "model")
    rewrite_weights(path, lambda tensors: tensors.pop("conv.bias"))
    with pytest.raises(CheckpointError, match=r"missing: \['conv\.bias'\]"):
        load(path)


def test_an_extra_tensor_is_named(tmp_path):
    path = save(tmp_path / "model")
    rewrite_weights(path, lambda tensors: tensors.update(spy=torch.zeros(1)))
    with pytest.raises(CheckpointError, match=r"not part of the network: \['spy'\]"):
        load(path)


def test_a_tensor_of_the_wrong_shape_is_named(tmp_path):
    path = save(tmp_path / "model")
    rewrite_weights(path, lambda tensors: tensors.update({"conv.bias": torch.zeros(4)}))
    with pytest.raises(CheckpointError, match=r"'conv\.bias' .* shape \[4\], .* asks for \[3\]"):
        load(path)


def test_a_tensor_of_the_wrong_dtype_is_named(tmp_path):
    path = save(tmp_path / "model")
    rewrite_weights(path, lambda tensors: tensors.update({"conv.bias": torch.zeros(3).bool()}))
    with pytest.raises(CheckpointError, match=r"'conv\.bias' .* has dtype torch\.bool; allowed"):
        read_checkpoint(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_tensor_that_is_not_finite_is_neither_read_nor_written(tmp_path, value):
    path = save(tmp_path / "model")
    bad = torch.tensor([0.0, value, 0.0])
    with pytest.raises(CheckpointError, match=r"'conv\.bias' has NaN or infinite values"):
        save(path, tensors=toy().state_dict() | {"conv.bias": bad})
    rewrite_weights(path, lambda tensors: tensors.update({"conv.bias": bad}))
    with pytest.raises(CheckpointError, match=r"'conv\.bias' in .* has NaN or infinite values"):
        load(path)


def test_more_parameters_than_allowed_are_refused_before_they_are_read(tmp_path):
    path = save(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"has 28 parameters; at most 27 are allowed"):
        read_checkpoint(path, max_parameters=27)


def test_a_header_that_promises_terabytes_allocates_nothing(tmp_path):
    path = save(tmp_path / "model")
    n = MAX_PARAMETERS * 1000
    entry = {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]}
    raw_weights(path, {"conv.weight": entry})
    with pytest.raises(CheckpointError, match=r"has 0 bytes of data, but its header describes"):
        read_checkpoint(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**40, 16 * 1024 * 1024 + 1])
def test_a_header_of_absurd_length_is_refused(tmp_path, length):
    path = save(tmp_path / "model")
    (path / WEIGHTS_FILE).write_bytes(struct.pack("<Q", length) + b"{}" * 10)
    with pytest.raises(CheckpointError, match=f"announces a header of {length} bytes; at most"):
        read_checkpoint(path)


def entry(start: int, end: int, **changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]} | changes


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"nonsense", "is not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
        ({"a": 1}, "Tensor 'a' .* must have dtype, shape and data_offsets"),
        ({"a": entry(0, 8, dtype="F8")}, "dtype 'F8'; allowed are F64"),
        ({"a": entry(0, 8, dtype=["F32"])}, "has dtype \\['F32'\\]"),
        ({"a": entry(0, 8, shape=[-2])}, "has the shape \\[-2\\]"),
        ({"a": entry(0, 8, shape=[True])}, "has the shape \\[True\\]"),
        ({"a": entry(0, 8, shape=[2.0])}, "has the shape \\[2.0\\]"),
        ({"a": entry(0, 8, shape=[1] * 99)}, "has the shape"),
        ({"a": entry(0, 8, data_offsets=[8])}, "has the offsets \\[8\\]"),
        ({"a": entry(0, 8, shape=[3])}, "has 8 bytes, but its shape \\[3\\] in F32 needs 12"),
        ({"a": entry(0, 8), "b": entry(4, 12)}, "Tensor 'b' .* overlaps the one before it"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, "Tensor 'b' .* leaves a hole before it"),
        ({"a": entry(0, 8), "__metadata__": {"x": 1}}, "metadata .* must map names to text"),
        ({"a": entry(0, 8)}, "has 12 bytes of data, but its header describes 8"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(tmp_path, header, message):
    path = save(tmp_path / "model")
    raw_weights(path, header, bytes(12))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_named_as_weights_is_refused_and_never_run(tmp_path, writer):
    path = save(tmp_path / "model")
    canary = tmp_path / "canary"
    if writer == "pickle":
        (path / WEIGHTS_FILE).write_bytes(pickle.dumps({"conv.weight": Canary(canary)}))
    else:
        torch.save({"conv.weight": Canary(canary)}, path / WEIGHTS_FILE)
    resign(path)
    with pytest.raises(CheckpointError, match=r"is a pickle or a zip archive"):
        load(path)
    assert not canary.exists()


def test_headers_of_any_length_are_read(tmp_path):
    beginnings = set()
    for filling in range(0, 600, 8):
        path = tmp_path / f"{filling}.safetensors"
        save_file({"a": torch.ones(2)}, path, metadata={"note": "x" * filling})
        beginnings.add(path.read_bytes()[0])
        assert read_header(path).metadata == {"note": "x" * filling}
    assert 0x80 in beginnings  # the first byte of a pickle


def test_a_link_out_of_the_directory_is_refused(tmp_path):
    path = save(tmp_path / "model")
    (path / WEIGHTS_FILE).rename(tmp_path / "elsewhere")
    (path / WEIGHTS_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"is a link to .*elsewhere', outside"):
        read_checkpoint(path)


def test_a_model_reached_through_a_linked_directory_is_fine(tmp_path):
    save(tmp_path / "model")
    (tmp_path / "current").symlink_to(tmp_path / "model")
    assert read_checkpoint(tmp_path / "current").kind == "toy"


def test_saving_through_a_link_replaces_the_model_it_leads_to(tmp_path):
    save(tmp_path / "v1", toy(0))
    (tmp_path / "current").symlink_to(tmp_path / "v1")
    save(tmp_path / "current", toy(1))
    assert torch.equal(load(tmp_path / "v1").conv.weight, toy(1).conv.weight)
    assert (tmp_path / "current").is_symlink()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["current", "v1"]


@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_model_damaged_anywhere_is_loaded_whole_or_refused(tmp_path, data):
    path = save(tmp_path / "model")
    name = data.draw(st.sampled_from([CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE]))
    content = bytearray((path / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 4))
    content[at : at + length] = data.draw(st.binary(max_size=6))
    (path / name).write_bytes(content)
    if name != MANIFEST_FILE and data.draw(st.booleans()):
        resign(path)
    with contextlib.suppress(CheckpointError):
        loaded = load(path)
        assert all(torch.isfinite(tensor).all() for tensor in loaded.state_dict().values())


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path):
    path = save(tmp_path / "model")
    (path / CONFIG_FILE).unlink()
    os.mkfifo(path / CONFIG_FILE)
    with pytest.raises(CheckpointError, match="is not a regular file"):
        read_checkpoint(path)


def test_a_config_that_is_not_json_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="The config cannot be written as JSON"):
        save(tmp_path / "model", config={"rate": float("nan")})
    with pytest.raises(CheckpointError, match="The info cannot be written as JSON"):
        save(tmp_path / "model", info={"a": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(CheckpointError, match=r"is a file\. Give the name"):
        save(tmp_path / "model")


FULL_DISK = """
import resource, sys
import torch
from tcn.checkpoint import save_state, write_checkpoint
from tcn.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
tensors = {"a": torch.zeros(100_000)}
for write in (
    lambda: write_checkpoint(sys.argv[1], kind="toy", config={}, tensors=tensors, info={}),
    lambda: save_state(sys.argv[2], tensors, {}),
):
    try:
        write()
    except CheckpointError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits")
def test_a_full_disk_leaves_the_old_model_as_it_was(tmp_path):
    from tcn.checkpoint import load_state, save_state

    save(tmp_path / "model")
    save_state(tmp_path / "state", {"a": torch.ones(2)}, {"step": 3})
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "model"), str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.stdout.count("unchanged; free some space") == 2, result.stdout + result.stderr
    assert torch.equal(load(tmp_path / "model").conv.weight, toy().conv.weight)
    assert load_state(tmp_path / "state")[1] == {"step": 3}
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model", "state"]


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"Cannot write '.*model': File exists"):
        save(tmp_path / "file" / "model")
