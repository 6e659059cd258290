"""The conversations panel on the pages of leads, clients and contacts."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, Contact, User
from crm.screens.paging import capped_count, format_capped_count
from crm.screens.panels import HeadlineBadge, Panel
from inbox.message_view import load_recent_messages
from inbox.models import LAST_ACTIVITY, Direction, Draft, Thread, ThreadStatus
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.search import filter_by_participant
from leads.models import Lead, Policy
from leads.models.policy import RENEWABLE_STATUSES

MAX_CONVERSATIONS_SHOWN = 10
BADGES = {
    "needs_reply": ("Needs reply", "reply", "red"),
    "waiting_on_them": ("Waiting on them", "schedule", "amber"),
}


def lead_conversations(request: HttpRequest, lead: Lead) -> Panel | None:
    write = {"lead": lead.pk} if not lead.is_deleted else {}
    return conversations_panel(request, Thread.objects.filter(lead=lead), {"lead": lead.pk}, write)


def client_conversations(request: HttpRequest, client: Client) -> Panel | None:
    write = {"client": client.pk} if not client.is_deleted else {}
    return conversations_panel(request, Thread.objects.filter(client=client), {"client": client.pk}, write)


def policy_conversations(request: HttpRequest, policy: Policy) -> Panel | None:
    """Return the conversations about this policy, with a button that starts or opens that of its renewal."""
    panel = conversations_panel(request, Thread.objects.filter(policy=policy), {"policy": policy.pk}, {})
    may_start = policy.status in RENEWABLE_STATUSES and request.user.has_perm(SEND_PERMISSION)
    if panel is None or policy.is_deleted or not may_start:
        return panel
    start = reverse("admin:inbox_thread_policy", args=[policy.pk])
    return replace(panel, content={**panel.content, "start": start})


def contact_conversations(request: HttpRequest, contact: Contact) -> Panel | None:
    """Return the conversations that include the contact's address."""
    address = contact.email.lower()
    threads = filter_by_participant(Thread.objects.all(), address) if address else Thread.objects.none()
    write = {"contact": contact.pk} if not contact.is_deleted else {}
    return conversations_panel(request, threads, {"participant": address}, write)


def conversations_panel(
    request: HttpRequest, threads: QuerySet[Thread], list_filter: dict[str, Any], write: dict[str, Any]
) -> Panel | None:
    """Return the panel with the newest conversations. `write` holds the composer parameters that set the recipient."""
    if not request.user.has_perm("inbox.view_thread"):
        return None
    threads = threads.visible_to(request.user)
    newest = list(threads.order_by(LAST_ACTIVITY.desc(), "-id")[: MAX_CONVERSATIONS_SHOWN + 1])
    count = len(newest) if len(newest) <= MAX_CONVERSATIONS_SHOWN else capped_count(threads)
    messages_by_thread = load_recent_messages(newest[:MAX_CONVERSATIONS_SHOWN]) if newest else {}
    query, write_url = urlencode(list_filter), ""
    context = {
        "threads": [(thread, messages_by_thread.get(thread.pk, [])) for thread in newest[:MAX_CONVERSATIONS_SHOWN]],
        "all": f"{reverse('admin:inbox_thread_changelist')}?{query}" if count > MAX_CONVERSATIONS_SHOWN else "",
    }
    if write and request.user.has_perm(SEND_PERMISSION):
        write_url = f"{reverse('admin:inbox_draft_add')}?{urlencode(write)}"
        context["drafts"] = own_drafts(request.user, write)
    may_log = request.user.has_perm("inbox.add_thread") and list_filter.keys() <= {"lead", "client"}
    url = f"{reverse('admin:inbox_thread_add')}?{query}" if may_log else ""
    return Panel(
        "Conversations",
        "inbox/panel.html",
        context,
        write_url=write_url,
        count=format_capped_count(count),
        url=url,
        link_label="Log a conversation",
        badges=reply_badges(threads, newest),
    )


def own_drafts(user: User, recipient: dict[str, Any]) -> list[Draft]:
    """Return the drafts of `user` to a client, of emails that begin a conversation."""
    if "client" not in recipient:
        return []
    drafts = Draft.objects.visible_to(user).filter(thread=None, **recipient)
    return list(drafts.order_by("-updated_at", "-id")[:MAX_CONVERSATIONS_SHOWN])


def reply_badges(threads: QuerySet[Thread], newest: list[Thread]) -> tuple[HeadlineBadge, ...]:
    """Return the badge that says since when a reply is due, ours before theirs; none if no one's turn.

    Only where there are more `threads` than the `newest`, a statement asks for the others.
    """
    since = turns_of(newest) if len(newest) <= MAX_CONVERSATIONS_SHOWN else threads.oldest_turns()
    return tuple(HeadlineBadge(*BADGES[turn], moment) for turn, moment in since.items() if moment)[:1]


def turns_of(threads: list[Thread]) -> dict[str, datetime | None]:
    """Return what `ThreadQuerySet.oldest_turns` does, of loaded threads."""
    open_threads = [thread for thread in threads if thread.status == ThreadStatus.OPEN and not thread.is_snoozed]
    ours = [thread.last_activity_at for thread in open_threads if thread.last_direction == Direction.IN]
    theirs = [thread.last_activity_at for thread in open_threads if thread.awaiting_reply]
    return {"needs_reply": min(ours, default=None), "waiting_on_them": min(theirs, default=None)}
