"""Tests of the signals from the fields and stakeholders of a lead."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from crm.models.people import Role
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.transitions import import_file
from leads.models import ContactLead, InsuranceType, Lead, LeadStatus, ScoringPolicy, Source
from leads.scoring.explanation import break_down_score
from leads.scoring.field_signals import sync_all_field_signals
from leads.transitions import add_signals, change_status, refresh_field_signals
from tests.cast import make_contact, make_lead, page_with_sections
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
AUTO_ANSWERS = {"vin": "1HGCM82633A004352", "year": 2020, "make": "Honda", "model": "Accord", "use": "commute"}
AUTO_LEAD = {"line": "auto", "auto_data": AUTO_ANSWERS}
TOO_FEW_ANSWERS = {"vin": "1HGCM82633A004352", "year": 2020}
NO_EMAIL = {"email": {"do_not_contact": True}}
MESSAGE = "01890000-0000-7000-8000-000000000001"
RENTERS_ANSWERS = {"address": "1 Elm Street", "contents_value": 9000, "liability_limit": 100_000}


def field_signals(lead, *, source="fields"):
    lead.refresh_from_db()
    return {one["type"]: one for one in lead.signals if one.get("source", "").startswith(source)}


@pytest.mark.parametrize(
    ("fields", "share", "note"),
    [
        (AUTO_LEAD, 0.56, "5 of 9 answers for a quote; reachable by email"),
        ({**AUTO_LEAD, "contact_email": "", "contact_phone": "555 0101"}, 0.56, "by phone"),
        ({**AUTO_LEAD, "communications": NO_EMAIL, "contact_phone": "555 0101"}, 0.56, "by phone"),
        ({"line": "renters", "line_data": {"renters": RENTERS_ANSWERS}}, 0.5, "Renters for an individual; 3 of 6"),
        # Too few answers, answers for another line, the wrong type of client, or no way to reach the lead.
        ({"line": "auto", "auto_data": TOO_FEW_ANSWERS}, None, ""),
        ({"line": "auto", "auto_data": {**TOO_FEW_ANSWERS, "make": "", "model": None, "drivers": [1]}}, None, ""),
        ({"line": "home", "auto_data": AUTO_ANSWERS}, None, ""),
        ({"line": "renters", "line_data": {"renters": "much"}}, None, ""),
        ({"line": "auto", "auto_data": AUTO_ANSWERS, "client_type": "Business"}, None, ""),
        ({"line": "auto", "auto_data": AUTO_ANSWERS, "contact_email": ""}, None, ""),
        ({"line": "auto", "auto_data": AUTO_ANSWERS, "communications": NO_EMAIL}, None, ""),
        ({"auto_data": AUTO_ANSWERS}, None, ""),
    ],
)  # fmt: skip
def test_fit_signal_reflects_line_answers(fields, share, note):
    fit = field_signals(make_lead(**fields)).get("fit")
    assert (fit and fit["value"]) == share
    assert fit is None or note in fit["note"]


@pytest.mark.parametrize(
    ("schema", "share"),
    [
        ({"required": ["year"], "properties": {"year": {}, "make": {}, "model": {}}}, 1),
        ({"required": ["drivers", "vin"], "properties": {"vin": {}}}, None),
        ({"required": [], "properties": {"year": {}, "make": {}}}, 0.5),
        ({"properties": {"pool": {"type": "boolean"}, "claims": {"type": "array"}}}, 1),
        ({}, 1),
        ({"properties": [1], "required": "year"}, 1),
    ],
)
def test_fit_uses_required_fields_of_the_schema(schema, share):
    InsuranceType.objects.filter(code="life").update(form_schema=schema)
    lead = make_lead(line="life", line_data={"life": {"year": 1990}})
    fit = field_signals(lead).get("fit")
    assert (fit and fit["value"]) == share


def test_field_signals_are_dated_and_removed_when_untrue(ann):
    lead = make_lead(line="auto", auto_data=AUTO_ANSWERS, source_type=Source.REFERRAL)
    assert (lead.overall_score, [one["type"] for one in lead.signals]) == (Decimal("0.25"), ["referral", "fit"])
    assert refresh_field_signals(lead, by=ann) is False
    since = (timezone.now() - timedelta(days=180)).isoformat(timespec="seconds")
    aged = [lead.signals[1] | {"timestamp": since}, lead.signals[0]]
    Lead.objects.filter(pk=lead.pk).update(signals=aged, auto_data={**AUTO_ANSWERS, "annual_mileage": 9000})
    assert refresh_field_signals(lead, by=ann) is True
    assert [one["type"] for one in lead.signals] == ["fit", "referral"]
    assert (lead.signals[0]["timestamp"], lead.signals[0]["value"]) == (since, 0.67)
    assert lead.overall_score == Decimal("0.20")
    Lead.objects.filter(pk=lead.pk).update(source_type=Source.EVENT, auto_data={})
    assert refresh_field_signals(lead, by=ann) is True
    assert (lead.signals, lead.overall_score) == ([], Decimal("0.00"))


def test_referral_signal_from_message_replaces_field_signal():
    referral = {"type": "referral", "timestamp": "2026-01-05T10:00:00+00:00", "weight": 0.15}
    lead = make_lead(source_type=Source.REFERRAL, signals=[referral])
    assert [(one["timestamp"], one["source"]) for one in lead.signals] == [(referral["timestamp"], "fields")]
    add_signals(lead, [{**referral, "source": MESSAGE}], by=SYSTEM_ACTOR)
    refresh_field_signals(lead, by=SYSTEM_ACTOR)
    assert [one["source"] for one in lead.signals] == [MESSAGE]


def test_decision_maker_contact_adds_signal_until_removed():
    lead, boss = make_lead(), make_contact(name="Bo Boss")
    link = ContactLead.objects.create(lead=lead, contact=boss, role=Role.DECISION_MAKER)
    ContactLead.objects.create(lead=lead, contact=make_contact(), role=Role.INFLUENCER)
    assert refresh_field_signals(lead, by=SYSTEM_ACTOR)
    [signal] = lead.signals
    assert (signal["type"], signal["source"], signal["note"]) == ("decision_maker", f"stakeholder:{link.pk}", "Bo Boss")
    assert (signal["weight"], lead.overall_score) == (0.2, Decimal("0.20"))
    [share] = break_down_score(lead.signals, ScoringPolicy.objects.active(), timezone.now()).contributions
    assert (share.message, share.source_link) == (None, ("the stakeholder", "people"))
    message_signal = {"type": "decision_maker", "timestamp": signal["timestamp"], "weight": 0.2, "source": MESSAGE}
    Lead.objects.filter(pk=lead.pk).update(signals=[message_signal, signal])
    assert refresh_field_signals(lead, by=SYSTEM_ACTOR) and lead.signals == [message_signal]
    Lead.objects.filter(pk=lead.pk).update(signals=[signal])
    boss.__class__.objects.filter(pk=boss.pk).update(deleted_at=timezone.now())
    assert refresh_field_signals(lead, by=SYSTEM_ACTOR)
    assert lead.signals == []


def test_other_signals_are_unchanged():
    others = [
        {"type": "budget_mentioned", "timestamp": "2026-03-05T10:00:00+00:00", "weight": 0.25, "value": 900},
        {"type": "imported_score", "timestamp": "2026-01-05T10:00:00+00:00", "weight": 0.4},
        {"type": "referral", "timestamp": "2026-01-05T10:00:00Z", "weight": 0.1, "source": MESSAGE},
    ]  # fmt: skip
    lead = make_lead(signals=others, source_type=Source.REFERRAL)
    assert lead.signals == others


def test_nightly_run_updates_only_changed_open_leads():
    leads = [make_lead(contact_name=f"Lead {n}") for n in range(5)]
    closed = make_lead(contact_name="Closed")
    change_status(closed, LeadStatus.objects.get(pk="CLOSED_WON"), by=SYSTEM_ACTOR)
    Lead.objects.filter(pk__in=[leads[1].pk, leads[3].pk, closed.pk]).update(source_type=Source.REFERRAL)
    policy = ScoringPolicy.objects.active()
    assert sum(sync_all_field_signals(policy, timezone.now(), batch=2)) == 2
    assert sum(sync_all_field_signals(policy, timezone.now(), batch=2)) == 0
    assert [("referral" in field_signals(lead)) for lead in [*leads, closed]] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def test_saving_form_updates_field_signals_and_page_links_to_fields(ann, as_ann):
    lead = make_lead(assigned_to=ann, line="auto", auto_data=TOO_FEW_ANSWERS)
    edit = f"/leads/lead/{lead.pk}/change/?edit=1"
    form = read_form(as_ann.get(edit).content.decode(), "lead_form")
    answer = as_ann.post(edit, {**form, **{f"auto_data.{name}": str(value) for name, value in AUTO_ANSWERS.items()}})
    assert answer.status_code == 302
    assert "fit" in field_signals(lead) and lead.overall_score == Decimal("0.10")
    page = page_with_sections(as_ann, f"/leads/lead/{lead.pk}/change/")
    assert '<a href="#where">the fields</a>' in page and 'id="where"' in page
    assert "5 of 9 answers" in page


def test_import_adds_field_signals(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text(
        "contact_name,contact_email,source_type,insurance_type\nRef One,,Referral,\nNo Two,,Website,Auto\n"
        "Both,a@example.com,Referral,Auto\nFit,b@example.com,Website,Auto\nAsked,c@example.com,Website,Home\n"
    )
    InsuranceType.objects.filter(code="auto").update(form_schema={})
    assert import_file(path, by=SYSTEM_ACTOR).imported == 5
    signals_by_name = {lead.contact_name: lead.signals for lead in Lead.objects.all()}
    assert {name: [one["type"] for one in signals] for name, signals in signals_by_name.items()} == {
        "Ref One": ["referral"],
        "No Two": [],  # there is no address or phone number
        "Both": ["referral", "fit"],
        "Fit": ["fit"],
        "Asked": [],
    }
    assert sum(sync_all_field_signals(ScoringPolicy.objects.active(), timezone.now())) == 0


def test_malformed_data_never_raises():
    InsuranceType.objects.filter(code="life").update(name="L" * 80, form_schema={})
    lead = make_lead(line="life", line_data={"life": []}, communications={"email": "no", "phone": 5})
    assert len(json.dumps(field_signals(lead)["fit"])) < 500
    with connection.cursor() as cursor:
        cursor.execute("SELECT lead_signal('{}', 'x', now(), 'fields', repeat('n', 900)) ->> 'note'")
        assert len(cursor.fetchone()[0]) == 300
