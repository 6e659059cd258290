"""The first page: what to do now, from every app, in one order."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.records.local_time import agency_today
from crm.screens.today.items import Candidate, TodayItem, TodaySource, Urgency, merge_sources
from crm.screens.today.page import MAX_ITEMS, PAGE_SIZE
from inbox.models import Message, Thread
from inbox.transitions import add_to_thread
from leads.models import Lead, Task
from suggestions.models import Suggestion
from support.models import SupportTicket
from tests.cast import (
    browser,
    copy_record,
    make_client,
    make_lead,
    make_policy,
    make_suggestion,
    make_thread,
    make_ticket,
    page_text,
)
from tests.query_plans import plan_indexes

pytestmark = pytest.mark.django_db
TODAY, MINUTE, DAY = reverse("admin:index"), timedelta(minutes=1), timedelta(days=1)


def answerable(lead, *, hours=1, **fields):
    thread = make_thread(lead=lead, **fields)
    message = {"direction": "in", "from_email": "lee@example.com", "body_text": "How much?"}
    add_to_thread(Message(thread=thread, sent_at=timezone.now() - timedelta(hours=hours), **message))
    return thread


def items(page):
    """Return urgency and person of each row, in the order of the page."""
    groups = page.context["groups"]
    return [(group.urgency.label, item.person) for group in groups for item in group.items]


def candidate(name, urgency=Urgency.TODAY, value=None, hours=0):
    at = timezone.now() - timedelta(hours=hours)
    value = None if value is None else Decimal(value)
    return Candidate(urgency, value, at, lambda: TodayItem(name, "", "/", "check"))


def source_of(*candidates):
    return TodaySource("x", "X", "check", "/", Lead.objects.all(), lambda size: candidates[:size])


def names(found):
    return [item.person for group in found.groups for item in group.items]


def test_order_is_urgency_then_value_then_the_longest_wait():
    one = source_of(candidate("small", value=10), candidate("late", Urgency.NOW), candidate("waits longer", hours=2))
    two = source_of(candidate("large", value=9_000), candidate("unknown", hours=1), candidate("soon", Urgency.LATER))
    found = merge_sources([one, two], 10)
    assert names(found) == ["late", "large", "waits longer", "unknown", "small", "soon"]
    assert [group.urgency.label for group in found.groups] == ["Now", "Today", "Coming up"]
    assert not found.has_more


def test_only_shown_items_are_made_and_more_is_known():
    def fail():
        raise AssertionError("This item is not shown.")

    hidden = Candidate(Urgency.LATER, None, timezone.now(), fail)
    found = merge_sources([source_of(candidate("first"), hidden)], 1)
    assert names(found) == ["first"]
    assert found.has_more


def test_a_reply_and_its_conversation_are_shown_once(as_ann, ann):
    lead = make_lead(contact_name="Lea", assigned_to=ann)
    make_suggestion("REPLY", lead=lead)
    page = as_ann.get(TODAY)
    assert [person for _, person in items(page)] == ["Lea"]
    assert len(items(as_ann.get(f"{TODAY}?kind=answer"))) == len(items(as_ann.get(f"{TODAY}?kind=decide"))) == 1


def test_one_list_has_every_kind_with_its_button(as_max, max):
    lead = make_lead(contact_name="Lea", assigned_to=max, contact_phone="+1 212 555 0123")
    suggestion = make_suggestion(lead=make_lead(contact_name="Sue"))
    thread = answerable(make_lead(contact_name="Ann"), subject="Which price?")
    call = Task.objects.create(title="Call Lea back", lead=lead, due_on=agency_today())
    task = Task.objects.create(title="Send the card", lead=lead, due_on=agency_today() - timedelta(days=1))
    policy = make_policy(client=make_client(name="Clem"), days_left=5)
    ticket = make_ticket(client=make_client(name="Tim"))
    SupportTicket.objects.update(resolve_due_at=timezone.now() - timedelta(hours=1))
    meeting = make_thread(source="MEETING", subject="Phone call", lead=lead, metadata=starts_in(hours=0))
    page = as_max.get(TODAY)
    text = page.content.decode()
    assert {chip["label"]: chip["count"] for chip in page.context["chips"]} == {
        **{"All": "7", "Decide": "1", "Answer": "1", "Meet": "1", "Call": "1", "Renew": "1"},
        **{"Tickets": "1", "Tasks": "1"},
    }
    for url in (
        reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, "approve"]),
        reverse("admin:inbox_thread_change", args=[thread.pk]) + "#reply",
        reverse("admin:leads_task_do", args=[call.pk, "done"]),
        reverse("admin:leads_task_do", args=[task.pk, "done"]),
        reverse("admin:leads_policy_do", args=[policy.pk, "renew"]),
        reverse("admin:support_supportticket_do", args=[ticket.pk, "resolve"]),
        reverse("admin:inbox_thread_change", args=[meeting.pk]),
        "tel:+1 212 555 0123",
    ):
        assert url in text
    assert as_max.post(reverse("admin:leads_task_do", args=[task.pk, "done"]), {"next": TODAY})["Location"] == TODAY
    assert ("Now", "Lea") not in items(as_max.get(f"{TODAY}?kind=task"))


def starts_in(**delta):
    return {"starts_at": (timezone.now() + timedelta(**delta)).isoformat()}


def test_meeting_of_another_day_or_resolved_is_left_out(as_ann, ann):
    lead = make_lead(assigned_to=ann)
    make_thread(source="MEETING", subject="Next week", lead=lead, metadata=starts_in(days=7))
    make_thread(source="MEETING", subject="Long ago", lead=lead, metadata=starts_in(days=-7))
    make_thread(source="MEETING", subject="Held", lead=lead, metadata=starts_in(hours=-1), status="RESOLVED")
    assert items(as_ann.get(TODAY)) == []


def test_long_waits_and_angry_messages_come_first(as_ann, ann):
    for name, hours, sentiment in (("Fresh", 1, None), ("Angry", 1, "negative"), ("Old", 30, None)):
        thread = answerable(make_lead(contact_name=name, assigned_to=ann), hours=hours)
        Thread.objects.filter(pk=thread.pk).update(sentiment=sentiment)
    assert items(as_ann.get(TODAY)) == [("Now", "Old"), ("Now", "Angry"), ("Today", "Fresh")]


def test_a_chip_shows_one_kind_and_a_wrong_one_shows_all(as_ann, ann):
    lead = make_lead(contact_name="Lea", assigned_to=ann)
    answerable(lead)
    Task.objects.create(title="Write", lead=lead, due_on=agency_today())
    assert len(items(as_ann.get(f"{TODAY}?kind=task"))) == 1
    assert len(items(as_ann.get(f"{TODAY}?kind=nothing&show=x"))) == 2
    assert "Nothing here." in page_text(as_ann.get(f"{TODAY}?kind=renew"))


def test_more_is_shown_in_pages_up_to_a_limit_with_the_lists_behind(as_ann, ann):
    task = Task.objects.create(title="Write", lead=make_lead(assigned_to=ann), due_on=agency_today())
    copy_record(task, MAX_ITEMS + 5, lambda number: {"title": f"Write {number}"})
    first = as_ann.get(TODAY)
    assert len(items(first)) == PAGE_SIZE
    assert len(items(as_ann.get(TODAY + first.context["more"]))) == 2 * PAGE_SIZE
    last = as_ann.get(f"{TODAY}?show=999")
    assert len(items(last)) == MAX_ITEMS
    assert not last.context["more"]
    assert "There is more: <a" in page_text(last)
    assert "99+" in page_text(last)


def test_colleagues_work_and_hidden_customers_are_not_shown(as_ann, ann, bob):
    hidden = make_lead(contact_name="Hilda Hidden", assigned_to=bob, estimated_value=77_777)
    answerable(hidden)
    make_suggestion(lead=hidden)
    make_policy(client=make_client(name="Hilda Client", assigned_to=bob), days_left=5)
    make_ticket(client=None, lead=hidden)
    Task.objects.create(title="Bobs", lead=hidden, due_on=agency_today())
    Task.objects.create(title="Help", lead=hidden, assignee=ann, due_on=agency_today())
    page = as_ann.get(TODAY)
    assert items(page) == [("Today", "Another owner’s lead")]
    assert "Hilda" not in page_text(page)
    assert "77,777" not in page_text(page)


def test_number_of_a_person_who_wants_no_calls_is_not_a_link(as_ann, ann):
    wishes = {"phone": {"consent": False}}
    lead = make_lead(assigned_to=ann, contact_phone="+1 212 555 0123", communications=wishes)
    Task.objects.create(title="Call back", lead=lead, due_on=agency_today())
    assert "tel:" not in as_ann.get(TODAY).content.decode()


def test_viewer_sees_the_list_without_buttons(vera):
    answerable(make_lead(contact_name="Ann"))
    make_suggestion(lead=make_lead(contact_name="Sue"))
    page = browser(vera).get(TODAY)
    assert {person for _, person in items(page)} == {"Ann", "Sue"}
    assert all(item.action is None for group in page.context["groups"] for item in group.items)


def test_empty_day_is_said_kindly_and_a_role_is_asked_for_without_one(as_ann, stranger):
    assert "All done. Nothing waits for you now." in page_text(as_ann.get(TODAY))
    assert "Nothing here yet. Ask an administrator for a role." in page_text(browser(stranger).get(TODAY))


def test_pipeline_is_fetched_afterwards_and_is_a_page_without_scripts(as_ann):
    assert reverse("admin:today_panels") in as_ann.get(TODAY).content.decode()
    part = as_ann.get(reverse("admin:today_panels"), headers={"HX-Request": "true"}).content.decode()
    assert "Pipeline" in part
    assert "<html" not in part
    assert "<html" in as_ann.get(reverse("admin:today_panels")).content.decode()


def test_page_costs_the_same_for_few_and_for_many(as_ann, ann):
    def count():
        with CaptureQueriesContext(connection) as queries:
            as_ann.get(TODAY)
        return len(queries)

    def add():
        lead = make_lead(assigned_to=ann)
        answerable(lead)
        make_suggestion(lead=lead)
        make_policy(client=make_client(assigned_to=ann), days_left=5)
        make_ticket(client=None, lead=lead)
        Task.objects.create(title="Call back", lead=lead, due_on=agency_today())
        Task.objects.create(title="Write", lead=lead, due_on=agency_today())

    add()
    count()
    one = count()
    for _ in range(4):
        add()
    assert count() == one <= 15


def analyze(*tables):
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(tables)}")


def test_rows_of_an_agent_are_read_by_indexes_that_begin_with_the_owner(ann, bob):
    now, lead = timezone.now(), make_lead(assigned_to=bob)
    ticket = make_ticket(client=None, lead=lead)
    copy_record(ticket, 3_000, lambda number: {"number": 900_000 + number})
    mine = make_ticket(client=None, lead=make_lead(assigned_to=ann))
    copy_record(mine, 200, lambda number: {"number": 800_000 + number, "resolve_due_at": now + number * MINUTE})
    task = Task.objects.create(title="Write", lead=lead, due_on=agency_today())
    copy_record(task, 3_000, lambda number: {})
    task = Task.objects.create(title="Write", assignee=ann, due_on=agency_today())
    copy_record(task, 200, lambda number: {"due_on": agency_today() - number * DAY})
    analyze("support_tickets", "tasks")
    own = SupportTicket.objects.filter(owner=ann).due_first(now + timedelta(days=7))
    assert plan_indexes(own[:21]) == {"support_tickets_due_of_owner"}
    tasks = Task.objects.filter(owner=ann).due(agency_today())
    assert plan_indexes(tasks[:21]) == {"tasks_next_due_of_owner"}


def test_meetings_of_the_day_are_read_by_their_index(ann):
    thread = make_thread(source="MEETING", metadata=starts_in(days=-90))
    copy_record(thread, 3_000, lambda number: {})
    analyze("threads")
    today = agency_today()
    rows = Thread.objects.meetings_between(today - timedelta(days=1), today + timedelta(days=1))
    assert plan_indexes(rows[:21]) == {"threads_meetings"}


def test_suggestions_of_urgent_kinds_for_large_leads_come_first(as_max):
    for name, value in (("Large", 20_000), ("Small", 100)):
        make_suggestion("SCHEDULE_CALL", lead=make_lead(contact_name=name, estimated_value=value))
    assert Suggestion.objects.count() == 2
    assert items(as_max.get(TODAY)) == [("Now", "Large"), ("Today", "Small")]
