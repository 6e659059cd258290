"""The defaults of a reply: recipients, subject and quoted text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models.functions import Lower

from crm.models import User
from crm.records.local_time import agency_style, agency_time
from crm.text.addresses import agency_sender, sendable_address
from crm.text.hidden_characters import strip_hidden_characters
from inbox.models import Direction, Mailbox, Message, Nature, Thread
from inbox.thread_state import DELIVERED_STATES

REPLY_PREFIX = re.compile(r"^\s*re\s*:", re.IGNORECASE)
MAX_REPLY_QUOTE_LENGTH, MAX_REPLY_SUBJECT_LENGTH = 4_000, 400


@dataclass(frozen=True)
class ReplyDefaults:
    """The initial values of a reply. `other_recipients` are those that "Reply all" adds."""

    to: list[str] = field(default_factory=list)
    other_recipients: list[str] = field(default_factory=list)
    subject: str = ""
    message: Message | None = None


def load_reply_defaults(thread: Thread) -> ReplyDefaults:
    """Return the defaults for replying to the last message of `thread`; if we sent it, to its recipients again."""
    rows = Message.objects.filter(thread=thread, state__in=DELIVERED_STATES).defer("body_html")
    last = rows.filter(nature=Nature.PERSON).order_by("-sent_at", "direction", "-id").first()
    if last is None and thread.message_count == 0:
        # The first email of a conversation that was started about something.
        return ReplyDefaults(unique_addresses(thread.participant_emails), subject=thread.subject)
    if last is None:
        return ReplyDefaults(subject=reply_subject(thread.subject))
    theirs = [last.reply_to or last.from_email, *last.media.get("reply_to", ())]
    reply_addresses = theirs if last.direction == Direction.IN else last.to_emails
    all_addresses = unique_addresses([*reply_addresses, last.from_email, *last.to_emails, *last.cc_emails])
    our_addresses = find_our_addresses(all_addresses)
    to = [one for one in unique_addresses(reply_addresses) if one.lower() not in our_addresses] or unique_addresses(
        reply_addresses
    )
    excluded = our_addresses | {one.lower() for one in (*to, last.from_email)}
    other_recipients = [one for one in all_addresses if one.lower() not in excluded]
    return ReplyDefaults(to, other_recipients, reply_subject(last.subject or thread.subject), last)


def reply_subject(subject: str) -> str:
    """Return the subject of a reply. The original may contain hidden characters, which are removed."""
    subject = strip_hidden_characters(subject)[:MAX_REPLY_SUBJECT_LENGTH] or "Your message"
    return subject if REPLY_PREFIX.match(subject) else f"Re: {subject}"


def quote_message(message: Message) -> str:
    """Return the text of `message` quoted line by line, as mail programs do."""
    text = message.body_text.strip()
    if not text:
        return ""
    if len(text) > MAX_REPLY_QUOTE_LENGTH:
        text = f"{text[:MAX_REPLY_QUOTE_LENGTH].rstrip()}\n[…]"
    at, style = agency_time(message.sent_at), agency_style()
    lines = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"On {style.long_day(at)} at {style.time(at)}, {message.from_email or 'an unknown sender'} wrote:\n{lines}"


def unique_addresses(addresses: Iterable[str]) -> list[str]:
    """Return `addresses` as mail servers need them, without empty ones and duplicates, ignoring case."""
    unique: dict[str, str] = {}
    for one in map(sendable_address, addresses):
        if one:
            unique.setdefault(one.lower(), one)
    return list(unique.values())


def find_our_addresses(addresses: Iterable[str]) -> set[str]:
    """Return, in lower case, those of `addresses` that belong to a mailbox, the staff or the agency."""
    low = {one.lower() for one in addresses if one}
    boxes = Mailbox.everything.annotate(low=Lower("address")).filter(low__in=low).values_list("low")
    staff = User.objects.annotate(low=Lower("email")).filter(low__in=low).values_list("low")
    return {one for (one,) in boxes.union(staff)} | (low & {agency_sender()[1].lower()})
