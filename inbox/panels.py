"""What the pages of leads and clients show of what was said."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from crm.models import Client, Contact
from crm.screens.paging import capped, capped_count
from crm.screens.panels import Section
from inbox.message_view import last_words
from inbox.models import LAST_SAID, Thread
from inbox.outgoing.outbox import SEND
from inbox.search import of_address
from leads.models import Lead

SHOWN = 10


def of_lead(request: HttpRequest, lead: Lead) -> Section | None:
    write = {"lead": lead.pk} if not lead.is_deleted else {}
    return conversations(request, Thread.objects.filter(lead=lead), {"lead": lead.pk}, write)


def of_client(request: HttpRequest, client: Client) -> Section | None:
    write = {"client": client.pk} if not client.is_deleted else {}
    return conversations(request, Thread.objects.filter(client=client), {"client": client.pk}, write)


def of_contact(request: HttpRequest, contact: Contact) -> Section | None:
    """What was said where their address takes part."""
    address = contact.email.lower()
    theirs = of_address(Thread.objects.all(), address) if address else Thread.objects.none()
    write = {"contact": contact.pk} if not contact.is_deleted else {}
    return conversations(request, theirs, {"participant": address}, write)


def conversations(
    request: HttpRequest, threads: QuerySet[Thread], whose: dict[str, Any], write: dict[str, Any]
) -> Section | None:
    """The newest conversations with their last words, the latest open to read; `write` says to whom a mail would go."""
    if not request.user.has_perm("inbox.view_thread"):
        return None
    threads = threads.visible_to(request.user)
    newest = list(threads.order_by(LAST_SAID.desc(), "-id")[: SHOWN + 1])
    count = len(newest) if len(newest) <= SHOWN else capped_count(threads)
    said = last_words(newest[:SHOWN]) if newest else {}
    asked = urlencode(whose)
    shown = {
        "threads": [(thread, said.get(thread.pk, [])) for thread in newest[:SHOWN]],
        "all": f"{reverse('admin:inbox_thread_changelist')}?{asked}" if count > SHOWN else "",
    }
    if write and request.user.has_perm(SEND):
        shown["write"] = f"{reverse('admin:inbox_draft_add')}?{urlencode(write)}"
    may_log = request.user.has_perm("inbox.add_thread") and "participant" not in whose
    url = f"{reverse('admin:inbox_thread_add')}?{asked}" if may_log else ""
    return Section(
        "Conversations", "inbox/of_record.html", shown, count=capped(count), url=url, link="Log a conversation"
    )
