"""A panel whose values lie in files is the one in memory, whatever the order of the rows."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tcn
from tcn.cli import train
from tcn.cli.columns import Columns
from tcn.errors import DataError
from tcn.series import open_parquet, parquet_pieces, ragged, read_parquet
from tcn.training import digest

ROWS = 100


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(parquet_pieces, "ROWS_PER_PIECE", ROWS)
    monkeypatch.setattr(parquet_pieces, "ROWS_PER_BATCH", 37)


def table(n_series=23, seed=0):
    """Series of unlike length with gaps, missing values, and covariates that go on beyond them."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in rng.permutation(n_series):
        size = int(rng.integers(6, 40))
        kept = np.sort(rng.choice(np.arange(1, size), size - 3, replace=False))
        hours = np.append(0, kept)
        y = np.where(rng.random(len(hours)) < 0.1, np.nan, rng.normal(size=len(hours)))
        y[0] = 1.0
        y[-2:] = np.nan
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"s{number}",
                    "number": int(number),
                    "region": f"r{number % 3}",
                    "place": f"p{number}",
                    "ds": pd.Timestamp("2024-03-01") + pd.to_timedelta(hours, "h"),
                    "y": y,
                    "price": rng.normal(size=len(hours)),
                    "weather": rng.choice([f"w{number % 5}", "rain", "sun"], len(hours)),
                    "size": float(number),
                    "kind": f"k{number % 4}",
                    "unused": 1.0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


ORDERS = {
    "as it came": lambda frame: frame,
    "by id": lambda frame: frame.sort_values(["unique_id", "ds"]),
    "by number": lambda frame: frame.sort_values(["number", "ds"]),
    "by time": lambda frame: frame.sort_values("ds", kind="stable"),
    "at random": lambda frame: frame.sample(frac=1.0, random_state=0),
}
COLUMNS = {
    "found": {"target_col": "y", "id_col": "unique_id"},
    "numbers as ids": {"id_col": "number", "target_col": "y"},
    "several id columns": {"id_col": ("region", "place"), "target_col": "y"},
    "covariates": {
        "id_col": "unique_id",
        "target_col": "y",
        "past_covariates": ("price", "weather"),
        "static_covariates": ("size", "kind"),
    },
    "known covariates": {
        "id_col": "unique_id",
        "target_col": "y",
        "future_covariates": ("weather", "price"),
    },
    "frequency and zone": {
        "id_col": "unique_id",
        "target_col": "y",
        "freq": "h",
        "tz": "Europe/Berlin",
        "season_length": 24,
    },
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_stored_panel_is_the_one_in_memory(order, columns, tmp_path):
    path = tmp_path / "data.parquet"
    order(table()).to_parquet(path, index=False)
    held = read_parquet(path, **columns)
    with open_parquet(path, folder=tmp_path, **columns) as panel:
        assert not panel.values.flags.writeable  # a mapped file
        assert panel.equals(held)
        assert panel.source == held.source
        assert panel.frame_kind == held.frame_kind
    assert [each.name for each in tmp_path.iterdir()] == ["data.parquet"]


def test_texts_as_times_and_dictionaries_as_ids_are_read_alike(tmp_path):
    frame = table().sort_values("ds")
    frame["ds"] = frame["ds"].dt.strftime("%d.%m.%Y %H:%M")
    frame["unique_id"] = frame["unique_id"].astype("category")
    path = tmp_path / "data.parquet"
    frame.to_parquet(path, index=False)
    options = {"time_format": "%d.%m.%Y %H:%M", "target_col": "y", "id_col": "unique_id"}
    with open_parquet(path, **options) as panel:
        assert panel.equals(read_parquet(path, **options))


def test_a_short_file_and_a_wide_one_are_read_into_memory(tmp_path):
    short, wide = tmp_path / "short.parquet", tmp_path / "wide.parquet"
    table()[:ROWS].to_parquet(short, index=False)
    days = pd.date_range("2024-01-01", periods=2 * ROWS)
    pd.DataFrame({"ds": days, "a": 1.0, "b": 2.0}).to_parquet(wide, index=False)
    for path, columns in ((short, {"target_col": "y", "id_col": "unique_id"}), (wide, {})):
        with open_parquet(path, **columns) as panel:
            assert panel.equals(read_parquet(path, **columns))
            assert panel.values.flags.writeable


@pytest.mark.parametrize("order", ["by id", "at random"])
def test_errors_name_the_row_of_the_file(order, tmp_path):
    frame = ORDERS[order](table()).reset_index(drop=True)
    row = 500 if len(frame) > 500 else len(frame) - 3
    frame.loc[row, ["unique_id", "ds"]] = frame.loc[row - 1, ["unique_id", "ds"]].tolist()
    path = tmp_path / "data.parquet"
    frame.to_parquet(path, index=False)
    columns = {"target_col": "y", "id_col": "unique_id"}
    with pytest.raises(DataError) as whole:
        read_parquet(path, **columns)
    with (
        pytest.raises(DataError, match=f"row {row - 1} and row {row}") as found,
        open_parquet(path, **columns),
    ):
        pass
    assert str(found.value).split(". ")[0] == str(whole.value).split(". ")[0]


def test_a_missing_id_is_told_of_as_ever(tmp_path):
    frame = table()
    frame.loc[200, "unique_id"] = None
    path = tmp_path / "data.parquet"
    frame.to_parquet(path, index=False)
    with (
        pytest.raises(DataError, match=r"row 200: the series id is\s+missing"),
        open_parquet(path, target_col="y", id_col="unique_id"),
    ):
        pass


def test_numbers_in_one_piece_and_texts_in_another_are_refused(tmp_path):
    frame = table().sort_values("unique_id")
    frame["mixed"] = np.where(np.arange(len(frame)) < 2 * ROWS, "1", "one")
    path = tmp_path / "data.parquet"
    frame.to_parquet(path, index=False)
    columns = {"target_col": "y", "id_col": "unique_id", "past_covariates": ("mixed",)}
    with (
        pytest.raises(DataError, match="'mixed' holds numbers alone for some series"),
        open_parquet(path, **columns),
    ):
        pass


def test_a_full_disk_is_told_of(tmp_path, monkeypatch):
    path = tmp_path / "data.parquet"
    table().to_parquet(path, index=False)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tcn.series.stored.Numbers.append", full)
    with (
        pytest.raises(DataError, match=r"No space left on device.*more room"),
        open_parquet(path, target_col="y", id_col="unique_id", folder=tmp_path),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["data.parquet"]


def test_a_model_trained_on_a_stored_panel_is_the_one_trained_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(ragged, "AT_ONCE", 50)
    monkeypatch.setattr(digest, "AT_ONCE", 50)
    path = tmp_path / "data.parquet"
    pq.write_table(pa.Table.from_pandas(ORDERS["by time"](table(40))), path)
    columns = COLUMNS["covariates"]
    config = tcn.TCNConfig(horizon=2, context_length=64, channels=8, hidden_channels=8)
    brief = tcn.TrainConfig(max_epochs=1, steps_per_epoch=3)
    held = read_parquet(path, **columns)
    whole = tcn.fit(held, config, brief, start=None)
    with open_parquet(path, **columns) as panel:
        stored = tcn.fit(panel, config, brief, start=None, directory=tmp_path / "state")
    assert stored.manifest == whole.manifest
    assert stored.conditions == whole.conditions
    left, right = whole.predict(held), stored.predict(held)
    np.testing.assert_array_equal(left.quantiles, right.quantiles)


@pytest.mark.parametrize("is_tested", [False, True])
def test_the_command_trains_on_a_long_file_and_leaves_the_model_alone(is_tested, tmp_path):
    path = tmp_path / "data.parquet"
    ORDERS["by time"](table(40).fillna({"y": 0.0})).to_parquet(path, index=False)
    train.run(
        path,
        Columns(id_col="unique_id", target_col="y"),
        horizon=2,
        out=tmp_path / "model",
        start="zero",
        config=None,
        train_options={"max_epochs": 1, "steps_per_epoch": 2},
        test=is_tested,
        restart=False,
        as_json=False,
        quiet=True,
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data.parquet", "model"]


def test_reading_holds_a_piece_of_the_file_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_pieces, "ROWS_PER_BATCH", 2000)
    path, n_groups, size = tmp_path / "data.parquet", 40, 5000
    with pq.ParquetWriter(path, pa.schema([("unique_id", pa.int64()), ("y", pa.float64())])) as out:
        for group in range(n_groups):
            noise = np.random.default_rng(group).normal(size=size)
            out.write_table(pa.table({"unique_id": np.full(size, group), "y": noise}))
    cuts = [size * (group + 1) for group in range(n_groups)]
    before, most = pa.total_allocated_bytes(), 0
    for piece in parquet_pieces.tables_between(path, cuts, ["unique_id", "y"]):
        assert piece.n_rows == size
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 0.2 * path.stat().st_size
