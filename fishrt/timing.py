"""Timing one call, for the benchmarks."""

import time
from typing import Any


def elapsed_ms(call: Any, *arguments: Any) -> float:
    """Wall time of one call with these arguments, in milliseconds."""
    start = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - start) * 1000.0
