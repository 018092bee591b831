"""From the encoder's state at an origin to raw outputs for each future step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcn.layers.points import Matrix
from tcn.layers.rows import normed, product, relu
from tcn.models.inputs import NetworkInputs
from tcn.series.bending import bent
from tcn.series.references import N_DRAFTS, N_REFERENCES, N_STEP_FEATURES


class ModulatedMLP(nn.Module):
    r"""A residual two-layer perceptron whose input is modulated by a state.

    y = t + W2 relu(W1 (norm(t) (1 + gamma(s)) + beta(s))), FiLM of Perez et al. 2018
    (arXiv:1709.07871), with W2 zero at the start.

    Shape: tokens (N, O, H, D), state (N, O, D), output (N, O, H, D).
    """

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.film = nn.Linear(channels, 2 * channels)
        self.widen = nn.Linear(channels, hidden)
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden, channels)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, tokens: Tensor, state: Tensor) -> Tensor:
        gain, shift = self.film(state)[:, :, None].chunk(2, dim=-1)
        hidden = self.norm(tokens) * (1.0 + gain) + shift
        update: Tensor = self.narrow(self.dropout(torch.relu(self.widen(hidden))))
        return tokens + update


class StepHead(nn.Module):
    """Raw distribution parameters of each (origin, step), in z units.

    The first raw output is a weighted sum of the drafts plus a correction; the weights start so
    that the first forecast is the seasonal mean.

    Shape: state (N, O, D), output (N, O, H, n_raw).
    """

    def __init__(
        self, channels: int, hidden: int, n_raw: int, n_known: int, n_static: int, dropout: float
    ) -> None:
        super().__init__()
        self.n_raw = n_raw
        self.embed = nn.Linear(N_REFERENCES + N_DRAFTS + N_STEP_FEATURES, channels)
        self.known = nn.Linear(n_known, channels) if n_known else None
        self.static = nn.Linear(n_static, channels) if n_static else None
        self.first = ModulatedMLP(channels, hidden, dropout)
        self.second = ModulatedMLP(channels, hidden, dropout)
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, n_raw + N_DRAFTS)
        self.reset_outputs()

    def reset_outputs(self) -> None:
        """Start from the mean of the same phase in past cycles, with a unit spread."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[self.n_raw + 1] = 1.0
        for extra in (self.known, self.static):
            if extra is not None:
                nn.init.zeros_(extra.weight)
                nn.init.zeros_(extra.bias)

    def forward(self, state: Tensor, inputs: NetworkInputs) -> Tensor:
        step = inputs.step
        tokens = torch.cat([step.references, bent(step.drafts, 8.0), step.steps], dim=-1)
        tokens = self.embed(tokens)
        if self.known is not None and inputs.known is not None:
            tokens = tokens + self.known(inputs.known)
        if self.static is not None and inputs.static is not None:
            state = state + self.static(inputs.static)[:, None]
        tokens = self.second(self.first(tokens, state), state)
        outputs = self._outputs(tokens)
        raw, weights = outputs[..., : self.n_raw], outputs[..., self.n_raw :]
        location = raw[..., :1] + (weights * step.drafts).sum(dim=-1, keepdim=True)
        return torch.cat([location, raw[..., 1:]], dim=-1)

    def prepare(self) -> Callable[[NDArray[Any], NetworkInputs], Tensor]:
        """The head as a function for inference, equal to `forward` with the weights as they are.

        States come as an array (N, O, D). What both modulations take from the state is one product.
        """
        blocks = (self.first, self.second)
        ones = torch.ones_like(self.norm.weight)
        zeros = torch.zeros_like(ones)
        one = torch.cat([ones, zeros])  # 1 + gain: the 1 is added to its bias
        film = Matrix(
            torch.cat([block.film.weight for block in blocks]),
            torch.cat([block.film.bias + one for block in blocks]),
        )
        size = self.norm.normalized_shape[0]
        places = [slice(first, first + size) for first in range(0, 4 * size, size)]
        embed, out, norm = _matrix(self.embed), _matrix(self.out), self.norm
        known = None if self.known is None else _matrix(self.known)
        static = None if self.static is None else _matrix(self.static)
        steps = [(block.norm.eps, _matrix(block.widen), _matrix(block.narrow)) for block in blocks]

        def run(state: NDArray[Any], inputs: NetworkInputs) -> Tensor:
            references, drafts, columns = (each.numpy() for each in inputs.step[:3])
            tokens = np.concatenate([references, np.arcsinh(drafts), columns], axis=-1)
            tokens = product(tokens, embed)
            if known is not None and inputs.known is not None:
                tokens += product(inputs.known.numpy(), known)
            if static is not None and inputs.static is not None:
                state = state + product(inputs.static.numpy(), static)[:, None]
            films = product(state, film)[:, :, None]
            parts = [films[..., place] for place in places]
            for (eps, widen, narrow), gain, shift in zip(
                steps, parts[::2], parts[1::2], strict=True
            ):
                hidden = normed(tokens, ones, zeros, eps)  # nearly twice as fast as without
                hidden *= gain
                hidden += shift
                tokens += product(relu(product(hidden, widen)), narrow)
            outputs = product(normed(tokens, norm.weight, norm.bias, norm.eps), out)
            outputs[..., 0] += (outputs[..., self.n_raw :] * drafts).sum(axis=-1)
            return torch.from_numpy(outputs[..., : self.n_raw])

        return run

    def _outputs(self, tokens: Tensor) -> Tensor:
        """Raw parameters and weights of drafts, in float32."""
        device = tokens.device.type
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self._outputs(tokens.float())
        outputs: Tensor = self.out(self.norm(tokens.float()))
        return outputs


def _matrix(layer: nn.Linear) -> Matrix:
    return Matrix(layer.weight, layer.bias)
