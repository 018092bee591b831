"""The store: names, versions, aliases, broken models, hot reload."""

import os
import shutil

import pytest
import torch

from service.errors import Problem
from service.store import ModelStore
from service.testing import LastValue
from tcn.checkpoint import read_checkpoint, write_checkpoint

BODY = {"series": [1, 2, 3], "horizon": 1}


def save(path, value: float = 1.0) -> None:
    weight = torch.full((2, 2), value)
    info = {"note": "made by a test"}
    write_checkpoint(path, kind="tcn", config={"horizon": 3}, tensors={"w": weight}, info=info)


class Checked(LastValue):
    """A double that reads its checkpoint as the library would."""

    network = torch.nn.Module()


def load(path):
    if path == "zero":
        return LastValue("zero")
    network = torch.nn.Module()
    network.register_parameter("w", torch.nn.Parameter(torch.zeros(2, 2)))
    read_checkpoint(path).load_into(network)
    double = LastValue(name=str(path))
    object.__setattr__(double, "network", network)
    return double


@pytest.fixture
def store(tmp_path):
    (tmp_path / "models").mkdir()
    return ModelStore(tmp_path / "models", load, ("zero",))


def test_a_name_is_a_model_its_newest_version_an_alias_or_of_the_package(store):
    save(store.shelf.root / "plain")
    for version in ("1", "2", "10"):
        save(store.shelf.root / "sales" / version)
    assert store.shelf.resolve("plain").name == "plain"
    assert store.shelf.resolve("sales").name == "sales/10"
    assert store.shelf.resolve("sales/2").name == "sales/2"
    assert store.shelf.resolve("zero").path is None
    store.shelf.set_alias("live", "sales/1")
    assert store.shelf.resolve("live").name == "sales/1"
    store.shelf.set_alias("sales", "sales/2")
    assert store.shelf.resolve("sales").name == "sales/2"
    store.shelf.delete_alias("sales")
    assert store.shelf.resolve("sales").name == "sales/10"
    assert store.shelf.names() == ["plain", "sales/1", "sales/2", "sales/10", "zero"]


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../b", "..%2f", "\0", "a/b/c", "a\\b", "x" * 65, "con ", "-rf", ".x", "",
     "m\u043edel", "/etc", "a/", "~root"],
)  # fmt: skip
def test_no_name_leads_out_of_the_store(store, client, problem, name):
    before = sorted(store.shelf.root.parent.rglob("*"))
    for action in (store.shelf.resolve, store.delete):
        with pytest.raises(Problem, match="no model of this name"):
            action(name)
    with pytest.raises(Problem, match=r"alias|no model"):
        store.shelf.set_alias(name, "zero")
    assert problem(client.post("/v1/forecast", BODY | {"model": name}), 422)
    assert [path for path in sorted(store.shelf.root.parent.rglob("*")) if path not in before] in (
        [],
        [store.shelf.root / ".lock"],
    )


def test_links_are_refused(store, tmp_path):
    save(tmp_path / "outside" / "1")
    (store.shelf.root / "link").symlink_to(tmp_path / "outside" / "1")
    (store.shelf.root / "versions").symlink_to(tmp_path / "outside")
    (store.shelf.root / "real").mkdir()
    (store.shelf.root / "real" / "1").symlink_to(tmp_path / "outside" / "1")
    for name in ("link", "versions", "versions/1", "real", "real/1"):
        with pytest.raises(Problem, match="no model of this name"):
            store.shelf.resolve(name)
    assert store.shelf.names() == ["zero"]
    save(store.shelf.root / "file")
    (store.shelf.root / "file" / "weights.safetensors").unlink()
    (store.shelf.root / "file" / "weights.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(Problem, match="outside the model's directory"):
        store.load(store.shelf.resolve("file"))


def break_weights(path, how: str) -> None:
    weights = path / "weights.safetensors"
    data = weights.read_bytes()
    if how == "truncated":
        weights.write_bytes(data[:-1])
    elif how == "huge header":
        weights.write_bytes((2**63).to_bytes(8, "little") + data[8:])
    elif how == "pickle":
        weights.write_bytes(b"\x80\x04\x95")
    elif how == "zip":
        weights.write_bytes(b"PK\x03\x04" + bytes(100))
    elif how == "other bytes":
        weights.write_bytes(data[:-1] + b"\x7f")
    elif how == "no config":
        (path / "config.json").unlink()
    elif how == "config":
        (path / "config.json").write_text("{}")


@pytest.mark.parametrize(
    "how",
    ["truncated", "huge header", "pickle", "zip", "other bytes", "no config", "config"],
)
def test_a_broken_model_says_so_and_the_others_go_on(store, tmp_path, how):
    save(store.shelf.root / "good")
    save(store.shelf.root / "bad")
    break_weights(store.shelf.root / "bad", how)
    listing = {item["name"]: item for item in store.listing()}
    assert listing["good"]["status"] == "ready"
    assert listing["bad"]["status"] == "broken"
    assert str(tmp_path) not in listing["bad"]["reason"]
    for _ in range(2):
        with pytest.raises(Problem, match="'bad' is broken") as caught:
            store.load(store.shelf.resolve("bad"))
        assert caught.value.status == 422
    assert store.load(store.shelf.resolve("good"))
    save(store.shelf.root / "bad")
    assert store.load(store.shelf.resolve("bad"))


def test_a_changed_model_is_loaded_again(store):
    save(store.shelf.root / "sales", 1.0)
    first = store.load(store.shelf.resolve("sales"))
    assert store.load(store.shelf.resolve("sales")) is first
    save(store.shelf.root / "sales", 2.0)
    second = store.load(store.shelf.resolve("sales"))
    assert second.network.w[0, 0].item() == 2.0


def test_the_models_least_used_are_dropped_over_the_budget(tmp_path):
    store = ModelStore(tmp_path, load, memory_bytes=40)
    for name in ("a", "b", "c"):
        save(tmp_path / name)
    a = store.load(store.shelf.resolve("a"))
    store.load(store.shelf.resolve("b"))
    assert store.load(store.shelf.resolve("a")) is a
    store.load(store.shelf.resolve("c"))
    assert store.loaded_bytes == 32
    assert store.load(store.shelf.resolve("a")) is a


def test_models_are_listed_described_aliased_and_deleted_over_http(make_client, problem, tmp_path):
    for version in ("1", "2"):
        save(tmp_path / "models" / "sales" / version)
    client = make_client(load)
    listing = client.get("/v1/models").json()
    assert [item["name"] for item in listing["models"]] == ["sales/1", "sales/2", "zero"]
    described = client.get("/v1/models/sales").json()
    assert described["name"] == "sales/2"
    assert described["horizon"] == 3
    assert described["versions"] == ["1", "2"]
    assert client.post("/v1/forecast", BODY | {"model": "sales"}).json()["model"] == "sales/2"
    answer = client.request("PUT", "/v1/aliases/live", json={"model": "sales/1"})
    assert answer.json() == {"name": "live", "model": "sales/1"}
    assert client.post("/v1/forecast", BODY | {"model": "live"}).json()["model"] == "sales/1"
    assert client.get("/v1/models/sales/1").json()["aliases"] == ["live"]
    refused = problem(client.request("DELETE", "/v1/models/sales/1"), 409)
    assert "Aliases stand for this model: live" in refused["detail"]
    assert client.request("DELETE", "/v1/aliases/live").status_code == 204
    problem(client.request("DELETE", "/v1/aliases/live"), 404)
    assert client.request("DELETE", "/v1/models/sales/1").status_code == 204
    problem(client.request("DELETE", "/v1/models/sales/1"), 404)
    assert client.request("DELETE", "/v1/models/sales").status_code == 204
    problem(client.post("/v1/forecast", BODY | {"model": "sales"}), 404)
    problem(client.request("DELETE", "/v1/models/zero"), 409)
    problem(client.get("/v1/models/nothing"), 404)
    problem(client.request("PUT", "/v1/aliases/live", json={"model": 3}), 422)
    problem(client.request("PUT", "/v1/aliases/live", json={}), 422)
    problem(client.request("PUT", "/v1/aliases/live", json={"model": "nothing"}), 404)
    assert not [path for path in (tmp_path / "models").iterdir() if "trash" in path.name]


def test_a_finished_model_becomes_the_next_version(store, tmp_path):
    for expected in ("sales/1", "sales/2"):
        save(store.shelf.root / ".made")
        assert store.shelf.publish(store.shelf.root / ".made", "sales") == expected
    save(store.shelf.root / ".made")
    with pytest.raises(Problem, match="version '2' already"):
        store.shelf.publish(store.shelf.root / ".made", "sales", "2")
    save(store.shelf.root / "plain")
    with pytest.raises(Problem, match="model without versions"):
        store.shelf.publish(store.shelf.root / ".made", "plain")


def test_what_a_killed_process_left_is_swept(store):
    shutil.copytree(store.shelf.root, store.shelf.root / ".trash-1")
    store.shelf.sweep()
    assert not (store.shelf.root / ".trash-1").exists()


def test_a_store_that_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    store = ModelStore(tmp_path / "file", load, ("zero",))
    assert store.shelf.names() == ["zero"]
    with pytest.raises(Problem, match="The store cannot be written") as caught:
        store.shelf.set_alias("live", "zero")
    assert caught.value.status == 507


def test_aliases_written_by_another_process_count_at_once(store):
    store.shelf.set_alias("live", "zero")
    other = ModelStore(store.shelf.root, load, ("zero",))
    save(store.shelf.root / "new")
    other.shelf.set_alias("live", "new")
    assert store.shelf.resolve("live").name == "new"
    (store.shelf.root / ".aliases.json").write_bytes(b"not json")
    os.utime(store.shelf.root / ".aliases.json", ns=(1, 1))
    assert store.shelf.aliases() == {}
