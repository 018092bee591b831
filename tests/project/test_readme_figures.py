"""The figures that the README quotes are those of the results under benchmarks."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@cache
def result(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def row_of(start, text=README):
    """The cells of the one table row that begins so."""
    (row,) = re.findall(rf"^\| {re.escape(start)}.*$", text, re.MULTILINE)
    return [cell.strip() for cell in row.strip("|").split("|")]


def numbers(text):
    """Numbers as they are written, so that their digits can be counted."""
    return re.findall(r"(?<![\w.])\d*\.?\d+(?=x|\b)", text)


def assert_shown(texts, values):
    """Each value, rounded to the digits written (a five at the end either way)."""
    assert len(texts) == len(values)
    for text, value in zip(texts, values, strict=True):
        digits = len(text.partition(".")[2])
        assert abs(float(text) - value) <= 0.5 * 10.0**-digits + 1e-9, (text, value)


def cpu_ratio(work, peer):
    """How many times better by CPU time, from the table of all benchmarks."""
    (row,) = [row for row in result("table") if (row["work"], row["peer"]) == (work, peer)]
    return row["cpu_ratio"]


TRAINING = "training windows per second, dropout {}, bfloat16, 1 thread(s)"
FRAMES = "forecast, frame to frame, {} series, 1 thread(s)"


@pytest.mark.parametrize(
    ("start", "sources"),
    [
        (
            "training, windows per second",
            [(TRAINING.format(0), "darts TCN"), (TRAINING.format(0.2), "darts TCN")],
        ),
        ("the same, dropout 0", [(TRAINING.format(0), "neuralforecast TCN")]),
        ("time to the same", [("time to the same validation error", "plain loop")]),
        (
            "forecast from frame to frame",
            [(FRAMES.format(1), "darts"), (FRAMES.format(1000), "darts")],
        ),
        (
            "the same | neuralforecast",
            [(FRAMES.format(1), "neuralforecast"), (FRAMES.format(1000), "neuralforecast")],
        ),
        (
            "streaming, one new point",
            [
                ("streaming: one series", "pytorch-tcn"),
                ("streaming: many series bfloat16", "pytorch-tcn"),
            ],
        ),
        (
            "last step of 8 x 64",
            [
                ("last step: on demand, float32", "full network"),
                ("last step: on demand, bfloat16", "full network"),
            ],
        ),
    ],
)
def test_speeds_are_those_of_the_table_of_benchmarks(start, sources):
    *_, shown = row_of(start)
    assert_shown(numbers(shown), [cpu_ratio(*source) for source in sources])


def test_waveforms_are_as_fast_as_measured():
    *_, shown = row_of("a waveform, sample by sample")
    categorical = result("generation")["against_recomputation"][0]
    assert_shown(numbers(shown), [categorical["times_as_fast_as_anew"]])


def test_the_date_and_processor_are_those_of_the_table():
    ((processor, date),) = re.findall(
        r"one thread of an (\w+ \w+ with \w+), peers in the same process, ([\d-]+)", README
    )
    rows = [row for row in result("table") if row["cpu_ratio"]]
    assert date in {row["date"] for row in rows}
    maker, extension = processor.split(" with ")
    assert all(maker in row["processor"] and extension in row["processor"] for row in rows)


def test_one_forecast_takes_as_long_as_measured():
    ((searched, given, peer),) = re.findall(
        r"One series of 115 points takes ([\d.]+) ms of CPU time, ([\d.]+) ms where its season is "
        r"searched\s\(fracast 0\.1\.0, the nearest offline\speer: ([\d.]+) ms",
        README.replace("\n", " "),
    )
    times = result("latency")["one_series"]["115 points"]
    names = ("zero, season given", "zero", "fracast")
    assert_shown((searched, given, peer), [times[name]["cpu_ms"] for name in names])


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("`zero`, 0.6M parameters", ["zero, season given"]),
        ("`zero`, bare numbers", ["zero, season none"]),
        ("AutoTheta / AutoETS", ["AutoTheta, here", "AutoETS, here"]),
        ("Fracast-0", ["fracast, here"]),
    ],
)
def test_scores_without_training_are_those_measured(start, names):
    _, mase, wql = row_of(start)
    rows = [result("zero_shot")["rows"][name] for name in names]
    assert_shown(numbers(mase), [row["mase"] for row in rows])
    assert_shown(numbers(wql), [row["wql"] for row in rows])


def test_the_share_inside_the_interval_is_that_measured():
    (shown,) = re.findall(r"Its 80 % interval covers (\d+) %", README)
    row = result("zero_shot")["rows"]["zero, season given"]
    assert_shown([shown], [100 * row["coverage"]])


def test_scores_after_training_are_those_measured():
    m3 = result("accuracy_m3")["result"]["m3_monthly"]["median"]
    mase, _, _, covered = numbers(row_of("M3 monthly")[1].replace("80 %", ""))
    assert_shown((mase, covered), (m3["relative_mase"], 100 * m3["coverage"]))
    tourism = result("short_data")["tourism_quarterly"]
    ways = [tourism[way] for way in ("from zero", "zero as it is")]
    figures = [way[measure] for measure in ("mase", "wql") for way in ways]
    assert_shown(numbers(row_of("tourism quarterly")[1]), figures)
    etth1 = result("accuracy_etth1")["result"]["mean"]["mse"]
    assert_shown(numbers(row_of("ETTh1")[1])[:1], [etth1])


def test_the_worth_of_covariates_is_that_measured():
    found = result("covariates")
    (text,) = re.findall(r"electricity demand falls by (\d+) %", README.replace("\n", " "))
    assert_shown([text], [100.0 * (1.0 - found["demand, days"]["zero, wql"])])
    page = (ROOT / "docs" / "zero.md").read_text()
    for start, task in (
        ("electricity of Victoria", "demand, half hours"),
        ("the same by the hour", "demand, hours"),
        ("the same by the day", "demand, days"),
        ("American consumption", "quarters, realcons"),
        ("American investment", "quarters, realinv"),
        ("American unemployment", "quarters, unemp"),
    ):
        figures = found[task]
        texts = numbers(" ".join(row_of(start, page)[2:]))
        values = [figures["zero, wql"]]
        values += [100.0 * figures[name] for name in ("zero, coverage", "coverage without")]
        if "arima, wql" in figures:
            values += [figures["arima, wql"], 100.0 * figures["arima, coverage"]]
        assert_shown(texts, values)
