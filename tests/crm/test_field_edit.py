"""One field of a record changed in its place on the page, and put back."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import signing
from django.utils import timezone

from crm.records.transitions import soft_delete
from crm.screens.record_page import field_edit
from inbox.models import Message, Thread, ThreadSource
from leads.models import Lead, Task
from tests.cast import browser, make_client, make_contact, make_lead, page_text
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
FORM = "field-edit"


@pytest.fixture
def lead(ann) -> Lead:
    return make_lead(contact_name="Rosa Diaz", estimated_value=Decimal("1200.50"), assigned_to=ann)


def page_path(row) -> str:
    return f"/{row._meta.label_lower.replace('.', '/')}/{row.pk}"


def edit(page, row, name: str, **data: str):
    """Open the form of a field as the page does, and send it with `data`."""
    address = f"{page_path(row)}/field/{name}/"
    fields = read_form(page.get(f"{address}?in_place=1").content.decode(), FORM)
    return page.post(address, {**fields, **data}, follow=True)


def undo(page, answer):
    """Press the button that an edit offers."""
    html = answer.content.decode()
    action = re.search(r'class="undo" method="post" action="([^"]+)"', html)[1]
    offer = re.search(r'name="offer" value="([^"]+)"', html)[1]
    return page.post(action, {"offer": offer}, follow=True)


@pytest.mark.parametrize(
    ("name", "typed", "before", "after"),
    [
        ("estimated_value", "$2,500", Decimal("1200.50"), Decimal(2500)),
        ("contact_name", "Rosa Maria Diaz", "Rosa Diaz", "Rosa Maria Diaz"),
        ("expected_close_date", "2027-01-31", None, None),
        ("tags", "fleet, farm", [], ["fleet", "farm"]),
    ],
)
def test_a_field_is_saved_and_put_back(as_ann, lead, name, typed, before, after):
    answer = edit(as_ann, lead, name, **{name: typed})
    lead.refresh_from_db()
    assert "saved." in page_text(answer) and (after is None or getattr(lead, name) == after)
    assert getattr(lead, name) != before
    answer = undo(as_ann, answer)
    lead.refresh_from_db()
    assert "is as it was before" in page_text(answer)
    assert getattr(lead, name) == before


def test_a_choice_is_saved_and_put_back(as_ann, lead):
    answer = edit(as_ann, lead, "insurance_type", insurance_type=str(make_lead(line="home").insurance_type_id))
    lead.refresh_from_db()
    assert lead.insurance_type.code == "home"
    undo(as_ann, answer)
    lead.refresh_from_db()
    assert lead.insurance_type is None


def test_other_fields_stay(as_ann, lead):
    Lead.objects.filter(pk=lead.pk).update(company_website="https://diaz.example", notes="Likes mornings")
    edit(as_ann, lead, "contact_name", contact_name="Rosa D.")
    lead.refresh_from_db()
    assert (lead.company_website, lead.notes, lead.estimated_value) == (
        "https://diaz.example",
        "Likes mornings",
        Decimal("1200.50"),
    )


def test_only_a_change_of_the_same_field_is_a_conflict(as_ann, lead):
    address = f"{page_path(lead)}/field/estimated_value/"
    fields = read_form(as_ann.get(address).content.decode(), FORM)
    Lead.objects.filter(pk=lead.pk).update(notes="Called twice")
    assert as_ann.post(address, {**fields, "estimated_value": "1300"}).status_code == 302

    fields = read_form(as_ann.get(address).content.decode(), FORM)
    Lead.objects.filter(pk=lead.pk).update(estimated_value=1_400)
    answer = as_ann.post(address, {**fields, "estimated_value": "1500"})
    assert answer.status_code == 422 and "Another user changed this record" in page_text(answer)
    lead.refresh_from_db()
    assert lead.estimated_value == 1_400


def test_undoing_keeps_a_later_change(as_ann, lead):
    answer = edit(as_ann, lead, "estimated_value", estimated_value="1300")
    Lead.objects.filter(pk=lead.pk).update(estimated_value=1_400)
    assert "was changed again since. Nothing was changed." in page_text(undo(as_ann, answer))
    lead.refresh_from_db()
    assert lead.estimated_value == 1_400


@pytest.mark.parametrize("offer", ["", "x", "\x00", "signed"])
def test_an_offer_that_is_not_ours_is_refused(as_ann, lead, offer):
    offer = signing.dumps("{}", salt="another") if offer == "signed" else offer
    answer = as_ann.post(f"{page_path(lead)}/field/estimated_value/undo/", {"offer": offer}, follow=True)
    assert "can no longer be undone. Nothing was changed." in page_text(answer)


def test_an_offer_is_for_its_record_and_its_field(as_ann, ann, lead):
    other = make_lead(estimated_value=Decimal(1300), assigned_to=ann)
    answer = edit(as_ann, lead, "estimated_value", estimated_value="1300")
    offer = re.search(r'name="offer" value="([^"]+)"', answer.content.decode())[1]
    for place in (f"{page_path(other)}/field/estimated_value", f"{page_path(lead)}/field/notes"):
        assert "can no longer be undone" in page_text(as_ann.post(f"{place}/undo/", {"offer": offer}, follow=True))
    other.refresh_from_db()
    assert other.estimated_value == 1_300


def test_an_offer_ends_after_a_day(as_ann, lead, monkeypatch):
    answer = edit(as_ann, lead, "estimated_value", estimated_value="1300")
    monkeypatch.setattr(field_edit, "UNDO_SECONDS", -1)
    assert "can no longer be undone" in page_text(undo(as_ann, answer))


def test_a_long_value_is_saved_without_an_offer(as_ann, lead, monkeypatch):
    monkeypatch.setattr(field_edit, "MAX_UNDO_LENGTH", 100)
    answer = edit(as_ann, lead, "notes", notes="x" * 200)
    assert "Notes saved." in page_text(answer) and 'class="undo"' not in page_text(answer)


def test_an_invalid_value_is_refused_and_kept_in_the_form(as_ann, lead):
    fields = read_form(as_ann.get(f"{page_path(lead)}/field/estimated_value/").content.decode(), FORM)
    answer = as_ann.post(f"{page_path(lead)}/field/estimated_value/", {**fields, "estimated_value": "much"})
    assert answer.status_code == 422 and 'value="much"' in page_text(answer)


def test_a_possible_duplicate_is_asked_about(as_ann, ann, lead):
    make_lead(contact_email="rosa@diaz.example", assigned_to=ann)
    address = f"{page_path(lead)}/field/contact_phone/"
    make_lead(contact_phone="(419) 555-0192", assigned_to=ann)
    fields = read_form(as_ann.get(address).content.decode(), FORM)
    answer = as_ann.post(address, {**fields, "contact_phone": "419 555 0192"})
    assert "1 possible duplicate" in page_text(answer)
    anyway = re.search(r'name="_save_anyway" value="([^"]+)"', page_text(answer))[1]
    assert as_ann.post(address, {**fields, "contact_phone": "419 555 0192", "_save_anyway": anyway}).status_code == 302


@pytest.mark.parametrize("name", ["status", "overall_score", "assigned_to", "loaded_digest", "nothing", "id"])
def test_a_column_outside_the_form_has_no_address(as_ann, lead, name):
    assert as_ann.get(f"{page_path(lead)}/field/{name}/").status_code == 404
    assert as_ann.post(f"{page_path(lead)}/field/{name}/undo/", {"offer": "x"}).status_code == 404


def test_only_those_who_may_change_the_record_edit_it(bob, vera, max, lead):
    address = f"{page_path(lead)}/field/notes/"
    assert browser(bob).get(address).status_code == 404, "another agent's lead"
    assert browser(vera).get(address).status_code == 403
    assert "data-edit" not in page_text(browser(vera).get(f"{page_path(lead)}/change/"))
    soft_delete(lead, by=max)
    assert browser(max).get(address).status_code == 403
    assert browser(max).post(f"{address}undo/", {"offer": "x"}).status_code == 403


def test_every_link_of_the_pages_opens_a_form(as_max):
    vehicles = {"vehicles": [{"year": 2020, "make": "Ford", "model": "Focus"}]}
    lead = make_lead(line="auto", auto_data=vehicles, line_data={"life": {"smoker": True}}, custom_fields={"x": 1})
    client = make_client(address={"city": "Lima"}, communications={"email": {"consent": True}}, custom_fields={"x": 1})
    for row in (lead, client, make_contact()):
        html = as_max.get(f"{page_path(row)}/change/").content.decode()
        links = re.findall(r'<a class="edit" href="([^"]+)"', html)
        assert len(links) == len(set(links)) > 4
        for link in links:
            form = as_max.get(f"{link}?in_place=1")
            assert form.status_code == 200 and form.content.decode().count("<form") == 1
            shown = read_form(form.content.decode(), FORM).keys() - {"csrfmiddlewaretoken", "loaded_digest"}
            name = link.rstrip("/").rpartition("/")[2]
            assert shown and all(re.split("[.~-]", one)[0] == name for one in shown)


def test_data_of_an_unknown_line_has_no_form(as_max):
    page = page_text(as_max.get(f"{page_path(make_lead(line_data={'pet': {'species': 'Dog'}}))}/change/"))
    assert "Species" in page and "/field/line_data/" not in page


def test_a_page_begins_with_the_person_and_the_next_step(as_ann, ann, lead):
    Lead.objects.filter(pk=lead.pk).update(contact_phone="(419) 555-0192", communications={"sms": {"consent": False}})
    late = timezone.localdate() - timedelta(days=1)
    Task.objects.create(title="Send the form", lead=lead, assignee=ann, due_on=late)
    Task.objects.create(title="No date", lead=lead, assignee=ann)
    Task.objects.create(title="Done before", lead=lead, assignee=ann, due_on=late - timedelta(days=9), status="DONE")
    page = page_text(as_ann.get(f"{page_path(lead)}/change/"))
    facts = page[page.index('class="key-facts"') : page.index('class="page-actions"')]
    assert "tel:(419) 555-0192" in facts and "sms:" not in facts, "text messages are refused"
    assert f'/inbox/draft/add/?lead={lead.pk}">{lead.contact_email}' in facts
    assert "Send the form" in facts and "No date" not in facts and "Done before" not in page
    assert page.index("<h2>Suggestions") < page.index("<h2>Conversations") < page.index("<h2>Timeline")
    assert page.index("<h2>Timeline") < page.index(">Score, win probability")


def test_a_closed_channel_has_no_link(as_ann, lead):
    closed = {"phone": {"do_not_contact": True}, "email": {"do_not_contact": True}}
    Lead.objects.filter(pk=lead.pk).update(contact_phone="(419) 555-0192", communications=closed)
    page = page_text(as_ann.get(f"{page_path(lead)}/change/"))
    assert "tel:" not in page and "/inbox/draft/add/" not in page and "mailto:" not in page
    assert "No phone" in page and "No email" in page and "sms:" in page


def test_a_call_is_logged_in_one_line(as_ann, lead):
    page = page_text(as_ann.get(f"{page_path(lead)}/change/"))
    assert 'data-key="c"' in page
    answer = as_ann.post(
        f"{page_path(lead)}/do/log_call/", {"words": "Wants both cars in one quote.", "direction": "out"}
    )
    assert answer.status_code == 302
    thread = Thread.objects.get(lead=lead)
    assert (thread.source, thread.subject) == (ThreadSource.CALL, "Wants both cars in one quote.")
    assert Message.objects.get(thread=thread).body_text == "Wants both cars in one quote."


def test_a_call_needs_words_and_a_visible_record(as_ann, bob, vera, lead):
    address = f"{page_path(lead)}/do/log_call/"
    assert as_ann.post(address, {"words": " ", "direction": "out"}).status_code == 422
    assert browser(bob).post(address, {"words": "x", "direction": "out"}).status_code == 404
    assert browser(vera).post(address, {"words": "x", "direction": "out"}).status_code == 403
    assert not Thread.objects.exists()
