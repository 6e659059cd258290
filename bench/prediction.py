"""Compare the scorecard with gradient boosting on data given by path: `python -m bench.prediction sets.json`.

The file lists the sets: `[{"path": …, "outcome": a column, "won": [values], "ignore": [columns]}]`. A relative path
starts at the folder of the list. Each set is shuffled and judged on a fifth, several times. Targets: an AUC at most
0.015 below that of scikit-learn's HistGradientBoosting, and a lower calibration error. Exits with 0 if all are met.
"""

import argparse
import csv
import json
import random
import sys
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from bench.table import format_verdict, render_table
from leads.prediction.bins import is_numeric
from leads.prediction.evaluation import evaluate_predictions
from leads.prediction.fitting import fit_scorecard, judged_start
from leads.prediction.scorecard import as_number, as_word

MAX_AUC_LOSS = 0.015
SNIFFED_CHARACTERS, MAX_CATEGORIES = 4_000, 200
BLANK_WORDS = {"", "select"}
Rows = list[dict[str, str]]


def load_set(path: Path, outcome: str, won: list[str], ignore: list[str]) -> tuple[Rows, list[bool]]:
    """Return the features and outcomes of a CSV file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        dialect = csv.Sniffer().sniff(file.read(SNIFFED_CHARACTERS))
        file.seek(0)
        rows = list(csv.DictReader(file, dialect=dialect))
    outcomes = [row[outcome] in won for row in rows]
    left_out = {outcome, *ignore}
    features = [
        {name: text for name, text in row.items() if name not in left_out and text.strip().lower() not in BLANK_WORDS}
        for row in rows
    ]
    return features, outcomes


def boosted_evaluation(rows: Rows, won: list[bool], *, has_categories: bool) -> dict[str, Any]:
    """Return the evaluation of gradient boosting on the newest fifth; words are categories, or ordered by frequency."""
    start, columns, categorical = judged_start(rows), [], []
    for name in sorted({name for row in rows for name in row}):
        values = [row.get(name) for row in rows]
        if is_numeric(values[:start]):
            columns.append([np.nan if (number := as_number(value)) is None else number for value in values])
        else:
            counts = Counter(as_word(value) for value in values[:start] if value is not None)
            codes = {word: code for code, (word, _) in enumerate(counts.most_common(MAX_CATEGORIES))}
            columns.append([np.nan if value is None else codes.get(as_word(value), np.nan) for value in values])
        categorical.append(has_categories and not is_numeric(values[:start]))
    matrix = np.array(columns, dtype=float).T
    model = HistGradientBoostingClassifier(random_state=0, categorical_features=categorical)
    model.fit(matrix[:start], won[:start])
    return evaluate_predictions([float(one) for one in model.predict_proba(matrix[start:])[:, 1]], won[start:])


def compare(rows: Rows, won: list[bool], repeat: int) -> dict[str, float]:
    """Return the mean AUC and calibration error of the scorecard and of gradient boosting over `repeat` shuffles."""
    figures: dict[str, list[float]] = {}
    for seed in range(repeat):
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)
        shuffled, outcomes = [rows[at] for at in order], [won[at] for at in order]
        boosted = max(
            (boosted_evaluation(shuffled, outcomes, has_categories=flag) for flag in (True, False)),
            key=lambda one: one["auc"],
        )
        for name, evaluation in (("card", fit_scorecard(shuffled, outcomes).evaluation), ("boosting", boosted)):
            for metric in ("auc", "calibration_error"):
                figures.setdefault(f"{name} {metric}", []).append(evaluation[metric])
    return {name: float(mean(values)) for name, values in figures.items()}


def missed_targets(figures: dict[str, float]) -> list[str]:
    missed = []
    if figures["card auc"] < figures["boosting auc"] - MAX_AUC_LOSS:
        missed.append("AUC")
    if figures["card calibration_error"] >= figures["boosting calibration_error"]:
        missed.append("calibration")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.prediction", description=__doc__)
    parser.add_argument("sets", type=Path, metavar="FILE", help="The list of data sets (JSON).")
    parser.add_argument("--repeat", type=int, default=3, help="How often to shuffle each set (default: 3).")
    options = parser.parse_args()
    table, all_met = [], True
    for one in json.loads(options.sets.read_text()):
        path = options.sets.parent / one["path"]
        rows, won = load_set(path, one["outcome"], one["won"], one.get("ignore", []))
        figures = compare(rows, won, options.repeat)
        missed = missed_targets(figures)
        all_met = all_met and not missed
        texts = [f"{figures[name]:.4f}" for name in sorted(figures)]
        table.append([path.name, f"{len(rows):,}", f"{mean(won):.0%}", *texts, format_verdict(missed)])
    heading = ["", "rows", "won", "boosting AUC", "its error", "card AUC", "its error", "targets"]
    sys.stdout.write(render_table(heading, table))
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
