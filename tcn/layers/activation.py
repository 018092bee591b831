"""Element-wise functions as layers of a stream."""

from collections.abc import Callable

from torch import Tensor

from tcn.layers.stream import PointwiseLayer


class Activation(PointwiseLayer):
    """An element-wise function, such as `torch.relu` or an `nn.Module`, as a streaming layer.

    The function must treat each position alone. Shape: (N, C, L) in and out.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def transform(self, x: Tensor) -> Tensor:
        return self.function(x)
