"""Calls of the unmodified NixtlaClient, run in an environment of its own against a real server.

`python nixtla_calls.py URL` prints one line per call; an assertion that fails ends it.
"""

import contextlib
import sys
import warnings

import numpy as np
import pandas as pd


def frame(n_series: int = 2, length: int = 60) -> pd.DataFrame:
    parts = []
    for i, name in enumerate(["b", "a"][:n_series]):
        stamps = pd.date_range("2020-01-01", periods=length + i, freq="MS")
        values = 10.0 + i + np.sin(np.arange(length + i) * 2 * np.pi / 12)
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": values}))
    return pd.concat(parts, ignore_index=True)


def main(url: str) -> None:
    from nixtla import JobCancelledError, JobStatus, NixtlaClient

    client = NixtlaClient(base_url=url, api_key="none", max_retries=1)
    data = frame()
    assert client.validate_api_key()
    assert set(client.usage()) >= {"minute", "month"}
    assert "zero" in client.list_models()

    plain = client.forecast(data, h=5)
    assert list(plain.columns) == ["unique_id", "ds", "TimeGPT"]
    assert plain["unique_id"].tolist() == ["a"] * 5 + ["b"] * 5
    assert plain["TimeGPT"].notna().all()

    with_levels = client.forecast(data, h=5, level=[80, 95.5])
    assert {"TimeGPT-lo-80", "TimeGPT-hi-95.5"} <= set(with_levels.columns)
    quantiles = client.forecast(data, h=5, quantiles=[0.1, 0.5, 0.9])
    q = quantiles[["TimeGPT-q-10", "TimeGPT-q-50", "TimeGPT-q-90"]].to_numpy()
    assert (np.diff(q, axis=1) >= 0).all()
    np.testing.assert_allclose(quantiles["TimeGPT"], plain["TimeGPT"], rtol=1e-6)

    split = client.forecast(data, h=5, num_partitions=2)
    np.testing.assert_allclose(split["TimeGPT"], plain["TimeGPT"], rtol=1e-6)

    history = client.forecast(data, h=5, add_history=True, level=[90])
    assert len(history) > 2 * 40
    assert history["TimeGPT"].notna().all()

    with_gaps = data.copy()
    with_gaps.loc[[3, 7], "y"] = [np.nan, np.inf]
    assert client.forecast(with_gaps, h=3)["TimeGPT"].notna().all()

    numbered = data.assign(ds=data.groupby("unique_id").cumcount())
    assert client.forecast(numbered, h=3, freq=1)["ds"].max() > 50

    exogenous = data.assign(price=np.arange(len(data), dtype=float))
    future = plain[["unique_id", "ds"]].assign(price=1.0)
    assert len(client.forecast(exogenous, h=5, X_df=future)) == 10

    windows = client.cross_validation(data, h=4, n_windows=3, step_size=2, level=[80])
    assert len(windows) == 2 * 3 * 4
    cutoffs = sorted(windows.loc[windows["unique_id"] == "b", "cutoff"].unique())
    last = data.loc[data["unique_id"] == "b", "ds"].max()
    assert cutoffs == [last - pd.DateOffset(months=n) for n in (8, 6, 4)]

    odd = frame(1, 100)
    odd.loc[90, "y"] = 100.0
    found = client.detect_anomalies(odd, level=99)
    assert found.loc[found["ds"] == odd.loc[90, "ds"], "anomaly"].item()
    online = client.detect_anomalies_online(odd, h=6, detection_size=12, level=99)
    assert online.loc[online["ds"] == odd.loc[90, "ds"], "anomaly"].item()
    pair = pd.concat([odd, odd.assign(unique_id="c")])
    joint = client.detect_anomalies_online(
        pair, h=6, detection_size=12, threshold_method="multivariate"
    )
    assert "accumulated_anomaly_score" in joint.columns

    paths = client.simulate(data, h=4, n_paths=20, seed=2**64 - 1)
    assert len(paths) >= 2 * 4
    job = client.jobs.forecast(data, h=3)
    assert len(job.wait()) == 6
    long = client.jobs.simulate(data, h=200, n_paths=10_000)
    long.cancel()
    with contextlib.suppress(JobCancelledError):
        long.wait()
    assert long.status in (JobStatus.CANCELLED, JobStatus.SUCCEEDED)

    if "--train" in sys.argv:
        model = client.finetune(data, finetune_steps=2, output_model_id="mine")
        assert model == "mine"
        assert [item.id for item in client.finetuned_models(as_df=False)] == ["mine"]
        assert client.finetuned_model("mine").steps == 2
        assert len(client.forecast(data, h=3, finetuned_model_id="mine")) == 6
        assert client.delete_finetuned_model("mine")
        assert not client.delete_finetuned_model("mine")
    sys.stdout.write("all calls answered\n")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(sys.argv[1])
