"""Snoozing a conversation: it leaves the queues until a time, or until the customer writes."""

from datetime import timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox import tasks
from inbox.incoming.transitions import receive
from inbox.models import Direction, Message, MessageState, Thread, ThreadStatus
from inbox.panels import turns_of
from inbox.transitions import add_to_thread, assign, change_thread_status, join, snooze, wake
from tests.cast import browser, make_lead, make_thread, page_text
from tests.inbox.raw_emails import LEE, OURS, raw_email

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"


def in_days(days: float):
    return timezone.now() + timedelta(days=days)


def make_waiting(**kw) -> Thread:
    """Make a conversation that needs a reply since yesterday."""
    return make_thread(**{"last_direction": "in", "last_message_at": in_days(-1), "subject": "Boat", **kw})


def let_time_pass(thread: Thread) -> None:
    """Make the snooze end a moment ago."""
    Thread.objects.filter(pk=thread.pk).update(snoozed_until=in_days(-0.001))
    thread.refresh_from_db()


def add_message(thread: Thread, direction: str = Direction.IN, days: float = 0, text: str = "Any news?", **kw) -> None:
    state = MessageState.RECEIVED if direction == Direction.IN else MessageState.SENT
    row = Message(thread=thread, direction=direction, state=state, sent_at=in_days(days), body_text=text, **kw)
    add_to_thread(row)
    thread.refresh_from_db()


def listed(page, **asked) -> list[str]:
    return [thread.subject for thread in page.get(LIST, asked).context["cl"].page.rows]


def timeline(thread: Thread) -> list[str]:
    return [line.summary for line in ActivityLog.objects.filter(target_id=thread.pk).order_by("id")]


QUEUES = [
    ({}, {}),
    ({"turn": "theirs"}, {"last_direction": "out", "awaiting_reply": True}),
    ({"linked": "no"}, {}),
    ({"assigned": "me"}, {}),
]


@pytest.mark.parametrize(("asked", "kw"), QUEUES, ids=[str(asked) for asked, _ in QUEUES])
def test_snoozed_conversation_leaves_each_queue_until_its_time(ann, as_ann, asked, kw):
    thread = make_waiting(assigned_to=ann, **kw)
    assert listed(as_ann, **asked) == ["Boat"]
    snooze(thread, in_days(1), by=ann)
    assert listed(as_ann, **asked) == []
    assert listed(as_ann, snoozed="yes") == listed(as_ann, status="OPEN") == ["Boat"]
    let_time_pass(thread)
    assert listed(as_ann, **asked) == ["Boat"]
    assert listed(as_ann, snoozed="yes") == []


def test_snoozed_tab_counts_and_lists_the_next_to_come_back_first(ann, as_ann):
    for subject, days in (("Later", 5), ("Sooner", 1), ("Between", 3)):
        snooze(make_waiting(subject=subject), in_days(days), by=ann)
    counts = {tab["label"]: tab["count"] for tab in as_ann.get(LIST).context["cl"].tabs}
    assert (counts["Snoozed"], counts["Needs reply"]) == ("3", "0")
    assert listed(as_ann, snoozed="yes") == ["Sooner", "Between", "Later"]


def test_order_by_the_end_of_the_snooze_is_offered_for_snoozed_conversations_only(as_ann):
    answer = as_ann.get(LIST, {"order": "back"})
    assert "Unknown sort order" in page_text(answer)


def test_figures_and_badges_leave_snoozed_conversations_out(ann):
    thread = make_waiting()
    snooze(thread, in_days(1), by=ann)
    assert not Thread.objects.needs_reply().exists()
    assert Thread.objects.oldest_turns() == turns_of([thread]) == {"needs_reply": None, "waiting_on_them": None}


@pytest.mark.parametrize("text", ["Any news?", "Thanks!"])
def test_message_of_the_customer_ends_the_snooze(ann, text):
    thread = make_waiting(last_direction="out", awaiting_reply=True)
    snooze(thread, in_days(3), by=ann)
    add_message(thread, text=text, in_reply_to="<a@x>")
    assert (thread.snoozed_until, thread.snoozed_by) == (None, None)
    assert timeline(thread)[-1] == "New message in “Boat”: no longer snoozed"


def test_older_message_and_our_own_do_not_end_the_snooze(ann):
    thread = make_waiting()
    snooze(thread, in_days(3), by=ann)
    add_message(thread, days=-4)
    add_message(thread, Direction.OUT)
    assert thread.is_snoozed


def test_received_email_ends_the_snooze_once(ann, box):
    receive(box, raw_email("question", by=LEE, to=OURS), origin="1")
    thread = Thread.objects.get()
    snooze(thread, in_days(3), by=ann)
    for _ in range(2):
        receive(box, raw_email("again", by=LEE, to=OURS, answers="question", day=1), origin="2")
    thread.refresh_from_db()
    assert not thread.is_snoozed
    assert [line for line in timeline(thread) if "no longer snoozed" in line] == [timeline(thread)[-1]]


def test_conversation_that_came_back_says_so_until_something_happens(ann, as_ann):
    thread = make_waiting()
    snooze(thread, in_days(1), by=ann)
    let_time_pass(thread)
    assert "back since" in page_text(as_ann.get(LIST))
    assert "Back since" in page_text(as_ann.get(f"{LIST}{thread.pk}/change/"))
    add_message(thread, Direction.OUT)
    assert thread.came_back_at is None


def test_page_and_timeline_say_who_snoozed_until_when(ann, as_ann, settings):
    thread = make_waiting()
    until = in_days(1)
    snooze(thread, until, by=ann)
    page = page_text(as_ann.get(f"{LIST}{thread.pk}/change/"))
    assert "Snoozed until" in page and "by Ann" in page
    assert timeline(thread)[-1].startswith("Conversation “Boat” snoozed until ")
    assert ActivityLog.objects.get(target_id=thread.pk).actor == ann


def test_wake_now_returns_it_to_its_queue(ann, as_ann):
    thread = make_waiting()
    snooze(thread, in_days(1), by=ann)
    answer = as_ann.post(f"{LIST}{thread.pk}/do/wake/", follow=True)
    assert "“Boat” is back in its queue." in page_text(answer)
    assert listed(as_ann) == ["Boat"]
    with pytest.raises(IllegalTransition, match="is not snoozed"):
        wake(thread, by=ann)


@pytest.mark.parametrize("status", [ThreadStatus.RESOLVED, ThreadStatus.ARCHIVED])
def test_finished_conversation_is_not_snoozed(ann, status):
    thread = make_waiting()
    snooze(thread, in_days(1), by=ann)
    change_thread_status(thread, status, by=ann)
    assert thread.snoozed_until is None
    with pytest.raises(IllegalTransition, match=r"Reopen it before you snooze it\."):
        snooze(thread, in_days(1), by=ann)
    with pytest.raises(IntegrityError, match="threads_snoozed_is_open"), transaction.atomic():
        Thread.objects.filter(pk=thread.pk).update(snoozed_until=in_days(1))


@pytest.mark.parametrize(("days", "reason"), [(-0.1, "a time in the future"), (400, "at most a year")])
def test_impossible_time_is_refused(ann, days, reason):
    thread = make_waiting()
    with pytest.raises(InvalidInput, match=reason):
        snooze(thread, in_days(days), by=ann)
    thread.refresh_from_db()
    assert thread.snoozed_until is None


def test_snoozing_needs_permission_and_access(vera, bob, ann):
    with pytest.raises(NotPermitted, match="Vera may not snooze"):
        snooze(make_waiting(), in_days(1), by=vera)
    with pytest.raises(NotPermitted):
        snooze(make_waiting(lead=make_lead(assigned_to=ann)), in_days(1), by=bob)
    deleted = make_waiting()
    soft_delete(deleted, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted"):
        snooze(deleted, in_days(1), by=ann)


def test_form_offers_times_in_the_zone_of_the_reader(ann, as_ann):
    ann.time_zone = "Asia/Tokyo"
    ann.save()
    thread = make_waiting()
    as_ann.post(f"{LIST}{thread.pk}/do/snooze/", {"until": "Tomorrow", "at": ""})
    thread.refresh_from_db()
    assert thread.snoozed_until.astimezone(ZoneInfo("Asia/Tokyo")).hour == 9
    page = as_ann.post(f"{LIST}{thread.pk}/do/snooze/", {"until": "Tomorrow", "at": "soon"})
    assert "Enter a date and a time." in page_text(page)


def test_several_are_snoozed_and_woken_at_once(ann, as_ann):
    threads = [make_waiting(subject="One"), make_waiting(subject="Two")]
    chosen = {"index": "0", "apply": "1", "_selected_action": [str(one.pk) for one in threads]}
    page = as_ann.post(LIST, {**chosen, "action": "snooze", "until": "In 3 days", "at": ""}, follow=True)
    assert "2 conversations snoozed." in page_text(page)
    assert Thread.objects.snoozed().count() == 2
    as_ann.post(f"{LIST}?snoozed=yes", {**chosen, "action": "wake"}, follow=True)
    assert not Thread.objects.snoozed().exists()


def test_after_snoozing_comes_the_next_conversation(as_ann):
    first, second = make_waiting(last_message_at=in_days(-3)), make_waiting(subject="Next")
    query = urlencode({"list": ""})
    here = f"{LIST}{first.pk}/change/?{query}"
    answer = as_ann.post(f"{LIST}{first.pk}/do/snooze/", {"until": "Tomorrow", "at": "", "next": here})
    assert answer.url == f"{LIST}{second.pk}/change/?{query}"


def test_joining_one_that_is_not_snoozed_ends_the_snooze(ann):
    kept, other = make_waiting(source="EMAIL"), make_waiting(source="EMAIL", subject="Other")
    snooze(kept, in_days(1), by=ann)
    join(kept, other, by=ann)
    assert kept.snoozed_until is None
    assert not Thread.objects.snoozed().exists()


def test_assignment_keeps_the_snooze(ann, bob):
    thread = make_waiting()
    snooze(thread, in_days(1), by=ann)
    assign(thread, bob, by=ann)
    assert thread.is_snoozed
    assert listed(browser(bob), snoozed="yes") == ["Boat"]


def test_snooze_of_a_clock_that_ran_ahead_ends(ann):
    thread = make_waiting()
    Thread.objects.filter(pk=thread.pk).update(snoozed_until=in_days(4_000))
    tasks.correct_future_dates(timestamp=0)
    assert thread in Thread.objects.needs_reply()
