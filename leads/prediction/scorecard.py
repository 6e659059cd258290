"""A scorecard adds up points for the features of a lead and converts them to a probability. Pure: no database.

The card is JSON: `{"intercept": b, "features": {name: feature}}`. A feature is either numbers in bins,
`{"kind": "number", "edges": [...], "points": [...], "missing": p}` (`len(points) == len(edges) + 1`; a value belongs
to the first bin with an upper edge that it does not exceed), or words,
`{"kind": "words", "points": {word: p}, "other": p, "missing": p}`. The probability is 1 ÷ (1 + e^−(b + Σ points)).
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import exp
from typing import Any

Card = dict[str, Any]
# In place of a value that may have been filled in after the lead arrived: the feature adds no points.
UNPROVEN = object()


@dataclass(frozen=True)
class Reason:
    """The points (log odds) that one feature adds, with its name and its value as shown to users."""

    feature: str
    value_text: str
    points: float


def reasons(card: Card, features: dict[str, Any]) -> list[Reason]:
    """Return the points of each feature for a lead, largest effect first."""
    values = {name: features.get(name) for name in card["features"]}
    contributions = [
        Reason(name, format_value(values[name]), feature_points(one, values[name]))
        for name, one in card["features"].items()
    ]
    return sorted(contributions, key=lambda reason: -abs(reason.points))


def probability(card: Card, features: dict[str, Any]) -> float:
    """Return the probability (0 to 1) that a lead with `features` is won."""
    total = card["intercept"] + sum(feature_points(one, features.get(name)) for name, one in card["features"].items())
    return 1 / (1 + exp(-min(max(total, -30.0), 30.0)))


def feature_points(feature: dict[str, Any], value: Any) -> float:
    """Return the points of `value`; an unknown word counts as "other", text in a numeric feature as missing."""
    if value is UNPROVEN:
        return 0.0
    if value is None:
        return feature["missing"]
    if feature["kind"] == "number":
        number = as_number(value)
        return feature["missing"] if number is None else feature["points"][bisect_left(feature["edges"], number)]
    return feature["points"].get(as_word(value), feature["other"])


def as_number(value: Any) -> float | None:
    """Return `value` as a number, or None. Imported files bring numbers as text, so text is converted too."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if -1e15 < number < 1e15 else None


def as_word(value: Any) -> str:
    return " ".join(str(value).split()).casefold()


def format_value(value: Any) -> str:
    if value is None:
        return "unknown"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
