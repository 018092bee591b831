"""A causal layer fed piece by piece gives what it gives on the whole; its state is a value."""

import torch

from tcn.layers import CausalConv1d, StreamSequential

network = StreamSequential(
    [
        CausalConv1d(3, 16, kernel_size=3, dilation=1),
        CausalConv1d(16, 16, kernel_size=3, dilation=2),
        CausalConv1d(16, 1, kernel_size=3, dilation=4),
    ]
)
x = torch.randn(8, 3, 100)  # (N, C, L): 8 streams, 3 channels, 100 steps

with torch.no_grad():
    whole = network(x)
    state = network.initial_state(batch_size=8)
    pieces = []
    for piece in x.split([1, 30, 0, 69], dim=-1):
        y, state = network.step(piece, state)
        pieces.append(y)
    newest = network.last(x)  # the last output alone, at a fraction of the work

print("receptive field:", network.receptive_field)
print("pieces equal the whole:", torch.allclose(torch.cat(pieces, dim=-1), whole, atol=1e-6))
print("the newest equals its last step:", torch.allclose(newest, whole[..., -1:], atol=1e-6))
