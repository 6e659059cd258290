"""Tests of which features count in a prediction: only those known when a lead arrived."""

import random
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.arrival import split_columns
from leads.importing.transitions import import_file
from leads.models import FeatureStanding, Lead, LeadSnapshot, PredictionFeature, PredictionModel, Rung
from leads.prediction import training
from leads.prediction.feature_transitions import decide_features
from leads.prediction.known_at_arrival import Snapshot, current_standings, later_evidence, usable_rows
from leads.prediction.scorecard import UNPROVEN
from leads.prediction.training import train_model
from leads.prediction.transitions import activate_prediction_model, update_all_probabilities
from tests.cast import make_lead, page_text
from tests.leads.test_prediction import make_closed_leads

KNOWN, LATER, UNCONFIRMED = FeatureStanding.KNOWN, FeatureStanding.LATER, FeatureStanding.UNCONFIRMED
HEADERS = {
    "as given": ("Lead Origin", "Last Call", "Lead Quality"),
    "underscores": ("Lead_Origin", "Last_Call", "Lead_Quality"),
    "camel case": ("LeadOrigin", "LastCall", "LeadQuality"),
    "translated": ("Ursprung", "Letzter Anruf", "Einschätzung"),
}
AUC_OF_ORIGIN = 0.7934


@pytest.fixture(autouse=True)
def enough_leads(monkeypatch):
    """Make a few hundred leads enough for a scorecard."""
    monkeypatch.setattr(training, "MIN_LEADS_FOR_SCORECARD", 500)


def standing_of(name):
    return PredictionFeature.objects.get(name=name).standing


class TestStandings:
    arrived, imported = Snapshot({"a": 1, "b": 2}, True), Snapshot({"a": 3, "c": 4}, False)

    def test_snapshots_at_arrival_prove_features(self):
        standings = current_standings([self.arrived] * 20 + [self.imported] * 50, {})
        assert standings == {"a": "PROVEN", "b": "PROVEN", "c": "UNCONFIRMED"}
        assert current_standings([self.arrived] * 19, {}) == {"a": "UNCONFIRMED", "b": "UNCONFIRMED"}

    def test_decision_of_a_person_beats_snapshots(self):
        standings = current_standings([self.arrived] * 20 + [self.imported], {"b": LATER, "c": KNOWN, "gone": KNOWN})
        assert standings == {"a": "PROVEN", "b": "LATER", "c": "KNOWN"}

    def test_proven_feature_counts_only_where_it_was_known_at_arrival(self):
        rows = usable_rows([self.arrived, self.imported], {"a": "PROVEN", "b": "LATER", "c": "UNCONFIRMED"})
        assert rows == [{"a": 1}, {"a": UNPROVEN}]
        rows = usable_rows([self.arrived, self.imported], {"a": "KNOWN", "b": "PROVEN", "c": "KNOWN"})
        assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": UNPROVEN, "c": 4}]


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("custom: Risk profile", {}, []),
        ("custom: Marital status", {}, []),
        ("custom: Result focus", {}, []),
        ("custom: Lead quality", {"auc": 0.97}, ["Predicts the outcome almost alone (AUC 0.97)."]),
        (
            "custom: x",
            {"closed": [{"custom: x": 1}] * 40, "open_leads": [{}] * 40},
            ["Filled in 100% of closed leads, but in 0% of open ones."],
        ),
        ("custom: x", {"closed": [{"custom: x": 1}] * 40, "open_leads": [{}] * 5}, []),
        ("custom: x", {"changed": (12, 40)}, ["Changed after arrival in 30% of leads."]),
        ("custom: x", {"changed": (2, 40)}, []),
        ("custom: lastCall_date", {}, ["Its name contains “last”."]),
        ("custom: Blast radius", {}, []),
    ],
)
def test_evidence_only_advises(name, facts, expected):
    assert later_evidence(name, **{"auc": 0.7, "closed": [], "open_leads": [], **facts}) == expected


def test_columns_in_options_may_be_quoted():
    assert split_columns(["Lead_Origin, Country", '"City, state"']) == ["Lead_Origin", "Country", "City, state"]


def imported_fields(won, draw):
    """Return an innocent field, and a leak that was filled in after the outcome."""
    origin = "fair" if draw.random() < (0.6 if won else 0.3) else "web"
    return {"origin": origin, "note": "signed" if won == (draw.random() < 0.95) else "cold"}


@pytest.mark.django_db
class TestTraining:
    def test_unconfirmed_features_of_imported_leads_are_left_out_with_their_gain(self):
        make_closed_leads(500, is_at_arrival=False, fields=imported_fields)
        model = train_model(by=SYSTEM_ACTOR)
        assert (model.rung, model.is_active) == (Rung.STAGES, True)
        assert "Confirm features to use them" in model.verdict
        note, origin = (PredictionFeature.objects.get(name=f"custom: {one}") for one in ("note", "origin"))
        assert note.standing == origin.standing == UNCONFIRMED
        assert note.gain > origin.gain > 0.05 and note.filled == 500
        assert "It would add" in model.refused["custom: note"]

    def test_confirmed_features_are_used_and_rejected_ones_are_not(self):
        make_closed_leads(500, is_at_arrival=False, fields=imported_fields)
        decide_features({"custom: origin": KNOWN, "custom: note": LATER}, by=SYSTEM_ACTOR)
        model = train_model(by=SYSTEM_ACTOR)
        assert set(model.card["features"]) == {"custom: origin"} == set(model.judged_card["features"])
        assert model.refused["custom: note"] == "Recorded after arrival."

    def test_rejected_feature_replaces_the_model_that_uses_it(self, max):
        make_closed_leads(500, is_at_arrival=False, fields=imported_fields)
        decide_features({"custom: origin": KNOWN, "custom: note": KNOWN}, by=SYSTEM_ACTOR)
        first = train_model(by=SYSTEM_ACTOR)
        assert "custom: note" in first.card["features"]
        decide_features({"custom: note": LATER}, by=max)
        second = train_model(by=SYSTEM_ACTOR)
        assert second.is_active and "do not count any more: note" in second.verdict
        assert second.evaluation["auc"] < first.evaluation["auc"]
        with pytest.raises(IllegalTransition, match="do not count any more: note"):
            activate_prediction_model(first, by=max)

    def test_snapshots_at_arrival_prove_custom_fields(self):
        make_closed_leads(500, fields=imported_fields)
        train_model(by=SYSTEM_ACTOR)
        assert standing_of("custom: origin") == standing_of("source") == FeatureStanding.PROVEN

    def test_only_a_lead_created_open_has_a_snapshot_at_arrival(self):
        created, closed = make_lead(), make_lead(status_id="CLOSED_WON")
        imported = Lead.objects.create(contact_name="Imported")
        list(update_all_probabilities(None, imported.created_at))
        at_arrival = dict(LeadSnapshot.objects.values_list("lead", "is_at_arrival"))
        assert at_arrival == {created.pk: True, closed.pk: False, imported.pk: False}


@pytest.mark.django_db
class TestDecisions:
    def test_decision_names_the_person_and_queues_training(self, max):
        [feature] = decide_features({"custom: origin": KNOWN}, by=max, source="leads.csv")
        assert (feature.standing, feature.decided_by) == (KNOWN, max) and feature.decided_at
        entry = ActivityLog.objects.get(target_id=feature.pk)
        assert (entry.actor, entry.summary) == (max, "origin: known at arrival (leads.csv)")
        assert ProcrastinateJob.objects.filter(task_name="leads.train").count() == 1
        assert decide_features({"custom: origin": KNOWN}, by=max) == []
        [feature] = decide_features({"custom: origin": UNCONFIRMED}, by=max)
        assert (feature.standing, feature.decided_at, feature.decided_by) == (UNCONFIRMED, None, None)

    def test_only_managers_decide(self, ann):
        with pytest.raises(NotPermitted, match="may not confirm features"):
            decide_features({"custom: origin": KNOWN}, by=ann)
        with pytest.raises(InvalidInput, match="“PROVEN” is not an answer"):
            decide_features({"custom: origin": "PROVEN"}, by=SYSTEM_ACTOR)
        assert not PredictionFeature.objects.exists()

    @pytest.mark.parametrize("values", [{"standing": "MAYBE"}, {"standing": "KNOWN"}, {"name": ""}])
    def test_database_refuses_impossible_standings(self, values):
        feature = PredictionFeature.objects.create(name="x")
        with pytest.raises(IntegrityError), transaction.atomic():
            PredictionFeature.objects.filter(pk=feature.pk).update(**values)

    def test_manager_confirms_on_the_page_and_sees_the_effect(self, as_max, as_ann):
        make_closed_leads(500, is_at_arrival=False, fields=imported_fields)
        first = train_model(by=SYSTEM_ACTOR)
        url = f"/leads/predictionmodel/{first.pk}/"
        page = page_text(as_max.get(f"{url}change/"))
        assert "Known at arrival" in page and "Predicts the outcome almost alone" not in page
        features = PredictionFeature.objects.for_screen()
        answers = {f"feature_{one.pk.hex}": "" for one in features}
        origin = f"feature_{PredictionFeature.objects.get(name='custom: origin').pk.hex}"
        assert as_ann.post(f"{url}do/features/", {**answers, origin: "KNOWN"}).status_code == 403
        response = as_max.post(f"{url}do/features/", {**answers, origin: "KNOWN"}, follow=True)
        assert "1 feature updated. Training started" in page_text(response)
        call_command("train_prediction", stdout=StringIO())
        second = PredictionModel.objects.active()
        page = page_text(as_max.get(f"/leads/predictionmodel/{second.pk}/change/"))
        assert "Effect" in page and '<dt>Added</dt> <dd class="wrap">origin</dd>' in page


def write_file(path, header):
    """Write a file of closed and open leads; the later columns are filled in only for closed ones."""
    draw = random.Random(9)
    lines = [",".join(["Name", "Stage", *header])]
    for n in range(600):
        won, is_open = draw.random() < 0.4, n % 6 == 5
        origin = "fair" if draw.random() < (0.7 if won else 0.3) else "web"
        later = ("", "") if is_open else (draw.choice(["mon", "tue"]), "high" if won else "low")
        stage = "Active" if is_open else "CLOSED_WON" if won else "CLOSED_LOST"
        lines.append(",".join([f"Lead {n}", stage, origin, *later]))
    path.write_text("\n".join(lines))
    return str(path)


@pytest.mark.django_db
class TestImport:
    @pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
    def test_spelling_of_headers_changes_nothing(self, header, tmp_path):
        origin, call, quality = header
        call_command(
            "import_records",
            "leads",
            write_file(tmp_path / "crm.csv", header),
            known=[origin],
            later=[f"{call},{quality}"],
            stdout=StringIO(),
            stderr=StringIO(),
        )
        model = train_model(by=SYSTEM_ACTOR)
        [(name, feature)] = model.card["features"].items()
        assert name == f"custom: {origin}"
        assert feature["points"]["fair"] > 0.5 > 0 > feature["points"]["web"]
        assert model.evaluation["auc"] == pytest.approx(AUC_OF_ORIGIN, abs=0.0001)

    def test_answer_for_a_source_covers_the_texts_that_become_its_detail(self, tmp_path):
        path = write_file(tmp_path / "crm.csv", ("Herkunft", "Letzter Anruf", "Einschätzung"))
        call_command("import_records", "leads", path, known=["Herkunft"], stdout=StringIO(), stderr=StringIO())
        assert standing_of("source") == standing_of("source detail") == KNOWN
        model = train_model(by=SYSTEM_ACTOR)
        assert set(model.card["features"]) <= {"source", "source detail"}
        assert model.evaluation["auc"] == pytest.approx(AUC_OF_ORIGIN, abs=0.0001)

    @pytest.mark.parametrize("header", [HEADERS["as given"], HEADERS["translated"]])
    def test_without_answers_no_column_is_used_and_evidence_is_told(self, header, tmp_path):
        told = StringIO()
        path = write_file(tmp_path / "crm.csv", header)
        call_command("import_records", "leads", path, stdout=StringIO(), stderr=told)
        assert f"(--known, or --later if recorded after arrival): {', '.join(header)}." in told.getvalue()
        assert f"{header[2]}: probably recorded later. Predicts the outcome almost alone" in told.getvalue()
        assert f"{header[0]}: probably" not in told.getvalue()
        model = train_model(by=SYSTEM_ACTOR)
        assert model.rung == Rung.STAGES and f"custom: {header[2]}" in model.refused

    def test_dry_run_and_wrong_columns_change_nothing(self, tmp_path):
        path = write_file(tmp_path / "crm.csv", HEADERS["as given"])
        call_command(
            "import_records", "leads", path, known=["Lead Origin"], dry_run=True, stdout=StringIO(), stderr=StringIO()
        )
        with pytest.raises(CommandError, match="There is no column “Origin”"):
            call_command("import_records", "leads", path, known=["Origin"])
        with pytest.raises(CommandError, match="cannot be known at arrival and recorded later"):
            call_command("import_records", "leads", path, known=["Last Call"], later=["Last Call"])
        assert not PredictionFeature.objects.exists()

    def test_answers_need_their_permission_before_a_row_is_read(self, ann, tmp_path, monkeypatch):
        monkeypatch.setattr("leads.importing.transitions.import_rows", None)
        with pytest.raises(NotPermitted, match="may not confirm features"):
            import_file(Path(write_file(tmp_path / "crm.csv", HEADERS["as given"])), by=ann, known=["Lead Origin"])
