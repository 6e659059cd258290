"""Tests of predicting how likely a lead is to be won."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, NotPermitted
from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.lazy_module import LazyModule
from leads import tasks
from leads.models import Lead, LeadSnapshot, LeadStageHistory, LeadStatus, PredictionModel, Rung
from leads.prediction.bins import MAX_FEATURES
from leads.prediction.evaluation import auc, evaluate_predictions
from leads.prediction.scorecard import UNPROVEN, probability, reasons
from leads.prediction.snapshots import build_features_of_leads
from leads.prediction.training import train_model
from leads.prediction.transitions import activate_prediction_model, update_all_probabilities
from leads.transitions import change_status, create_lead
from tests.cast import make_lead, page_with_sections

fitting = LazyModule("leads.prediction.fitting")  # no other test waits for scikit-learn
CARD = {
    "intercept": 0.0,
    "features": {
        "value": {"kind": "number", "edges": [10.0, 20.0], "points": [-1.0, 0.0, 2.0], "missing": -0.5},
        "source": {"kind": "words", "points": {"referral": 1.5}, "other": -0.25, "missing": 0.0},
    },
}


def make_closed_leads(
    count, *, seed=1, share=lambda referral: 0.6 if referral else 0.2, is_at_arrival=True, fields=lambda won, draw: {}
):
    """Create `count` closed leads, one a day; referrals are won more often.

    Their snapshots were taken at arrival, or when they were imported. `fields` makes the custom fields of a lead.
    """
    draw, now = random.Random(seed), timezone.now()
    stages = {code: LeadStatus.objects.get(pk=code) for code in ("CLOSED_WON", "CLOSED_LOST", "ACTIVE")}
    rows, history = [], []
    for n in range(count):
        referral = draw.random() < 0.4
        won = draw.random() < share(referral)
        rows.append(
            Lead(
                contact_name=f"Lead {n}",
                contact_email=f"lead{n}-{seed}@example.com",
                source_type="REFERRAL" if referral else "WEBSITE",
                status=stages["CLOSED_WON" if won else "CLOSED_LOST"],
                loss_reason="" if won else "TIMING",
                custom_fields=fields(won, draw),
                closed_at=now - timedelta(days=count - n),
            )
        )
        history.append(LeadStageHistory(lead=rows[-1], to_status=stages["ACTIVE"], at=now))
    Lead.objects.bulk_create(rows)
    LeadStageHistory.objects.bulk_create(history)
    features = build_features_of_leads(Lead.objects.filter(pk__in=[row.pk for row in rows]))
    LeadSnapshot.objects.bulk_create(
        LeadSnapshot(lead_id=key, features=one, taken_at=now, is_at_arrival=is_at_arrival)
        for key, one in features.items()
    )
    return rows


class TestCard:
    def test_probability_matches_hand_calculation(self):
        assert probability(CARD, {"value": 20, "source": "Referral"}) == pytest.approx(1 / (1 + 2.718281828**-1.5))
        assert probability(CARD, {"value": 20.01, "source": "web"}) == pytest.approx(1 / (1 + 2.718281828**-1.75))
        assert probability(CARD, {}) == pytest.approx(1 / (1 + 2.718281828**0.5))
        assert probability(CARD, {"value": "much", "source": "referral"}) == pytest.approx(1 / (1 + 2.718281828**-1.0))

    def test_reasons_are_sorted_by_weight(self):
        explained = [
            (one.feature, one.value_text, one.points) for one in reasons(CARD, {"value": 5, "source": "referral"})
        ]
        assert explained == [("source", "referral", 1.5), ("value", "5", -1.0)]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "1e400", [], {}, True, "x" * 1000])
    def test_any_value_gives_a_valid_probability(self, value):
        assert 0 <= probability(CARD, {"value": value, "source": value}) <= 1


class TestFigures:
    def test_auc_matches_hand_calculation(self):
        assert auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
        assert auc([0.5, 0.5], [True, False]) == 0.5
        assert auc([0.5, 0.5], [True, True]) is None

    def test_calibrated_predictions_have_no_calibration_error(self):
        result = evaluate_predictions(
            [0.2] * 100 + [0.8] * 100, [n % 5 == 0 for n in range(100)] + [n % 5 > 0 for n in range(100)]
        )
        assert (result["calibration_error"], result["n"], result["won"]) == (0.0, 200, 100)
        assert result["lift"] == pytest.approx(1.6)
        assert len(result["deciles"]) == 10


def draw_rows(count=5_000, seed=7):
    """Return rows with a number and a word that matter, and whether each was won."""
    draw = random.Random(seed)
    rows, won = [], []
    for _ in range(count):
        size, source = draw.random() * 100, draw.choice(["web", "referral", "fair"])
        chance = 0.15 + 0.5 * (size > 60) + 0.2 * (source == "referral")
        rows.append({"size": size, "source": source})
        won.append(draw.random() < chance)
    return rows, won


class TestFit:
    def test_fit_learns_and_is_calibrated(self):
        result = fitting.fit_scorecard(*draw_rows())
        assert result.evaluation["n"] == 1_000
        assert result.evaluation["auc"] > 0.72
        assert result.evaluation["calibration_error"] < 0.06

    def test_card_is_judged_without_the_newest_leads_and_then_fitted_to_all(self):
        rows, won = draw_rows(2_000)
        # Only the newest fifth has a word that always wins.
        for at in range(1_600, 2_000):
            if at % 2:
                rows[at]["source"], won[at] = "partner", True
        result = fitting.fit_scorecard(rows, won)
        assert "partner" not in result.judged_card["features"]["source"]["points"]
        assert result.card["features"]["source"]["points"]["partner"] > 0.5
        judged = [probability(result.judged_card, row) for row in rows[1_600:]]
        assert result.evaluation == evaluate_predictions(judged, won[1_600:])

    def test_names_do_not_change_the_card(self):
        rows, won = draw_rows(1_500)
        renamed = [{f"{name[::-1]} X": value for name, value in reversed(row.items())} for row in rows]
        first, second = fitting.fit_scorecard(rows, won), fitting.fit_scorecard(renamed, won)
        assert first.evaluation == second.evaluation
        assert {f"{name[::-1]} X": one for name, one in first.card["features"].items()} == second.card["features"]

    def test_most_telling_features_are_used_not_the_first(self):
        rows, won = draw_rows(1_500)
        draw = random.Random(2)
        for row in rows:
            row.update({f"a{n}": draw.choice("xy") for n in range(70)})
        features = fitting.fit_scorecard(rows, won).card["features"]
        assert len(features) == MAX_FEATURES and {"size", "source"} <= set(features)

    def test_fit_follows_drift_of_win_rate(self):
        rows, won = draw_rows(3_000)
        draw = random.Random(5)
        won = won[:1_500] + [one and draw.random() < 0.4 for one in won[1_500:]]
        result = fitting.fit_scorecard(rows, won).evaluation
        expected = sum(part["n"] * part["predicted"] for part in result["deciles"]) / result["n"]
        assert abs(expected - result["won"] / result["n"]) < 0.08

    def test_unproven_value_adds_no_points(self):
        assert probability(CARD, {"value": UNPROVEN, "source": UNPROVEN}) == 0.5


@pytest.mark.django_db
class TestLadder:
    def test_too_few_closed_leads_give_no_prediction(self):
        make_closed_leads(99)
        with pytest.raises(IllegalTransition, match="Not enough data: 99 closed leads, 100 are needed"):
            train_model(by=SYSTEM_ACTOR)
        with pytest.raises(CommandError, match="Not enough data"):
            call_command("train_prediction")
        tasks.retrain_prediction_model(timestamp=0)
        assert not PredictionModel.objects.exists()
        assert make_lead().predicted_close_probability is None

    def test_some_closed_leads_give_stage_win_rates(self, as_max):
        rows = make_closed_leads(150)
        lead = make_lead(status=LeadStatus.objects.get(pk="ACTIVE"))
        model = train_model(by=SYSTEM_ACTOR)
        wins = sum(row.status_id == "CLOSED_WON" for row in rows)
        base = (wins + 0.5) / 151
        assert (model.rung, model.is_active) == (Rung.STAGES, True)
        assert model.card["stages"]["ACTIVE"]["rate"] == pytest.approx((wins + 20 * base) / 170, abs=0.0001)
        list(update_all_probabilities(model, timezone.now()))
        lead.refresh_from_db()
        assert lead.predicted_close_probability == Decimal(str(model.card["stages"]["ACTIVE"]["rate"])).quantize(
            Decimal("0.01")
        )
        page = " ".join(page_with_sections(as_max, f"/leads/lead/{lead.pk}/change/").split())
        assert f"Of 150 closed leads that reached {lead.status}, {wins} were won" in page

    def test_many_closed_leads_give_a_scorecard_with_quality_page(self, as_max):
        make_closed_leads(1_200)
        lead = make_lead(source_type="REFERRAL")
        call_command("train_prediction", verbosity=0)
        model = PredictionModel.objects.active()
        assert (model.rung, model.leads) == (Rung.SCORECARD, 1_200)
        lead.refresh_from_db()
        assert 0.45 < lead.predicted_close_probability < 0.75
        assert "REFERRAL" in page_with_sections(as_max, f"/leads/lead/{lead.pk}/change/")
        page = as_max.get(f"/leads/predictionmodel/{model.pk}/change/").content.decode()
        assert "Predicted and actual" in page and "Train new model" in page

    def test_scorecard_no_better_than_average_is_not_used(self):
        make_closed_leads(1_000, share=lambda referral: 0.4)
        model = train_model(by=SYSTEM_ACTOR)
        assert (model.rung, model.is_active) == (Rung.STAGES, True)
        assert "was no better than the average" in model.verdict

    def test_new_lead_is_predicted_at_once_and_snapshot_is_kept(self):
        make_closed_leads(1_200)
        train_model(by=SYSTEM_ACTOR)
        lead = Lead(contact_name="New", source_type="REFERRAL")
        create_lead(lead, by=SYSTEM_ACTOR)
        assert lead.predicted_close_probability is not None
        features = LeadSnapshot.objects.get(lead=lead).features
        Lead.objects.filter(pk=lead.pk).update(source_type="WEBSITE", custom_fields={"outcome": "won"})
        list(update_all_probabilities(PredictionModel.objects.active(), timezone.now()))
        assert LeadSnapshot.objects.get(lead=lead).features == features
        assert features["source"] == "REFERRAL"
        with pytest.raises(DatabaseError), transaction.atomic():
            LeadSnapshot.objects.filter(lead=lead).update(features={})


@pytest.mark.django_db
class TestChampion:
    def test_challenger_replaces_champion_only_if_better(self):
        make_closed_leads(1_200)
        first = train_model(by=SYSTEM_ACTOR)
        assert train_model(by=SYSTEM_ACTOR).is_active is False  # the same leads, the same card
        Lead.objects.filter(status_id="CLOSED_WON").update(closed_at=timezone.now() - timedelta(days=5_000))
        first.refresh_from_db()
        assert first.is_active
        make_closed_leads(1_500, seed=2, share=lambda referral: 0.1 if referral else 0.7)
        third = train_model(by=SYSTEM_ACTOR)
        assert third.is_active and "square error" in third.verdict
        first.refresh_from_db()
        assert not first.is_active

    def test_earlier_model_can_be_reactivated(self, max, ann):
        make_closed_leads(150)
        first, second = train_model(by=SYSTEM_ACTOR), train_model(by=SYSTEM_ACTOR)
        with pytest.raises(NotPermitted):
            activate_prediction_model(first, by=ann)
        activate_prediction_model(first, by=max)
        second.refresh_from_db()
        assert (PredictionModel.objects.active(), second.is_active) == (first, False)
        with pytest.raises(IllegalTransition, match="already active"):
            activate_prediction_model(first, by=max)
        assert ProcrastinateJob.objects.filter(task_name="leads.predict_all").exists()

    def test_trained_model_cannot_be_modified(self):
        make_closed_leads(150)
        model = train_model(by=SYSTEM_ACTOR)
        with pytest.raises(DatabaseError), transaction.atomic():
            PredictionModel.objects.filter(pk=model.pk).update(card={})
        with pytest.raises(DatabaseError), transaction.atomic():
            PredictionModel.objects.filter(pk=model.pk).delete()

    def test_closed_lead_keeps_its_prediction(self, ann):
        make_closed_leads(150)
        model = train_model(by=SYSTEM_ACTOR)
        lead = make_lead()
        change_status(lead, LeadStatus.objects.get(pk="CLOSED_WON"), by=ann)
        Lead.objects.filter(pk=lead.pk).update(predicted_close_probability=Decimal("0.99"))
        list(update_all_probabilities(model, timezone.now()))
        lead.refresh_from_db()
        assert lead.predicted_close_probability == Decimal("0.99")

    def test_training_can_be_queued_from_the_page(self, as_max, as_ann):
        make_closed_leads(150)
        model = train_model(by=SYSTEM_ACTOR)
        do = f"/leads/predictionmodel/{model.pk}/do/train/"
        assert as_ann.post(do).status_code == 403
        assert as_max.post(do).status_code == 302
        assert as_max.post(do, follow=True).status_code == 200
        assert ProcrastinateJob.objects.filter(task_name="leads.train").count() == 1
