"""File what a visitor sent: as a conversation with the lead or client it is from, or with a new lead.

What an outsider types never changes a record that exists, except for a consent where none was known. What differs from
the record is marked in the message.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.utils import timezone

from crm.exceptions import errors_as_invalid_input
from crm.models import Client
from crm.models.people import ClientType
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.records.consent import with_consent
from crm.records.field_usage import count_created
from crm.screens.json_forms.schema import VERSION_KEY
from crm.text.english.prospects import asks_for_cover
from crm.text.machine_mail.spam import reads_like_spam
from crm.text.phones import phone_key
from inbox.incoming.parsing import make_snippet
from inbox.models import (
    FORM_ANSWERS_KEY,
    Direction,
    Message,
    MessageState,
    Nature,
    SubmissionOutcome,
    Thread,
    ThreadSource,
    WebForm,
)
from inbox.thread_state import timeline_owner_of
from inbox.transitions import add_to_thread
from inbox.web_forms.matching import find_sender
from inbox.web_forms.sender_form import CONSENT, LABELS, Submission
from leads.models import Lead
from leads.models.insurance_type import COLUMN_BY_LINE
from leads.transitions import create_lead

# What a message says of an answer that the record of its sender does not have.
DIFFERS, NOT_ON_RECORD = "differs", "not on record"
LEAD_COLUMNS = {"name": "contact_name", "email": "contact_email", "phone": "contact_phone", "company": "company_name"}
# A business is a client under the name of the company.
CLIENT_COLUMNS = {
    ClientType.INDIVIDUAL: {"name": "name", "email": "email", "phone": "phone"},
    ClientType.BUSINESS: {"company": "name", "email": "email", "phone": "phone"},
}


def file_submission(web_form: WebForm, submission: Submission, *, by: Actor) -> tuple[SubmissionOutcome, Thread]:
    """Store `submission` as a new conversation, in the caller's transaction, and queue what follows.

    Raises:
        InvalidInput: the database refuses the new lead or the message.
    """
    owner = known = find_sender(submission)
    if known is not None:
        outcome = SubmissionOutcome.KNOWN_LEAD if isinstance(known, Lead) else SubmissionOutcome.KNOWN_CLIENT
    elif looks_like_spam(web_form, submission):
        outcome = SubmissionOutcome.SPAM
    else:
        owner, outcome = create_lead_of_sender(web_form, submission, by=by), SubmissionOutcome.NEW_LEAD
    thread = create_thread(web_form, submission, owner)
    message = build_message(thread, submission, list(describe_answers(submission, known, web_form)))
    message.nature = Nature.SPAM if outcome == SubmissionOutcome.SPAM else Nature.PERSON
    add_to_thread(message)
    if submission.has_consented and owner is not None:
        store_consent(owner, submission, web_form, thread, by=by)
    return outcome, thread


def looks_like_spam(web_form: WebForm, submission: Submission) -> bool:
    """Return whether a stranger's words are an unwanted offer; what asks for insurance is none."""
    words = submission.message
    return reads_like_spam(web_form.heading, words) and not asks_for_cover(words)


def create_lead_of_sender(web_form: WebForm, submission: Submission, *, by: Actor) -> Lead:
    """Create a lead for a sender who belongs to no single record.

    An address that another open lead has is left out: two open leads cannot share one. It stands in the message.
    """
    owner = web_form.assigned_to
    is_taken = is_address_taken(submission.email)
    lead = Lead(
        contact_name=submission.name,
        contact_email="" if is_taken else submission.email,
        contact_phone=submission.phone,
        company_name=submission.company,
        client_type=ClientType.BUSINESS if submission.company else ClientType.INDIVIDUAL,
        source_type=web_form.source_type,
        source_detail=web_form.name,
        insurance_type=web_form.insurance_type,
        assigned_to=owner if owner is not None and owner.is_active else None,
        tags=web_form.tags,
        custom_fields=dict(submission.answers),
        **line_columns(web_form, submission),
    )
    create_lead(lead, by=by)
    count_created(lead, None)
    if is_taken:
        summary = f"Another open lead has the address {submission.email}, so it is not entered here."
        record(lead, "noted", by=by, summary=summary)
    return lead


def is_address_taken(address: str) -> bool:
    """Return whether an open lead has `address`."""
    return Lead.objects.open().with_addresses([address]).exists()


def line_columns(web_form: WebForm, submission: Submission) -> dict[str, Any]:
    """Return the column of a lead with the answers to the questions of the line."""
    line = web_form.insurance_type
    if line is None or not submission.line_values:
        return {}
    values = {**submission.line_values, VERSION_KEY: line.schema_version}
    column = COLUMN_BY_LINE.get(line.code)
    return {column: values} if column else {"line_data": {line.code: values}}


def create_thread(web_form: WebForm, submission: Submission, owner: Record | None) -> Thread:
    link = {"lead": owner} if isinstance(owner, Lead) else {"client": owner}
    participants = [submission.email.lower()] if submission.email else []
    thread = Thread(source=ThreadSource.FORM, subject=web_form.heading, participant_emails=participants, **link)
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    return thread


def build_message(thread: Thread, submission: Submission, answers: list[dict[str, str]]) -> Message:
    """Return the unsaved message: the visitor's words as its text, everything else as `answers`."""
    summary = "" if submission.message else " · ".join(f"{one['label']}: {one['value']}" for one in answers)
    return Message(
        thread=thread,
        direction=Direction.IN,
        state=MessageState.RECEIVED,
        from_email=submission.email.lower(),
        from_name=submission.name,
        subject=thread.subject,
        body_text=submission.message,
        snippet=make_snippet(summary),
        sent_at=timezone.now(),
        media={FORM_ANSWERS_KEY: answers},
    )


def describe_answers(submission: Submission, known: Record | None, web_form: WebForm) -> Iterator[dict[str, str]]:
    """Yield label and value of everything that was sent beside the message, with a note where `known` differs."""
    columns = CLIENT_COLUMNS[known.client_type] if isinstance(known, Client) else LEAD_COLUMNS
    for name in LEAD_COLUMNS:
        if value := getattr(submission, name):
            is_compared = known is not None and name in columns
            note = compare(name, value, getattr(known, columns[name])) if is_compared else ""
            yield {"label": LABELS[name], "value": value, "note": note}
    for label, value in {**submission.line_answers, **submission.answers, **submission.extras}.items():
        yield {"label": label, "value": value, "note": ""}
    if web_form.consent_text:
        value = f"Yes: “{web_form.consent_text}”" if submission.has_consented else "No"
        yield {"label": CONSENT.capitalize(), "value": value, "note": ""}


def compare(name: str, value: str, stored: str) -> str:
    """Return what to note about `value` where the record has `stored`; empty if they say the same."""
    if not stored:
        return NOT_ON_RECORD
    region = settings.PHONE_REGION
    is_same_phone = name == "phone" and phone_key(value, region) == phone_key(stored, region) != ""
    return "" if is_same_phone or value.casefold() == stored.casefold() else DIFFERS


def store_consent(
    owner: Lead | Client, submission: Submission, web_form: WebForm, thread: Thread, *, by: Actor
) -> None:
    """Keep that the sender agreed to be emailed, with date and words, unless the preferences say something already."""
    is_stored = add_email_consent(owner, submission.email, web_form.consent_text)
    kept = "" if is_stored else " The contact preferences were not changed."
    summary = f"Agreed in the web form “{web_form}”: “{web_form.consent_text}”{kept}"
    record(thread, "consented", timeline_owner=timeline_owner_of(thread), by=by, summary=summary)


def add_email_consent(owner: Lead | Client, address: str, words: str) -> bool:
    """Write the consent for `address` into the preferences of `owner`; return whether nothing else stood there."""
    rows = type(owner).everything
    locked = rows.select_for_update().get(pk=owner.pk)
    stored_address = locked.contact_email if isinstance(locked, Lead) else locked.email
    preferences = with_consent(locked.communications, "email", at=timezone.now(), words=words)
    if not address or stored_address.casefold() != address.casefold() or preferences is None:
        return False
    rows.filter(pk=owner.pk).update(communications=preferences)
    return True
