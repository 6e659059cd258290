"""Email templates: stored, edited, and previewed for a real lead."""

import pytest

from inbox.email_templates.placeholders import PLACEHOLDER_MEANINGS, fill_placeholders, placeholder_values
from inbox.models.email_template import EmailTemplate
from tests.cast import browser, make_lead
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
