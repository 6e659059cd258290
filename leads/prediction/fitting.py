"""Fitting a scorecard to leads that ended: bins, a regularised logistic regression, and the guard against leaks.

Nothing here touches the database; `rows` are features (`leads.prediction.snapshots`), the oldest end first.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from leads.prediction.evaluation import auc, evaluated
from leads.prediction.scorecard import Card, as_number, as_word, probability

BINS, FEWEST_IN_A_BIN, MOST_WORDS = 8, 20, 40
NUMERIC = 0.95
STRENGTH = 0.3
# The oldest are learnt from, the next say how likely winning is of late, the newest are what it is held against.
LEARNT, DATED = 0.6, 0.8
# A single feature that orders won and lost this well was written down afterwards.
TOO_GOOD = 0.95
# Where all together do, so was one without which the mistakes of the others double.
TOO_TELLING, SUSPECT = 0.5, 0.60
# What is recorded while or after somebody works on a lead, as such columns are called.
AFTERWARDS = (
    "last ",
    "tags",
    "quality",
    "outcome",
    "result",
    "status",
    "stage",
    "closed",
    "lost",
    "reason",
    "disposition",
)
AFTERWARDS_ENDS = ("activity index", "activity score", "profile index", "profile score", "profile")
# So many leads of the average kind are added to each bin when one feature is looked at by itself.
PRIOR = 5
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Fit:
    """A card, how it did on the newest leads, which it had not seen, and the features that were refused with why."""

    card: Card
    evaluation: dict[str, Any]
    refused: dict[str, str]


def fit(rows: Rows, won: Sequence[bool], names: Sequence[str] | None = None) -> Fit:
    """A scorecard learnt from `rows`, of which `won` says how each ended.

    `names` are the features to use (all that are known often enough, unless given).
    """
    learnt, dated = int(len(rows) * LEARNT), int(len(rows) * DATED)
    given = list(names) if names is not None else usable(rows[:learnt])
    refused = leaks(rows[:dated], won[:dated], given)
    card = fitted(rows[:learnt], won[:learnt], [name for name in given if name not in refused])
    card["intercept"] += shift(card, rows[learnt:dated], won[learnt:dated])
    newest = [probability(card, row) for row in rows[dated:]]
    return Fit(card, evaluated(newest, won[dated:]), refused)


def usable(rows: Rows) -> list[str]:
    """The features that are known of enough leads, and that do not have another value for each."""
    counts = Counter(name for row in rows for name in row)
    names = sorted(name for name, count in counts.items() if count >= FEWEST_IN_A_BIN)
    return [name for name in names if tells(rows, name)]


def tells(rows: Rows, name: str) -> bool:
    values = [row.get(name) for row in rows]
    words = Counter(as_word(value) for value in values if value is not None)
    return is_numeric(values) or any(count >= FEWEST_IN_A_BIN for count in words.values())


def is_numeric(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None and not isinstance(value, bool)]
    numbers = [number for number in map(as_number, known) if number is not None]
    return bool(known) and len(numbers) >= NUMERIC * len(known) and len(set(numbers)) > BINS


# The card


def fitted(rows: Rows, won: Sequence[bool], names: Sequence[str]) -> Card:
    """A card learnt from `rows` by logistic regression over its bins, whose points are its coefficients."""
    features = {name: binned([row.get(name) for row in rows]) for name in names}
    if len(set(won)) < 2:
        return {"intercept": logit(sum(won), len(won)), "features": {}}
    slots = {name: {slot: at for at, slot in enumerate(slots_of(feature))} for name, feature in features.items()}
    blocks = [one_hot(rows, name, features[name], slots[name]) for name in names] or [np.zeros((len(rows), 1))]
    model = LogisticRegression(C=STRENGTH, max_iter=1_000).fit(np.hstack(blocks), np.asarray(won, dtype=int))
    written, start = {}, 0
    for name, feature in features.items():
        weights = {slot: round(float(model.coef_[0][start + at]), 6) for slot, at in slots[name].items()}
        written[name], start = with_points(feature, weights), start + len(weights)
    return {"intercept": float(model.intercept_[0]), "features": written}


def one_hot(rows: Rows, name: str, feature: dict[str, Any], slots: dict[Any, int]) -> np.ndarray:
    """A column for each slot of a feature, a row for each of `rows`."""
    at = np.fromiter((slots[slot_of(feature, row.get(name))] for row in rows), dtype=int, count=len(rows))
    return np.eye(len(slots), dtype=np.float32)[at]


def binned(values: Sequence[Any]) -> dict[str, Any]:
    """The bins of a feature, without points yet."""
    if is_numeric(values):
        numbers = [number for number in map(as_number, values) if number is not None]
        quantiles = np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])
        return {"kind": "number", "edges": sorted({round(float(edge), 6) for edge in quantiles})}
    counts = Counter(as_word(value) for value in values if value is not None)
    return {"kind": "words", "words": [word for word, n in counts.most_common(MOST_WORDS) if n >= FEWEST_IN_A_BIN]}


def slots_of(feature: dict[str, Any]) -> Sequence[Any]:
    inner = range(len(feature["edges"]) + 1) if feature["kind"] == "number" else [*feature["words"], ("other",)]
    return [*inner, ("missing",)]


def slot_of(feature: dict[str, Any], value: Any) -> Any:
    if value is None:
        return ("missing",)
    if feature["kind"] == "number":
        number = as_number(value)
        return ("missing",) if number is None else bisect_left(feature["edges"], number)
    word = as_word(value)
    return word if word in feature["words"] else ("other",)


def with_points(feature: dict[str, Any], weights: dict[Any, float]) -> dict[str, Any]:
    if feature["kind"] == "number":
        inner = [weights[at] for at in range(len(feature["edges"]) + 1)]
        return {"kind": "number", "edges": feature["edges"], "points": inner, "missing": weights["missing",]}
    known = {word: weights[word] for word in feature["words"]}
    return {"kind": "words", "points": known, "other": weights["other",], "missing": weights["missing",]}


def shift(card: Card, rows: Rows, won: Sequence[bool]) -> float:
    """What the intercept has to move so that as many are expected as were won of late."""
    if not rows:
        return 0.0
    expected = sum(probability(card, row) for row in rows)
    return logit(sum(won), len(won)) - logit(expected, len(rows))


def logit(wins: float, total: int) -> float:
    share = (wins + 0.5) / (total + 1)
    return log(share / (1 - share))


# The guard


def leaks(rows: Rows, won: Sequence[bool], names: Sequence[str]) -> dict[str, str]:
    """The features among `names` that tell how a lead ended because they were written down afterwards, with why."""
    half = len(rows) // 2
    found: dict[str, str] = {}
    single = {name: alone(rows, won, name, half) for name in names}
    for name in names:
        if single[name] > TOO_GOOD:
            found[name] = f"It tells won from lost almost by itself (AUC {single[name]:.2f})."
        elif is_afterwards(name) and single[name] > SUSPECT:
            found[name] = f"By its name it is written down while somebody works on the lead (AUC {single[name]:.2f})."
    rest = [name for name in names if name not in found]
    while rest:
        whole = together(rows, won, rest, half)
        if whole <= TOO_GOOD:
            return found
        without = {
            name: together(rows, won, [n for n in rest if n != name], half) for name in rest if single[name] > SUSPECT
        }
        worst = min(without, key=lambda name: without[name], default=None)
        if worst is None or (1 - without[worst]) * TOO_TELLING < 1 - whole:
            return found
        found[worst] = f"Without it all others together are far worse (AUC {without[worst]:.2f}, with it {whole:.2f})."
        rest.remove(worst)
    return found


def is_afterwards(name: str) -> bool:
    low = name.removeprefix("custom: ").casefold()
    return low.startswith(AFTERWARDS) or low.endswith(AFTERWARDS_ENDS) or any(f" {word}" in low for word in AFTERWARDS)


def alone(rows: Rows, won: Sequence[bool], name: str, half: int) -> float:
    """The AUC that one feature reaches on the later half by the win rates that its bins had in the earlier."""
    feature = binned([row.get(name) for row in rows[:half]])
    placed = [slot_of(feature, row.get(name)) for row in rows]
    total, wins = Counter(placed[:half]), Counter(slot for slot, one in zip(placed[:half], won, strict=False) if one)
    base = (sum(won[:half]) + 0.5) / (half + 1)
    rate = {slot: (wins[slot] + PRIOR * base) / (count + PRIOR) for slot, count in total.items()}
    return auc([rate.get(slot, base) for slot in placed[half:]], won[half:]) or 0.5


def together(rows: Rows, won: Sequence[bool], names: Sequence[str], half: int) -> float:
    """The AUC that `names` reach on the later half, learnt from the earlier."""
    card = fitted(rows[:half], won[:half], names)
    return auc([probability(card, row) for row in rows[half:]], won[half:]) or 0.5
