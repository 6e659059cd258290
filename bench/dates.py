"""Compare contact dates with those recomputed from the messages: `python -m bench.dates [--show N]`.

Reads the current database and changes nothing. Exits with 0 if every lead has the date and direction of its
messages. A date may be newer if a conversation was later unlinked or deleted, because dates never go back.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from bench.table import render_table
from inbox.models import Message
from leads.models import Lead

DEFAULT_SHOWN = 10
SAME, NEWER, WRONG = "as the messages say", "newer than any message that is still there", "WRONG"


class LastContact(NamedTuple):
    """The moment of the last contact, and whether it leaves them nothing to answer."""

    at: datetime
    is_theirs: bool


def find_last_contact(lead: Lead) -> LastContact | None:
    """Return the last contact with `lead`, found by scanning all messages of its conversations.

    Of two at the same moment, theirs counts as later. Closing words end the other side's turn and begin none.
    """
    last: dict[UUID, LastContact] = {}
    turns: dict[UUID, str] = {}
    messages = Message.objects.filter(thread__lead=lead).select_related("thread")
    for message in sorted(messages, key=lambda one: (one.sent_at, one.direction == "in")):
        key = message.thread_id
        if message.thread.is_deleted or message.thread.source in ("NOTE", "DOCUMENT"):
            continue
        if message.nature == "PERSON" and message.state in ("RECEIVED", "SENT"):
            if not message.is_closing or turns.get(key) != message.direction:
                turns[key] = "" if message.is_closing else message.direction
            last[key] = LastContact(message.sent_at, turns[key] != "out")
    return max(last.values(), default=None)


def compare_dates(lead: Lead, last: LastContact | None) -> str:
    """Return how the stored dates of `lead` compare with `last`."""
    if lead.last_contact_at is None:
        return SAME if last is None and not lead.awaiting_reply else WRONG
    if last is None or lead.last_contact_at > last.at:
        return NEWER
    return SAME if (lead.last_contact_at, lead.awaiting_reply) == (last.at, not last.is_theirs) else WRONG


def compare_leads(leads: Iterable[Lead]) -> Iterator[tuple[Lead, LastContact | None, str]]:
    for lead in leads:
        last = find_last_contact(lead)
        yield lead, last, compare_dates(lead, last)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dates", description=__doc__)
    parser.add_argument(
        "--show", type=int, default=DEFAULT_SHOWN, help=f"Number of leads to list (default: {DEFAULT_SHOWN})."
    )
    options = parser.parse_args()
    leads = Lead.objects.filter(threads__isnull=False).distinct().order_by("-last_contact_at", "pk")
    rows, verdicts = [], Counter[str]()
    for lead, last, verdict in compare_leads(leads.iterator()):
        verdicts[verdict] += 1
        if verdict == WRONG or len(rows) < options.show:
            rows.append(
                [str(lead)[:40], format_dates(lead.last_contact_at, lead.awaiting_reply), format_contact(last), verdict]
            )
    sys.stdout.write(render_table(["Lead", "has", "its messages say", ""], rows) + "\n")
    sys.stdout.write(
        render_table(["All leads with conversations", ""], [[name, f"{n:,}"] for name, n in verdicts.items()])
    )
    return int(WRONG in verdicts)


def format_contact(last: LastContact | None) -> str:
    return format_dates(last.at, not last.is_theirs) if last else "never"


def format_dates(at: datetime | None, is_awaiting_reply: bool) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}, {'waiting on them' if is_awaiting_reply else 'needs reply'}" if at else "never"


if __name__ == "__main__":
    sys.exit(main())
