"""Compare predicted probabilities with what happened. Pure: no database.

AUC: the share of pairs of a won and a lost lead that are in the right order. Brier: the mean square of the error.
Calibration error: the mean difference of predicted and actual win rate over ten equal parts, weighted by their size.
Lift: the win rate of the best tenth divided by that of all.
"""

from collections.abc import Sequence
from typing import Any

DECILE_COUNT = 10


def evaluate_predictions(predicted: Sequence[float], won: Sequence[bool]) -> dict[str, Any]:
    """Return `{n, won, auc, brier, calibration_error, lift, deciles: [{n, predicted, won}]}`.

    `auc` is None if all leads had the same outcome.
    """
    total, wins = len(won), sum(won)
    tenths = deciles(predicted, won)
    error = sum(part["n"] * abs(part["predicted"] - part["won"]) for part in tenths) / total if total else None
    lift = tenths[-1]["won"] / (wins / total) if wins else None
    return {
        "n": total,
        "won": wins,
        "auc": round_metric(auc(predicted, won)),
        "brier": round_metric(sum((p - w) ** 2 for p, w in zip(predicted, won, strict=True)) / total)
        if total
        else None,
        "calibration_error": round_metric(error),
        "lift": round_metric(lift),
        "deciles": [
            {**part, "predicted": round_metric(part["predicted"]), "won": round_metric(part["won"])} for part in tenths
        ],
    }


def auc(predicted: Sequence[float], won: Sequence[bool]) -> float | None:
    """Return the AUC by ranks (Mann-Whitney), with ties counted half; None if all had the same outcome."""
    wins = sum(won)
    losses = len(won) - wins
    if not wins or not losses:
        return None
    order = sorted(range(len(won)), key=lambda i: predicted[i])
    ranks = 0.0
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and predicted[order[end]] == predicted[order[at]]:
            end += 1
        ranks += sum(bool(won[i]) for i in order[at:end]) * (at + 1 + end) / 2
        at = end
    return (ranks - wins * (wins + 1) / 2) / (wins * losses)


def deciles(predicted: Sequence[float], won: Sequence[bool]) -> list[dict[str, Any]]:
    """Return ten parts of equal size, least likely first: their size, mean prediction and win rate."""
    order = sorted(range(len(won)), key=lambda i: predicted[i])
    parts = []
    for part in range(DECILE_COUNT):
        part_indexes = order[len(order) * part // DECILE_COUNT : len(order) * (part + 1) // DECILE_COUNT]
        if part_indexes:
            mean = sum(predicted[i] for i in part_indexes) / len(part_indexes)
            parts.append(
                {
                    "n": len(part_indexes),
                    "predicted": mean,
                    "won": sum(won[i] for i in part_indexes) / len(part_indexes),
                }
            )
    return parts


def round_metric(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
