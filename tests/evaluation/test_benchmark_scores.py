"""The accuracy benchmarks split and score as the published protocols say."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tcn.errors import DataError
from tcn.evaluation import baselines
from tcn.series import Forecast

zero_shot = pytest.importorskip("benchmarks.zero_shot")
accuracy = pytest.importorskip("benchmarks.accuracy")
development_data = pytest.importorskip("benchmarks.development_data")

DATA = os.environ.get("TCN_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="TCN_DATA is not set")


def write_collection(folder: Path, name: str, n: int = 3, horizon: int = 4) -> None:
    (folder / "univariate").mkdir(exist_ok=True)
    ids, y, split = [], [], []
    for i in range(n):
        length = 20 + i
        ids += [f"s{i}"] * length
        y += np.random.default_rng(i).normal(100, 10, length).tolist()
        split += ["train"] * (length - horizon) + ["test"] * horizon
    table = pa.table({"unique_id": pa.array(ids).dictionary_encode(), "y": y, "split": split})
    parquet.write_table(table, folder / "univariate" / f"{name}.parquet")


def write_channels(folder: Path, n_rows: int = 17_420) -> None:
    (folder / "multivariate").mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    stamps = np.datetime64("2016-07-01T00") + np.arange(n_rows)
    columns = {name: random.normal(5, 3, n_rows) for name in ("HUFL", "OT")}
    table = pa.table({"date": stamps.astype("datetime64[us]"), **columns})
    parquet.write_table(table, folder / "multivariate" / "ETTh1.parquet")


def test_seasonal_naive_scores_one_and_the_season_can_be_hidden(tmp_path):
    write_collection(tmp_path, "m1_quarterly")
    seen = []

    def predict(panel, horizon, quantile_levels):
        seen.append(panel.season_length)
        return baselines.seasonal_naive(panel, horizon, quantile_levels, season_length=4)

    for season in ("given", "none"):
        score = zero_shot.score_zero_shot(predict, tmp_path, season=season, tasks=["m1_quarterly"])
        assert score.mase == pytest.approx(1.0)
        assert score.tasks[0].n_series == 3
    assert seen == [4, None]


def test_a_perfect_forecast_scores_zero(tmp_path):
    write_collection(tmp_path, "m1_quarterly")
    split = development_data.read_split(tmp_path, "m1_quarterly", 4)

    def predict(panel, horizon, quantile_levels):
        quantiles = np.repeat(split.actual[:, :, None], len(quantile_levels), axis=2)
        times = panel.future_times(horizon)
        return Forecast(panel.ids, times, split.actual, quantiles, tuple(quantile_levels))

    score = zero_shot.score_task(predict, split)
    assert (score.mase, score.wql, score.coverage) == (0.0, 0.0, 1.0)


def test_the_table_shows_ours_above_the_published(tmp_path):
    for task in zero_shot.SEASONS:
        write_collection(tmp_path, task)
    score = zero_shot.score_zero_shot(baselines.naive, tmp_path)
    lines = zero_shot.table({"naive": score}).splitlines()
    assert lines[1].startswith("naive")
    assert lines[2].split()[0] == "SeasonalNaive"
    rows = {line.split(" (fev")[0]: line.split()[-1] for line in lines[2:]}
    assert rows["TiRex"] == "0.821/0.652"
    assert rows["AutoETS"] == "0.838/0.707"
    with pytest.raises(SystemExit, match=r"published are 4\.894"):
        zero_shot.check_against_published(tmp_path)


def test_every_test_window_of_etth1_counts_and_the_scaler_reads_train_rows_alone(tmp_path):
    write_channels(tmp_path)
    data = accuracy.read_etth1(tmp_path)
    assert data.values.shape == (2, 14_400)
    np.testing.assert_allclose(data.values[:, :8640].mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(data.values[:, :8640].std(axis=1), 1.0)
    origins = []

    def predict(panel, horizon, quantile_levels):
        assert panel.lengths.tolist() == [16] * len(panel)
        origins.append(len(panel) // 2)
        last = panel.values[panel.offsets[1:] - 1]
        mean = np.repeat(last[:, None], horizon, axis=1)
        quantiles = np.repeat(mean[:, :, None], len(quantile_levels), axis=2)
        times = panel.future_times(horizon)
        return Forecast(panel.ids, times, mean, quantiles, tuple(quantile_levels))

    figures = accuracy.score_windows(predict, data, 720, context=16, chunk=500)
    assert sum(origins) == figures["windows"] == 2161
    errors = [
        data.values[:, o : o + 720] - data.values[:, o - 1 : o] for o in range(11_520, 13_681)
    ]
    assert figures["mse"] == pytest.approx(float(np.mean(np.square(errors))))
    assert figures["mae"] == pytest.approx(float(np.mean(np.abs(errors))))


def test_a_missing_data_folder_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.delenv("TCN_DATA", raising=False)
    with pytest.raises(DataError, match=r"Pass --data or set TCN_DATA to it\."):
        development_data.data_folder()
    with pytest.raises(DataError, match=r"The data folder '.*absent' is not there"):
        development_data.data_folder(tmp_path / "absent")
    with pytest.raises(DataError, match=r"The data folder lacks '.*m3_yearly\.parquet'"):
        development_data.read_split(tmp_path, "m3_yearly", 1)


@needs_data
def test_seasonal_naive_reproduces_the_published_figures():
    zero_shot.check_against_published(DATA)


@needs_data
@pytest.mark.slow
def test_repeating_the_last_value_reproduces_the_published_error_on_etth1():
    data = accuracy.read_etth1(development_data.data_folder(DATA))
    figures = accuracy.score_windows(baselines.naive, data, 96, context=64, chunk=256)
    assert figures["mse"] == pytest.approx(1.294, abs=2e-3)
    assert figures["mae"] == pytest.approx(0.713, abs=2e-3)
