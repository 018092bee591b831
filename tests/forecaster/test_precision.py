"""Forecasts in half precision: near those in float32, and nothing left changed."""

import numpy as np
import pytest
import torch

import tcn
from tcn.errors import ConfigError
from tcn.models.precision import BFLOAT16_FLAGS, number_format, processor_flags


def panel():
    rng = np.random.default_rng(0)
    season = np.sin(np.arange(120) * 2 * np.pi / 12)
    return tcn.Panel.from_arrays(list(season + 0.3 * rng.normal(size=(8, 120))), season_length=12)


def test_half_precision_moves_a_forecast_by_a_few_hundredths_of_the_spread():
    zero = tcn.load("zero")
    exact = zero.predict(panel(), 12)
    coarse = zero.predict(panel(), 12, precision="bfloat16")
    assert 0.0 < np.abs(coarse.quantiles - exact.quantiles).max() < 0.05
    assert coarse.quantiles.dtype == np.float64
    assert not torch.is_autocast_enabled("cpu")
    again = zero.predict(panel(), 12)
    np.testing.assert_array_equal(again.quantiles, exact.quantiles)


def test_auto_takes_half_precision_where_the_processor_has_it():
    has_it = bool(processor_flags() & BFLOAT16_FLAGS)
    assert number_format("auto") == (torch.bfloat16 if has_it else torch.float32)


def test_an_unknown_precision_is_refused():
    message = r"precision must be one of 'auto', 'float32', 'bfloat16', got 'half'\."
    with pytest.raises(ConfigError, match=message):
        tcn.load("zero").predict(panel(), 12, precision="half")
