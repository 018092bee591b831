"""A layer with a planted mistake must fail the contract, by the law that the mistake breaks."""

import contract
import pytest
import torch
from contract import check_streamable
from torch.nn import functional

from tcn.layers import (
    CausalConv1d,
    CausalConvTranspose1d,
    ChannelDropout,
    Demand,
    PointwiseLayer,
    ResidualBlock,
    Stack,
    dilation_cycles,
    pick,
)
from tcn.layers.points import Matrix


class FieldTooLong(CausalConv1d):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.receptive_field += 1


class FieldTooShort(CausalConv1d):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.receptive_field -= 1


class PadsRight(CausalConv1d):
    def step(self, x, state):
        padded = functional.pad(x, (self.left_padding - self.dilation, self.dilation))
        return self._convolve(padded, self.dilation, 1), state


class PadsOneTooMany(CausalConv1d):
    def step(self, x, state):
        y, state = super().step(x, state)
        return functional.pad(y, (1, 0))[..., : y.shape[-1]], state


class KeepsTheOldState(CausalConv1d):
    def step(self, x, state):
        return super().step(x, state)[0], state


class KeepsTheWrongEnd(CausalConv1d):
    def step(self, x, state):
        y, after = super().step(x, state)
        return y, torch.cat([state, x], dim=-1)[..., : after.shape[-1]]


class ForgetsThePhase(CausalConv1d):
    def step(self, x, state):
        y, state = super().step(x, state)
        return y, state[..., state.shape[-1] - self.left_padding :]


class CombOneTooEarly(CausalConv1d):
    """Decimates from the start of the sequence where it should count from the end."""

    def at(self, x, demand):
        return super().at(functional.pad(x, (1, 0))[..., :-1], demand)


class SkipsOddOutputs(CausalConv1d):
    """The pyramid with the phase of another level: each second output stands one step early."""

    def at(self, x, demand):
        y = super().at(x, demand)
        return y if y.shape[-1] < 2 else torch.cat([y[..., :1], y[..., :-1]], dim=-1)


class ReadsTooFew(CausalConv1d):
    def needs(self, demand):
        needed = super().needs(demand)
        return Demand(needed.length, max(needed.count - 1, 1), needed.stride)


class PreparesTapsInReverse(CausalConv1d):
    def _planned(self, demand, matrix):
        taps = matrix.weight.view(self.out_channels, self.kernel_size, -1).flip(1)
        return super()._planned(demand, Matrix(taps.flatten(1), matrix.bias))


class ResidualOfWrongPhase(ResidualBlock):
    """Takes the shortcut one position early."""

    def at(self, x, demand):
        between = self.second.needs(demand)
        held = self.first.needs(between)
        hidden = self.second.at(self._activate(self.first.at(x, between)), demand)
        return self._output(pick(functional.pad(x, (1, 0))[..., :-1], held, demand), hidden)


class NormOverTime(PointwiseLayer):
    def transform(self, x):
        return x - x.mean(dim=-1, keepdim=True)


class NormOverTheBatch(PointwiseLayer):
    def transform(self, x):
        return x - x.mean(dim=0, keepdim=True)


class AlwaysDrops(ChannelDropout):
    def transform(self, x):
        return x * (torch.rand(x.shape[0], x.shape[1], 1, dtype=x.dtype) > 0.5)


class CropsTheFront(CausalConvTranspose1d):
    """Crops the transposed convolution on the left, as if it were centred."""

    def _spread(self, x):
        full = functional.conv_transpose1d(x, self.weight, self.bias, self.stride)
        return full[..., 1 : 1 + x.shape[-1] * self.stride]


class FillsMissing(CausalConv1d):
    """A running sum behind the convolution: a missing value never leaves it."""

    def _convolve(self, x, dilation, stride):
        y = super()._convolve(x, dilation, stride)
        return y + 0.0 * x.sum()


MISTAKES = {
    "field off by one, too long": (lambda: FieldTooLong(4, 4, 3, 2), "receptive_field"),
    "field off by one, too short": (lambda: FieldTooShort(4, 4, 3, 2), "receptive_field"),
    "right padding": (lambda: PadsRight(4, 4, 3, 2), "no_output_reads_later_inputs"),
    "one pad too many": (lambda: PadsOneTooMany(4, 4, 3, 2), "receptive_field"),
    "state not updated": (lambda: KeepsTheOldState(4, 4, 3, 2), "pieces_equal_the_whole"),
    "state of the wrong end": (lambda: KeepsTheWrongEnd(4, 4, 3, 2), "pieces_equal_the_whole"),
    "phase of the stride forgotten": (
        lambda: ForgetsThePhase(4, 4, 3, 2, stride=3),
        "pieces_equal_the_whole",
    ),
    "comb one too early": (lambda: CombOneTooEarly(4, 4, 3, 2), "last_equals_the_end"),
    "wrong phase of the pyramid": (lambda: SkipsOddOutputs(4, 4, 3, 2), "last_equals_the_end"),
    "one position too few": (lambda: ReadsTooFew(4, 4, 3, 2), "last_equals_the_end"),
    "taps prepared in reverse": (
        lambda: PreparesTapsInReverse(4, 4, 3, 2),
        "prepared_equals_on_demand",
    ),
    "shortcut of the wrong phase": (
        lambda: ResidualOfWrongPhase(4, 4, 3, 2),
        "last_equals_the_end",
    ),
    "wrong phase inside a stack": (
        lambda: Stack(lambda d: ResidualOfWrongPhase(4, 4, 3, d), dilation_cycles(4)),
        "last_equals_the_end",
    ),
    "norm over time": (NormOverTime, "no_output_reads_later_inputs"),
    "norm over the batch": (NormOverTheBatch, "batch_mates_do_not_matter"),
    "dropout after training": (lambda: AlwaysDrops(0.5), "pieces_equal_the_whole"),
    "crop at the front": (
        lambda: CropsTheFront(4, 4, 4, 2),
        "no_output_reads_later_inputs",
    ),
    "missing values spread": (lambda: FillsMissing(4, 4, 3, 2), "nan_stays_where_it_belongs"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_fails_the_contract(mistake):
    plant, _ = MISTAKES[mistake]
    with pytest.raises((AssertionError, RuntimeError)):
        check_streamable(plant(), in_channels=4)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_law_that_the_mistake_breaks_finds_it(mistake):
    plant, law = MISTAKES[mistake]
    with pytest.raises((AssertionError, RuntimeError)):
        getattr(contract, f"check_{law}")(plant().double().eval(), 4)


def test_a_wrong_comb_in_the_library_itself_fails_the_contract(monkeypatch):
    def one_short(self, demand):
        step, count = right(self, demand)
        return step, max(count - 1, 1)

    right = CausalConv1d._comb
    monkeypatch.setattr(CausalConv1d, "_comb", one_short)
    with pytest.raises((AssertionError, RuntimeError)):
        check_streamable(Stack(lambda d: ResidualBlock(4, 4, 3, d), (1, 2, 4)), in_channels=4)
