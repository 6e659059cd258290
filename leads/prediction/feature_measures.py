"""Measure what each feature that does not count would add, and what suggests that it was recorded later."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from crm.runtime.lazy_module import LazyModule
from leads.models import FeatureStanding, Lead, LeadSnapshot
from leads.prediction.bins import single_feature_auc
from leads.prediction.known_at_arrival import (
    Snapshot,
    count_changes,
    later_evidence,
    names_with,
    rows_with,
    usable_rows,
)
from leads.prediction.scorecard import Card
from leads.prediction.snapshots import build_features_of_leads

# Only a training needs scikit-learn, and every command would wait for its import.
fitting = LazyModule("leads.prediction.fitting")
MIN_GAIN_REPORTED = 0.0005
# Bounds the time of a training: the most recent closed leads, open leads, and the features filled in most often.
MAX_MEASURED_LEADS, MAX_COMPARED_LEADS, MAX_MEASURED_FEATURES = 10_000, 2_000, 300


def measure_features(
    snapshots: Sequence[Snapshot], won: Sequence[bool], standings: Mapping[str, str], judged_card: Card
) -> dict[str, dict[str, Any]]:
    """Return `{name: {standing, gain, evidence, filled}}` for each feature; the gain of an unconfirmed one only."""
    recent, outcomes = snapshots[-MAX_MEASURED_LEADS:], won[-MAX_MEASURED_LEADS:]
    filled = Counter(name for one in recent for name in one.features)
    names = [name for name, _ in filled.most_common(MAX_MEASURED_FEATURES)]
    unconfirmed = set(names_with(standings, FeatureStanding.UNCONFIRMED)) & set(names)
    others = rows_with(recent, unconfirmed)
    gains = fitting.feature_gains(usable_rows(recent, standings), outcomes, judged_card, others) if unconfirmed else {}
    evidence = gather_evidence(recent, outcomes, [name for name in names if standings[name] != FeatureStanding.PROVEN])
    return {
        name: {
            "standing": standings[name],
            "gain": gains.get(name),
            "evidence": evidence.get(name, []),
            "filled": filled[name],
        }
        for name in names
    }


def gather_evidence(snapshots: Sequence[Snapshot], won: Sequence[bool], names: Sequence[str]) -> dict[str, list[str]]:
    """Return for each of `names` what suggests that it was recorded after arrival."""
    rows = [one.features for one in snapshots]
    open_leads = LeadSnapshot.objects.filter(lead__closed_at=None, lead__deleted_at=None).order_by("-taken_at")
    open_rows = list(open_leads.values_list("features", flat=True)[:MAX_COMPARED_LEADS])
    changes, compared = count_changed_features()
    return {
        name: later_evidence(
            name,
            auc=single_feature_auc(rows, won, name),
            closed=rows,
            open_leads=open_rows,
            changed=(changes[name], compared),
        )
        for name in names
    }


def count_changed_features() -> tuple[Counter[str], int]:
    """Compare the newest snapshots taken at arrival with the leads as they are today."""
    at_arrival = LeadSnapshot.objects.filter(is_at_arrival=True).order_by("-taken_at")
    before = dict(at_arrival.values_list("lead", "features")[:MAX_COMPARED_LEADS])
    now = build_features_of_leads(Lead.objects.filter(pk__in=before))
    return count_changes((before[key], features) for key, features in now.items()), len(now)


def reasons_not_used(
    standings: Mapping[str, str], measurements: Mapping[str, Mapping[str, Any]], card: Card
) -> dict[str, str]:
    """Return why each feature that is not in `card` is not used, the most useful first."""

    def reason(name: str) -> str:
        gain = measurements[name]["gain"]
        if standings[name] == FeatureStanding.LATER:
            return "Recorded after arrival."
        if standings[name] == FeatureStanding.UNCONFIRMED:
            added = f" It would add {gain:.3f} to the AUC." if gain and gain >= MIN_GAIN_REPORTED else ""
            return f"Not confirmed as known at arrival.{added}"
        return "It says too little, or too few leads have it."

    left_out = [name for name in measurements if name not in card["features"]]
    left_out.sort(key=lambda name: (-(measurements[name]["gain"] or 0), name))
    return {name: reason(name) for name in left_out}
