"""The image network: the layers of a config, one after another."""

import torch
from torch import Tensor, nn

from tcn.errors import ConfigError
from tcn.layers import CausalConv1d, Conv2d, ConvTranspose2d, MaskedConv2d
from tcn.models.image.builder import Shape, build_layers, text
from tcn.models.image.config import ImageConfig
from tcn.models.image.on_demand import last_on_demand
from tcn.models.image.summary import Row, count

_WEIGHTED = (nn.Linear, Conv2d, MaskedConv2d, ConvTranspose2d, CausalConv1d)


class ImageNetwork(nn.Module):
    """Scores or probabilities of classes, or whatever else the layers of a config give.

    Weights start Glorot-uniform and biases at zero. `logits` leaves out a softmax at the end, which
    is what training and stable probabilities want. The last position of causal layers is computed
    on demand: nothing that it does not read.

    Shape: x (N, C, H, W) or (N, C, L), pixels scaled already; output (N, units) or (N, C', H', W').
    Raises ConfigError that names the layer where a shape does not fit.

    >>> config = ImageConfig((28, 28, 1), [{"type": "flatten"}, {"type": "dense", "units": 10}])
    >>> ImageNetwork(config)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    rows: tuple[Row, ...]

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        self.input_shape: Shape = (config.channels, *config.input_shape[:-1])
        built = build_layers(config.layers, self.input_shape)
        self.output_shape = built[-1].shape
        modules = [module for layer in built for module in layer.modules]
        self.final = modules.pop() if isinstance(modules[-1], nn.Softmax) else nn.Identity()
        self.body = nn.Sequential(*last_on_demand(modules))
        self.rows = (
            Row("input", self.input_shape, 0, 0),
            *(
                Row(f"{place} {layer.type}", made.shape, *count(made.modules))
                for place, (layer, made) in enumerate(zip(config.layers, built, strict=True), 1)
            ),
        )
        _draw(self)

    @property
    def n_outputs(self) -> int:
        """Length of the vector the network gives; ConfigError where it gives none."""
        if len(self.output_shape) != 1 or self.output_shape[0] is None:
            raise ConfigError(
                f"The last layer gives {text(self.output_shape)}, not one vector of scores. "
                "End with dense, or with global_pool."
            )
        return self.output_shape[0]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.final(self.logits(x))
        return y

    def logits(self, x: Tensor) -> Tensor:
        """Scores before the softmax at the end, if there is one."""
        self._require_shape(tuple(x.shape[1:]))
        y: Tensor = self.body(x)
        return y

    def _require_shape(self, shape: tuple[int, ...]) -> None:
        fits = len(shape) == len(self.input_shape) and all(
            wanted in (None, size) for wanted, size in zip(self.input_shape, shape, strict=True)
        )
        if not fits:
            given = text(shape) if shape else "nothing"
            raise ConfigError(f"The network reads {text(self.input_shape)}; the input is {given}.")


@torch.no_grad()
def _draw(network: nn.Module) -> None:
    """Glorot and Bengio 2010: uniform weights whose variance suits both directions."""
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
