"""Custom fields of tickets: everything that a definition gives, from the form to the exported file."""

import pytest
from django.contrib.auth.models import Group

from crm.exceptions import NotPermitted
from crm.models import CustomField, CustomFieldTable, SchemaChange
from crm.schema.undefined_keys import find_undefined_keys
from support.models import SupportTicket
from support.transitions import open_ticket
from tests.cast import make_client, make_ticket, page_text

pytestmark = pytest.mark.django_db
TICKET_LIST = "/support/supportticket/"


@pytest.fixture
def channel():
    choices = [{"value": "p", "label": "Phone", "retired": False}, {"value": "e", "label": "Email", "retired": False}]
    made = {"label": "Reported by", "kind": "choice", "choices": choices, "is_on_list": True, "is_required": True}
    return CustomField.objects.create(table="support.supportticket", key="channel", **made)


def test_new_ticket_needs_a_required_field_and_keeps_its_value(as_max, channel):
    sent = {"client": make_client().pk, "subject": "No card", "priority": "normal"}
    assert "Reported by: enter a value." in page_text(as_max.post(f"{TICKET_LIST}add/", sent))
    assert as_max.post(f"{TICKET_LIST}add/", {**sent, "custom_fields.channel": "p"}).status_code == 302
    assert SupportTicket.objects.get().custom_fields == {"channel": "p"}


def test_edited_field_shows_on_the_page_in_the_list_and_in_the_history(as_max, channel):
    ticket = make_ticket(custom_fields={"channel": "p"})
    page = f"{TICKET_LIST}{ticket.pk}/change/"
    loaded = as_max.get(f"{page}?edit").context["adminform"].form.initial["loaded_digest"]
    sent = {"subject": ticket.subject, "loaded_digest": loaded, "custom_fields.channel": "e"}
    assert as_max.post(page, sent).status_code == 302
    assert "<dt>Reported by</dt>" in page_text(as_max.get(page))
    assert 'data-l="Reported by"' in page_text(as_max.get(TICKET_LIST))
    history = page_text(as_max.get(f"{TICKET_LIST}{ticket.pk}/history/"))
    assert "Phone" in history and "Email" in history


def test_filter_and_export_have_the_field(as_max, channel):
    make_ticket(subject="By phone", custom_fields={"channel": "p"})
    make_ticket(subject="By email", custom_fields={"channel": "e"})
    found = as_max.get(f"{TICKET_LIST}?cf.channel~op=not&cf.channel=p").context["cl"].page.rows
    assert [ticket.subject for ticket in found] == ["By email"]
    file = as_max.post(f"{TICKET_LIST}export/?cf.channel=p").getvalue().decode()
    assert "Reported by" in file and "By phone" in file and "By email" not in file


def test_undefined_key_can_be_adopted_and_asked_an_index_for(max):
    make_ticket(custom_fields={"plate": "ABC 123"})
    assert [one.key for one in find_undefined_keys(CustomFieldTable.TICKET, max)] == ["plate"]
    texts = {"why": "Slow.", "expected_use": "Daily."}
    SchemaChange.objects.create(table="support.supportticket", key="plate", proposed="index", **texts)


def test_limited_field_of_a_new_ticket_is_refused(ann, max, channel):
    channel.editor_roles = [Group.objects.get(name="manager").pk]
    channel.save()
    values = {"client": make_client(), "subject": "No card", "custom_fields": {"channel": "p"}}
    with pytest.raises(NotPermitted, match="“Reported by” can be edited by these roles only: manager."):
        open_ticket(SupportTicket(**values), by=ann)
    open_ticket(SupportTicket(**values), by=max)
