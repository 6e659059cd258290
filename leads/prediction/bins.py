"""The bins of a feature, how well it predicts the outcome alone, and which features tell most. Pure: no database.

`rows` are features (`leads.prediction.snapshots`), in the order in which the leads were closed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from leads.prediction.evaluation import auc
from leads.prediction.scorecard import UNPROVEN, as_number, as_word

BIN_COUNT, MANY_BINS, MANY_ROWS = 16, 32, 20_000
MIN_BIN_SIZE, MAX_FEATURE_WORDS, MAX_WORD_LIKE_NUMBERS = 20, 40, 8
MIN_NUMERIC_SHARE = 0.95
MAX_FEATURES = 60
# Smooths the win rate of a bin: as if this many average leads were in it.
PRIOR_WEIGHT = 5
OTHER, MISSING = ("other",), ("missing",)
FeatureRows = Sequence[dict[str, Any]]


def make_bins(values: Sequence[Any]) -> dict[str, Any]:
    """Return the bins of a feature, without points. A value that is not proven is in no bin."""
    if is_numeric(values):
        numbers = sorted(number for number in map(as_number, values) if number is not None)
        count = MANY_BINS if len(numbers) >= MANY_ROWS else BIN_COUNT
        # The highest number is no edge: nothing would be above it.
        edges = {round(numbers[len(numbers) * part // count], 6) for part in range(1, count)} - {round(numbers[-1], 6)}
        return {"kind": "number", "edges": sorted(edges)}
    counts = Counter(as_word(value) for value in values if value is not None and value is not UNPROVEN)
    return {"kind": "words", "words": [word for word, n in counts.most_common(MAX_FEATURE_WORDS) if n >= MIN_BIN_SIZE]}


def is_numeric(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None and value is not UNPROVEN and not isinstance(value, bool)]
    numbers = [number for number in map(as_number, known) if number is not None]
    return bool(known) and len(numbers) >= MIN_NUMERIC_SHARE * len(known) and len(set(numbers)) > MAX_WORD_LIKE_NUMBERS


def feature_slots(feature: dict[str, Any]) -> list[Any]:
    """Return the slots of a feature: its bins or words, and one for a missing value."""
    inner = range(len(feature["edges"]) + 1) if feature["kind"] == "number" else [*feature["words"], OTHER]
    return [*inner, MISSING]


def slot_for_value(feature: dict[str, Any], value: Any) -> Any:
    """Return the slot that `value` belongs to; None for a value that is not proven."""
    if value is UNPROVEN:
        return None
    if value is None:
        return MISSING
    if feature["kind"] == "number":
        number = as_number(value)
        return MISSING if number is None else bisect_left(feature["edges"], number)
    word = as_word(value)
    return word if word in feature["words"] else OTHER


def usable_features(rows: FeatureRows) -> list[str]:
    """Return the features that enough leads have, and that divide the leads into two groups of some size or more."""
    names = sorted({name for row in rows for name in row})
    return [name for name in names if is_informative([row.get(name) for row in rows])]


def is_informative(values: Sequence[Any]) -> bool:
    if sum(value is not None and value is not UNPROVEN for value in values) < MIN_BIN_SIZE:
        return False
    return sum(count >= MIN_BIN_SIZE for count in slot_counts(values).values()) >= 2


def slot_counts(values: Sequence[Any]) -> Counter[Any]:
    feature = make_bins(values)
    return Counter(slot for slot in (slot_for_value(feature, value) for value in values) if slot is not None)


def most_telling_features(
    rows: FeatureRows, won: Sequence[bool], names: Iterable[str], count: int = MAX_FEATURES
) -> list[str]:
    """Return the `count` features that best predict the outcome alone, best first.

    Names decide only between features that are equal in all else, so another spelling of a name changes nothing.
    """

    def rank(name: str) -> tuple[Any, ...]:
        sizes = sorted(slot_counts([row.get(name) for row in rows]).values(), reverse=True)
        return -single_feature_auc(rows, won, name), sizes, name

    return sorted(names, key=rank)[:count]


def single_feature_auc(rows: FeatureRows, won: Sequence[bool], name: str) -> float:
    """Return the AUC of one feature on the later half, predicted from the win rates of its bins in the earlier half."""
    half = len(rows) // 2
    feature = make_bins([row.get(name) for row in rows[:half]])
    row_slots = [slot_for_value(feature, row.get(name)) for row in rows]
    total = Counter(row_slots[:half])
    wins = Counter(slot for slot, one in zip(row_slots[:half], won, strict=False) if one)
    base = (sum(won[:half]) + 0.5) / (half + 1)
    rate = {slot: (wins[slot] + PRIOR_WEIGHT * base) / (count + PRIOR_WEIGHT) for slot, count in total.items()}
    return auc([rate.get(slot, base) for slot in row_slots[half:]], won[half:]) or 0.5
