"""Receive email into a mailbox, one or many. An email that cannot be stored is set aside."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, transaction
from psycopg.errors import ProgramLimitExceeded

from crm.exceptions import InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.transitions import soft_delete
from inbox.incoming.arrivals import Arrival, ParsedArrival, parse_arrival
from inbox.incoming.batch_storage import ReceiveOutcome, store_emails
from inbox.incoming.participants import our_addresses
from inbox.models import Mailbox, Message, SetAside

logger = logging.getLogger(__name__)

# Larger emails are set aside without their content; only the reason is stored.
MAX_STORED_BYTES = 5_000_000


@dataclass(frozen=True)
class ReceiveCounts:
    """How many emails were stored, already known, and set aside."""

    taken: int = 0
    duplicates: int = 0
    aside: int = 0

    def __add__(self, other: "ReceiveCounts") -> "ReceiveCounts":
        return ReceiveCounts(self.taken + other.taken, self.duplicates + other.duplicates, self.aside + other.aside)


def receive_many(
    mailbox: Mailbox, arrivals: Iterable[Arrival], *, own_addresses: frozenset[str] | None = None
) -> ReceiveCounts:
    """Store a batch of emails in one transaction, which may be part of the caller's.

    Emails that the mailbox already has are skipped. An email that cannot be parsed, or that the database refuses, is
    set aside once, with the reason. A caller with many batches passes the result of `our_addresses()` as
    `own_addresses`.

    Raises:
        DatabaseError: the database failed, not because of an email; nothing of the batch was stored.
    """
    return receive_parsed(mailbox, [parse_arrival(arrival) for arrival in arrivals], own_addresses=own_addresses)


def receive_parsed(
    mailbox: Mailbox, batch: Sequence[ParsedArrival], *, own_addresses: frozenset[str] | None = None
) -> ReceiveCounts:
    """Like `receive_many`, for emails that have been parsed already."""
    outcomes = receive_batch(mailbox, batch, own_addresses)
    taken = sum(one.is_new for one in outcomes)
    aside = sum(one.is_aside for one in outcomes)
    return ReceiveCounts(taken, len(outcomes) - taken - aside, aside)


def receive(
    mailbox: Mailbox, raw: bytes, *, origin: str, is_read: bool = False, own_addresses: frozenset[str] | None = None
) -> Message | None:
    """Store one email. Return the stored message, or None if the email was set aside."""
    (outcome,) = receive_batch(mailbox, [parse_arrival(Arrival(origin, raw, is_read))], own_addresses)
    return outcome.message


def receive_batch(
    mailbox: Mailbox, batch: Sequence[ParsedArrival], own_addresses: frozenset[str] | None
) -> list[ReceiveOutcome]:
    """Store `batch` and return the outcome of each email."""
    own_addresses = our_addresses() if own_addresses is None else own_addresses
    with transaction.atomic():
        outcomes = iter(store_parsed(mailbox, [one for one in batch if one.mail], own_addresses))
        return [next(outcomes) if one.mail else set_aside_arrival(mailbox, one.arrival, one.reason) for one in batch]


def store_parsed(
    mailbox: Mailbox, batch: Sequence[ParsedArrival], own_addresses: frozenset[str]
) -> list[ReceiveOutcome]:
    """Store parsed emails. If the batch is refused, halve it until the email at fault is found, and set that aside."""
    try:
        with errors_as_invalid_input():
            return store_emails(mailbox, [(one.mail, one.arrival) for one in batch], own_addresses) if batch else []
    except InvalidInput as exception:
        reason = str(exception)
    except DatabaseError as error:
        if not isinstance(error.__cause__, ProgramLimitExceeded):  # not the email's fault: the batch is retried
            raise
        reason = "The email contains a value that is too long for the database."
    except Exception as error:
        logger.exception(
            "A batch of %d emails could not be stored, starting at %s.", len(batch), batch[0].arrival.origin
        )
        reason = f"The email could not be stored ({type(error).__name__})."
    if len(batch) == 1:
        return [set_aside_arrival(mailbox, batch[0].arrival, reason)]
    half = len(batch) // 2
    return store_parsed(mailbox, batch[:half], own_addresses) + store_parsed(mailbox, batch[half:], own_addresses)


def set_aside_arrival(mailbox: Mailbox, arrival: Arrival, reason: str) -> ReceiveOutcome:
    return ReceiveOutcome(is_aside=set_aside(mailbox, arrival.raw, origin=arrival.origin, reason=reason))


@transaction.atomic
def set_aside(mailbox: Mailbox, raw: bytes, *, origin: str, reason: str, size: int | None = None) -> bool:
    """Keep an email that could not be stored. Return False if it was set aside before: once handled, it stays so.

    `size` is the size of the email if `raw` is not all of it.
    """
    size, origin = len(raw) if size is None else size, origin[:500].replace("\x00", "")
    if SetAside.everything.filter(mailbox=mailbox, origin=origin, size=size).exists():
        return False
    stored_raw = raw if len(raw) == size <= MAX_STORED_BYTES else b""
    defaults = {"reason": reason, "size": size, "raw": stored_raw}
    return SetAside.objects.get_or_create(mailbox=mailbox, origin=origin, defaults=defaults)[1]


@transaction.atomic
def retry_set_aside(row: SetAside, *, by: Actor | User) -> Message:
    """Try again to store an email that was set aside, and remove it from the list.

    Raises:
        NotPermitted: `by` may not change emails set aside.
        InvalidInput: the email still cannot be parsed, or its content was too large to keep.
    """
    Actor.of(by).require_permission("inbox.change_setaside", "import an email that was set aside")
    if not row.raw:
        raise InvalidInput("The email is too large to keep a copy of. Open it in the mailbox itself.")
    parsed = parse_arrival(Arrival(row.origin, bytes(row.raw)))
    if parsed.mail is None:
        raise InvalidInput(f"The email still cannot be read. {parsed.reason}")
    with errors_as_invalid_input():
        (outcome,) = store_emails(row.mailbox, [(parsed.mail, parsed.arrival)], our_addresses())
    soft_delete(row, by=SYSTEM_ACTOR, timeline_owner=outcome.message.thread)
    return outcome.message
