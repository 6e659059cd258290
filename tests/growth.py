"""How the time of a call grows with its input. Seconds depend on the machine, so no test asserts them."""

import time
from collections.abc import Callable
from typing import Any

GROWTH, REPEATS, ATTEMPTS = 4, 3, 3
# Processor time below this many seconds is noise.
NOISE = 0.005


def assert_grows_linearly(call: Callable[[Any], Any], make_input: Callable[[int], Any], size: int) -> None:
    """Assert that four times as large an input takes at most eight times as long; quadratic work takes sixteen."""
    figures = []
    for _ in range(ATTEMPTS):
        short, long = (shortest_time(call, make_input(one)) for one in (size // GROWTH, size))
        if long <= 2 * GROWTH * max(short, NOISE):
            return
        figures.append(f"{long / max(short, NOISE):.1f}")
    raise AssertionError(f"{GROWTH} times the input took {', '.join(figures)} times as long.")


def shortest_time(call: Callable[[Any], Any], value: Any) -> float:
    """Return the least processor time of a few calls."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        call(value)
        times.append(time.process_time() - began)
    return min(times)
