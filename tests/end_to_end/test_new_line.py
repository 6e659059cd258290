"""A line of insurance from nothing to a policy: made on the screen, it works everywhere at once."""

import csv
import io

import pytest
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR
from crm.records.local_time import agency_today
from inbox.models import WebForm
from inbox.web_forms.sender_form import line_questions
from leads.importing.transitions import import_file
from leads.lines.transitions import form_digest
from leads.models import InsuranceType, Lead, Policy, ScoringPolicy
from leads.prediction.bins import make_bins
from leads.prediction.snapshots import build_features_of_leads
from leads.scoring.field_signals import sync_all_field_signals
from tests.cast import browser, make_client, make_user, page_text

pytestmark = pytest.mark.django_db
CHOICES = {"choices.0.label": "Dog", "choices.1.label": "Cat"}
QUESTIONS = [
    ("", {"label": "Species", "kind": "choice", "is_required": "on", **CHOICES}),
    ("", {"label": "Breed", "kind": "text"}),
    ("", {"label": "Yearly fee", "kind": "money"}),
    ("", {"label": "Chipped", "kind": "yes_no"}),
    ("", {"label": "Vet visits", "kind": "group"}),
    ("vet_visits", {"label": "Seen on", "kind": "date"}),
    ("vet_visits", {"label": "Cost", "kind": "money"}),
]


@pytest.fixture
def june():
    return browser(make_user("june", "administrator"))


@pytest.fixture
def pet(june) -> InsuranceType:
    """Create the line on the screen, with its questions."""
    response = june.post("/leads/insurancetype/add/", {"name": "Pet", "is_personal": "on", "is_active": "on"})
    line = InsuranceType.objects.get(code="pet")
    assert response["Location"] == f"/leads/insurancetype/{line.pk}/questions/"
    for group, data in QUESTIONS:
        line.refresh_from_db()
        data = {**data, "digest": form_digest(line.form_schema)}
        assert june.post(f"/leads/insurancetype/{line.pk}/question/?group={group}", data).status_code == 302, data
    line.refresh_from_db()
    return line


def test_line_made_on_the_screen_works_everywhere_at_once(june, pet, tmp_path):
    # A lead
    data = {"insurance_type": pet.pk, "contact_name": "Lee", "contact_email": "lee@example.com", "source_type": "OTHER"}
    data |= {"client_type": "Individual", "line_data.pet.breed": "Beagle"}
    assert "Species: enter an answer." in page_text(june.post("/leads/lead/add/", data))
    answers = {"species": "Dog", "yearly_fee": "$1,200", "chipped": "true"}
    visit = {"line_data.pet.vet_visits.0.cost": "80", "line_data.pet.vet_visits.0.seen_on": "2026-03-01"}
    data |= {f"line_data.pet.{key}": value for key, value in answers.items()}
    assert june.post("/leads/lead/add/", {**data, **visit}).status_code == 302
    lead = Lead.objects.get()
    assert lead.line_data["pet"] == {
        "species": "Dog",
        "breed": "Beagle",
        "yearly_fee": 1200,
        "chipped": True,
        "vet_visits": [{"seen_on": "2026-03-01", "cost": 80}],
        "schema_version": pet.schema_version,
    }
    page = page_text(june.get(f"/leads/lead/{lead.pk}/change/"))
    assert "Beagle" in page and "$1,200" in page and "Vet visits" in page and "Written under" not in page
    # Filters, the list and the board
    assert '<option value="pet">Pet</option>' in page_text(june.get("/leads/lead/?sheet=filter"))
    assert "Lee" in page_text(june.get("/leads/lead/?line=pet"))
    assert "Lee" not in page_text(june.get("/leads/lead/?line=auto"))
    assert "Lee" in page_text(june.get("/leads/lead/board/"))
    # The score and the prediction
    list(sync_all_field_signals(ScoringPolicy.objects.active(), timezone.now()))
    lead.refresh_from_db()
    assert any("Pet for an individual; 1 of 1 answers" in signal.get("note", "") for signal in lead.signals)
    [features] = build_features_of_leads(Lead.objects.all()).values()
    assert features["line"] == "pet"
    assert "pet" in str(make_bins(["pet", "auto"] * 100))
    # An import, and the export of what it brought
    file = tmp_path / "pets.csv"
    file.write_text("Name,Email,Insurance type,Pet: Species,Pet: Yearly fee\nKim,kim@example.com,Pet,cat,90\n")
    assert import_file(file, by=SYSTEM_ACTOR).imported == 1
    kim = Lead.objects.get(contact_name="Kim")
    assert (kim.insurance_type, kim.line_data["pet"]["species"]) == (pet, "Cat")
    exported = b"".join(june.post("/leads/lead/export/?line=pet")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert {row["Name"]: row["Pet: Species"] for row in rows} == {"Lee": "Dog", "Kim": "Cat"}
    # A web form
    web_form = WebForm(name="Pets", heading="Pets", insurance_type=pet, asks_line_questions=True)
    assert list(line_questions(web_form)["properties"]) == ["species", "breed", "yearly_fee", "chipped"]


def test_policy_of_a_new_line_has_its_questions(june, pet):
    client = make_client(name="Cleo")
    today = agency_today()
    data = {"client": client.pk, "insurance_type": pet.pk, "carrier": "Harbor", "number": "P-1", "premium": "300"}
    data |= {
        "billing_period": "ANNUAL",
        "status": "ACTIVE",
        "effective_on": today,
        "expires_on": today.replace(year=today.year + 1),
    }
    assert 'name="data.species"' in page_text(june.post("/leads/policy/add/", {**data, "_show_line": "1"}))
    response = june.post("/leads/policy/add/", {**data, "data.species": "Cat", "data.vet_visits.0.cost": "20"})
    assert response.status_code == 302, page_text(response)
    policy = Policy.objects.get()
    assert policy.data["species"] == "Cat" and policy.data["schema_version"] == pet.schema_version
    assert "Vet visits" in page_text(june.get(f"/leads/policy/{policy.pk}/change/"))
    assert "P-1" in page_text(june.get("/leads/policy/?line=pet"))
    assert "Pet" in page_text(june.get("/leads/book-of-business/"))
    exported = b"".join(june.post("/leads/policy/export/")).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(exported))
    assert row["Pet: Species"] == "Cat"
