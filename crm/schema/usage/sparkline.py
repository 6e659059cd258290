"""A line of daily counts, small enough for a cell. Pure: no database."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 90, 20, 2


@dataclass(frozen=True)
class Sparkline:
    """The points of an SVG polyline, and the same in words."""

    points: str
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def draw(counts: Sequence[int]) -> Sparkline:
    """Return the line of `counts`, one a day, the last today; the highest count reaches the top."""
    highest = max(counts, default=0) or 1
    step = (WIDTH - 2 * MARGIN) / max(len(counts) - 1, 1)
    span = HEIGHT - 2 * MARGIN
    points = " ".join(
        f"{MARGIN + place * step:.1f},{HEIGHT - MARGIN - span * count / highest:.1f}"
        for place, count in enumerate(counts)
    )
    days, total = len(counts), sum(counts)
    return Sparkline(points, f"{total:,} in {days} days, at most {max(counts, default=0):,} a day")
