"""The tables of the inbox: conversations by the address of a participant, and what stands in the way of an erasure."""

from collections.abc import Iterable

from crm.records.privacy.erasure_rules import CLEANERS, OBSTACLES, identifying_texts
from crm.records.privacy.footprint import Footprint
from crm.records.privacy.person import Person
from crm.records.privacy.tables import FILE_READERS, FINDERS, SECRET_COLUMNS, WITHOUT_PERSONS, FoundRows
from crm.text.cleaning import redact
from inbox.models import Draft, Message, MessageState, SetAside, Thread
from inbox.models.web_form import WebFormRefusal
from inbox.privacy.files import draft_files, message_files

UNSETTLED_STATES = (MessageState.QUEUED, MessageState.SENDING)
# The place of a stored file, and the token, which opens pages without a login.
SECRETS = {f"inbox.message.{name}" for name in ("token", "source_path", "source_start", "source_size")}
SECRETS.add("inbox.webformsubmission.idempotency_key")


def register_inbox_tables() -> None:
    """Register the tables; called once at start."""
    FINDERS.extend([find_threads, find_set_aside])
    FILE_READERS.update({Message: message_files, Draft: draft_files})
    SECRET_COLUMNS.update(SECRETS)
    OBSTACLES.append(emails_on_their_way)
    CLEANERS.append(clean_refusals)
    WITHOUT_PERSONS.update(
        {
            "inbox.mailbox": "Mailboxes of staff. Their passwords are never shown.",
            "inbox.emailtemplate": "Texts for all recipients.",
            "inbox.emailsignature": "Signatures of staff.",
            "inbox.messagewords": "The search index: the words of the messages again.",
            "inbox.threadkey": "Identifiers of the messages again.",
            "inbox.foldermail": "Numbers of emails on a server.",
            "inbox.purgedmail": "Digests of emails that are gone.",
            "inbox.webform": "Forms on websites.",
            "inbox.webformrate": "Counts, by keyed digests of network addresses.",
            "inbox.webformrefusal": "Counts of a day. An erasure removes the person from the last sentence.",
            "inbox.removedfile": "Names of files that are about to be deleted.",
        }
    )


def emails_on_their_way(footprint: Footprint) -> Iterable[str]:
    """Yield a sentence if an email is queued or being sent."""
    waiting = Message.everything.filter(pk__in=footprint.get(Message, ()), state__in=UNSETTLED_STATES)
    if count := waiting.count():
        noun = "email is" if count == 1 else "emails are"
        yield f"{count:,} {noun} still to be sent. Withdraw them, or wait until they have left."


def clean_refusals(person: Person, footprint: Footprint) -> None:
    """Remove the person from the sentences about forms that were refused."""
    texts = identifying_texts(person)
    for refusal in WebFormRefusal.objects.exclude(last_message=""):
        sentence = redact(refusal.last_message, texts)
        if sentence != refusal.last_message:
            WebFormRefusal.objects.filter(pk=refusal.pk).update(last_message=sentence)


def find_threads(person: Person) -> Iterable[FoundRows]:
    """Find the conversations in which an address of `person` takes part, also those of other leads and clients."""
    for address in person.addresses:
        rows = Thread.everything.filter(participant_emails__contains=[address])
        yield FoundRows(Thread, rows.values_list("pk", flat=True))


def find_set_aside(person: Person) -> Iterable[FoundRows]:
    """Find the emails that could not be stored and that hold an address of `person`."""
    for address in person.addresses:
        rows = SetAside.everything.extra(where=["position(%s::bytea in raw) > 0"], params=[address.encode()])
        yield FoundRows(SetAside, rows.values_list("pk", flat=True))
