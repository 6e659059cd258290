"""Fit a scorecard to closed leads: bins, a regularised logistic regression, and a guard against leaking features.

Pure: no database. `rows` are features (`leads.prediction.snapshots`), in the order in which the leads were closed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from leads.prediction.evaluation import auc, evaluate_predictions
from leads.prediction.scorecard import Card, as_number, as_word, probability

BIN_COUNT, MIN_BIN_SIZE, MAX_FEATURE_WORDS = 8, 20, 40
MIN_NUMERIC_SHARE = 0.95
INVERSE_REGULARIZATION = 0.3
# The oldest leads train the model, the next adjust it to the recent win rate, and the newest evaluate it.
TRAINING_END, CALIBRATION_END = 0.6, 0.8
# A single feature that separates won from lost this well was recorded after the outcome.
LEAK_AUC = 0.95
# If all features together do, so was any feature without which the errors of the others double.
LEAK_ERROR_RATIO, SUSPECT_AUC = 0.5, 0.60
# Typical names of columns that are filled while or after a lead is worked on.
RECORDED_LATER_WORDS = (
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
RECORDED_LATER_SUFFIXES = ("activity index", "activity score", "profile index", "profile score", "profile")
# Smooths the win rate of a bin: as if this many average leads were in it.
PRIOR_WEIGHT = 5
FeatureRows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class FittedScorecard:
    """A scorecard, its evaluation on the newest leads (not trained on), and the refused features with reasons."""

    card: Card
    evaluation: dict[str, Any]
    refused: dict[str, str]


def fit_scorecard(rows: FeatureRows, won: Sequence[bool], names: Sequence[str] | None = None) -> FittedScorecard:
    """Fit a scorecard to `rows` and their outcomes `won`.

    `names` are the features to use; by default, all that are known for enough leads.
    """
    training_count, calibration_count = int(len(rows) * TRAINING_END), int(len(rows) * CALIBRATION_END)
    candidates = list(names) if names is not None else usable_features(rows[:training_count])
    refused = find_leaking_features(rows[:calibration_count], won[:calibration_count], candidates)
    card = fit_card(rows[:training_count], won[:training_count], [name for name in candidates if name not in refused])
    card["intercept"] += intercept_correction(
        card, rows[training_count:calibration_count], won[training_count:calibration_count]
    )
    newest = [probability(card, row) for row in rows[calibration_count:]]
    return FittedScorecard(card, evaluate_predictions(newest, won[calibration_count:]), refused)


def usable_features(rows: FeatureRows) -> list[str]:
    """Return the features that are known for enough leads and do not have a different value for each lead."""
    counts = Counter(name for row in rows for name in row)
    names = sorted(name for name, count in counts.items() if count >= MIN_BIN_SIZE)
    return [name for name in names if is_informative(rows, name)]


def is_informative(rows: FeatureRows, name: str) -> bool:
    values = [row.get(name) for row in rows]
    words = Counter(as_word(value) for value in values if value is not None)
    return is_numeric(values) or any(count >= MIN_BIN_SIZE for count in words.values())


def is_numeric(values: Sequence[Any]) -> bool:
    known_values = [value for value in values if value is not None and not isinstance(value, bool)]
    numbers = [number for number in map(as_number, known_values) if number is not None]
    return (
        bool(known_values) and len(numbers) >= MIN_NUMERIC_SHARE * len(known_values) and len(set(numbers)) > BIN_COUNT
    )


# The card


def fit_card(rows: FeatureRows, won: Sequence[bool], names: Sequence[str]) -> Card:
    """Fit a card by logistic regression over bins; the coefficients are the points."""
    features = {name: make_bins([row.get(name) for row in rows]) for name in names}
    if len(set(won)) < 2:
        return {"intercept": logit(sum(won), len(won)), "features": {}}
    slots = {name: {slot: at for at, slot in enumerate(feature_slots(feature))} for name, feature in features.items()}
    blocks = [one_hot(rows, name, features[name], slots[name]) for name in names] or [np.zeros((len(rows), 1))]
    model = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=1_000).fit(
        np.hstack(blocks), np.asarray(won, dtype=int)
    )
    card_features, start = {}, 0
    for name, feature in features.items():
        weights = {slot: round(float(model.coef_[0][start + at]), 6) for slot, at in slots[name].items()}
        card_features[name], start = bins_with_points(feature, weights), start + len(weights)
    return {"intercept": float(model.intercept_[0]), "features": card_features}


def one_hot(rows: FeatureRows, name: str, feature: dict[str, Any], slots: dict[Any, int]) -> np.ndarray:
    """Return a matrix with a column for each slot of a feature and a row for each of `rows`."""
    at = np.fromiter((slots[slot_for_value(feature, row.get(name))] for row in rows), dtype=int, count=len(rows))
    return np.eye(len(slots), dtype=np.float32)[at]


def make_bins(values: Sequence[Any]) -> dict[str, Any]:
    """Return the bins of a feature, without points."""
    if is_numeric(values):
        numbers = [number for number in map(as_number, values) if number is not None]
        quantiles = np.quantile(numbers, np.linspace(0, 1, BIN_COUNT + 1)[1:-1])
        return {"kind": "number", "edges": sorted({round(float(edge), 6) for edge in quantiles})}
    counts = Counter(as_word(value) for value in values if value is not None)
    return {"kind": "words", "words": [word for word, n in counts.most_common(MAX_FEATURE_WORDS) if n >= MIN_BIN_SIZE]}


def feature_slots(feature: dict[str, Any]) -> Sequence[Any]:
    inner = range(len(feature["edges"]) + 1) if feature["kind"] == "number" else [*feature["words"], ("other",)]
    return [*inner, ("missing",)]


def slot_for_value(feature: dict[str, Any], value: Any) -> Any:
    if value is None:
        return ("missing",)
    if feature["kind"] == "number":
        number = as_number(value)
        return ("missing",) if number is None else bisect_left(feature["edges"], number)
    word = as_word(value)
    return word if word in feature["words"] else ("other",)


def bins_with_points(feature: dict[str, Any], weights: dict[Any, float]) -> dict[str, Any]:
    if feature["kind"] == "number":
        inner = [weights[at] for at in range(len(feature["edges"]) + 1)]
        return {"kind": "number", "edges": feature["edges"], "points": inner, "missing": weights["missing",]}
    points = {word: weights[word] for word in feature["words"]}
    return {"kind": "words", "points": points, "other": weights["other",], "missing": weights["missing",]}


def intercept_correction(card: Card, rows: FeatureRows, won: Sequence[bool]) -> float:
    """Return the change of the intercept that makes the expected number of wins equal to the actual one."""
    if not rows:
        return 0.0
    expected = sum(probability(card, row) for row in rows)
    return logit(sum(won), len(won)) - logit(expected, len(rows))


def logit(wins: float, total: int) -> float:
    share = (wins + 0.5) / (total + 1)
    return log(share / (1 - share))


# The guard


def find_leaking_features(rows: FeatureRows, won: Sequence[bool], names: Sequence[str]) -> dict[str, str]:
    """Return the features among `names` that leak the outcome because they were recorded after it, with reasons."""
    half = len(rows) // 2
    leaking: dict[str, str] = {}
    auc_by_feature = {name: single_feature_auc(rows, won, name, half) for name in names}
    for name in names:
        if auc_by_feature[name] > LEAK_AUC:
            leaking[name] = f"Predicts the outcome almost alone (AUC {auc_by_feature[name]:.2f})."
        elif is_recorded_later(name) and auc_by_feature[name] > SUSPECT_AUC:
            leaking[name] = (
                f"Its name suggests that it is recorded while the lead is worked on (AUC {auc_by_feature[name]:.2f})."
            )
    rest = [name for name in names if name not in leaking]
    while rest:
        auc_of_all = combined_auc(rows, won, rest, half)
        if auc_of_all <= LEAK_AUC:
            return leaking
        auc_without = {
            name: combined_auc(rows, won, [n for n in rest if n != name], half)
            for name in rest
            if auc_by_feature[name] > SUSPECT_AUC
        }
        worst = min(auc_without, key=lambda name: auc_without[name], default=None)
        if worst is None or (1 - auc_without[worst]) * LEAK_ERROR_RATIO < 1 - auc_of_all:
            return leaking
        leaking[worst] = (
            f"All other features together are far worse without it (AUC {auc_without[worst]:.2f}, with it "
            f"{auc_of_all:.2f})."
        )
        rest.remove(worst)
    return leaking


def is_recorded_later(name: str) -> bool:
    lowered = name.removeprefix("custom: ").casefold()
    return (
        lowered.startswith(RECORDED_LATER_WORDS)
        or lowered.endswith(RECORDED_LATER_SUFFIXES)
        or any(f" {word}" in lowered for word in RECORDED_LATER_WORDS)
    )


def single_feature_auc(rows: FeatureRows, won: Sequence[bool], name: str, half: int) -> float:
    """Return the AUC of one feature on the later half, predicted from the win rates of its bins in the earlier half."""
    feature = make_bins([row.get(name) for row in rows[:half]])
    row_slots = [slot_for_value(feature, row.get(name)) for row in rows]
    total, wins = (
        Counter(row_slots[:half]),
        Counter(slot for slot, one in zip(row_slots[:half], won, strict=False) if one),
    )
    base = (sum(won[:half]) + 0.5) / (half + 1)
    rate = {slot: (wins[slot] + PRIOR_WEIGHT * base) / (count + PRIOR_WEIGHT) for slot, count in total.items()}
    return auc([rate.get(slot, base) for slot in row_slots[half:]], won[half:]) or 0.5


def combined_auc(rows: FeatureRows, won: Sequence[bool], names: Sequence[str], half: int) -> float:
    """Return the AUC of the features `names` on the later half, with a card fitted to the earlier half."""
    card = fit_card(rows[:half], won[:half], names)
    return auc([probability(card, row) for row in rows[half:]], won[half:]) or 0.5
