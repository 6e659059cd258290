"""The charts of the log: what is told of each agent or model, over days or weeks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from ai_log.dashboard import cost
from ai_log.usage.rollup import Cell, Sums
from ai_log.usage.totals import LENGTHS, NOT_NAMED, Figures, in_percent, in_seconds, label, start

# The most called have a line each, the others one together.
MOST_LINES = 5
OTHERS = "all others"
MOST_DAYS_BY_DAY = 31
# Told apart by people who see no red or no green, too, on a light ground and a dark one; and by their dashes.
COLOURS = ("#2f7ed8", "#d9730d", "#13a08a", "#a855c7", "#c29a00", "#7a8699")
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (1, 3))
INK, GRID = "#76818f", "rgba(128, 138, 150, .25)"


@dataclass(frozen=True)
class Told:
    """Something that is told of a group of calls: as a number, None where it is not known, and for people."""

    title: str
    about: str
    unit: str
    number: Callable[[Sums], float | None]
    words: Callable[[Sums], str]


TOLD = (
    Told(
        "Spend",
        "Dollars, of the calls whose cost is known.",
        "$",
        lambda one: float(one.cost) if one.priced else None,
        lambda one: cost(one.cost, one.priced) if one.priced else "",
    ),
    Told(
        "Latency, median",
        "Seconds that half of the calls took at most, to a twentieth.",
        "s",
        lambda one: one.latency(0.5),
        lambda one: in_seconds(one.latency(0.5)),
    ),
    Told(
        "Latency, 95th percentile",
        "Seconds that 95 of 100 calls took at most, to a twentieth.",
        "s",
        lambda one: one.latency(0.95),
        lambda one: in_seconds(one.latency(0.95)),
    ),
    Told(
        "Accepted",
        "Of the suggestions that came of calls and that people decided, how many were approved, by the day of the "
        "decision.",
        "%",
        lambda one: one.accepted_share,
        lambda one: in_percent(one.accepted_share),
    ),
    Told(
        "Edited",
        "Of the approved ones, how many were changed first.",
        "%",
        lambda one: one.edited_share,
        lambda one: in_percent(one.edited_share),
    ),
)


@dataclass(frozen=True)
class Chart:
    """One chart and the same as a table; without any figure there is neither."""

    title: str
    about: str
    names: list[str]
    rows: list[tuple[str, list[str]]]
    data: str
    options: str

    @property
    def is_empty(self) -> bool:
        return not any(cell for _, cells in self.rows for cell in cells)


def charts(found: Figures, by: str, per: str) -> list[Chart]:
    """A chart of each thing that is told, with a line for each agent or model (`by`), per day or week (`per`)."""
    times = periods(found.first, found.last, per)
    names = lines(found, by)

    def place(cell: Cell) -> tuple[date, str]:
        name = getattr(cell, by) or NOT_NAMED
        return start(cell.day, per), name if name in names else OTHERS

    groups = found.grouped(by, place)
    return [chart(told, names, times, groups, per) for told in TOLD]


def lines(found: Figures, by: str) -> list[str]:
    """The names that have a line, the most called first."""
    calls: dict[str, int] = {}
    for cell in found.sets[by]:
        name = getattr(cell, by) or NOT_NAMED
        calls[name] = calls.get(name, 0) + cell.sums.calls
    names = sorted(calls, key=lambda name: (-calls[name], name))
    # One more has the line that would be that of the others.
    return names if len(names) <= MOST_LINES + 1 else [*names[:MOST_LINES], OTHERS]


def chart(told: Told, names: list[str], times: list[date], groups: dict[tuple[date, str], Sums], per: str) -> Chart:
    empty = Sums()
    of = [[groups.get((at, name), empty) for name in names] for at in times]
    scale = 100 if told.unit == "%" else 1
    numbers = [[told.number(one) for one in row] for row in of]
    sets = [
        {
            "label": name,
            "data": [None if row[n] is None else round(row[n] * scale, 4) for row in numbers],
            "borderColor": COLOURS[n],
            "backgroundColor": COLOURS[n],
            "borderDash": DASHES[n],
        }
        for n, name in enumerate(names)
    ]
    labels = [label(at, per) for at in times]
    rows = [(shown, [told.words(one) for one in row]) for shown, row in zip(labels, of, strict=True)]
    # The newest first, and none in which nothing is known.
    rows = [(shown, cells) for shown, cells in reversed(rows) if any(cells)]
    data = json.dumps({"labels": [f"{at:%d %b}" for at in times], "datasets": sets})
    return Chart(told.title, told.about, names, rows, data, options(told.unit))


def options(unit: str) -> str:
    """How the chart is drawn: a legend, and a scale that begins at nothing and says its unit."""
    axis = {"ticks": {"color": INK, "maxRotation": 0, "autoSkipPadding": 16}, "grid": {"color": GRID}}
    upright = {**axis, "beginAtZero": True, "title": {"display": True, "text": unit, "color": INK}}
    if unit == "%":
        upright["suggestedMax"] = 100
    return json.dumps(
        {
            "animation": False,
            "responsive": True,
            "maintainAspectRatio": False,
            "interaction": {"mode": "index", "intersect": False},
            "elements": {"line": {"borderWidth": 2, "tension": 0}, "point": {"radius": 2, "hoverRadius": 4}},
            "plugins": {"legend": {"position": "bottom", "labels": {"color": INK, "boxWidth": 24, "boxHeight": 2}}},
            "scales": {"x": {**axis, "grid": {"display": False}}, "y": upright},
        }
    )


def periods(first: date, last: date, per: str) -> list[date]:
    """The days, or the Mondays of the weeks, from `first` to `last`."""
    at, found = start(first, per), []
    while at <= last:
        found.append(at)
        at += LENGTHS[per]
    return found
