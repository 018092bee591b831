"""Image networks (and networks for series in the same words) from lists of layers."""

from tcn.models.image import specs
from tcn.models.image.builder import text
from tcn.models.image.config import ImageConfig
from tcn.models.image.inputs import network_inputs
from tcn.models.image.network import ImageNetwork
from tcn.models.image.reference import (
    NETWORKS,
    cnn,
    mlp,
    pixel_tcn,
    reference_config,
    residual_cnn,
    small_cnn,
)
from tcn.models.image.summary import Row, summarise

__all__ = [
    "NETWORKS",
    "ImageConfig",
    "ImageNetwork",
    "Row",
    "cnn",
    "mlp",
    "network_inputs",
    "pixel_tcn",
    "reference_config",
    "residual_cnn",
    "small_cnn",
    "specs",
    "summarise",
    "text",
]
