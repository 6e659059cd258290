"""Tests of the page of a ticket: resolution form, similar tickets, history of the client and notes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.activity import record
from inbox.models import Message
from support.models import SupportTicket
from support.similar_tickets import find_similar_resolved
from support.transitions import add_ticket_note, resolve
from tests.cast import browser, make_client, make_lead, make_thread, make_ticket, page_with_sections

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def read_page(page, ticket) -> str:
    answer = page.get(f"/support/supportticket/{ticket.pk}/change/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def make_resolved_ticket(by, summary="Sent again", **kw) -> SupportTicket:
    ticket = make_ticket(**kw)
    resolve(ticket, summary=summary, by=by)
    return ticket


def test_resolve_form_is_open_while_usable(as_ann, ann, vera):
    ticket = make_ticket()
    form = f'action="/support/supportticket/{ticket.pk}/do/resolve/" class="in stack"'
    assert form in read_page(as_ann, ticket)
    assert form not in read_page(browser(vera), ticket)
    resolve(ticket, summary="Sent by courier", by=ann)
    page = read_page(as_ann, ticket)
    assert form not in page
    assert "Sent by courier" in page


def test_similar_resolutions_are_offered(as_ann, ann):
    alike = make_resolved_ticket(ann, "Corrected with the carrier", subject="Address on the declarations page is wrong")
    kind = make_resolved_ticket(ann, "Reprinted", subject="Logo missing", issue_type="Mail")
    other = make_resolved_ticket(ann, "Tow truck", subject="Car broke down", issue_type="Roadside")
    ticket = make_ticket(subject="Wrong address on declarations page", issue_type="Mail")
    page = read_page(as_ann, ticket)
    assert page.index("Corrected with the carrier") < page.index("Reprinted")
    assert "Tow truck" not in page
    assert f'data-use="solved-{alike.pk}" hidden' in page
    assert [alike, kind] == find_similar_resolved(ticket, ann)
    assert other not in find_similar_resolved(ticket, ann)


def test_resolution_of_invisible_ticket_is_not_offered(ann, bob):
    make_resolved_ticket(bob, subject="Wrong address", assigned_to=bob, client=make_client(assigned_to=bob))
    assert find_similar_resolved(make_ticket(subject="Wrong address"), ann) == []


def test_page_shows_client_history(as_ann, ann):
    client = make_client(name="Works", email="works@example.com")
    make_ticket(client=client, subject="Another trouble")
    record(client, "noted", by=ann, summary="Prefers the phone")
    page = page_with_sections(as_ann, f"/support/supportticket/{make_ticket(client=client).pk}/change/")
    for text in ("Works", "works@example.com", "Another trouble", "Prefers the phone"):
        assert text in page


def test_source_thread_is_shown_only_if_visible(as_ann, bob):
    client = make_client()
    thread = make_thread(client=client)
    Message.objects.create(thread=thread, direction="in", body_text="It is wrong", sent_at=timezone.now())
    page = read_page(as_ann, make_ticket(client=client, thread=thread))
    assert page.index('<details class="talk">') < page.index("It is wrong")
    hidden_thread = make_thread(lead=make_lead(assigned_to=bob))
    Message.objects.create(thread=hidden_thread, direction="in", body_text="Bobs secret", sent_at=timezone.now())
    assert "Bobs secret" not in read_page(as_ann, make_ticket(thread=hidden_thread))


def test_notes_show_their_audience(as_ann, ann):
    ticket = make_ticket()
    add_ticket_note(ticket, "Not a word to her", internal=True, by=ann)
    add_ticket_note(ticket, "On its way", internal=False, by=ann)
    page = read_page(as_ann, ticket)
    assert page.index("visible to customer") < page.index("On its way") < page.index("internal</span>")


def test_note_with_impossible_date_never_breaks_page(as_ann):
    ticket = make_ticket()
    note = {"at": "2026-02-31T25:61", "by": "Seed", "body": "Bad date", "internal": True}
    no_zone = {**note, "at": "2026-02-01T10:00", "body": "No zone"}
    SupportTicket.objects.filter(pk=ticket.pk).update(notes=[note, no_zone])
    page = read_page(as_ann, ticket)
    assert "No zone" in page
    assert "Bad date" in page


def test_overdue_times_are_shown(as_ann):
    ticket, long_ago = make_ticket(), timezone.now() - timezone.timedelta(days=3)
    SupportTicket.objects.filter(pk=ticket.pk).update(resolve_due_at=long_ago, first_response_due_at=long_ago)
    page = read_page(as_ann, ticket)
    assert "late by 3" in page
    assert "first response overdue" in page


def test_hostile_text_is_escaped(as_ann, ann):
    client = make_client(name=HOSTILE)
    make_resolved_ticket(ann, HOSTILE, subject=HOSTILE, client=client)
    ticket = make_ticket(
        client=client, subject=HOSTILE, issue_type=HOSTILE, issue_description=HOSTILE, created_by=HOSTILE
    )
    add_ticket_note(ticket, HOSTILE, internal=True, by=ann)
    page = read_page(as_ann, ticket)
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") > 5


def test_agent_cannot_open_a_colleagues_ticket(as_ann, bob):
    ticket = make_ticket(assigned_to=bob)
    for where in ("change", "history", "do/resolve"):
        assert as_ann.get(f"/support/supportticket/{ticket.pk}/{where}/").status_code == 404


def test_query_count_is_constant(as_ann, ann):
    client = make_client()
    ticket = make_ticket(client=client, issue_type="Mail", thread=make_thread(client=client), lead=make_lead())
    add_surrounding_records(ann, client, ticket)
    read_page(as_ann, ticket)
    with CaptureQueriesContext(connection) as few:
        read_page(as_ann, ticket)
    for _ in range(10):
        add_surrounding_records(ann, client, ticket)
    with CaptureQueriesContext(connection) as many:
        read_page(as_ann, ticket)
    assert len(few) == len(many) <= 25


def add_surrounding_records(by, client, ticket) -> None:
    make_ticket(client=client)
    make_resolved_ticket(by, client=client, issue_type="Mail")
    add_ticket_note(ticket, "A word", internal=True, by=by)
    Message.objects.create(thread=ticket.thread, direction="in", body_text="Hello", sent_at=timezone.now())


def test_viewing_ticket_changes_nothing(as_ann):
    ticket = make_ticket()
    before = SupportTicket.objects.values().get(pk=ticket.pk)
    read_page(as_ann, ticket)
    assert SupportTicket.objects.values().get(pk=ticket.pk) == before


def test_ticket_of_a_lead_without_client_shows_the_lead(as_ann):
    lead = make_lead(contact_name="Lena Lead", contact_phone="+1 555 0100")
    ticket = make_ticket(client=None, lead=lead, subject="No answer")
    other = make_ticket(client=None, lead=lead, subject="Wrong form")
    page = read_page(as_ann, ticket)
    assert "Lena Lead" in page
    assert "+1 555 0100" in page
    assert f"/support/supportticket/?lead={lead.pk}" in page
    assert str(other) in page
    rows = as_ann.get("/support/supportticket/").content.decode()
    assert rows.count(f"/leads/lead/{lead.pk}/change/") == 2
