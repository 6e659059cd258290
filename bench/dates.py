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

from bench.table import rendered
from inbox.models import Message
from leads.models import Lead

SHOWN = 10
SAME, NEWER, WRONG = "as the messages say", "newer than any message that is still there", "WRONG"


class Said(NamedTuple):
    """When something was said, and whether by them: of two at one moment theirs is the later one."""

    at: datetime
    theirs: bool


def counted(lead: Lead) -> Said | None:
    """The last that was said between us and `lead`, found by looking at each message of each conversation."""
    last = None
    for message in Message.objects.filter(thread__lead=lead).select_related("thread"):
        if message.thread.is_deleted or message.thread.source in ("NOTE", "DOCUMENT"):
            continue
        if message.nature == "PERSON" and message.state in ("RECEIVED", "SENT"):
            said = Said(message.sent_at, message.direction == "in")
            last = said if last is None else max(last, said)
    return last


def judged(lead: Lead, last: Said | None) -> str:
    """Whether the dates that `lead` has are those of what was said `last`."""
    if lead.last_contact_at is None:
        return SAME if last is None and not lead.awaiting_reply else WRONG
    if last is None or lead.last_contact_at > last.at:
        return NEWER
    return SAME if (lead.last_contact_at, lead.awaiting_reply) == (last.at, not last.theirs) else WRONG


def compared(leads: Iterable[Lead]) -> Iterator[tuple[Lead, Said | None, str]]:
    for lead in leads:
        last = counted(lead)
        yield lead, last, judged(lead, last)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dates", description=__doc__)
    parser.add_argument("--show", type=int, default=SHOWN, help=f"How many leads are named ({SHOWN}).")
    options = parser.parse_args()
    leads = Lead.objects.filter(threads__isnull=False).distinct().order_by("-last_contact_at", "pk")
    rows, verdicts = [], Counter[str]()
    for lead, last, verdict in compared(leads.iterator()):
        verdicts[verdict] += 1
        if verdict == WRONG or len(rows) < options.show:
            rows.append([str(lead)[:40], shown(lead.last_contact_at, lead.awaiting_reply), told(last), verdict])
    sys.stdout.write(rendered(["Lead", "has", "its messages say", ""], rows) + "\n")
    sys.stdout.write(rendered(["All leads with conversations", ""], [[name, f"{n:,}"] for name, n in verdicts.items()]))
    return int(WRONG in verdicts)


def told(last: Said | None) -> str:
    return shown(last.at, not last.theirs) if last else "never"


def shown(at: datetime | None, waiting: bool) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}, {'they owe' if waiting else 'we owe'}" if at else "never"


if __name__ == "__main__":
    sys.exit(main())
