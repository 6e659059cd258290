"""What the inbox adds to the first page: conversations to answer, meetings of the day, emails that were not sent."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from crm.models import User
from crm.records.local_time import agency_today, format_time
from crm.records.owners.branches import first_rows
from crm.screens.panels import CountedFigure, DashboardFigure
from crm.screens.today.items import Candidate, TodayAction, TodayItem, TodaySource, Urgency
from inbox.filters import with_unsent_messages
from inbox.models import Sentiment, Thread
from inbox.models.thread import STARTS_AT
from inbox.outgoing.outbox import SEND_PERMISSION

# A customer who waits longer has waited too long.
LONG_WAIT = timedelta(hours=24)
PRESSING_SENTIMENTS = {Sentiment.URGENT, Sentiment.NEGATIVE}
THREAD_COLUMNS = (
    *("subject", "source", "status", "last_message_at", "created_at", "sentiment", "participant_emails", "metadata"),
    *("lead", "client", "owner", "record_owner", "restriction"),
    *("lead__contact_name", "lead__company_name", "lead__estimated_value", "lead__assigned_to"),
    *("client__name", "client__assigned_to"),
)


def failed_to_send_figure(user: User, now: datetime) -> CountedFigure | None:
    """Return the number of conversations with unsent messages; no figure if there are none."""
    if not user.has_perm("inbox.view_thread"):
        return None
    return CountedFigure({"count": with_unsent_messages(Thread.objects.visible_to(user))}, make_failed_to_send_figure)


def make_failed_to_send_figure(count: int) -> DashboardFigure | None:
    url = f"{reverse('admin:inbox_thread_changelist')}?sent=no"
    note = "conversation" if count == 1 else "conversations"
    return DashboardFigure.from_count("Failed to send", count, url, note) if count else None


def answer_source(user: User, now: datetime) -> TodaySource | None:
    """Return the conversations that need our reply, the longest wait first."""
    if not user.has_perm("inbox.view_thread"):
        return None
    rows = Thread.objects.visible_to(user).needs_reply()

    def load(size: int) -> Iterator[Candidate]:
        for thread in first_rows(rows.select_related("lead", "client").only(*THREAD_COLUMNS), size):
            since = thread.last_activity_at
            is_pressing = thread.sentiment in PRESSING_SENTIMENTS or now - since >= LONG_WAIT
            value = thread.lead.estimated_value if thread.lead else None
            urgency = Urgency.NOW if is_pressing else Urgency.TODAY
            yield Candidate(urgency, value, since, partial(build_answer, thread, user, now), thread.pk)

    return TodaySource("answer", "Answer", "reply", reverse("admin:inbox_thread_changelist"), rows, load)


def build_answer(thread: Thread, user: User, now: datetime) -> TodayItem:
    url = reverse("admin:inbox_thread_change", args=[thread.pk])
    return TodayItem(
        person=person_of(thread, user),
        text=str(thread),
        url=url,
        icon="reply",
        action=TodayAction("Reply", f"{url}#reply") if user.has_perm(SEND_PERMISSION) else None,
        since=thread.last_activity_at,
        since_label="wrote",
        is_late=now - thread.last_activity_at >= LONG_WAIT,
        value=thread.lead.estimated_value if thread.lead and thread.lead.is_visible_to(user) else None,
    )


def person_of(thread: Thread, user: User) -> str:
    """Return who `thread` is with, as `user` may know it."""
    customer = thread.lead or thread.client
    if customer is not None:
        return customer.name_for(user)
    return thread.participant_emails[0] if thread.participant_emails else ""


def meeting_source(user: User, now: datetime) -> TodaySource | None:
    """Return the calls and meetings that are booked for today, or were for yesterday and are still open."""
    if not user.has_perm("inbox.view_thread"):
        return None
    today = agency_today(now)
    rows = Thread.objects.visible_to(user).meetings_between(today - timedelta(days=1), today + timedelta(days=1))

    def load(size: int) -> Iterator[Candidate]:
        ordered = rows.order_by(STARTS_AT, "id")
        for thread in first_rows(ordered.select_related("lead", "client").only(*THREAD_COLUMNS), size):
            at = parse_datetime(thread.metadata["starts_at"]) or now
            value = thread.lead.estimated_value if thread.lead else None
            urgency = Urgency.NOW if at <= now + timedelta(hours=1) else Urgency.TODAY
            yield Candidate(urgency, value, at, partial(build_meeting, thread, user, at, now))

    return TodaySource("meet", "Meet", "event", reverse("admin:inbox_thread_changelist"), rows, load)


def build_meeting(thread: Thread, user: User, at: datetime, now: datetime) -> TodayItem:
    url = reverse("admin:inbox_thread_change", args=[thread.pk])
    return TodayItem(
        person=person_of(thread, user),
        text=str(thread),
        url=url,
        icon="event",
        action=TodayAction("Open", url),
        due=f"at {format_time(at)}",
        is_late=at < now,
    )
