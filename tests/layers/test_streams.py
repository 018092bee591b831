"""Streams: memory that is moved on in place, slots, states as values. The laws are the contract."""

import copy
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from tcn.errors import ConfigError
from tcn.layers import (
    Activation,
    CausalConv1d,
    Condition,
    GatedStack,
    ResidualBlock,
    Stack,
    StreamLayer,
    Streams,
    StreamSequential,
    join_states,
    take_states,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def stack(channels=4, dilations=(1, 2, 4)):
    return Stack(lambda d: ResidualBlock(channels, channels, 3, d), dilations).eval()


class Sum(StreamLayer):
    """The sum so far: a layer that knows nothing of rings."""

    receptive_field = 1

    def initial_state(self, batch_size):
        return {"never": 0} if batch_size < 0 else (torch.zeros(batch_size, 2, 1),)

    def step(self, x, state):
        total = state[0] + x.cumsum(dim=2)
        return total, (total[..., -1:] if x.shape[2] else state[0],)


def test_a_layer_of_ones_own_needs_no_more_than_its_step():
    layer = StreamSequential([CausalConv1d(3, 2, 3, 2), Sum(), Activation(torch.tanh)])
    x = torch.randn(5, 3, 9)
    streams = Streams(layer, 5)
    found = [streams.push(x[..., t : t + 1]) for t in range(9)]
    torch.testing.assert_close(torch.cat(found, dim=2), layer(x))
    streams.close([1])
    (slot,) = streams.open()
    again = torch.cat([streams.push(x[:1, :, t : t + 1], slots=[slot]) for t in range(9)], dim=2)
    torch.testing.assert_close(again, layer(x[:1]))


def test_a_state_is_a_value_that_later_pushes_leave_alone():
    layer, x = stack(), torch.randn(3, 4, 40)
    streams = Streams(layer, 3)
    streams.push(x[..., :30])
    state = streams.state()
    kept = copy.deepcopy(state)
    first = streams.push(x[..., 30:])
    torch.testing.assert_close(state, kept, rtol=0.0, atol=0.0)
    torch.testing.assert_close(layer.step(x[..., 30:], state)[0], first)
    torch.testing.assert_close(Streams(layer, state=state).push(x[..., 30:]), first)
    torch.testing.assert_close(streams.state([2]), take_states(streams.state(), [2]))


def test_the_numbers_stay_those_of_the_layer_when_it_is_trained_further():
    layer, x = stack(), torch.randn(1, 4, 30)
    streams, before = Streams(layer), layer(x)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(streams.push(x), before)
    assert not streams.push(x.requires_grad_()).requires_grad


def test_dropout_is_off_and_the_layer_is_left_as_it_was():
    layer = Stack(lambda d: ResidualBlock(4, 4, 3, d, dropout=0.9, weight_norm=True), (1, 2))
    x = torch.randn(2, 4, 12)
    found = Streams(layer, 2).push(x)
    assert layer.training
    assert all(parameter.requires_grad for parameter in layer.parameters())
    torch.testing.assert_close(found, copy.deepcopy(layer).eval()(x))


def test_a_missing_value_stays_in_its_stream_and_leaves_when_its_field_has_passed():
    layer = stack()
    x = torch.randn(20, 4, 2 * layer.receptive_field)
    streams, broken = Streams(layer, 20), x.clone()
    broken[3, :, 2] = torch.nan
    found = torch.cat([streams.push(broken[..., t : t + 1]) for t in range(x.shape[2])], dim=2)
    is_broken = found.isnan().any(dim=1)
    assert not is_broken[torch.arange(20) != 3].any()
    assert is_broken[3, 2]
    late = layer.receptive_field + 2
    assert not is_broken[3, late:].any()
    torch.testing.assert_close(found[..., late:], layer(x)[..., late:])


def test_closing_and_opening_streams_leaves_the_memory_of_others_where_it_is():
    streams = Streams(stack(), 100)
    streams.push(torch.randn(100, 4, 5))
    places = [cell.memory.data_ptr() for cell in streams._memory]
    streams.close(range(10, 60))
    assert list(streams.open(50)) == list(range(10, 60))
    assert [cell.memory.data_ptr() for cell in streams._memory] == places
    assert len(streams) == 100


def test_threads_are_as_before_and_few_streams_answer_as_many():
    layer, x = stack(16), torch.randn(64, 16, 12)
    threads = torch.get_num_threads()
    together, one = Streams(layer, 64), Streams(layer)
    for t in range(12):
        y = together.push(x[..., t : t + 1])
        torch.testing.assert_close(one.push(x[:1, :, t : t + 1]), y[:1])
    assert torch.get_num_threads() == threads


def test_a_gated_stack_is_told_its_condition_at_each_push():
    layer = GatedStack(4, skip_channels=3, dilations=(1, 2), global_channels=2, step_channels=1)
    condition = Condition(torch.randn(2, 2), torch.randn(2, 1, 8))
    x = torch.randn(2, 4, 8)
    streams = Streams(layer, 2)
    found = [streams.push(x[..., t : t + 1], condition.piece(t, t + 1)) for t in range(8)]
    torch.testing.assert_close(torch.cat(found, dim=2), layer(x, condition))
    with pytest.raises(ConfigError, match=r"takes \(2, 2\) as condition\.constant, got nothing"):
        streams.push(x[..., :1])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda s: s.push(torch.zeros(3, 4, 1)), r"needs the shape \(2, channels, positions\)"),
        (lambda s: s.push(torch.zeros(2, 4)), r"got \(2, 4\)\.$"),
        (lambda s: s.push(torch.zeros(2, 1, 1)), r"reads 4 channels, got 1 of them\.$"),
        (lambda s: s.push(torch.zeros(1, 4, 1), slots=[2]), r"no open stream 2\."),
        (lambda s: s.push(torch.zeros(2, 4, 1), slots=[1, 1]), r"named twice"),
        (lambda s: s.close([-1]), r"no open stream -1\."),
        (lambda s: s.open(-1), r"at least 0, got -1\.$"),
        (lambda s: s.open(state=(torch.zeros(1, 4, 3),)), r"Give a state of the same layer\.$"),
        (lambda s: Streams(CausalConv1d(4, 4, 3, stride=2)), r"gives 6 outputs for 12 inputs\."),
    ],
)
def test_what_streams_cannot_do_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ConfigError, match=sentence):
        wrong(Streams(stack(), 2))


def test_states_of_streams_at_different_phases_of_a_stride_are_not_joined():
    layer = CausalConv1d(1, 1, 3, stride=2)
    _, odd = layer.step(torch.zeros(1, 1, 1), layer.initial_state(1))
    with pytest.raises(ConfigError, match=r"different phases of a stride"):
        join_states([odd, layer.initial_state(1)])
    with pytest.raises(ConfigError, match=r"no states to join"):
        join_states([])


def test_a_layer_without_weights_takes_the_numbers_as_they_are():
    streams = Streams(Activation(nn.ReLU()), 2)
    x = torch.randn(2, 3, 1, dtype=torch.float64)
    assert torch.equal(streams.push(x), x.relu())


def test_the_page_on_streaming_runs():
    page = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 2
    exec("\n".join(blocks), {})


def test_two_thousand_more_positions_change_neither_the_numbers_nor_the_memory():
    layer = stack(2, (1, 3))
    streams, x = Streams(layer), torch.randn(1, 2, 40)
    first = [streams.push(x[..., t : t + 1]) for t in range(40)]
    sizes = [cell.memory.numel() for cell in streams._memory]
    for t in range(2000):
        streams.push(x[..., t % 40 : t % 40 + 1])
    again = [streams.push(x[..., t : t + 1]) for t in range(40)]
    late = layer.receptive_field - 1
    torch.testing.assert_close(again[late:], first[late:], rtol=0.0, atol=0.0)
    assert [cell.memory.numel() for cell in streams._memory] == sizes
