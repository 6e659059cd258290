"""Take in what was sent through a web form, count what was refused, and renew the address of a form."""

import json
import logging
from datetime import date, datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActorType, User
from crm.records.activity import Actor, record
from crm.records.local_time import agency_today
from crm.records.transitions import describe_record
from crm.text.cleaning import shorten
from crm.text.phones import phone_key
from inbox.models import RefusalReason, WebForm, WebFormRefusal, WebFormSubmission
from inbox.models.web_form import new_token
from inbox.web_forms.filing import file_submission
from inbox.web_forms.refusals import FormNotFound, FormRefused
from inbox.web_forms.sender_form import Submission

logger = logging.getLogger(__name__)

CHANGE_PERMISSION = "inbox.change_webform"
# Without a key of its own, the same content within this time is the same message: a button that was pressed twice.
SAME_CONTENT_WINDOW = timedelta(minutes=10)
REFUSALS_KEPT = timedelta(days=90)
MAX_REFUSAL_MESSAGE = 300
# The form stays, with this address, until the message is filed; others may send it at the same time.
LOCK_FORM_SQL = """
    SELECT 1 FROM web_forms WHERE id = %s AND token = %s AND is_active AND deleted_at IS NULL FOR KEY SHARE
"""
# One at a time for each key, content, address and phone: the second finds what the first has filed.
LOCK_SQL = """
    SELECT pg_advisory_xact_lock(key) FROM (
        SELECT hashtextextended('web form ' || name, 0) AS key FROM unnest(%s::text[]) AS name ORDER BY key
    ) AS ordered
"""
COUNT_REFUSAL_SQL = """
    INSERT INTO web_form_refusals AS refusal (id, web_form_id, reason, day, count, last_at, last_message)
    VALUES (gen_random_uuid(), %(form)s, %(reason)s, %(day)s, 1, %(now)s, %(message)s)
    ON CONFLICT (web_form_id, day, reason) DO UPDATE
       SET count = refusal.count + 1, last_at = %(now)s, last_message = %(message)s
"""


def receive_submission(web_form: WebForm, submission: Submission, *, key: str = "") -> bool:
    """File `submission` with the lead or client of its sender, or with a new lead. Return False if it was filed before.

    It was if `key` was used before; without a key, if the same content arrived within ten minutes. Everything is stored
    in one transaction, so the caller may send it again after any failure.

    Raises:
        FormNotFound: the form was switched off, deleted or got another address meanwhile.
        FormRefused: `key` was used for other content, or the database refuses the message.
    """
    try:
        return store_submission(web_form, submission, key)
    except InvalidInput:
        # A colleague created a lead with this address at this moment; the second attempt finds it.
        logger.info("A message of the form %s is filed again.", web_form.pk, exc_info=True)
    try:
        return store_submission(web_form, submission, key)
    except InvalidInput:
        logger.exception("A message of the form %s could not be stored.", web_form.pk)
        # The reason may name another record, which is none of the sender's business.
        raise FormRefused(RefusalReason.FORMAT, "The message could not be stored. Send it again later.") from None


@transaction.atomic
def store_submission(web_form: WebForm, submission: Submission, key: str) -> bool:
    digest = content_digest(submission)
    with connection.cursor() as cursor:
        cursor.execute(LOCK_FORM_SQL, [web_form.pk, web_form.token])
        if cursor.fetchone() is None:
            raise FormNotFound("There is no such form.")
        phone = phone_key(submission.phone, settings.PHONE_REGION) or submission.phone
        names = [f"{web_form.pk} {key or digest}", submission.email.lower(), phone]
        cursor.execute(LOCK_SQL, [list(filter(None, names))])
    earlier = find_earlier(web_form, key, digest)
    if earlier is not None and earlier.content_digest != digest:
        sentence = "This key was used for other content. Use a new key to send another message."
        raise FormRefused(RefusalReason.KEY_REUSED, sentence)
    if earlier is not None:
        return False
    outcome, thread = file_submission(web_form, submission, by=form_actor(web_form))
    WebFormSubmission.objects.create(
        web_form=web_form, idempotency_key=key, content_digest=digest, outcome=outcome, thread=thread
    )
    return True


def find_earlier(web_form: WebForm, key: str, digest: str) -> WebFormSubmission | None:
    """Return the submission that has `key`, or without a key the one that had the same content just now."""
    rows = WebFormSubmission.objects.filter(web_form=web_form)
    if key:
        return rows.filter(idempotency_key=key).first()
    return rows.filter(content_digest=digest, created_at__gt=timezone.now() - SAME_CONTENT_WINDOW).first()


def content_digest(submission: Submission) -> str:
    """Return the SHA-256 of everything that was sent."""
    return sha256(json.dumps(vars(submission), sort_keys=True, default=str).encode()).hexdigest()


def form_actor(web_form: WebForm) -> Actor:
    return Actor(ActorType.SYSTEM, name=f"Web form “{web_form}”")


@transaction.atomic
def count_refusal(web_form: WebForm, refusal: FormRefused) -> None:
    """Count `refusal` among those of today, and keep why; what the sender typed is not kept."""
    fields = f" Fields: {', '.join(refusal.field_errors)}." if refusal.field_errors else ""
    params = {
        "form": web_form.pk,
        "reason": refusal.reason.value,
        "day": agency_today(),
        "now": timezone.now(),
        "message": shorten(f"{refusal}{fields}", MAX_REFUSAL_MESSAGE),
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_REFUSAL_SQL, params)


@transaction.atomic
def renew_token(web_form: WebForm, *, by: Actor | User) -> None:
    """Give `web_form` a new public address; the old one stops at once.

    Raises:
        NotPermitted: `by` may not change web forms.
        IllegalTransition: it is deleted.
    """
    Actor.of(by).require_permission(CHANGE_PERMISSION, "renew the address of a web form")
    token = new_token()
    if WebForm.objects.filter(pk=web_form.pk).update(token=token) != 1:
        raise IllegalTransition(f"The {describe_record(web_form)} is deleted; restore it first.")
    web_form.token = token
    record(web_form, "renewed", by=by, summary=f"Address of the web form “{web_form}” renewed")


@transaction.atomic
def change_acceptance(web_form: WebForm, *, is_active: bool, by: Actor | User) -> None:
    """Open or close `web_form`; a closed one answers as if it did not exist.

    Raises:
        NotPermitted: `by` may not change web forms.
        IllegalTransition: it is open or closed already, or deleted.
    """
    verb = "opened" if is_active else "closed"
    Actor.of(by).require_permission(CHANGE_PERMISSION, "open or close a web form")
    if WebForm.objects.filter(pk=web_form.pk, is_active=not is_active).update(is_active=is_active) != 1:
        raise IllegalTransition(f"The {describe_record(web_form)} is already {verb} or deleted.")
    web_form.is_active = is_active
    record(web_form, verb, by=by, summary=f"Web form “{web_form}” {verb}")


def forget_old_refusals(now: datetime) -> int:
    """Delete the counts of refusals that are too old to matter. Return how many."""
    oldest: date = (now - REFUSALS_KEPT).date()
    return WebFormRefusal.objects.filter(day__lt=oldest).delete()[0]
