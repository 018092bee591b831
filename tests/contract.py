"""Checks that each member of a kind must pass: here the contract of streaming layers.

`check_streamable(layer, in_channels=...)` runs them all. Each law is a function of its own, so that
a test can plant one mistake and name the law that finds it.
"""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tcn.layers import (
    Demand,
    StreamLayer,
    Streams,
    channels_last,
    join_states,
    pick,
    take_states,
    whole,
)

Layer = StreamLayer[Any]
MakeCondition = Callable[[int, int], Any]  # (batch size, length) -> condition of a layer

TOLERANCE = 1e-9


def check_streamable(
    layer: Layer,
    in_channels: int,
    *,
    condition: MakeCondition | None = None,
    is_exported: bool = True,
    is_bfloat16_checked: bool = True,
) -> None:
    """Run all laws of the streaming contract on a float64 copy of `layer` in eval mode.

    condition: makes the condition of a layer that takes one; it has `piece(start, stop)`.
    """
    layer = copy.deepcopy(layer).double().eval()
    check_pieces_equal_the_whole(layer, in_channels, condition)
    check_no_output_reads_later_inputs(layer, in_channels, condition)
    check_receptive_field(layer, in_channels, condition)
    check_last_equals_the_end(layer, in_channels, condition)
    if condition is None:
        check_prepared_equals_on_demand(layer, in_channels)
    if layer.period == 1 and layer.output_length(12) == 12:
        check_streams_equal_the_whole(layer, in_channels, condition)
        check_streams_keep_apart(layer, in_channels, condition)
    check_batch_mates_do_not_matter(layer, in_channels, condition)
    check_nan_stays_where_it_belongs(layer, in_channels, condition)
    check_layouts_agree(layer, in_channels, condition)
    if is_bfloat16_checked:
        check_bfloat16(layer, in_channels, condition)
    if is_exported:
        check_export(layer, in_channels, condition)


def check_pieces_equal_the_whole(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Any split, empty pieces and single positions among them, gives the same outputs."""
    for length in lengths_around(layer.receptive_field):
        x = random_input(3, in_channels, length)
        given = make(condition, 3, length)
        whole_output = layer(x, *given)
        assert whole_output.shape[-1] == layer.output_length(length)
        for split in splits(length):
            outputs, state, start = [], layer.initial_state(3), 0
            for size in split:
                piece = [each.piece(start, start + size) for each in given]
                y, state = layer.step(x[..., start : start + size], state, *piece)
                outputs.append(y)
                start += size
            close(torch.cat(outputs, dim=-1), whole_output, f"pieces {split}")


def check_no_output_reads_later_inputs(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Another future leaves the outputs before it as they are, bit for bit."""
    length = min(2 * layer.receptive_field + 5, 400)
    x = random_input(2, in_channels, length)
    given = make(condition, 2, length)
    y = layer(x, *given)
    for now in sorted({0, 1, length // 3, length // 2, length - 2}):
        changed = x.clone()
        changed[..., now + 1 :] = 100.0 * torch.randn_like(changed[..., now + 1 :])
        present = layer.output_length(now + 1)
        assert torch.equal(layer(changed, *given)[..., :present], y[..., :present]), (
            f"An output up to input {now} changes with a later input."
        )


def check_receptive_field(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """The inputs that a late output reads span exactly `receptive_field` positions.

    Weights are made positive, so that neither a dead relu nor a cancelled sum hides a path.
    """
    layer = positive_copy(layer)
    length = whole_period(layer, 2 * layer.receptive_field + 3)
    x = (0.5 + random_input(1, in_channels, length).abs()).requires_grad_()
    y = layer(x, *make(condition, 1, length))
    spans = []
    for late in range(layer.period):
        position = y.shape[-1] - 1 - late
        (gradient,) = torch.autograd.grad(y[..., position].sum(), x, retain_graph=True)
        read = gradient.abs().sum(dim=(0, 1)).nonzero()[:, 0].tolist()
        first, last = layer.reads(position, position)
        assert [*read[:1], *read[-1:]] == ([first, last] if first <= last else []), (
            f"Output {position} reads inputs {read[:1]} to {read[-1:]}, not {first} to {last}."
        )
        spans.append(last - first + 1)
    assert max(spans) == layer.receptive_field, (
        f"The receptive field is {max(spans)}, not {layer.receptive_field}."
    )


def check_last_equals_the_end(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Outputs on demand, and their gradients, equal those of the whole, at any length and count."""
    for length in lengths_around(layer.receptive_field):
        n_outputs = layer.output_length(length)
        counts = {1, 2, 3, 4, 7, n_outputs // 2, n_outputs - 1, n_outputs}
        given = make(condition, 2, length)
        for count in sorted(count for count in counts if 1 <= count <= n_outputs):
            x = random_input(2, in_channels, length).requires_grad_()
            wanted = layer(x, *given)[..., -count:]
            found = layer.last(x, count, *given)
            what = f"the last {count} outputs of {length} inputs"
            close(found, wanted, what)
            with torch.inference_mode():
                for version in (x.detach(), channels_last(x.detach())):
                    found_alone = layer.last(version, count, *given)
                    close(found_alone, wanted.detach(), f"{what}, without gradients")
            weight = torch.randn_like(wanted)
            expected = gradients((wanted * weight).sum(), x, layer)
            for name, gradient in gradients((found * weight).sum(), x, layer).items():
                close(gradient, expected[name], f"the gradient of {name} for {what}")


def check_prepared_equals_on_demand(layer: Layer, in_channels: int) -> None:
    """The functions for inference give the outputs on demand, for one series and for many."""
    plan = layer.prepare()
    sizes = [(n, length) for n in (1, 3) for length in lengths_around(layer.receptive_field)]
    for n, length in [*sizes, (700, 9)]:
        n_outputs = layer.output_length(length)
        x = random_input(n, in_channels, length)
        for count in sorted({1, min(2, n_outputs), n_outputs}):
            demand = Demand(n_outputs, count, 1)
            with torch.inference_mode():
                columns = pick(x, whole(length), layer.needs(demand))
                expected = layer.at(columns, demand)
                rows = torch.from_numpy(plan(demand)(columns.transpose(1, 2).numpy()))
            what = f"the last {count} outputs of {length} inputs, prepared"
            close(rows.transpose(1, 2), expected, what)


def check_streams_equal_the_whole(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Streams give the outputs of the whole, few and many, by single positions and by pieces.

    In float64 to 1e-9, in float32 to 1e-5 and in bfloat16 to 5 % of the largest output.
    """
    length = layer.receptive_field + 40
    sizes = [1] * (length - 39) + [2, 0, 30, 1, 6]
    for n, dtype, tolerance in (
        (1, torch.float64, TOLERANCE),
        (2, torch.float32, 1e-5),
        (40, torch.float64, TOLERANCE),
        (40, torch.bfloat16, 0.05),
    ):
        x = random_input(n, in_channels, length)
        given = make(condition, n, length)
        y = layer(x, *given)
        streams, start, outputs = Streams(layer, n, dtype=dtype), 0, []
        for size in sizes:
            piece = [each.piece(start, start + size) for each in given]
            outputs.append(streams.push(x[..., start : start + size], *piece))
            start += size
        difference = (torch.cat(outputs, dim=2) - y).abs().max() / y.abs().max().clamp(min=1.0)
        assert difference <= tolerance, f"{n} streams in {dtype} differ by {difference}"


def check_streams_keep_apart(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Streams that are opened, closed and pushed in any order go each its own way.

    Each is compared with a state of its own that `step` moves on.
    """
    draw = random.Random(in_channels)
    streams, alone = Streams(layer, 0), {}
    for event in range(60):
        kind = draw.choice(["open", "open", "close", "all", "all", "all", "some"])
        if kind == "open" or not alone:
            n = draw.choice([1, 2, 30]) if event < 5 else 1
            state = layer.initial_state(n)
            if draw.random() < 0.5:
                past = random_input(n, in_channels, event)
                _, state = layer.step(past, state, *make(condition, n, event))
                slots = streams.open(n, state=state)
            else:
                slots = streams.open(n)
            alone |= {int(slot): take_states(state, [row]) for row, slot in enumerate(slots)}
        elif kind == "close":
            slots = draw.sample(sorted(alone), draw.randint(1, max(len(alone) // 4, 1)))
            streams.close(slots)
            alone = {slot: state for slot, state in alone.items() if slot not in slots}
        else:
            slots = sorted(alone)
            slots = draw.sample(slots, max(len(slots) // 2, 1)) if kind == "some" else slots
            size = draw.choice([1, 1, 1, 3, 26])
            x = 0.1 * event + random_input(len(slots), in_channels, size)
            given = make(condition, len(slots), size)
            found = streams.push(x, *given, slots=slots if kind == "some" else None)
            together = join_states([alone[slot] for slot in slots])
            expected, after = layer.step(x, together, *given)
            close(found, expected, f"{len(slots)} of {len(alone)} streams")
            alone |= {slot: take_states(after, [row]) for row, slot in enumerate(slots)}


def check_batch_mates_do_not_matter(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """The outputs of a series are the same in any company, and alone."""
    length = min(layer.receptive_field + 6, 300)
    x = random_input(4, in_channels, length)
    given = make(condition, 4, length)
    y = layer(x, *given)
    others = x.clone()
    others[1:] = 50.0 * torch.randn_like(others[1:])
    assert torch.equal(layer(others, *given)[0], y[0]), "A batch mate changes an output."
    if not given:
        close(layer(x[:1]), y[:1], "a series alone")


def check_nan_stays_where_it_belongs(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """A missing value reaches neither outputs before it, nor those past the field, nor mates."""
    field = layer.receptive_field
    length = 2 * field + 4
    x = random_input(2, in_channels, length)
    given = make(condition, 2, length)
    y = layer(x, *given)
    broken = x.clone()
    broken[0, :, 2] = torch.nan
    z = layer(broken, *given)
    before = layer.output_length(2)
    after = next(
        position for position in range(z.shape[-1]) if layer.reads(position, position)[0] > 2
    )
    assert torch.equal(z[1], y[1]), "A missing value reaches a batch mate."
    assert torch.equal(z[0, :, :before], y[0, :, :before]), "A missing value reaches the past."
    close(z[0, :, after:], y[0, :, after:], "outputs past the receptive field")
    close(layer.last(broken, 1, *given), y[..., -1:], "the last output after a missing value")


def check_layouts_agree(
    layer: Layer, in_channels: int, condition: MakeCondition | None = None
) -> None:
    """Channels last in memory gives the same numbers: whole, in pieces and on demand."""
    length = layer.receptive_field + 7
    x = random_input(2, in_channels, length)
    given = make(condition, 2, length)
    y = layer(x, *given)
    rows = channels_last(x)
    close(layer(rows, *given), y, "channels-last input")
    close(layer.last(rows, 2, *given), y[..., -2:], "the last outputs of channels-last input")
    state, half = layer.initial_state(2), length // 2
    first, state = layer.step(rows[..., :half], state, *[each.piece(0, half) for each in given])
    rest, _ = layer.step(x[..., half:], state, *[each.piece(half, length) for each in given])
    close(torch.cat([first, rest], dim=-1), y, "pieces of both layouts")


def check_bfloat16(layer: Layer, in_channels: int, condition: MakeCondition | None = None) -> None:
    """Under bfloat16 autocast the outputs agree to 5 % of their size, in both layouts."""
    length = layer.receptive_field + 7
    x = random_input(2, in_channels, length)
    given = make(condition, 2, length)
    y = layer(x, *given)
    single = copy.deepcopy(layer).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = tuple(single_precision(each) for each in given)
        for version in (x.float(), channels_last(x.float())):
            for found in (single(version, *given), single.last(version, y.shape[-1], *given)):
                scale = y.abs().max().clamp(min=1.0)
                assert ((found.double() - y).abs().max() / scale).item() < 0.05


def check_export(layer: Layer, in_channels: int, condition: MakeCondition | None = None) -> None:
    """`torch.export` traces the forward pass, and the trace computes the same."""
    x = random_input(2, in_channels, layer.receptive_field + 3)
    given = make(condition, 2, x.shape[-1])
    exported = torch.export.export(layer, (x, *given)).module()
    close(exported(x, *given), layer(x, *given), "the exported layer")


def positive_copy(layer: Layer) -> Layer:
    """A copy whose weights are all positive and small, so that each path carries a gradient."""
    layer = copy.deepcopy(layer)
    generator = torch.Generator().manual_seed(5)
    for parameter in layer.parameters():
        draw = torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype)
        size = 1.0 if parameter.ndim == 1 else 1.0 / max(parameter[0].numel(), 1)
        nn.init.zeros_(parameter)
        parameter.data.add_((0.5 + draw) * size)
    return layer


def gradients(loss: Tensor, x: Tensor, layer: Layer) -> dict[str, Tensor]:
    """Gradients of `loss` for the input and each parameter, zeros where it does not depend."""
    tensors = {"the input": x, **dict(layer.named_parameters())}
    found = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
    return {
        name: torch.zeros_like(tensor) if gradient is None else gradient
        for (name, tensor), gradient in zip(tensors.items(), found, strict=True)
    }


def lengths_around(field: int) -> list[int]:
    """Lengths to try: one, shorter than the field, at its edge, longer; odd and even."""
    candidates = {1, 2, 3, field // 2, field - 1, field, field + 1, field + 8, 2 * field + 5}
    return sorted(length for length in candidates if length >= 1)


def splits(length: int) -> Iterator[list[int]]:
    """Ways to cut a length: whole, by single positions, at random with empty pieces."""
    yield [length]
    yield [0, length, 0]
    if length <= 40:
        yield [1] * length
    draw = random.Random(length)
    for _ in range(3):
        sizes: list[int] = []
        while sum(sizes) < length:
            sizes.append(min(draw.choice([0, 1, 1, 2, 3, 5, 17]), length - sum(sizes)))
        yield sizes


def whole_period(layer: Layer, length: int) -> int:
    """The least length of at least `length` whose outputs end a period of a strided layer."""
    while layer.output_length(length) % layer.period:
        length += 1
    return length


def random_input(batch_size: int, channels: int, length: int) -> Tensor:
    """Normal draws (N, C, L) in float64, the same for the same shape."""
    generator = torch.Generator().manual_seed(97 * length + channels)
    return torch.randn(batch_size, channels, length, generator=generator, dtype=torch.float64)


def make(condition: MakeCondition | None, batch_size: int, length: int) -> tuple[Any, ...]:
    """The condition as arguments: one, or none."""
    return () if condition is None else (condition(batch_size, length),)


def single_precision(condition: Any) -> Any:
    """The condition with float32 tensors."""
    return type(condition)(*(None if each is None else each.float() for each in condition))


def close(found: Tensor, expected: Tensor, what: str) -> None:
    """Assert equal shapes and values within the tolerance of float64."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, not {expected.shape}"
    if expected.numel():
        difference = (found - expected).abs().max().item()
        assert difference <= TOLERANCE, f"{what}: differs by {difference}"
