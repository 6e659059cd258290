"""Which features of a lead were known when it arrived, and what speaks against it. Pure: no database.

A file of closed leads alone does not show what was known when. So a feature counts only if snapshots taken at arrival
hold it (proven), or if a person confirmed it. The evidence only advises that person.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads.models import FeatureStanding
from leads.prediction.bins import MIN_BIN_SIZE
from leads.prediction.scorecard import UNPROVEN
from leads.prediction.snapshots import CUSTOM_PREFIX

# A single feature that separates won from lost this well was probably recorded after the outcome.
TOO_GOOD_AUC = 0.95
# Filled in this much more often in closed leads than in open ones, or changed in this share after arrival.
MIN_FILL_DIFFERENCE, MIN_CHANGED_SHARE = 0.3, 0.2
MIN_COMPARED_LEADS = 20
# Words of a name that often stand for something that happened after the arrival.
LATER_WORDS = frozenset({"last", "latest", "final", "closed", "lost", "won", "outcome", "converted", "disposition"})
WORD_PATTERN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")


@dataclass(frozen=True)
class Snapshot:
    """The features of a closed lead, and whether they were recorded when it arrived."""

    features: dict[str, Any]
    is_at_arrival: bool


def proven_features(snapshots: Iterable[Snapshot]) -> set[str]:
    """Return the features that were filled in at the arrival of enough leads."""
    counts = Counter(name for one in snapshots if one.is_at_arrival for name in one.features)
    return {name for name, count in counts.items() if count >= MIN_BIN_SIZE}


def current_standings(snapshots: Sequence[Snapshot], decided: Mapping[str, str]) -> dict[str, str]:
    """Return the standing of each feature in `snapshots`: as `decided` by a person, else proven or unconfirmed."""
    proven = proven_features(snapshots)
    names = {name for one in snapshots for name in one.features}
    by_snapshots = {
        name: FeatureStanding.PROVEN if name in proven else FeatureStanding.UNCONFIRMED for name in sorted(names)
    }
    return by_snapshots | {name: standing for name, standing in decided.items() if name in names}


def names_with(standings: Mapping[str, str], *wanted: str) -> list[str]:
    return sorted(name for name, standing in standings.items() if standing in wanted)


def usable_rows(snapshots: Sequence[Snapshot], standings: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the features that count. One that is only proven counts only for leads with a snapshot at arrival."""
    known = set(names_with(standings, FeatureStanding.KNOWN))
    proven = set(names_with(standings, FeatureStanding.PROVEN))
    unproven = dict.fromkeys(proven, UNPROVEN)
    return [
        {name: value for name, value in one.features.items() if name in known or name in proven}
        if one.is_at_arrival
        else unproven | {name: value for name, value in one.features.items() if name in known}
        for one in snapshots
    ]


def rows_with(snapshots: Iterable[Snapshot], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return only the features `names` of `snapshots`."""
    wanted = set(names)
    return [{name: value for name, value in one.features.items() if name in wanted} for one in snapshots]


def later_evidence(
    name: str,
    *,
    auc: float,
    closed: Sequence[dict[str, Any]],
    open_leads: Sequence[dict[str, Any]],
    changed: tuple[int, int] = (0, 0),
) -> list[str]:
    """Return what suggests that the feature `name` was recorded after arrival, as short sentences.

    `auc` is that of the feature alone, `closed` and `open_leads` are features of such leads, `changed` is the number
    of leads in which the feature changed after arrival, and the number of leads compared.
    """
    found = []
    if auc >= TOO_GOOD_AUC:
        found.append(f"Predicts the outcome almost alone (AUC {auc:.2f}).")
    closed_share, open_share = fill_share(closed, name), fill_share(open_leads, name)
    if min(len(closed), len(open_leads)) >= MIN_COMPARED_LEADS and closed_share - open_share >= MIN_FILL_DIFFERENCE:
        found.append(f"Filled in {closed_share:.0%} of closed leads, but in {open_share:.0%} of open ones.")
    count, compared = changed
    if compared >= MIN_COMPARED_LEADS and count / compared >= MIN_CHANGED_SHARE:
        found.append(f"Changed after arrival in {count / compared:.0%} of leads.")
    if word := next((word for word in name_words(name) if word in LATER_WORDS), None):
        found.append(f"Its name contains “{word}”.")
    return found


def fill_share(rows: Sequence[dict[str, Any]], name: str) -> float:
    return sum(name in row for row in rows) / len(rows) if rows else 0.0


def name_words(name: str) -> list[str]:
    """Return the words of a name in lower case, however they are joined."""
    return [word.lower() for word in WORD_PATTERN.findall(name.removeprefix(CUSTOM_PREFIX))]


def count_changes(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> Counter[str]:
    """Count in how many leads each feature changed or was filled in; each pair is the snapshot and today's features."""
    counts: Counter[str] = Counter()
    for before, now in pairs:
        counts.update(name for name in {*before, *now} if before.get(name) != now.get(name))
    return counts
