"""Fit a scorecard to closed leads: a regularised logistic regression over bins.

Pure: no database. `rows` are features (`leads.prediction.snapshots`), in the order in which the leads were closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from leads.prediction.bins import (
    MISSING,
    OTHER,
    FeatureRows,
    feature_slots,
    make_bins,
    most_telling_features,
    slot_for_value,
    usable_features,
)
from leads.prediction.evaluation import auc, evaluate_predictions
from leads.prediction.scorecard import Card, probability

# The newest leads judge the card; the last of the others adjust it to the recent win rate.
JUDGED_FROM, RECENT_FROM = 0.8, 0.75
# Candidates for the inverse strength of the regularisation; folds of the older leads choose between them.
INVERSE_REGULARIZATIONS = (0.03, 0.1, 0.3, 1.0)
FOLD_COUNT = 4
# The choice of features and regularisation reads at most this many of the most recent leads.
MAX_TUNING_ROWS = 10_000
MAX_ITERATIONS = 1_000
# The regressions are small: more threads only wait for each other, six times as long on a busy machine.
one_thread = threadpool_limits.wrap(limits=1)


@dataclass(frozen=True)
class FittedScorecard:
    """A scorecard of all leads, and the one that was judged: fitted to the older leads, evaluated on the newest."""

    card: Card
    judged_card: Card
    evaluation: dict[str, Any]


@one_thread
def fit_scorecard(rows: FeatureRows, won: Sequence[bool], names: Iterable[str] | None = None) -> FittedScorecard:
    """Fit a scorecard to `rows` and their outcomes `won`.

    `names` are the features to choose from; by default, all. The most telling are used.
    """
    judged_from = judged_start(rows)
    older, older_won = rows[:judged_from], won[:judged_from]
    usable = usable_features(older)
    candidates = usable if names is None else sorted(set(usable) & set(names))
    chosen = most_telling_features(older[-MAX_TUNING_ROWS:], older_won[-MAX_TUNING_ROWS:], candidates)
    strength = choose_regularization(older[-MAX_TUNING_ROWS:], older_won[-MAX_TUNING_ROWS:], chosen)
    judged_card = fit_recent_card(older, older_won, chosen, strength)
    predicted = [probability(judged_card, row) for row in rows[judged_from:]]
    card = fit_recent_card(rows, won, chosen, strength)
    return FittedScorecard(card, judged_card, evaluate_predictions(predicted, won[judged_from:]))


def judged_start(rows: Sequence[Any]) -> int:
    """Return the index of the first lead of the newest fifth."""
    return int(len(rows) * JUDGED_FROM)


def fit_recent_card(rows: FeatureRows, won: Sequence[bool], names: Sequence[str], strength: float) -> Card:
    """Fit a card, and adjust it to the win rate of the most recent `rows`."""
    card = fit_card(rows, won, names, strength)
    recent = int(len(rows) * RECENT_FROM)
    card["intercept"] += recent_shift(card, rows[recent:], won[recent:])
    return card


def fit_card(rows: FeatureRows, won: Sequence[bool], names: Sequence[str], strength: float) -> Card:
    """Fit a card by logistic regression over bins; the sums of the coefficients of a bin are its points."""
    if len(set(won)) < 2 or not names:
        return {"intercept": logit(sum(won), len(won)), "features": {}}
    features = {name: make_bins([row.get(name) for row in rows]) for name in names}
    codes = {name: slot_codes(feature) for name, feature in features.items()}
    model = fit_regression(encode(rows, features, codes), won, strength)
    card_features, start = {}, 0
    for name, feature in features.items():
        matrix = codes[name]
        points = matrix @ model.coef_[0][start : start + matrix.shape[1]]
        start += matrix.shape[1]
        weights = dict(zip(feature_slots(feature), (round(float(one), 6) for one in points), strict=True))
        card_features[name] = bins_with_points(feature, weights)
    return {"intercept": float(model.intercept_[0]), "features": card_features}


def fit_regression(matrix: sparse.csr_matrix, won: Sequence[bool], strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=MAX_ITERATIONS).fit(matrix, np.asarray(won, dtype=int))


def slot_codes(feature: dict[str, Any]) -> np.ndarray:
    """Return a row of regressors for each slot of a feature.

    A word has one regressor. A bin of numbers has those of all lower bins too, so that the regularisation draws
    neighbouring bins together.
    """
    count = len(feature_slots(feature))
    codes = np.eye(count)
    if feature["kind"] == "number":
        codes[: count - 1, : count - 1] = np.tri(count - 1)
    return codes


def encode(rows: FeatureRows, features: dict[str, dict[str, Any]], codes: dict[str, np.ndarray]) -> sparse.csr_matrix:
    """Return the regressors of each of `rows`. A value that is not proven has none."""
    blocks = []
    for name, feature in features.items():
        slots = {slot: at for at, slot in enumerate(feature_slots(feature))}
        table = sparse.csr_matrix(np.vstack([codes[name], np.zeros(codes[name].shape[1])]))
        at = [slots.get(slot_for_value(feature, row.get(name)), len(slots)) for row in rows]
        blocks.append(table[at])
    return sparse.hstack(blocks, format="csr")


def bins_with_points(feature: dict[str, Any], weights: dict[Any, float]) -> dict[str, Any]:
    if feature["kind"] == "number":
        inner = [weights[at] for at in range(len(feature["edges"]) + 1)]
        return {"kind": "number", "edges": feature["edges"], "points": inner, "missing": weights[MISSING]}
    points = {word: weights[word] for word in feature["words"]}
    return {"kind": "words", "points": points, "other": weights[OTHER], "missing": weights[MISSING]}


def choose_regularization(rows: FeatureRows, won: Sequence[bool], names: Sequence[str]) -> float:
    """Return the candidate with the lowest log loss over folds of `rows`."""
    folds = [range(part, len(rows), FOLD_COUNT) for part in range(FOLD_COUNT)]
    outcome = np.asarray(won, dtype=int)
    if not names or any(len(set(np.delete(outcome, fold))) < 2 for fold in folds):
        return INVERSE_REGULARIZATIONS[0]
    features = {name: make_bins([row.get(name) for row in rows]) for name in names}
    matrix = encode(rows, features, {name: slot_codes(feature) for name, feature in features.items()})

    def loss(strength: float) -> float:
        total = 0.0
        for fold in folds:
            others = np.delete(np.arange(len(rows)), fold)
            model = fit_regression(matrix[others], outcome[others], strength)
            margin = model.decision_function(matrix[list(fold)]) * (2 * outcome[list(fold)] - 1)
            total += float(np.logaddexp(0, -margin).sum())
        return total

    return min(INVERSE_REGULARIZATIONS, key=loss)


def recent_shift(card: Card, rows: FeatureRows, won: Sequence[bool]) -> float:
    """Return the change of the intercept by which the expected wins among `rows` approach the actual ones.

    A difference that chance explains changes nothing (James and Stein's shrinkage).
    """
    if not rows:
        return 0.0
    predicted = [probability(card, row) for row in rows]
    variance = sum(one * (1 - one) for one in predicted)
    difference = sum(won) - sum(predicted)
    if not variance or difference**2 <= variance:
        return 0.0
    shift = logit(sum(won), len(rows)) - logit(sum(predicted), len(rows))
    return shift * (1 - variance / difference**2)


def logit(wins: float, total: int) -> float:
    share = (wins + 0.5) / (total + 1)
    return log(share / (1 - share))


@one_thread
def feature_gains(rows: FeatureRows, won: Sequence[bool], card: Card, others: FeatureRows) -> dict[str, float]:
    """Return what each feature of `others` would add to the AUC of `card` on the newest fifth.

    `rows` hold what the card uses, `others` the features that it does not use, of the same leads.
    """
    judged_from = judged_start(rows)
    base = np.asarray([logit_of(card, row) for row in rows])
    without = auc(list(base[judged_from:]), won[judged_from:]) or 0.5
    return {
        name: (auc_with(name, others, won, base, judged_from) or 0.5) - without
        for name in usable_features(others[:judged_from])
    }


def auc_with(name: str, others: FeatureRows, won: Sequence[bool], base: np.ndarray, judged_from: int) -> float | None:
    """Return the AUC on the newest fifth of the log odds `base` and one more feature."""
    if len(set(won[:judged_from])) < 2:
        return None
    feature = make_bins([row.get(name) for row in others[:judged_from]])
    block = encode(others, {name: feature}, {name: slot_codes(feature)})
    matrix = sparse.hstack([sparse.csr_matrix(base[:, None]), block], format="csr")
    model = fit_regression(matrix[:judged_from], won[:judged_from], INVERSE_REGULARIZATIONS[-1])
    return auc(list(model.decision_function(matrix[judged_from:])), won[judged_from:])


def logit_of(card: Card, row: dict[str, Any]) -> float:
    share = probability(card, row)
    return log(share / (1 - share))
