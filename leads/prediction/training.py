"""Train a prediction model on closed leads."""

from typing import Any
from uuid import UUID

from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from crm.runtime.lazy_module import LazyModule
from leads.models import LeadSnapshot, PredictionFeature, PredictionModel, Rung
from leads.models.prediction import COUNTED_STANDINGS
from leads.prediction.evaluation import evaluate_predictions
from leads.prediction.feature_measures import measure_features, reasons_not_used
from leads.prediction.feature_transitions import save_measurements
from leads.prediction.known_at_arrival import Snapshot, current_standings, names_with, usable_rows
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import closed_leads
from leads.prediction.stage_win_rates import compute_win_rates
from leads.prediction.transitions import (
    ACTIVATE_MODEL_PERMISSION,
    ensure_snapshots,
    set_active_model,
    uncounted_features,
)

# Only a training needs scikit-learn, and every command would wait for its import.
fitting = LazyModule("leads.prediction.fitting")
# Below the first there is no prediction; a scorecard needs the second and the third.
MIN_CLOSED_LEADS, MIN_LEADS_FOR_SCORECARD, MIN_WON_LEADS = 100, 1_000, 120
MAX_TRAINING_LEADS = 50_000
NO_FEATURE_REASON = (
    "There are enough leads for a scorecard, but no feature is known to have been filled in when they arrived. "
    "Confirm features to use them. "
)


def train_model(*, by: Actor | User) -> PredictionModel:
    """Train a new model on the closed leads, and activate it if it is better than the active one.

    Raises:
        NotPermitted: `by` may not train models.
        IllegalTransition: there are too few closed leads.
    """
    Actor.of(by).require_permission(ACTIVATE_MODEL_PERMISSION, "train a prediction")
    training_leads = list(
        closed_leads().order_by("-closed_at", "-id").values_list("id", "status__category")[:MAX_TRAINING_LEADS]
    )[::-1]
    leads, won = [key for key, _ in training_leads], [category == "won" for _, category in training_leads]
    if len(leads) < MIN_CLOSED_LEADS:
        raise IllegalTransition(f"Not enough data: {len(leads)} closed leads, {MIN_CLOSED_LEADS} are needed.")
    return save_model_version(*learn_from_leads(leads, won), leads, won, by=by)


def learn_from_leads(leads: list[UUID], won: list[bool]) -> tuple[dict[str, Any], str]:
    """Fit a scorecard, or compute win rates if there are too few leads or the scorecard is no better than the average.

    The second value says why no scorecard is used although there are enough leads; it is empty otherwise.
    """
    fallback = {"rung": Rung.STAGES, "card": compute_win_rates(leads, sum(won)), "evaluation": {}, "refused": {}}
    if len(leads) < MIN_LEADS_FOR_SCORECARD or not MIN_WON_LEADS <= sum(won) <= len(won) - MIN_WON_LEADS:
        return fallback, ""
    snapshots = load_snapshots(leads)
    standings = current_standings(snapshots, PredictionFeature.objects.decided_standings())
    usable = names_with(standings, *COUNTED_STANDINGS)
    result = fitting.fit_scorecard(usable_rows(snapshots, standings), won, usable)
    measurements = measure_features(snapshots, won, standings, result.judged_card)
    save_measurements(measurements)
    refused = reasons_not_used(standings, measurements, result.card)
    average, scorecard = baseline_brier(won), result.evaluation["brier"]
    if not result.card["features"]:
        return {**fallback, "refused": refused}, NO_FEATURE_REASON
    if scorecard >= average:
        reason = f"A scorecard (mean square error {scorecard:.4f}) was no better than the average ({average:.4f}). "
        return {**fallback, "refused": refused}, reason
    return {
        "rung": Rung.SCORECARD,
        "card": result.card,
        "judged_card": result.judged_card,
        "evaluation": result.evaluation,
        "refused": refused,
    }, ""


def load_snapshots(leads: list[UUID]) -> list[Snapshot]:
    """Return the snapshots of `leads`, in their order."""
    ensure_snapshots(leads)
    at_arrival = set(LeadSnapshot.objects.filter(lead__in=leads, is_at_arrival=True).values_list("lead", flat=True))
    return [Snapshot(features, key in at_arrival) for key, features in zip(leads, ensure_snapshots(leads), strict=True)]


def baseline_brier(won: list[bool]) -> float:
    """Return the mean square error on the newest leads of predicting the earlier win rate for each."""
    start = fitting.judged_start(won)
    share = sum(won[:start]) / start
    return evaluate_predictions([share] * (len(won) - start), won[start:])["brier"]


@transaction.atomic
def save_model_version(
    candidate: dict[str, Any], reason: str, leads: list[UUID], won: list[bool], *, by: Actor | User
) -> PredictionModel:
    """Save `candidate` as the next version, and activate it if it is better. `reason` is put before the verdict."""
    versions = list(PredictionModel.objects.select_for_update().order_by("-version"))
    champion = next((one for one in versions if one.is_active), None)
    is_better, verdict = compare_with_champion(candidate, champion, leads, won)
    verdict = reason + verdict
    version = versions[0].version + 1 if versions else 1
    model = PredictionModel(version=version, leads=len(leads), won=sum(won), verdict=verdict, **candidate)
    model.save(force_insert=True)
    record(model, "trained", by=by, summary=f"{model} was trained on {len(leads):,} leads. {verdict}")
    if is_better:
        set_active_model(model, by=by)
    return model


def compare_with_champion(
    candidate: dict[str, Any], champion: PredictionModel | None, leads: list[UUID], won: list[bool]
) -> tuple[bool, str]:
    """Return whether `candidate` is better than the active model `champion` on the newest leads, and the verdict."""
    if champion is None:
        return True, "This is the first model."
    if names := uncounted_features(champion):
        return True, f"Version {champion.version} uses features that do not count any more: {names}."
    if candidate["rung"] != champion.rung:
        higher = candidate["rung"] == Rung.SCORECARD
        return higher, "There are now enough leads for a scorecard." if higher else "A scorecard is already active."
    if candidate["rung"] == Rung.STAGES:
        return True, "The win rates are up to date."
    # The card in use has seen the newest leads, so the one that was judged without its newest leads is compared.
    newest, card = slice(fitting.judged_start(leads), None), champion.judged_card or champion.card
    rows = usable_rows(load_snapshots(leads[newest]), PredictionFeature.objects.standings())
    predicted = [probability(card, row) for row in rows]
    old, new = evaluate_predictions(predicted, won[newest])["brier"], candidate["evaluation"]["brier"]
    comparison = (
        f"Mean square error on the newest {len(predicted):,} leads: {new:.4f}; version {champion.version}: {old:.4f}."
    )
    return new < old, comparison
