"""Timing calls, and this machine and process."""

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MATRIX_SIDE = 1024
"""Side of the matrices whose product tells how fast this machine multiplies just now."""


def elapsed_ms(call: Any, *arguments: Any) -> float:
    """Wall time of one call with these arguments, in milliseconds."""
    start = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - start) * 1000.0


def time_calls(
    call: Callable[[int], object], first: int, count: int, fewest: int, limit_s: float
) -> list[float]:
    """Times calls back to back, in milliseconds; nothing is left out.

    Args:
        call: What to time; takes the number of the call.
        first: Number of the first call.
        count: How many to time.
        fewest: How many at least, where `limit_s` is over before.
        limit_s: Seconds after which to stop.
    """
    began, times = time.perf_counter(), list[float]()
    while len(times) < count:
        times.append(elapsed_ms(call, first + len(times)))
        if len(times) >= fewest and time.perf_counter() - began > limit_s:
            break
    return times


def percentiles(times: list[float]) -> dict[str, float | int]:
    """The figures of a list of times in milliseconds, all of them counted."""
    p50, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99])
    return {
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "max_ms": max(times),
        "frames": len(times),
        "fps": len(times) / (sum(times) / 1000.0),
    }


def peak_memory_mb() -> float | None:
    """Most memory that this process has had, in MB; None where the system does not say it."""
    with contextlib.suppress(OSError, StopIteration):
        # getrusage counts what the parent had as well, where a process was made by vfork
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def matrix_gflops(rounds: int = 8) -> float:
    """Speed of a float32 matrix product just now, in GFLOP/s; the machine's practical ceiling."""
    matrix = np.random.default_rng(0).random((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    times = [elapsed_ms(np.matmul, matrix, matrix) for _ in range(rounds)]
    return 2 * MATRIX_SIDE**3 / (min(times) * 1e-3) / 1e9
