"""An answer: to whom it goes, what it is called and what it repeats."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models.functions import Lower
from django.utils import timezone

from crm.models import User
from crm.text.addresses import house, visible
from inbox.models import Direction, Mailbox, Message, Nature, Thread
from inbox.thread_state import SAID

RE = re.compile(r"^\s*re\s*:", re.IGNORECASE)
LONGEST_QUOTE, LONGEST_SUBJECT = 4_000, 400


@dataclass(frozen=True)
class Answer:
    """What answering a conversation begins with; `others` are those whom answering all would add."""

    to: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    subject: str = ""
    message: Message | None = None


def answer_in(thread: Thread) -> Answer:
    """To whoever wrote last in `thread`; if that was us, to whom we wrote."""
    rows = Message.objects.filter(thread=thread, state__in=SAID).defer("body_html")
    last = rows.filter(nature=Nature.PERSON).order_by("-sent_at", "direction", "-id").first()
    if last is None:
        return Answer(subject=answering(thread.subject))
    wrote = [last.reply_to or last.from_email] if last.direction == Direction.IN else last.to_emails
    everybody = once([*wrote, last.from_email, *last.to_emails, *last.cc_emails])
    ours = ours_among(everybody)
    to = [one for one in once(wrote) if one.lower() not in ours] or once(wrote)
    taken = ours | {one.lower() for one in (*to, last.from_email)}
    others = [one for one in everybody if one.lower() not in taken]
    return Answer(to, others, answering(last.subject or thread.subject), last)


def answering(subject: str) -> str:
    """How the answer to a mail called `subject` is called; theirs may hold anything."""
    subject = visible(subject)[:LONGEST_SUBJECT] or "Your message"
    return subject if RE.match(subject) else f"Re: {subject}"


def quoted(message: Message) -> str:
    """What is answered, as mail programs repeat it."""
    text = message.body_text.strip()
    if not text:
        return ""
    if len(text) > LONGEST_QUOTE:
        text = f"{text[:LONGEST_QUOTE].rstrip()}\n[…]"
    at = timezone.localtime(message.sent_at)
    lines = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"On {at:%-d %B %Y at %H:%M}, {message.from_email or 'somebody'} wrote:\n{lines}"


def once(addresses: Iterable[str]) -> list[str]:
    """`addresses` without the empty ones, each once, whatever its case."""
    found: dict[str, str] = {}
    for one in addresses:
        if one:
            found.setdefault(one.lower(), one)
    return list(found.values())


def ours_among(addresses: Iterable[str]) -> set[str]:
    """Those of `addresses`, in lower case, that are a mailbox of ours, a member of staff, or the house."""
    low = {one.lower() for one in addresses}
    boxes = Mailbox.everything.annotate(low=Lower("address")).filter(low__in=low).values_list("low")
    staff = User.objects.annotate(low=Lower("email")).filter(low__in=low).values_list("low")
    return {one for (one,) in boxes.union(staff)} | (low & {house()[1].lower()})
