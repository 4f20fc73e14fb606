"""Processor time of a call, for tests of what must not be slow."""

import time
from collections.abc import Callable


def least_cpu_s(call: Callable[[], object], times: int = 5) -> float:
    """Return the least processor time of so many calls, in seconds: what a busy machine or a
    garbage collection adds to one of them does not count.
    """
    took = []
    for _ in range(times):
        began = time.thread_time()
        call()
        took.append(time.thread_time() - began)
    return min(took)
