"""Who sees a conversation, suggestion, ticket, task or contact follows from the records that it is about."""

import pytest
from django.db import connection
from django.utils import timezone

from crm.exceptions import NotPermitted
from crm.models import ActivityLog, Client, ContactClient, Project, User
from crm.records.activity import SYSTEM_ACTOR
from crm.records.owners import Restriction
from crm.records.transitions import assign, purge, soft_delete
from inbox.models import Mailbox, Message, Thread
from inbox.transitions import add_to_thread, link, unlink
from inbox.transitions import assign as assign_thread
from leads.models import ContactLead, Lead, Task
from leads.ownership import repair_owner_column
from suggestions.models import Suggestion, SuggestionType
from suggestions.transitions import approve, reject, undo
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
    page_text,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(ann, bob):
    """Three agents; Luis owns nothing here."""
    return ann, bob, make_user("luis", "agent")


@pytest.fixture
def as_ada(ada):
    return browser(ada)


def viewers(row, staff) -> set[User]:
    """Return those of `staff` who see `row`, by its QuerySet and by its own columns."""
    model, found = type(row), set()
    current = model.everything.get(pk=row.pk)
    for user in staff:
        is_visible = model.everything.visible_to(user).filter(pk=row.pk).exists()
        assert current.is_visible_to(user) == is_visible
        found |= {user} if is_visible else set()
    return found


def reply_in(thread) -> Suggestion:
    write_to(thread, "How much is it?")
    content = {"thread": str(thread.pk), "body": "Hello"}
    return make_suggestion(SuggestionType.REPLY, lead=thread.lead, thread=thread, suggested_content=content)


def write_to(thread, body: str) -> Message:
    about = {"direction": "in", "from_email": "x@customer.example", "sent_at": timezone.now()}
    return add_to_thread(Message(thread=thread, body_text=body, **about))


def purge_now(record) -> None:
    """Purge `record` as at the end of a transaction, when the database restricts what is kept."""
    soft_delete(record, by=SYSTEM_ACTOR)
    purge(record, by=SYSTEM_ACTOR)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_thread_is_visible_to_assignee_and_owner_of_its_lead(staff):
    ann, bob, _ = staff
    thread = make_thread(lead=make_lead(assigned_to=ann), assigned_to=bob)
    assert viewers(thread, staff) == {ann, bob}
    assign_thread(thread, None, by=SYSTEM_ACTOR)
    assert viewers(thread, staff) == {ann}


def test_unlinked_thread_of_an_owned_mailbox_is_visible_to_its_owner_until_shared(staff):
    ann, bob, _ = staff
    mailbox = Mailbox.objects.create(address="ann@agency.example", owner=ann)
    thread = make_thread(mailbox=mailbox)
    assert viewers(thread, staff) == {ann}
    assign_thread(thread, bob, by=ann)
    assert viewers(thread, staff) == {ann, bob}
    assign_thread(thread, None, by=SYSTEM_ACTOR)
    Mailbox.objects.filter(pk=mailbox.pk).update(owner=bob)
    assert viewers(thread, staff) == {bob}
    Mailbox.objects.filter(pk=mailbox.pk).update(owner=None)
    assert viewers(thread, staff) == set(staff)


def test_linked_thread_of_an_owned_mailbox_follows_its_lead(staff):
    ann, bob, _ = staff
    lead = make_lead()
    thread = make_thread(mailbox=Mailbox.objects.create(address="ann@agency.example", owner=ann))
    link(thread, lead=lead, by=SYSTEM_ACTOR)
    assert viewers(thread, staff) == set(staff)
    assign(lead, bob, by=SYSTEM_ACTOR)
    assert viewers(thread, staff) == {bob}
    unlink(thread, by=SYSTEM_ACTOR)
    assert viewers(thread, staff) == {ann}


def test_ticket_is_visible_to_assignee_and_owner_of_its_customer(staff):
    ann, bob, _ = staff
    client = make_client(assigned_to=ann)
    ticket = make_ticket(client=client)
    assert viewers(ticket, staff) == {ann}
    assign(ticket, bob, by=SYSTEM_ACTOR)
    assert viewers(ticket, staff) == {ann, bob}
    assign(client, None, by=SYSTEM_ACTOR)
    assert viewers(ticket, staff) == {bob}
    assign(ticket, None, by=SYSTEM_ACTOR)
    assert viewers(ticket, staff) == set(staff)


def test_unassigned_task_is_visible_to_the_owner_of_what_it_is_about(staff):
    ann, bob, _ = staff
    lead, client = make_lead(assigned_to=ann), make_client(assigned_to=bob)
    task = Task.objects.create(title="Call", lead=lead)
    of_project = Task.objects.create(title="Call", project=Project.objects.create(client=client, name="Start"))
    assert viewers(task, staff) == {ann}
    assert viewers(of_project, staff) == {bob}
    assign(client, ann, by=SYSTEM_ACTOR)
    assert viewers(of_project, staff) == {ann}
    assign(client, bob, by=SYSTEM_ACTOR)
    of_both = Task.objects.create(title="Call", lead=lead, client=client)
    assert viewers(of_both, staff) == set()
    Task.objects.filter(pk=of_both.pk).update(assignee=bob)
    assert viewers(of_both, staff) == {bob}
    assert viewers(Task.objects.create(title="Tidy up"), staff) == set(staff)


def test_suggestion_is_visible_to_users_who_see_all_its_records(staff):
    ann, bob, _ = staff
    lead, others_thread = make_lead(assigned_to=ann), make_thread(lead=make_lead(assigned_to=bob))
    own, others = make_client(assigned_to=ann), make_client(assigned_to=bob)
    assert viewers(make_suggestion(lead=lead), staff) == {ann}
    assert viewers(make_suggestion(lead=lead, client=own), staff) == {ann}
    project = Project.objects.create(client=others, name="Start")
    for hidden in (
        {"thread": others_thread},
        {"client": others},
        {"ticket": make_ticket(client=others)},
        {"project": project},
    ):
        assert viewers(make_suggestion(lead=make_lead(assigned_to=ann), **hidden), staff) == set()
        assert viewers(make_suggestion(lead=make_lead(), **hidden), staff) == {bob}
    assert viewers(make_suggestion(lead=make_lead(), thread=make_thread()), staff) == set(staff)


def test_suggestion_follows_the_assignee_of_its_thread(staff):
    ann, bob, luis = staff
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    suggestion, about_lead = reply_in(thread), make_suggestion(lead=lead, thread=thread)
    assign_thread(thread, bob, by=ann)
    assert viewers(suggestion, staff) == {ann, bob}
    assert viewers(about_lead, staff) == {ann}
    assert Suggestion.objects.get(pk=suggestion.pk).owner == bob
    assign(lead, luis, by=SYSTEM_ACTOR)
    assert viewers(suggestion, staff) == {bob, luis}
    assign_thread(thread, None, by=SYSTEM_ACTOR)
    assert viewers(suggestion, staff) == {luis}


def test_suggestion_follows_the_assignee_of_its_ticket(staff):
    ann, bob, _ = staff
    client = make_client(assigned_to=ann)
    ticket = make_ticket(client=client, assigned_to=bob)
    suggestion = make_suggestion(SuggestionType.RESOLVE_TICKET, client=client, ticket=ticket)
    assert viewers(suggestion, staff) == {ann, bob}
    assert viewers(make_suggestion(client=client, ticket=ticket), staff) == {ann}
    assign(ticket, None, by=SYSTEM_ACTOR)
    assert viewers(suggestion, staff) == {ann}


def test_assignee_of_a_ticket_does_not_see_a_suggestion_about_a_hidden_thread(staff):
    ann, bob, _ = staff
    client = make_client(assigned_to=ann)
    ticket = make_ticket(client=client, assigned_to=bob)
    about = {"client": client, "ticket": ticket, "thread": make_thread(client=client)}
    assert viewers(make_suggestion(SuggestionType.RESOLVE_TICKET, **about), staff) == {ann}


def test_suggestion_about_an_unlinked_email_belongs_to_the_owner_of_the_mailbox(staff):
    ann, bob, _ = staff
    thread = make_thread(mailbox=Mailbox.objects.create(address="ann@agency.example", owner=ann))
    suggestion = make_suggestion(thread=thread)
    assert viewers(suggestion, staff) == {ann}
    assign_thread(thread, bob, by=ann)
    assert viewers(suggestion, staff) == {ann, bob}
    assert viewers(make_suggestion(thread=thread, lead=make_lead(assigned_to=bob)), staff) == set()


@pytest.mark.parametrize("maker", [make_lead, make_client])
def test_purge_never_shows_what_is_kept_to_everyone(staff, max, maker):
    ann = staff[0]
    record = maker(assigned_to=ann)
    about = {record._meta.model_name: record}
    thread, contact = make_thread(**about), make_contact()
    {Lead: ContactLead, Client: ContactClient}[type(record)].objects.create(contact=contact, **about)
    kept = [thread, Task.objects.create(title="Call", **about), make_suggestion(**about), contact]
    kept.append(make_suggestion(thread=thread))
    assert [viewers(row, staff) for row in kept] == [{ann}] * len(kept)
    purge_now(record)
    assert [viewers(row, staff) for row in kept] == [set()] * len(kept)
    assert all(row.is_visible_to(max) for row in kept)


def test_raw_deletion_restricts_what_is_kept(staff):
    lead = make_lead(assigned_to=staff[0])
    thread = make_thread(lead=lead)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM leads WHERE id = %s", [lead.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert viewers(thread, staff) == set()


def test_restricted_thread_can_be_given_to_a_user_or_another_lead(staff, max):
    ann, bob, _ = staff
    lead = make_lead(assigned_to=ann)
    thread, other = make_thread(lead=lead), make_thread(lead=lead)
    suggestion = make_suggestion(thread=thread)
    purge_now(lead)
    assign_thread(thread, bob, by=max)
    assert viewers(thread, staff) == viewers(suggestion, staff) == {bob}
    link(other, lead=make_lead(), by=max)
    assert viewers(other, staff) == set(staff)
    assert Thread.objects.get(pk=other.pk).restriction == Restriction.NONE


def test_purge_of_one_record_restricts_what_an_unassigned_one_keeps(staff):
    thread = make_thread(lead=make_lead(assigned_to=staff[0]), client=make_client())
    ticket = make_ticket(client=make_client(), lead=thread.lead)
    purge_now(thread.lead)
    assert viewers(thread, staff) == viewers(ticket, staff) == set()


def test_purge_of_a_thread_or_ticket_restricts_suggestions(staff):
    ann = staff[0]
    thread = make_thread(lead=make_lead(assigned_to=ann))
    suggestion = make_suggestion(thread=thread)
    ticket = make_ticket(client=make_client(assigned_to=ann))
    of_ticket = make_suggestion(ticket=ticket)
    for record in (thread, ticket):
        purge_now(record)
    assert viewers(suggestion, staff) == viewers(of_ticket, staff) == set()


def test_purge_of_an_owned_mailbox_restricts_its_unlinked_threads(staff):
    owned, shared = (
        make_thread(mailbox=Mailbox.objects.create(address=f"{name}@agency.example", owner=owner))
        for name, owner in (("ann", staff[0]), ("office", None))
    )
    for thread in (owned, shared):
        purge_now(thread.mailbox)
    assert viewers(owned, staff) == set()
    assert viewers(shared, staff) == set(staff)


def test_repair_corrects_every_table(staff):
    ann, bob, _ = staff
    lead, client = make_lead(assigned_to=ann), make_client(assigned_to=ann)
    rows = [
        make_thread(lead=lead),
        make_suggestion(lead=lead),
        make_ticket(client=client),
        Task.objects.create(title="Call", lead=lead),
    ]
    for row in rows:
        assert repair_owner_column(row._meta.db_table) == 0
        type(row).objects.filter(pk=row.pk).update(owner=bob, restriction=Restriction.MIXED_OWNERS)
        assert repair_owner_column(row._meta.db_table) == 1
    assert all(viewers(row, staff) == {ann} for row in rows)


def test_purge_form_asks_what_becomes_of_the_rest(as_ada, staff):
    lead, other = make_lead(assigned_to=staff[0]), make_client(assigned_to=staff[1])
    thread, shared = make_thread(lead=lead), make_thread(lead=lead, client=other)
    task = Task.objects.create(title="Call", lead=lead)
    make_suggestion(lead=lead, thread=thread)
    soft_delete(lead, by=SYSTEM_ACTOR)
    url = f"/leads/lead/{lead.pk}/do/purge/"
    assert "1 task, 2 conversations and 1 suggestion" in page_text(as_ada.get(url))
    assert "This field is required" in page_text(as_ada.post(url))
    assert as_ada.post(url, {"rows": "purge"}).status_code == 302
    assert not Lead.everything.filter(pk=lead.pk).exists()
    assert not Thread.everything.filter(pk=thread.pk).exists()
    assert not Task.everything.filter(pk=task.pk).exists()
    assert not Suggestion.everything.exists()
    assert viewers(shared, staff) == {staff[1]}
    line = ActivityLog.objects.for_target(lead)[0]
    assert line.summary.endswith("with 1 task, 1 conversation and 1 suggestion")


def test_purge_form_keeps_the_rest_for_managers(as_ada, staff):
    lead = make_lead(assigned_to=staff[0])
    thread = make_thread(lead=lead)
    soft_delete(lead, by=SYSTEM_ACTOR)
    as_ada.post(f"/leads/lead/{lead.pk}/do/purge/", {"rows": "keep"})
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert Thread.objects.filter(pk=thread.pk).exists() and viewers(thread, staff) == set()


def test_purge_form_asks_nothing_where_nothing_is_left(as_ada):
    lead = make_lead()
    soft_delete(lead, by=SYSTEM_ACTOR)
    assert 'name="rows"' not in page_text(as_ada.get(f"/leads/lead/{lead.pk}/do/purge/"))
    as_ada.post(f"/leads/lead/{lead.pk}/do/purge/")
    assert not Lead.everything.filter(pk=lead.pk).exists()


def test_linking_and_unlinking_need_a_visible_thread(staff):
    ann, bob, _ = staff
    thread = make_thread(lead=make_lead(assigned_to=bob))
    for action in (
        lambda: link(thread, client=make_client(), by=ann),
        lambda: unlink(thread, by=ann),
        lambda: assign_thread(thread, ann, by=ann),
    ):
        with pytest.raises(NotPermitted, match="may not open this conversation"):
            action()


def test_deciding_needs_a_visible_suggestion(staff):
    ann, bob, _ = staff
    suggestion = make_suggestion(lead=make_lead(assigned_to=ann), thread=make_thread(lead=make_lead(assigned_to=bob)))
    for decide in (approve, lambda one, by: reject(one, reason="No.", by=by), undo):
        with pytest.raises(NotPermitted, match="may not open this suggestion"):
            decide(suggestion, by=ann)
    assert approve(suggestion, by=SYSTEM_ACTOR)


def test_quotes_of_hidden_records_are_left_out_and_said_to_be(as_ann, as_max, staff):
    ann, bob, _ = staff
    lead, hidden = make_lead(assigned_to=ann), make_lead(assigned_to=bob)
    message = write_to(make_thread(lead=hidden), "Hidden words")
    sources = {"message": message, "thread": message.thread, "lead": hidden}
    evidence = [{"source": name, "id": str(row.pk), "quote": f"Hidden {name}"} for name, row in sources.items()]
    evidence.append({"source": "lead", "id": str(lead.pk), "quote": "Own words"})
    suggestion = make_suggestion(lead=lead, evidence=evidence)
    url = f"/suggestions/suggestion/{suggestion.pk}/change/"
    page = page_text(as_ann.get(url))
    assert "Own words" in page and "Hidden" not in page
    assert page.count("A quote from a record that you may not open is left out.") == 3
    assert page_text(as_max.get(url)).count("Hidden") >= 3


def test_reply_of_the_assignee_shows_nothing_of_the_hidden_lead(as_ann, staff):
    ann, bob, _ = staff
    lead = make_lead(assigned_to=bob, contact_name="Hidden Lead", company_name="Secret & Sons", estimated_value=777_000)
    thread = make_thread(lead=lead, assigned_to=ann)
    suggestion = reply_in(thread)
    for url in (f"/suggestions/suggestion/{suggestion.pk}/change/", "/suggestions/suggestion/"):
        page = page_text(as_ann.get(url))
        assert "Another owner’s lead" in page
        words = ("Hidden Lead", "Secret", "777", f"/leads/lead/{lead.pk}")
        assert [page[max(0, page.find(word) - 80) :][:160] for word in words if word in page] == []
    assert not as_ann.get("/suggestions/suggestion/?q=Secret").context["cl"].page.rows
