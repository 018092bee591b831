"""Which number format a processor is fastest in, and running a network in it."""

import functools
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from tcn.config import Precision

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


@functools.cache
def processor_flags() -> frozenset[str]:
    """Feature flags of the processor; empty where the system does not list them."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return frozenset()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def number_format(precision: Precision) -> torch.dtype:
    """bfloat16 where asked for, or where "auto" finds a processor that multiplies it natively."""
    if precision == "bfloat16":
        return torch.bfloat16
    if precision == "auto" and processor_flags() & BFLOAT16_FLAGS:
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Run convolutions and matrix products in `dtype`; weights and losses stay float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)
