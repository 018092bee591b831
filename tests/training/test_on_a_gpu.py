"""What the layers and the training loop do on a GPU: the same as on the processor."""

import copy

import pytest
import torch
from contract_networks import READ, batch, random_network, random_values
from torch.nn import functional

from tcn.config import TCNConfig
from tcn.layers import GatedStack, ResidualBlock, Stack, dilation_cycles
from tcn.training import LoopSettings, Task, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CONFIG = TCNConfig(
    horizon=5, context_length=64, channels=8, hidden_channels=12, head_channels=16, dilations=(1, 2)
)
ORIGINS = torch.tensor([-(-READ // CONFIG.patch_length) - 1])
STACKS = {
    "residual": lambda: Stack(lambda d: ResidualBlock(8, 8, 3, d), dilation_cycles(5)),
    "gated": lambda: GatedStack(8, skip_channels=8, dilations=dilation_cycles(5)),
}


@pytest.mark.parametrize("name", STACKS)
def test_the_whole_a_stream_and_the_last_position_agree_on_a_gpu(name):
    stack = STACKS[name]().double()
    x = torch.randn(3, 8, 90, dtype=torch.float64)
    expected = stack(x)
    stack, x = stack.cuda(), x.cuda()
    pieces, state = [], stack.initial_state(3)
    for piece in x.split([1, 30, 59], dim=2):
        y, state = stack.step(piece, state)
        pieces.append(y)
    for found in (stack(x), torch.cat(pieces, dim=2)):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(stack.last(x, 2).cpu(), expected[..., -2:], rtol=1e-9, atol=1e-12)


def test_a_seed_decides_a_run_on_a_gpu(tmp_path):
    first = Stack(lambda d: ResidualBlock(8, 8, 3, d, dropout=0.2), (1, 2, 4)).cuda()
    second = copy.deepcopy(first)
    x, target = torch.randn(16, 8, 40).cuda(), torch.randn(16, 8, 1).cuda()
    settings = LoopSettings(steps=20, learning_rate=lambda _: 1e-2, evaluate_every=10)
    losses = []
    for network, directory in ((first, tmp_path / "a"), (second, tmp_path / "b")):

        def loss_of(batch, network=network):
            with torch.autocast("cuda", torch.bfloat16):
                return functional.mse_loss(network.last(batch).float(), target)

        done = train(network, Task(lambda _: x, loss_of), settings, directory, lambda _: None)
        losses.append([entry["loss"] for entry in done.history])
    assert losses[0][1] < losses[0][0]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_forecasting_network_gives_on_a_gpu_what_it_gives_on_the_processor():
    network = random_network(CONFIG).eval()
    inputs, _ = batch(CONFIG, random_values(), READ, ORIGINS)
    with torch.inference_mode():
        expected = network(inputs)
        references, drafts, steps = (each.cuda() for each in inputs.step[:3])
        step = inputs.step._replace(references=references, drafts=drafts, steps=steps)
        moved = inputs._replace(features=inputs.features.cuda(), step=step)
        found = copy.deepcopy(network).cuda()(moved)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)
