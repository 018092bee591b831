"""Networks from configs. Those of images and waveforms are loaded when first asked for."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from tcn.config import Config, TCNConfig, WaveNetConfig
from tcn.errors import ConfigError
from tcn.models.forecast import ForecastNetwork
from tcn.models.inputs import NetworkInputs

if TYPE_CHECKING:
    from tcn.models.image import ImageConfig, ImageNetwork
    from tcn.models.waveform import WaveformConfig, WaveformNetwork

CONFIGS: dict[str, type[TCNConfig] | type[WaveNetConfig]] = {
    "tcn": TCNConfig,
    "wavenet": WaveNetConfig,
}
IMAGE = "image"
WAVEFORM = "waveform"
_HOMES = {
    "ImageConfig": "tcn.models.image",
    "ImageNetwork": "tcn.models.image",
    "WaveformConfig": "tcn.models.waveform",
    "WaveformNetwork": "tcn.models.waveform",
}


def kind_of(config: Config) -> str:
    """The name a config is saved under, such as "tcn"."""
    for kind, cls in CONFIGS.items():
        if type(config) is cls:
            return kind
    from tcn.models.image import ImageConfig
    from tcn.models.waveform import WaveformConfig

    if isinstance(config, ImageConfig):
        return IMAGE
    if isinstance(config, WaveformConfig):
        return WAVEFORM
    raise ConfigError(f"No network is built from a {type(config).__name__}.")


def build_network(kind: str, config: Mapping[str, Any]) -> tuple[Config, nn.Module]:
    """Config and network of a saved kind; sizes are checked before anything is allocated."""
    if kind == IMAGE:
        from tcn.models.image import ImageConfig, ImageNetwork

        image_config = ImageConfig.from_dict(config)
        return image_config, ImageNetwork(image_config)
    if kind == WAVEFORM:
        from tcn.models.waveform import WaveformConfig, WaveformNetwork

        waveform_config = WaveformConfig.from_dict(config)
        return waveform_config, WaveformNetwork(waveform_config)
    if kind not in CONFIGS:
        known = ", ".join([*CONFIGS, IMAGE, WAVEFORM])
        raise ConfigError(f"Unknown kind of network {kind!r}. Known: {known}.")
    built = CONFIGS[kind].from_dict(config)
    return built, ForecastNetwork(built)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tcn.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


__all__ = [
    "CONFIGS",
    "IMAGE",
    "WAVEFORM",
    "ForecastNetwork",
    "ImageConfig",
    "ImageNetwork",
    "NetworkInputs",
    "WaveformConfig",
    "WaveformNetwork",
    "build_network",
    "kind_of",
]
