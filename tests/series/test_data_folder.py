"""The files of data/ are what its README says."""

import re
from pathlib import Path

import numpy as np
import pytest

from tcn.series import read_csv

DATA = Path(__file__).parents[2] / "data"
FILES = sorted(path.name for path in DATA.glob("*.csv"))


def rows_in_readme() -> dict[str, int]:
    text = (DATA / "README.md").read_text()
    found = re.findall(r"^\| `(\S+\.csv)` \| ([\d,]+) \|", text, re.MULTILINE)
    return {name: int(count.replace(",", "")) for name, count in found}


@pytest.mark.parametrize("name", FILES)
def test_the_readme_counts_the_rows_of_every_file(name):
    assert rows_in_readme()[name] == len((DATA / name).read_text().splitlines()) - 1


def test_the_readme_names_no_file_that_is_not_there():
    assert sorted(rows_in_readme()) == FILES


def test_the_folder_stays_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000


@pytest.mark.parametrize(
    ("name", "freq", "n_series", "n_missing"),
    [
        ("air_passengers.csv", "MS", 1, 0),
        ("retail_sales.csv", "MS", 1, 0),
        ("co2_weekly.csv", "W-SAT", 1, 59),
        ("lynx.csv", None, 1, 0),
        ("demand_half_hourly.csv", "30min", 1, 0),
        ("peyton_manning.csv", "D", 1, 59),
        ("us_macro_quarterly.csv", "QS-JAN", 4, 0),
        ("aus_retail_long.csv", "MS", 5, 0),
        ("aus_retail_wide.csv", "MS", 5, 0),
    ],
)
def test_every_file_is_read_without_being_explained(name, freq, n_series, n_missing):
    panel = read_csv(DATA / name)
    assert (panel.freq, len(panel), np.isnan(panel.values).sum()) == (freq, n_series, n_missing)


def test_the_wide_and_the_long_file_are_the_same_panel():
    long, wide = read_csv(DATA / "aus_retail_long.csv"), read_csv(DATA / "aus_retail_wide.csv")
    assert long.equals(wide)


def test_future_covariates_go_thirty_days_beyond_the_history():
    panel = read_csv(DATA / "peyton_manning.csv", future=DATA / "peyton_manning_future.csv")
    assert panel.future_covariates.names == ("playoff_game", "super_bowl")
    assert panel.future_covariates.lengths - panel.lengths == 30
    assert np.nansum(panel.future_covariates[0][1]) == 3


def test_static_covariates_are_categories():
    panel = read_csv(DATA / "aus_retail_long.csv", static_covariates=["state", "industry"])
    assert panel.static_covariates.categories[0] == ("New South Wales", "Tasmania")
    assert panel.static_covariates.values[:, 0].tolist() == [0, 0, 0, 1, 1]


def test_past_covariates_run_beside_the_target():
    panel = read_csv(
        DATA / "us_macro_quarterly.csv",
        target_col="unemployment",
        past_covariates=["real_gdp", "inflation"],
    )
    assert panel.past_covariates.values.shape == (2, 203)
    assert panel.source.ignored == ("interest_rate",)
