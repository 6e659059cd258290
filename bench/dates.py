"""Contact dates beside those that plain counting finds in the messages: `python -m bench.dates [--show N]`.

It reads the database in use and changes nothing. 0 if every lead has the date and the turn that its messages say.
A date may be newer where a conversation was taken from the lead, or deleted, since: it never goes back.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from bench.table import render_table
from inbox.models import Message
from leads.models import Lead

DEFAULT_SHOWN = 10
SAME, NEWER, WRONG = "as the messages say", "newer than any message that is still there", "WRONG"


class LastContact(NamedTuple):
    """When something was said, and whether by them: of two at one moment theirs is the later one."""

    at: datetime
    is_theirs: bool


def find_last_contact(lead: Lead) -> LastContact | None:
    """The last that was said between us and `lead`, found by looking at each message of each conversation."""
    last = None
    for message in Message.objects.filter(thread__lead=lead).select_related("thread"):
        if message.thread.is_deleted or message.thread.source in ("NOTE", "DOCUMENT"):
            continue
        if message.nature == "PERSON" and message.state in ("RECEIVED", "SENT"):
            contact = LastContact(message.sent_at, message.direction == "in")
            last = contact if last is None else max(last, contact)
    return last


def compare_dates(lead: Lead, last: LastContact | None) -> str:
    """Whether the dates that `lead` has are those of what was said `last`."""
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
    parser.add_argument("--show", type=int, default=DEFAULT_SHOWN, help=f"How many leads are named ({DEFAULT_SHOWN}).")
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
    return f"{at:%Y-%m-%d %H:%M:%S}, {'they owe' if is_awaiting_reply else 'we owe'}" if at else "never"


if __name__ == "__main__":
    sys.exit(main())
