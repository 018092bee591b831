"""Which covariates a run from a start learns, and which are left to regression."""

from tcn.config import TCNConfig, WaveNetConfig
from tcn.forecaster import Forecaster
from tcn.series.effects import known_effects
from tcn.series.panel import Panel
from tcn.training.pulling_back import MANY
from tcn.training.windows import cycles_within

ENOUGH = 0.5  # share of the series on which covariates act
MOST_NUMBERS = 20_000_000  # of covariates; more, which may lie in a file, are left to the network


def panel_to_teach(
    panel: Panel, config: TCNConfig | WaveNetConfig, begin: Forecaster | None, n_apart: int
) -> Panel:
    """The panel as a run from `begin` sees it: less what a regression says of covariates.

    A start that was trained without covariates learns those known ahead worse than a regression of
    each series finds them (docs/log.md). Where that finds effects on half of the series, or there
    are so few windows apart that little could be learnt, the run sees what the effects leave and
    none of these covariates, and the forecaster adds the effects as `Forecaster.predict` does.
    """
    names = () if begin is None else begin.conditions.unread(panel, "future")
    if not names or len(names) * len(panel.values) > MOST_NUMBERS:
        return panel
    effects = known_effects(panel, names, cycles_within(panel, config), config.horizon)
    if n_apart >= MANY and effects.share_of_series(panel) < ENOUGH:
        return panel
    return effects.taken_from(panel).without_covariates(names)
