"""Find the lead or client that a visitor already is: by the exact address, else by the exact phone number."""

from collections.abc import Iterable

from crm.models import Client, Contact
from crm.records.base import Record
from crm.records.duplicates.finding import Duplicate, find_duplicates
from crm.records.duplicates.matching import Identity, Reason
from inbox.web_forms.sender_form import Submission
from leads.models import Lead

MAX_COMPARED = 50


def find_sender(submission: Submission) -> Lead | Client | None:
    """Return the only open lead or client with the address, else the only one with the phone, of `submission`.

    None if there is none or more than one. A number can be that of a household or a switchboard: another name with
    another address is another person.
    """
    identity = Identity(submission.name, submission.email, submission.phone, submission.company)
    duplicates = find_duplicates(identity, None, limit=MAX_COMPARED)
    by_address = owners(one for one in duplicates if Reason.EMAIL in one.match.reasons)
    if by_address:
        return only(by_address)
    by_phone = [one for one in duplicates if Reason.PHONE in one.match.reasons]
    return only(owners(one for one in by_phone if is_same_person(one, identity)))


def is_same_person(duplicate: Duplicate, identity: Identity) -> bool:
    """Return whether the name or the address of a record with the same phone number agrees, or one has no address."""
    record, reasons = duplicate.record, {*duplicate.match.reasons}
    names = {Reason.NAME, Reason.SIMILAR_NAME, *([Reason.COMPANY] if isinstance(record, Client) else [])}
    return bool(reasons & names) or not identity.email or not Identity.of(record).email


def owners(duplicates: Iterable[Duplicate]) -> dict[Record, None]:
    """Return the open leads and the clients among `duplicates`, and those of the contacts among them."""
    found: dict[Record, None] = {}
    for record in (one.record for one in duplicates):
        if isinstance(record, Contact):
            found |= dict.fromkeys(Client.objects.filter(contact_links__contact=record, contact_links__deleted_at=None))
            links = {"contact_links__contact": record, "contact_links__deleted_at": None}
            found |= dict.fromkeys(Lead.objects.open().filter(**links))
        elif isinstance(record, Client) or (isinstance(record, Lead) and record.is_open):
            found[record] = None
    return found


def only(found: dict[Record, None]) -> Lead | Client | None:
    return next(iter(found)) if len(found) == 1 else None
