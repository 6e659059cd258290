"""Email templates: stored, edited, and previewed for a real lead."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.drafting.load_briefs import is_offered
from crm.exceptions import InvalidInput
from crm.models import CustomField
from inbox.email_templates.placeholders import PLACEHOLDER_MEANINGS, fill_placeholders, placeholder_values
from inbox.models.email_template import EmailTemplate
from tests.cast import browser, make_client, make_lead
from tests.form_parser import read_form

LIST = "/inbox/emailtemplate/"


@pytest.fixture
def template(db):
    return EmailTemplate.objects.create(name="Ours", subject="Hi {{first_name}}", body="From {{sender_name}}")


def template_url(template, **asked):
    return f"{LIST}{template.pk}/change/" + ("?lead=" + asked["lead"] if asked else "")


def test_seeded_templates_can_be_filled_in(ann):
    seeded = EmailTemplate.objects.in_use()
    assert len(seeded) == len({template.name for template in seeded}) == 15
    values = placeholder_values(make_lead(contact_name="Lee Lead"), ann)
    for template in seeded:
        text = fill_placeholders(template.subject, values) + fill_placeholders(template.body, values)
        assert "{{" not in text and "Lee" in text and "Ann" in text


def test_list_and_page_show_templates_and_placeholders(template, vera):
    assert "Ours" in browser(vera).get(LIST).content.decode()
    shown = browser(vera).get(template_url(template)).content.decode()
    for name, meaning in PLACEHOLDER_MEANINGS.items():
        assert f"{{{{{name}}}}}" in shown and meaning in shown


def test_template_preview_uses_a_real_lead(template, ann):
    lead = make_lead(contact_name="Lee <b>Lead", assigned_to=ann)
    shown = browser(ann).get(template_url(template, lead=str(lead.pk))).content.decode()
    assert "Hi Lee" in shown and "From Ann" in shown and "<b>Lead" not in shown


def test_missing_placeholder_value_is_reported(ann):
    template = EmailTemplate.objects.create(name="Firm", subject="Hi", body="{{company_name}}")
    lead = make_lead(assigned_to=ann, company_name="")
    assert "No value for" in browser(ann).get(template_url(template, lead=str(lead.pk))).content.decode()


@pytest.mark.parametrize("key", ["not-a-key", "\x00", "0192f0c1-2345-7678-9abc-def012345678"])
def test_invalid_lead_key_shows_error(template, ann, key):
    answer = browser(ann).get(template_url(template, lead=key))
    assert answer.status_code == 200 and 'role="alert"' in answer.content.decode()


def test_preview_with_a_colleagues_lead_is_refused(template, ann, bob):
    lead = make_lead(contact_name="Secret Sam", assigned_to=bob)
    shown = browser(ann).get(template_url(template, lead=str(lead.pk))).content.decode()
    assert "Hi Secret" not in shown and 'role="alert"' in shown


def test_unknown_placeholder_is_not_saved(template, max):
    opened = browser(max).get(f"{LIST}{template.pk}/change/?edit=1")
    form = read_form(opened.content.decode(), "emailtemplate_form")
    for body in ("{{__class__}}", "{{ }}", "{{first_name"):
        answer = browser(max).post(f"{LIST}{template.pk}/change/", {**form, "body": body})
        assert answer.status_code == 200
    answer = browser(max).post(f"{LIST}{template.pk}/change/", {**form, "subject": "{{lead.password}}"})
    assert "Unknown placeholder “{{lead.password}}”" in answer.content.decode()
    template.refresh_from_db()
    assert (template.subject, template.body) == ("Hi {{first_name}}", "From {{sender_name}}")
    assert browser(max).post(f"{LIST}{template.pk}/change/", {**form, "body": "Hi {{ lead_name }}"}).status_code == 302
    template.refresh_from_db()
    assert template.body == "Hi {{ lead_name }}"


def test_agent_can_read_but_not_edit(template, ann):
    assert browser(ann).get(template_url(template)).status_code == 200
    assert browser(ann).post(f"{LIST}{template.pk}/change/", {"name": "x"}).status_code == 403


# Placeholders of custom fields


def make_field(key="plan", **kw) -> CustomField:
    if "choices" in kw:
        kw["choices"] = [{"value": code, "label": label, "retired": False} for code, label in kw["choices"].items()]
    defaults = {"table": "leads.lead", "label": "Plan", "kind": "text"}
    return CustomField.objects.create(key=key, **{**defaults, **kw})


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "Gold {{lead_name}}", "Gold {{lead_name}}"),
        ("money", 1240, "$1,240"),
        ("money", -1240.5, "-$1,240.50"),
        ("number", 12000, "12,000"),
        ("date", "2027-03-09", "9 March 2027"),
        ("date", "soon", "soon"),
        ("date_time", "2027-03-09T22:00:00+00:00", "9 Mar 2027, 23:00"),
        ("yes_no", False, "No"),
        ("choice", "gold", "Gold plan"),
        ("choices", ["gold", "x"], "Gold plan, x"),
    ],
)
def test_custom_field_is_written_as_the_agency_writes_it(ann, settings, kind, value, text):
    settings.TIME_ZONE, settings.AGENCY_DATE_FORMAT, settings.AGENCY_TIME_FORMAT = "Europe/Berlin", "D MMM YYYY", "24h"
    ann.date_format = "YYYY-MM-DD"
    make_field(kind=kind, choices={"gold": "Gold plan"} if kind.startswith("choice") else {})
    lead = make_lead(custom_fields={"plan": value})
    assert fill_placeholders("{{ custom.plan }}!", placeholder_values(lead, ann)) == f"{text}!"


@pytest.mark.parametrize(
    ("fields", "body", "sentence"),
    [
        ({}, "{{custom.plan}}", "No value for {{custom.plan}} (plan (leads))"),
        ({"plan": {"a": 1}}, "{{custom.plan}}", "No value for {{custom.plan}}"),
        ({"secret": "x"}, "{{custom.secret}}", "Unknown placeholder “{{custom.secret}}”"),
        ({"old": "x"}, "{{custom.old}}", "Unknown placeholder “{{custom.old}}”"),
        ({"plan": "x"}, "{{custom.size}}", "No value for {{custom.size}} (size (clients))"),
    ],
)
def test_unknown_or_empty_custom_field_blocks_and_is_named(ann, fields, body, sentence):
    make_field()
    make_field("old", is_active=False)
    make_field("size", table="crm.client", label="Size")
    make_field("other", table="crm.contact", label="Other")
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        fill_placeholders(body, placeholder_values(make_lead(custom_fields=fields), ann))


def test_values_come_from_the_recipient_alone(ann):
    make_field()
    make_field(table="crm.client", label="Client plan")
    client = make_client(custom_fields={"plan": "client's"})
    lead = make_lead(custom_fields={"plan": "lead's"}, assigned_to=ann)
    assert fill_placeholders("{{custom.plan}}", placeholder_values(lead, ann)) == "lead's"
    assert fill_placeholders("{{custom.plan}}", placeholder_values(client, ann)) == "client's"


def test_text_without_custom_placeholders_asks_for_no_definitions(ann):
    lead = make_lead()
    values = placeholder_values(lead, ann)
    with CaptureQueriesContext(connection) as queries:
        fill_placeholders("Hi {{first_name}}", placeholder_values(lead, ann))
        fill_placeholders("Hi {{first_name}}", values)
    assert not [query for query in queries if "custom_fields" in query["sql"]]


def test_editor_and_page_list_custom_placeholders(max, template):
    make_field("ADHD Support", label="Support")
    make_field("a}b", label="Braces")
    page = browser(max)
    for url in (template_url(template), f"{template_url(template)}?edit"):
        text = page.get(url).content.decode()
        assert "{{custom.ADHD Support}}" in text and "a}b" not in text
    assert "Support (leads)" in page.get(template_url(template)).content.decode()
    form = read_form(page.get(f"{template_url(template)}?edit").content.decode(), "emailtemplate_form")
    refused = page.post(template_url(template), {**form, "body": "{{custom.gone}}"})
    assert "Unknown placeholder" in refused.content.decode()
    page.post(template_url(template), {**form, "body": "{{custom.ADHD Support}}"})
    template.refresh_from_db()
    assert template.body == "{{custom.ADHD Support}}"


def test_models_are_not_offered_custom_placeholders(ann):
    assert not is_offered("custom.plan") and not is_offered("estimated_value") and is_offered("first_name")
