"""The charts of AI usage: figures by agent or model, over days or weeks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from ai_log.dashboard import format_cost
from ai_log.usage.rollup import Cell, Sums
from ai_log.usage.totals import (
    PERIOD_LENGTHS,
    UNNAMED_LABEL,
    UsageFigures,
    format_percent,
    format_seconds,
    period_label,
    period_start,
)

# The agents or models with the most calls have a line each; all others share one line.
MAX_CHART_LINES = 5
OTHERS_LABEL = "all others"
MAX_DAYS_FOR_DAILY_STEPS = 31
# Colours that colour-blind people can tell apart, on light and dark backgrounds; the dashes help, too.
LINE_COLOURS = ("#2f7ed8", "#d9730d", "#13a08a", "#a855c7", "#c29a00", "#7a8699")
LINE_DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (1, 3))
CHART_TEXT_COLOUR, GRID_COLOUR = "#76818f", "rgba(128, 138, 150, .25)"


@dataclass(frozen=True)
class Metric:
    """A figure of a group of calls, as a number (None if unknown) and as text."""

    title: str
    description: str
    unit: str
    value: Callable[[Sums], float | None]
    format_value: Callable[[Sums], str]


METRICS = (
    Metric(
        "Spend",
        "US dollars, for calls with a known cost.",
        "$",
        lambda one: float(one.cost) if one.priced else None,
        lambda one: format_cost(one.cost, one.priced) if one.priced else "",
    ),
    Metric(
        "Latency, median",
        "Half of the calls took at most this many seconds (accurate to 5 %).",
        "s",
        lambda one: one.latency_percentile(0.5),
        lambda one: format_seconds(one.latency_percentile(0.5)),
    ),
    Metric(
        "Latency, 95th percentile",
        "95 of 100 calls took at most this many seconds (accurate to 5 %).",
        "s",
        lambda one: one.latency_percentile(0.95),
        lambda one: format_seconds(one.latency_percentile(0.95)),
    ),
    Metric(
        "Accepted",
        "Share of decided suggestions that were approved, by day of decision.",
        "%",
        lambda one: one.accepted_share,
        lambda one: format_percent(one.accepted_share),
    ),
    Metric(
        "Edited",
        "Share of approved suggestions that were edited first.",
        "%",
        lambda one: one.edited_share,
        lambda one: format_percent(one.edited_share),
    ),
)


@dataclass(frozen=True)
class Chart:
    """A chart, with the same figures as a table. Without figures, neither is shown."""

    title: str
    description: str
    names: list[str]
    rows: list[tuple[str, list[str]]]
    data: str
    options: str

    @property
    def is_empty(self) -> bool:
        return not any(cell for _, cells in self.rows for cell in cells)


def build_charts(usage: UsageFigures, dimension: str, step: str) -> list[Chart]:
    """Return a chart of each metric, with a line for each agent or model (`dimension`), per day or week (`step`)."""
    period_dates = period_starts(usage.first, usage.last, step)
    line_names = chart_line_names(usage, dimension)

    def cell_key(cell: Cell) -> tuple[date, str]:
        name = getattr(cell, dimension) or UNNAMED_LABEL
        return period_start(cell.day, step), name if name in line_names else OTHERS_LABEL

    groups = usage.sum_by(dimension, cell_key)
    return [build_chart(metric, line_names, period_dates, groups, step) for metric in METRICS]


def chart_line_names(usage: UsageFigures, dimension: str) -> list[str]:
    """Return the names with a line of their own, most calls first."""
    calls: dict[str, int] = {}
    for cell in usage.cells[dimension]:
        name = getattr(cell, dimension) or UNNAMED_LABEL
        calls[name] = calls.get(name, 0) + cell.sums.calls
    names = sorted(calls, key=lambda name: (-calls[name], name))
    # A single other name takes the line that the others would share.
    return names if len(names) <= MAX_CHART_LINES + 1 else [*names[:MAX_CHART_LINES], OTHERS_LABEL]


def build_chart(
    metric: Metric, names: list[str], period_dates: list[date], groups: dict[tuple[date, str], Sums], step: str
) -> Chart:
    empty = Sums()
    sums_by_period = [[groups.get((at, name), empty) for name in names] for at in period_dates]
    scale = 100 if metric.unit == "%" else 1
    numbers = [[metric.value(one) for one in row] for row in sums_by_period]
    datasets = [
        {
            "label": name,
            "data": [None if row[n] is None else round(row[n] * scale, 4) for row in numbers],
            "borderColor": LINE_COLOURS[n],
            "backgroundColor": LINE_COLOURS[n],
            "borderDash": LINE_DASHES[n],
        }
        for n, name in enumerate(names)
    ]
    labels = [period_label(at, step) for at in period_dates]
    rows = [
        (period, [metric.format_value(one) for one in row]) for period, row in zip(labels, sums_by_period, strict=True)
    ]
    # Newest first, without empty rows.
    rows = [(period, cells) for period, cells in reversed(rows) if any(cells)]
    data = json.dumps({"labels": [f"{at:%-d %b}" for at in period_dates], "datasets": datasets})
    return Chart(metric.title, metric.description, names, rows, data, chart_options(metric.unit))


def chart_options(unit: str) -> str:
    """Return the options of the chart as JSON: a legend, and a scale that begins at zero with its unit."""
    axis = {
        "ticks": {"color": CHART_TEXT_COLOUR, "maxRotation": 0, "autoSkipPadding": 16},
        "grid": {"color": GRID_COLOUR},
    }
    upright = {**axis, "beginAtZero": True, "title": {"display": True, "text": unit, "color": CHART_TEXT_COLOUR}}
    if unit == "%":
        upright["suggestedMax"] = 100
    return json.dumps(
        {
            "animation": False,
            "responsive": True,
            "maintainAspectRatio": False,
            "interaction": {"mode": "index", "intersect": False},
            "elements": {"line": {"borderWidth": 2, "tension": 0}, "point": {"radius": 2, "hoverRadius": 4}},
            "plugins": {
                "legend": {"position": "bottom", "labels": {"color": CHART_TEXT_COLOUR, "boxWidth": 24, "boxHeight": 2}}
            },
            "scales": {"x": {**axis, "grid": {"display": False}}, "y": upright},
        }
    )


def period_starts(first: date, last: date, step: str) -> list[date]:
    """Return the days, or the Mondays of the weeks, from `first` to `last`."""
    at, starts = period_start(first, step), []
    while at <= last:
        starts.append(at)
        at += PERIOD_LENGTHS[step]
    return starts
