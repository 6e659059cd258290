"""Tests of the database constraints on leads."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from crm.exceptions import InvalidInput, constraint_message
from leads.models import ContactLead, ImportBatch, ImportChange, InsuranceType, Lead
from tests.cast import make_client, make_contact, make_lead

pytestmark = pytest.mark.django_db
SIGNAL = {"type": "email_opened", "timestamp": "2026-01-05T10:00:00Z", "weight": 0.1}


def refusal_message(lead: Lead, **values) -> str:
    """Return the message with which the database refuses `values`."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Lead.objects.filter(pk=lead.pk).update(**values)
    return constraint_message(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"contact_name": ""}, "The contact name must not be empty."),
        ({"overall_score": "1.01"}, "The overall score must lie between 0 and 1."),
        ({"overall_score": "-0.01"}, "The overall score must lie between 0 and 1."),
        ({"predicted_close_probability": "1.5"}, "The predicted close probability must lie between 0 and 1."),
        ({"estimated_value": "-1"}, "The value must not be negative."),
        ({"client_type": "Robot"}, "The client type must be one of: Individual, Business."),
        ({"source_type": "DREAM"}, "The source type must be one of"),
        ({"priority_tier": "lukewarm"}, "The priority tier must be one of: hot, warm, cold, dormant."),
        ({"tier_override": "hot", "priority_tier": "cold"}, "The tier must be equal to the tier override"),
        ({"loss_reason": "BORED"}, "The loss reason must be one of"),
        ({"tags": ["a", ""]}, "A tag must not be empty."),
        ({"signals": {}}, "The signals must be a JSON array."),
        ({"auto_data": []}, "The auto data must be a JSON object."),
        ({"home_data": "x"}, "The home data must be a JSON object."),
        ({"line_data": 3}, "The line data must be a JSON object."),
        ({"additional_insureds": {}}, "The additional insureds must be a JSON array."),
        ({"communications": []}, "The communications must be a JSON object."),
        ({"custom_fields": [1]}, "The custom fields must be a JSON object."),
        (
            {"converted_at": datetime(2026, 1, 1, tzinfo=UTC)},
            "Set both the conversion date and the client, or neither.",
        ),
    ],
)
def test_database_refuses_invalid_values_with_a_sentence(values, sentence):
    assert refusal_message(make_lead(), **values).startswith(sentence)


def test_converted_client_needs_converted_date():
    assert "or neither" in refusal_message(make_lead(), converted_to_client=make_client())


@pytest.mark.parametrize(
    "signal",
    [
        "email_opened",
        {},
        {**SIGNAL, "type": ""},
        {**SIGNAL, "type": 3},
        {**SIGNAL, "weight": 1.01},
        {**SIGNAL, "weight": -1.01},
        {**SIGNAL, "weight": "0.1"},
        {**SIGNAL, "weight": None},
        {**SIGNAL, "timestamp": "yesterday"},
        {**SIGNAL, "timestamp": 5},
        {"type": "x", "weight": 0.1},
        {"type": "x", "timestamp": "2026-01-05T10:00:00Z"},
        [SIGNAL],
    ],
)
def test_malformed_signal_is_refused(signal):
    assert "A signal needs a type" in refusal_message(make_lead(), signals=[SIGNAL, signal])


def test_valid_signals_are_accepted():
    lead = make_lead(signals=[SIGNAL, {**SIGNAL, "weight": -1, "count": 3, "source": "m1", "value": 10}])
    lead.refresh_from_db()
    assert len(lead.signals) == 2


def test_address_is_unique_among_open_leads_ignoring_case():
    make_lead(contact_email="Same@Example.com")
    with pytest.raises(InvalidInput, match="Another open lead already has this address"):
        make_lead(contact_email="same@example.com")


def test_address_is_free_after_closing_or_deleting():
    make_lead(contact_email="a@example.com", status_id="CLOSED_WON")
    second = make_lead(contact_email="a@example.com")
    Lead.objects.filter(pk=second.pk).update(deleted_at=second.created_at)
    make_lead(contact_email="a@example.com")
    make_lead(contact_email="")
    make_lead(contact_email="")
    assert Lead.objects.count() == 4


def test_lead_has_one_primary_contact():
    lead, links = make_lead(), [make_contact(), make_contact()]
    first = ContactLead.objects.create(lead=lead, contact=links[0], is_primary=True)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        ContactLead.objects.create(lead=lead, contact=links[1], is_primary=True)
    assert constraint_message(caught.value) == "This lead already has a primary contact."
    ContactLead.objects.filter(pk=first.pk).update(deleted_at=first.created_at)
    ContactLead.objects.create(lead=lead, contact=links[1], is_primary=True)


def test_validation_matches_database_message():
    lead = make_lead()
    lead.overall_score = 2
    lead.tags = ["", "x"]
    with pytest.raises(ValidationError) as caught:
        lead.full_clean()
    assert "The overall score must lie between 0 and 1." in str(caught.value)


def test_raw_sql_insert_needs_only_a_name():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO leads (contact_name) VALUES ('Rita Raw') RETURNING id")
        lead = Lead.objects.get(pk=cursor.fetchone()[0])
    assert (lead.status_id, lead.signals, lead.custom_fields, lead.tags) == ("NEW_OPPORTUNITIES", [], {}, [])


def test_changed_form_schema_increments_version():
    line = InsuranceType.objects.get(code="life")
    InsuranceType.objects.filter(pk=line.pk).update(description="Longer")
    line.refresh_from_db()
    assert line.schema_version == 1
    InsuranceType.objects.filter(pk=line.pk).update(form_schema={"type": "object"})
    line.refresh_from_db()
    assert line.schema_version == 2


def test_change_by_an_import_is_that_of_one_record_once():
    lead, client = make_lead(), make_client()
    batch = ImportBatch.objects.create(file_name="a.csv", file_hash="x")
    ImportChange.objects.create(batch=batch, line=2, lead=lead)
    ImportChange.objects.create(batch=batch, line=2, client=client)
    for records, sentence in (
        ({}, "A change by an import is that of one record."),
        ({"lead": make_lead(), "client": make_client()}, "A change by an import is that of one record."),
        ({"lead": lead}, "An import changes a lead once."),
        ({"client": client}, "An import changes a client once."),
    ):
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            ImportChange.objects.create(batch=batch, line=3, **records)
        assert constraint_message(caught.value) == sentence
