"""Train a prediction model on closed leads. Only the training command imports this module: scikit-learn is large."""

from typing import Any
from uuid import UUID

from django.db import transaction

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.activity import Actor, record
from leads.models import PredictionModel, Rung
from leads.prediction.evaluation import evaluate_predictions
from leads.prediction.fitting import CALIBRATION_END, fit_scorecard
from leads.prediction.scorecard import probability
from leads.prediction.snapshots import closed_leads
from leads.prediction.stage_win_rates import compute_win_rates
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION, ensure_snapshots, set_active_model

# Below the first there is no prediction; a scorecard needs the second and the third.
MIN_CLOSED_LEADS, MIN_LEADS_FOR_SCORECARD, MIN_WON_LEADS = 100, 1_000, 120
MAX_TRAINING_LEADS = 50_000


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

    The second value says why a fitted scorecard is not used; it is empty otherwise.
    """
    fallback, reason = (
        {"rung": Rung.STAGES, "card": compute_win_rates(leads, sum(won)), "evaluation": {}, "refused": {}},
        "",
    )
    if len(leads) >= MIN_LEADS_FOR_SCORECARD and MIN_WON_LEADS <= sum(won) <= len(won) - MIN_WON_LEADS:
        result = fit_scorecard(ensure_snapshots(leads), won)
        average, scorecard = baseline_brier(won), result.evaluation["brier"]
        if scorecard < average:
            evaluation, refused = result.evaluation, result.refused
            return {"rung": Rung.SCORECARD, "card": result.card, "evaluation": evaluation, "refused": refused}, ""
        reason = f"A scorecard (mean square error {scorecard:.4f}) was no better than the average ({average:.4f}). "
    return fallback, reason


def baseline_brier(won: list[bool]) -> float:
    """Return the mean square error on the newest leads of predicting the earlier win rate for each."""
    calibration_count = int(len(won) * CALIBRATION_END)
    share = sum(won[:calibration_count]) / calibration_count
    return evaluate_predictions([share] * (len(won) - calibration_count), won[calibration_count:])["brier"]


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
    if candidate["rung"] != champion.rung:
        higher = candidate["rung"] == Rung.SCORECARD
        return higher, "There are now enough leads for a scorecard." if higher else "A scorecard is already active."
    if candidate["rung"] == Rung.STAGES:
        return True, "The win rates are up to date."
    newest = slice(int(len(leads) * CALIBRATION_END), None)
    champion_probabilities = [probability(champion.card, row) for row in ensure_snapshots(leads[newest])]
    old, new = evaluate_predictions(champion_probabilities, won[newest])["brier"], candidate["evaluation"]["brier"]
    comparison = (
        f"Mean square error on the newest {len(champion_probabilities):,} leads: {new:.4f}; "
        f"version {champion.version}: {old:.4f}."
    )
    return new < old, comparison
