"""Pictures of forecasts."""

import io

import numpy as np
import pytest

from tcn.errors import DataError
from tcn.evaluation import seasonal_naive
from tcn.series import Panel, plot_forecast


def panel_of(n: int) -> Panel:
    arrays = {f"s{i}": np.arange(30.0) % 7 for i in range(n)}
    return Panel.from_arrays(arrays, freq="D", starts="2026-01-01")


def test_a_picture_shows_history_forecast_and_nested_intervals():
    panel = panel_of(2)
    figure = plot_forecast(panel, seasonal_naive(panel, 7, (0.05, 0.25, 0.5, 0.75, 0.95)))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["s0", "s1"]
    history, mean = figure.axes[0].lines
    assert len(history.get_ydata()) == 30
    assert mean.get_ydata().tolist() == [
        1.0,
        2.0,
        3.0,
        4.0,
        5.0,
        6.0,
        0.0,
        1.0,
    ]  # from the newest on
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["0.05 to 0.95", "0.25 to 0.75", "mean"]
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def test_at_most_nine_series_are_drawn():
    panel = panel_of(12)
    forecast = seasonal_naive(panel, 2, (0.5,))
    assert len(plot_forecast(panel, forecast).axes) == 9
    assert len(plot_forecast(panel, forecast, n_series=4).axes) == 4


def test_a_forecast_of_other_series_is_not_drawn():
    with pytest.raises(DataError, match=r"^The forecast is not of this panel: their ids differ"):
        plot_forecast(panel_of(3), seasonal_naive(panel_of(2), 2, (0.5,)))


def test_what_came_is_drawn_over_the_forecast_and_no_line_goes_back():
    panel = panel_of(1)
    history, _ = panel.split(7)
    figure = plot_forecast(panel, seasonal_naive(history, 7, (0.1, 0.9)))
    actual, mean = figure.axes[0].lines
    assert actual.get_ydata().tolist() == panel[0].tolist()
    times = mean.get_xdata()
    assert times.tolist() == panel.times()[-8:].tolist()
    assert mean.get_ydata()[0] == panel[0][-8]


def test_a_series_is_drawn_where_there_is_room_for_it():
    from matplotlib.figure import Figure

    panel = panel_of(3)
    forecast = seasonal_naive(panel, 2, (0.5,))
    own = Figure()
    axes = own.add_subplot()
    assert plot_forecast(panel.take(["s2"]), forecast.take(["s2"]), axes=axes) is own
    assert axes.get_title(loc="left") == "s2"


def test_a_notebook_shows_the_picture():
    panel = panel_of(1)
    assert plot_forecast(panel, seasonal_naive(panel, 2))._repr_png_().startswith(b"\x89PNG")
