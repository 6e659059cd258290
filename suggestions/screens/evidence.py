"""The evidence of a suggestion: what it quotes, and the page of each source that its reader may open.

Evidence is a list of `{"quote", "source", "id", "at"}`: `source` is "message", "thread" or "lead", and `id` its
key. An entry may also be plain text. A quote is shown only to readers of its source.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.dateparse import parse_datetime

from crm.models import User
from crm.records.base import can_see_everyone
from crm.records.local_time import in_agency_zone
from inbox.models import Message, Thread
from leads.models import Lead
from suggestions import transitions
from suggestions.models import Suggestion

MAX_EVIDENCE = 20


@dataclass(frozen=True)
class EvidenceItem:
    """A quote that a suggestion is based on, and the page of its source if the user may open it."""

    quote: Any
    who: str = ""
    # The reader may not see its source, so there is no quote.
    is_hidden: bool = False
    at: datetime | None = None
    url: str = ""
    where: str = ""


def change_page_url(name: str, pk: Any) -> str:
    try:
        return reverse(f"admin:{name}_change", args=[pk])
    except NoReverseMatch:
        return ""


def concerns_same_record(other: Any, row: Suggestion) -> bool:
    """Whether `other` is about the lead and client of `row` only, so that its readers may see it too."""
    return other.lead_id in {None, row.lead_id} and other.client_id in {None, row.client_id}


@dataclass
class EvidenceSources:
    """The messages, threads and leads that a suggestion names and `user` may see."""

    user: User
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    # The latest message of the thread after the suggestion, whether `user` may see it or not.
    newer_message: Message | None = None

    @classmethod
    def of(cls, row: Suggestion, user: User) -> "EvidenceSources":
        """Load the sources of `row` in as few queries as possible."""
        sources, entries = cls(user), row.evidence[:MAX_EVIDENCE]
        messages = sources.load_messages(row, evidence_ids(entries, "message"))
        if user.has_perm("inbox.view_thread"):
            sources.threads = sources.visible_threads(
                row, evidence_ids(entries, "thread") | {m.thread_id for m in messages}
            )
            sources.messages = {str(m.pk): m for m in messages if str(m.thread_id) in sources.threads}
        quoted = evidence_ids(entries, "lead")
        if quoted and user.has_perm("leads.view_lead"):
            sources.leads = index_by_pk(Lead.everything.visible_to(user).filter(pk__in=quoted))
        return sources

    def load_messages(self, row: Suggestion, quoted: set[UUID]) -> list[Message]:
        """Return the quoted messages, the one that `row` answers, and the latest after it."""
        wanted = quoted | ({row.message_id} if row.message_id else set())
        later = transitions.newer_messages(row)
        if not wanted and row.thread_id is None:
            return []
        wanted_messages = Message.objects.filter(models.Q(pk__in=wanted) | models.Q(pk__in=later.values("pk")[:1]))
        messages = list(wanted_messages.defer("body_html", "media", "attachments").order_by("sent_at", "id"))
        latest = [m for m in messages if m.thread_id == row.thread_id and m.sent_at > row.created_at]
        self.newer_message = latest[-1] if latest and row.status in transitions.DECIDABLE_STATUSES else None
        return messages

    def visible_threads(self, row: Suggestion, wanted: set[UUID]) -> dict[str, Thread]:
        found = {}
        if row.thread is not None and not row.thread.is_deleted and concerns_same_record(row.thread, row):
            found[str(row.thread_id)] = row.thread
            wanted = wanted - {row.thread_id}
        elif row.thread_id:
            wanted = wanted | {row.thread_id}
        return {**found, **index_by_pk(Thread.objects.visible_to(self.user).filter(pk__in=wanted))} if wanted else found

    def evidence(self, row: Suggestion) -> list[EvidenceItem]:
        """Return the evidence of `row` with its sources; without any quote, the message that it answers."""
        items = [self.build_evidence_item(row, entry) for entry in row.evidence[:MAX_EVIDENCE]]
        message = self.messages.get(str(row.message_id))
        if not items and message is not None:
            items = [
                self.build_evidence_item(row, {"quote": message.snippet, "source": "message", "id": str(message.pk)})
            ]
        return items

    def build_evidence_item(self, row: Suggestion, entry: Any) -> EvidenceItem:
        if not isinstance(entry, dict):
            return EvidenceItem(entry)
        quote, at, key = entry.get("quote") or entry, parse_timestamp(entry.get("at")), str(entry.get("id"))
        if entry.get("source") == "message" and (message := self.messages.get(key)):
            url = reverse("admin:inbox_thread_message", args=[message.pk])
            return EvidenceItem(quote, message.from_email, at=at or message.sent_at, url=url, where=str(message))
        if entry.get("source") == "thread" and (thread := self.threads.get(key)):
            return EvidenceItem(quote, at=at, url=change_page_url("inbox_thread", thread.pk), where=str(thread))
        if entry.get("source") == "lead" and (lead := self.leads.get(key)):
            return EvidenceItem(quote, at=at, url=change_page_url("leads_lead", lead.pk), where=str(lead))
        # What was deleted since, and what is no record here, is for readers who see everything.
        is_hidden = "source" in entry and not can_see_everyone(self.user)
        return EvidenceItem("" if is_hidden else quote, at=at, is_hidden=is_hidden)


def parse_timestamp(text: Any) -> datetime | None:
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return in_agency_zone(found) if found else None


def evidence_ids(entries: list[Any], source: str) -> set[UUID]:
    """Return the keys in `entries` of `source`; invalid keys are skipped."""
    found = set()
    for entry in entries:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(entry["id"]))
    return found


def index_by_pk(rows: models.QuerySet) -> dict[str, Any]:
    return {str(row.pk): row for row in rows}
