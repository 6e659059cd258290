"""The way in: mails of a mailbox, many or one, taken in or set aside."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from psycopg.errors import ProgramLimitExceeded

from crm.exceptions import BadInput, refusing
from crm.models import User
from crm.records.activity import SYSTEM, Actor
from crm.records.transitions import soft_delete
from inbox.incoming.arrivals import Arrival, Read, read
from inbox.incoming.batch_storage import Outcome, take_in_all
from inbox.incoming.participants import our_addresses
from inbox.models import Mailbox, Message, SetAside

logger = logging.getLogger(__name__)

# What is larger is not kept a second time, only named.
LARGEST_KEPT = 5_000_000


@dataclass(frozen=True)
class Counted:
    """What became of mails: taken in, there already, set aside."""

    taken: int = 0
    there: int = 0
    aside: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.taken + other.taken, self.there + other.there, self.aside + other.aside)


def receive_many(mailbox: Mailbox, arrivals: Iterable[Arrival], *, ours: frozenset[str] | None = None) -> Counted:
    """Take in a batch of mails in one transaction, which may be part of the caller's.

    What the mailbox has already changes nothing. What cannot be read, or what the database refuses, is set aside with
    its reason, once. `ours` are `our_addresses()`, for whoever brings many batches.

    Raises:
        DatabaseError: the database gave up, which is not the mails' doing; nothing of the batch was taken in.
    """
    return receive_read(mailbox, [read(arrival) for arrival in arrivals], ours=ours)


def receive_read(mailbox: Mailbox, batch: Sequence[Read], *, ours: frozenset[str] | None = None) -> Counted:
    """As `receive_many`, of mails that have been understood already."""
    outcomes = received(mailbox, batch, ours)
    taken = sum(one.is_new for one in outcomes)
    aside = sum(one.is_aside for one in outcomes)
    return Counted(taken, len(outcomes) - taken - aside, aside)


def receive(
    mailbox: Mailbox, raw: bytes, *, origin: str, is_read: bool = False, ours: frozenset[str] | None = None
) -> Message | None:
    """Take in one mail; the message that is kept, or None where it was set aside."""
    (outcome,) = received(mailbox, [read(Arrival(origin, raw, is_read))], ours)
    return outcome.message


def received(mailbox: Mailbox, batch: Sequence[Read], ours: frozenset[str] | None) -> list[Outcome]:
    """What became of each mail of `batch`."""
    ours = our_addresses() if ours is None else ours
    with transaction.atomic():
        outcomes = iter(taken(mailbox, [one for one in batch if one.mail], ours))
        return [next(outcomes) if one.mail else put_aside(mailbox, one.arrival, one.reason) for one in batch]


def taken(mailbox: Mailbox, batch: Sequence[Read], ours: frozenset[str]) -> list[Outcome]:
    """What became of mails that were understood; what is refused is looked for by halves, and set aside alone."""
    try:
        with refusing():
            return take_in_all(mailbox, [(one.mail, one.arrival.is_read) for one in batch], ours) if batch else []
    except BadInput as refusal:
        reason = str(refusal)
    except DatabaseError as error:
        if not isinstance(error.__cause__, ProgramLimitExceeded):  # not the mail's doing: it will be brought again
            raise
        reason = "It holds something that is too long for the database."
    except Exception as error:
        logger.exception("Mails could not be taken in, the first of %d: %s.", len(batch), batch[0].arrival.origin)
        reason = f"The program could not make sense of it ({type(error).__name__})."
    if len(batch) == 1:
        return [put_aside(mailbox, batch[0].arrival, reason)]
    half = len(batch) // 2
    return taken(mailbox, batch[:half], ours) + taken(mailbox, batch[half:], ours)


def put_aside(mailbox: Mailbox, arrival: Arrival, reason: str) -> Outcome:
    return Outcome(is_aside=set_aside(mailbox, arrival.raw, origin=arrival.origin, reason=reason))


@transaction.atomic
def set_aside(mailbox: Mailbox, raw: bytes, *, origin: str, reason: str, size: int | None = None) -> bool:
    """Keep a mail that could not be taken in; whether that is new: once looked at, it does not come back.

    `size` is that of the mail, where `raw` is not all of it.
    """
    size, origin = len(raw) if size is None else size, origin[:500].replace("\x00", "")
    if SetAside.everything.filter(mailbox=mailbox, origin=origin, size=size).exists():
        return False
    kept = raw if len(raw) == size <= LARGEST_KEPT else b""
    given = {"reason": reason, "size": size, "raw": kept}
    return SetAside.objects.get_or_create(mailbox=mailbox, origin=origin, defaults=given)[1]


@transaction.atomic
def take_in_again(kept: SetAside, *, by: Actor | User) -> Message:
    """Try once more to take in what was set aside; it is off the list then.

    Raises:
        NotAllowed: `by` may not.
        BadInput: it still cannot be read, or its bytes are not here.
    """
    Actor.of(by).require("inbox.change_setaside", "take in what was set aside")
    if not kept.raw:
        raise BadInput("It is too large to be kept here: look at it in the mailbox itself.")
    again = read(Arrival(kept.origin, bytes(kept.raw)))
    if again.mail is None:
        raise BadInput(f"It still cannot be read. {again.reason}")
    with refusing():
        (outcome,) = take_in_all(kept.mailbox, [(again.mail, False)], our_addresses())
    soft_delete(kept, by=SYSTEM, about=outcome.message.thread)
    return outcome.message
