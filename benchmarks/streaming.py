"""How fast are streaming, the last step and a training step of a whole sequence?

    python -m benchmarks.streaming [streams | last | training] [--threads 1] [--rounds 12]

One network throughout: 8 levels of 64 channels, dilations 1 to 128, two convolutions of kernel size
3 in each residual block. The peer is pytorch-tcn (pip install pytorch-tcn==1.2.3), which is given
our weights; the answers of all contestants are compared before anything is timed. The contestants
take turns; what is printed, and written to benchmarks/results/, are medians of wall time and of CPU
time, and the share of the peak rate of matrix products, measured in the same run.

    streams    one new position of one series, and of 1,000; pytorch-tcn takes one series at a time
    last       the last of 512 positions of 32 series: everything computed, on demand, compiled
    training   forward and backward of 32 series of 512 positions, dropout 0
"""

import argparse
import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.side_by_side import (
    Call,
    Times,
    gemm_peak,
    print_table,
    processor,
    race,
    ratio,
    share_of_peak,
    threads,
    write_result,
)
from tcn.export import export_layer
from tcn.layers import ResidualBlock, Stack, Streams, channels_last, dilation_cycles

LEVELS, CHANNELS, KERNEL = 8, 64, 3
N_MANY = 1000
BATCH, LENGTH = 32, 512
PEER = "pytorch-tcn"
FLOPS = 2 * 2 * LEVELS * KERNEL * CHANNELS**2  # of one output, all its inputs at hand


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["streams", "last", "training"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    torch.manual_seed(0)  # noqa: TID251
    parts: dict[str, Callable[[int], dict[str, Any]]] = {
        "streams": streams,
        "last": last_step,
        "training": training_step,
    }
    for name, part in parts.items():
        if arguments.part not in (None, name):
            continue
        with threads(arguments.threads):
            peaks = {"float32": gemm_peak(), "bfloat16": gemm_peak(torch.bfloat16)}
            print(f"{processor()}; peaks {peaks} GFLOP/s")
            tables = {"gemm_peak_gflops": peaks, **part(arguments.rounds)}
            file = {"streams": "streaming", "last": "last_step", "training": "whole_sequence"}
            write_result(file[name], tables, packages=("pytorch-tcn", "openvino"))


def own_network(levels: int = LEVELS, *, weight_norm: bool = False) -> Stack:
    return Stack(
        lambda dilation: ResidualBlock(
            CHANNELS, CHANNELS, KERNEL, dilation, weight_norm=weight_norm
        ),
        dilation_cycles(levels),
    )


def peer_network(own: Stack, *, weight_norm: bool = False) -> nn.Module:
    """A network of pytorch-tcn with the effective weights of ours."""
    from pytorch_tcn import TCN

    peer: nn.Module = TCN(
        CHANNELS,
        [CHANNELS] * len(own.layers),
        kernel_size=KERNEL,
        dropout=0.0,
        use_norm="weight_norm" if weight_norm else None,
        use_skip_connections=False,
    )
    with torch.no_grad():
        for ours, theirs in zip(own.layers, peer.network, strict=True):
            for conv, other in ((ours.first, theirs.conv1), (ours.second, theirs.conv2)):
                if weight_norm:
                    other.weight = conv.effective_weight().detach().clone()
                else:
                    other.weight.copy_(conv.effective_weight())
                other.bias.copy_(conv.bias)
    return peer


def streams(rounds: int) -> dict[str, Any]:
    own = own_network().eval()
    plain, normed = peer_network(own).eval(), peer_network(own, weight_norm=True).eval()
    _require_equal_streams(own, plain)
    x, many = torch.randn(1, CHANNELS, 1), torch.randn(N_MANY, CHANNELS, 1)
    one, state = Streams(own), [own.initial_state(1)]
    field = torch.randn(1, CHANNELS, own.receptive_field)

    def functional() -> None:
        _, state[0] = own.step(x, state[0])

    peer_loop = _in_inference_mode(lambda: [plain(x, inference=True) for _ in range(N_MANY)])
    normed_loop = _in_inference_mode(lambda: [normed(x, inference=True) for _ in range(N_MANY)])
    single = race(
        {
            f"{PEER}, weight norm": _in_inference_mode(lambda: normed(x, inference=True)),
            PEER: _in_inference_mode(lambda: plain(x, inference=True)),
            "step, state as a value": _in_inference_mode(functional),
            "recomputed on demand": _in_inference_mode(lambda: own.last(field)),
            "Streams": lambda: one.push(x),
        },
        rounds=rounds,
    )
    print_table("one series, one new position", single, PEER)
    together, half = Streams(own, N_MANY), Streams(own, N_MANY, dtype=torch.bfloat16)
    crowd = race(
        {
            f"{PEER}, weight norm, in a loop": normed_loop,
            f"{PEER} in a loop": peer_loop,
            "Streams": lambda: together.push(many),
            "Streams, bfloat16": lambda: half.push(many),
        },
        rounds=rounds,
        turn_ms=50.0,
        every={f"{PEER}, weight norm, in a loop": 6, f"{PEER} in a loop": 6},
    )
    print_table(f"{N_MANY:,} series, one new position each", crowd, f"{PEER} in a loop")
    loop = f"{PEER} in a loop"
    report = {
        "one_series": single,
        "one_series_ratio": _ratios(single, PEER, "Streams"),
        "one_series_ratio_to_weight_norm": _ratios(single, f"{PEER}, weight norm", "Streams"),
        "many_series": crowd,
        "many_series_ratio": _ratios(crowd, loop, "Streams"),
        "many_series_ratio_bfloat16": _ratios(crowd, loop, "Streams, bfloat16"),
        "many_series_ratio_to_weight_norm": _ratios(
            crowd, f"{PEER}, weight norm, in a loop", "Streams"
        ),
        "many_series_ratio_bfloat16_to_weight_norm": _ratios(
            crowd, f"{PEER}, weight norm, in a loop", "Streams, bfloat16"
        ),
        "many_series_share_of_peak": share_of_peak(
            FLOPS * N_MANY, crowd["Streams"].cpu_ms, gemm_peak()
        ),
        "levels": _by_levels(rounds),
    }
    print({key: value for key, value in report.items() if "ratio" in key or "share" in key})
    return report


def _by_levels(rounds: int) -> dict[str, Any]:
    """One series and 6 to 12 levels: the field grows 64-fold, the work by the levels alone."""
    calls: dict[str, Call] = {}
    fields = {}
    for levels in (6, 8, 10, 12):
        network = own_network(levels).eval()
        stream, x = Streams(network), torch.randn(1, CHANNELS, 1)
        calls[f"{levels} levels"] = lambda stream=stream, x=x: stream.push(x)  # type: ignore[misc]
        fields[f"{levels} levels"] = network.receptive_field
    results = race(calls, rounds=rounds)
    print_table("one series by levels", results, "6 levels")
    return {
        name: {"receptive_field": fields[name], "times": times} for name, times in results.items()
    }


def last_step(rounds: int) -> dict[str, Any]:
    own = own_network().eval()
    peer = peer_network(own).eval()
    x = torch.randn(BATCH, CHANNELS, LENGTH)
    rows, half = channels_last(x), copy.deepcopy(own).bfloat16()
    calls: dict[str, Callable[[], Tensor]] = {
        "everything, eager": lambda: own(x)[..., -1:],
        f"everything, {PEER}": lambda: peer(x)[..., -1:],
        "on demand, float32": lambda: own.last(rows),
        "on demand, bfloat16 autocast": lambda: _in_bfloat16(lambda: own.last(rows)),
        "on demand, bfloat16": lambda: half.last(rows.bfloat16()).float(),
    }
    calls = {name: _in_inference_mode(call) for name, call in calls.items()}
    calls |= _compiled(own, x)
    wanted = calls["everything, eager"]()
    for name, call in calls.items():
        difference = ((call() - wanted).abs().max() / wanted.abs().max()).item()
        print(f"{name}: differs by {difference:.1e} of the largest output")
        if not difference <= (0.05 if "bfloat16" in name else 1e-5):
            raise SystemExit(f"{name} gives another answer.")
    results = race(calls, rounds=rounds, turn_ms=40.0)
    print_table("the last of 512 positions, 32 series", results, "everything, eager")
    reference = "everything, eager"
    return {
        "times": results,
        "ratios": {name: _ratios(results, reference, name) for name in calls if name != reference},
    }


def _compiled(own: Stack, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The export of the last output, as a user runs it; nothing where OpenVINO is missing."""
    try:
        import openvino
    except ImportError:
        return {}
    files = export_layer(own, CHANNELS, "openvino", length=LENGTH, count=1).files
    core = openvino.Core()
    model = core.read_model(files["layer.xml"], files["layer.bin"])
    calls = {}
    for name, hint in (("float32", "f32"), ("bfloat16", "bf16")):
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        calls[f"on demand, compiled, {name}"] = lambda request=request: torch.from_numpy(
            request.infer([x.numpy()], share_inputs=True)[0]
        )
    return calls


def training_step(rounds: int) -> dict[str, Any]:
    own, normed = own_network(), own_network(weight_norm=True)
    peer, peer_normed = peer_network(own), peer_network(normed, weight_norm=True)
    x = torch.randn(BATCH, CHANNELS, LENGTH)
    rows, half = channels_last(x), channels_last(x).bfloat16()
    calls: dict[str, Call] = {
        PEER: lambda: _train(peer, x),
        "float32": lambda: _train(own, rows),
        "bfloat16": lambda: _in_bfloat16(lambda: _train(own, half)),
        "bfloat16, input in float32": lambda: _in_bfloat16(lambda: _train(own, rows)),
        f"{PEER}, bfloat16": lambda: _in_bfloat16(lambda: _train(peer, x)),
        f"{PEER}, weight norm": lambda: _train(peer_normed, x),
        "float32, weight norm": lambda: _train(normed, rows),
        "bfloat16, weight norm": lambda: _in_bfloat16(lambda: _train(normed, half)),
    }
    _require_equal_gradients(own, peer, x, rows)
    results = race(calls, rounds=max(rounds // 2, 4), turn_ms=1.0, warm_up=1)
    print_table("a training step of 32 series of 512 positions", results, PEER)
    report = {
        "times": results,
        "float32_ratio": _ratios(results, PEER, "float32"),
        "bfloat16_ratio": _ratios(results, PEER, "bfloat16"),
        "float32_ratio_weight_norm": _ratios(
            results, f"{PEER}, weight norm", "float32, weight norm"
        ),
        "bfloat16_ratio_weight_norm": _ratios(
            results, f"{PEER}, weight norm", "bfloat16, weight norm"
        ),
        "share_of_peak": share_of_peak(
            3 * FLOPS * BATCH * LENGTH, results["float32"].cpu_ms, gemm_peak()
        ),
    }
    print({key: value for key, value in report.items() if key != "times"})
    return report


def _train(network: nn.Module, x: Tensor) -> float:
    network.zero_grad(set_to_none=True)
    loss = network(x).float().square().mean()
    loss.backward()
    return float(loss.detach())


def _require_equal_streams(own: Stack, peer: nn.Module) -> None:
    """Both follow one series alike, in float64 and in float32."""
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        ours = Streams(own, dtype=dtype)
        theirs = copy.deepcopy(peer).to(dtype)
        theirs.reset_buffers()  # type: ignore[operator]
        worst = 0.0
        with torch.inference_mode():
            for at in range(300):
                x = torch.sin(torch.arange(CHANNELS, dtype=dtype) * 0.1 + at).reshape(1, -1, 1)
                y = theirs(x, inference=True)
                worst = max(worst, ((ours.push(x) - y).abs().max() / y.abs().max()).item())
        print(f"streams differ from {PEER} in {dtype} by {worst:.1e} of the largest output")
        if not worst <= tolerance:
            raise SystemExit("The networks are not the same.")


def _require_equal_gradients(own: Stack, peer: nn.Module, x: Tensor, rows: Tensor) -> None:
    loss, other = _train(own, rows), _train(peer, x)
    ours, theirs = own.layers[0].first.weight.grad, peer.network[0].conv1.weight.grad
    difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    print(f"losses {loss:.6f} and {other:.6f}; gradients differ by {difference:.1e}")
    if not (math.isclose(loss, other, rel_tol=1e-5) and difference < 1e-4):
        raise SystemExit("The networks are not the same.")


def _ratios(results: dict[str, Times], peer: str, own: str) -> dict[str, float]:
    return {measure: ratio(results, peer, own, f"{measure}_ms") for measure in ("wall", "cpu")}


def _in_inference_mode(call: Callable[[], Any]) -> Callable[[], Any]:
    return torch.inference_mode()(call)


def _in_bfloat16(call: Callable[[], Any]) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return call()


if __name__ == "__main__":
    main()
