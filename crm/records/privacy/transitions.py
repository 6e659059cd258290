"""Give a person's whole record away, and erase a person."""

from datetime import date
from typing import Any

import pghistory.models
from django.apps import apps
from django.db import connection, transaction
from django.db.models import ProtectedError

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import Client, ErasedPerson, User
from crm.records.activity import Actor, record
from crm.records.base import can_see_everyone
from crm.records.custom_fields.reference_moves import empty_values
from crm.records.privacy.erasure_plan import ErasurePlan, erased_models, plan_erasure
from crm.records.privacy.erasure_rules import (
    ANONYMISED,
    CLEANERS,
    ERASED_NAME,
    clear_clients,
    identifying_texts,
)
from crm.records.privacy.footprint import chunks
from crm.records.privacy.person import Person
from crm.records.privacy.suppression import digests_of
from crm.records.privacy.tables import audited_table

EXPORT_PERSON_PERMISSION = "crm.export_person"
ERASE_PERSON_PERMISSION = "crm.erase_person"
MIN_REASON_LENGTH, MAX_REASON_LENGTH = 5, 1_000
# One erasure at a time: two of them could wait for each other's rows.
ERASING_LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('erasure of a person', 0))"


@transaction.atomic
def record_person_export(person: Person, *, by: User) -> None:
    """Log that `by` exports everything about `person`. Call it before the first byte leaves.

    Raises:
        NotPermitted: `by` lacks the permission, or does not see the records of every owner.
    """
    Actor.of(by).require_permission(EXPORT_PERSON_PERMISSION, "export the whole record of a person")
    if not can_see_everyone(by):
        raise NotPermitted(f"{by} does not see the records of every owner, so the record would not be whole.")
    for one in person.records:
        record(one, "exported", by=by, summary=f"Exported everything about {one} on request")


@transaction.atomic
def erase(person: Person, *, reason: str, by: User) -> ErasurePlan:
    """Erase `person`: delete the rows about them, and remove them from what stays. All of it, or nothing.

    Files are deleted by the job that deletes the files of purged messages. What the person's addresses were is kept as
    digests, so that a new lead with one of them is not contacted. Return what was done.

    Raises:
        NotPermitted: `by` may not erase people, or does not see the records of every owner.
        InvalidInput: the reason is too short or too long, or names the person.
        IllegalTransition: a record is gone, or something must be settled first.
    """
    Actor.of(by).require_permission(ERASE_PERSON_PERMISSION, "erase people")
    if not can_see_everyone(by):
        raise NotPermitted(f"{by} does not see the records of every owner, so the erasure would not be whole.")
    reason = checked_reason(reason, person)
    with connection.cursor() as cursor:
        cursor.execute(ERASING_LOCK_SQL)
    person = lock_person(person)
    plan = plan_erasure(person)
    if plan.obstacles:
        raise IllegalTransition(plan.obstacles[0])
    erased = remember_digests(plan)
    anonymise_rows(plan)
    delete_rows(plan)
    for clean in CLEANERS:
        clean(person, plan.deleted)
    delete_row_audit(plan)
    record(erased, "erased", by=by, summary=f"Erased a person on request: {reason}", rows=plan.counts())
    return plan


def checked_reason(reason: str, person: Person) -> str:
    reason = " ".join(reason.replace("\x00", "").split())
    if not MIN_REASON_LENGTH <= len(reason) <= MAX_REASON_LENGTH:
        raise InvalidInput(f"Enter a reason of {MIN_REASON_LENGTH} to {MAX_REASON_LENGTH:,} characters.")
    if any(text.casefold() in reason.casefold() for text in identifying_texts(person)):
        raise InvalidInput("The reason stays in the activity log. Do not name the person in it.")
    return reason


def lock_person(person: Person) -> Person:
    """Lock and return the records of `person` as they are now.

    Raises:
        IllegalTransition: one of them is gone.
    """
    locked = []
    for one in sorted(person.records, key=lambda one: (one._meta.label_lower, one.pk)):
        row = type(one).everything.select_for_update(of=("self",)).filter(pk=one.pk).first()
        if row is None:
            raise IllegalTransition("One of these records is gone: someone else has erased or purged it.")
        locked.append(row)
    return Person(locked)


def remember_digests(plan: ErasurePlan) -> ErasedPerson:
    """Save the digests of the person's addresses, and what is kept until when: a row for each kept client."""
    digests = digests_of(plan.person.addresses, plan.person.values("phone"))
    kept: dict[Any, date] = {}
    for rows in plan.kept:
        kept |= {key: max(rows.keep_until, kept.get(key, rows.keep_until)) for key in rows.clients}
    if not kept:
        return ErasedPerson.objects.create(digests=digests)
    rows = [ErasedPerson(digests=digests, client_id=key, keep_until=until) for key, until in kept.items()]
    return ErasedPerson.objects.bulk_create(rows)[0]


def anonymise_rows(plan: ErasurePlan) -> None:
    for model, keys in plan.anonymised.items():
        ANONYMISED[model].apply(keys)
    for rows in plan.kept:
        rows.apply(rows.keys)
    clear_clients(plan.kept_clients)


def delete_rows(plan: ErasurePlan) -> None:
    """Delete the rows of the plan, those that refer to others first.

    Raises:
        IllegalTransition: another row cannot do without one of them.
    """
    for model in erased_models(plan):
        for chunk in chunks(plan.deleted[model]):
            try:
                with errors_as_invalid_input():
                    model._base_manager.filter(pk__in=chunk).delete()
                    empty_values(model, chunk)
            except (ProtectedError, InvalidInput) as error:
                noun = model._meta.verbose_name_plural
                raise IllegalTransition(
                    f"These {noun} cannot be erased, because other rows need them: {error}"
                ) from error


def delete_row_audit(plan: ErasurePlan) -> None:
    """Delete the earlier versions of all rows that were deleted or anonymised; the deletion itself has made some."""
    changed = dict(plan.deleted)
    for rows in plan.kept:
        changed[rows.model] = changed.get(rows.model, set()) | rows.keys
    changed[Client] = changed.get(Client, set()) | plan.kept_clients
    for events in apps.get_models():
        if issubclass(events, pghistory.models.Event) and not events._meta.proxy:
            for chunk in chunks(changed.get(audited_table(events), set())):
                events._base_manager.filter(pgh_obj_id__in=chunk).delete()


@transaction.atomic
def delete_kept_clients(today: date) -> int:
    """Delete the clients without a name that had to be kept until a day before `today`. Return their number."""
    due = ErasedPerson.objects.select_for_update(skip_locked=True).filter(keep_until__lt=today, client__isnull=False)
    keys = set(due.values_list("client", flat=True))
    # A client that has a name again is no longer the one that was erased.
    unnamed = Client.everything.filter(pk__in=keys, name=ERASED_NAME)
    deleted = set(unnamed.values_list("pk", flat=True))
    unnamed.delete()
    empty_values(Client, deleted)
    ErasedPerson.objects.filter(client__in=keys).update(client=None)
    return len(deleted)
