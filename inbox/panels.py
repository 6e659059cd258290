"""The conversations panel on the pages of leads, clients and contacts."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, Contact
from crm.screens.paging import capped_count, format_capped_count
from crm.screens.panels import Panel
from inbox.message_view import load_recent_messages
from inbox.models import LAST_ACTIVITY, Thread
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.search import filter_by_participant
from leads.models import Lead

MAX_CONVERSATIONS_SHOWN = 10


def lead_conversations(request: HttpRequest, lead: Lead) -> Panel | None:
    write = {"lead": lead.pk} if not lead.is_deleted else {}
    return conversations_panel(request, Thread.objects.filter(lead=lead), {"lead": lead.pk}, write)


def client_conversations(request: HttpRequest, client: Client) -> Panel | None:
    write = {"client": client.pk} if not client.is_deleted else {}
    return conversations_panel(request, Thread.objects.filter(client=client), {"client": client.pk}, write)


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
    query = urlencode(list_filter)
    context = {
        "threads": [(thread, messages_by_thread.get(thread.pk, [])) for thread in newest[:MAX_CONVERSATIONS_SHOWN]],
        "all": f"{reverse('admin:inbox_thread_changelist')}?{query}" if count > MAX_CONVERSATIONS_SHOWN else "",
    }
    if write and request.user.has_perm(SEND_PERMISSION):
        context["write"] = f"{reverse('admin:inbox_draft_add')}?{urlencode(write)}"
    may_log = request.user.has_perm("inbox.add_thread") and "participant" not in list_filter
    url = f"{reverse('admin:inbox_thread_add')}?{query}" if may_log else ""
    return Panel(
        "Conversations",
        "inbox/panel.html",
        context,
        count=format_capped_count(count),
        url=url,
        link_label="Log a conversation",
    )
