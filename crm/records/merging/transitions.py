"""Merge two records, and undo a merge."""

import json
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.types.json import Jsonb

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import Merge, User
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.records.merging.row_changes import Row, changed_columns, without_change
from crm.records.merging.rules import MergeRules, merged_values, rules_of
from crm.records.references import MovedRows, move_references, restore_references
from crm.records.transitions import describe_record, permission_name

READ_ROW_SQL = 'SELECT to_jsonb(one)::text FROM "{table}" AS one WHERE id = %s'
WRITE_ROW_SQL = """
    UPDATE "{table}" SET ({columns}) = (SELECT {columns} FROM jsonb_populate_record(NULL::"{table}", %s))
     WHERE id = %s
"""
# A trigger may set another column when one of these changes, so they are written first.
FIRST_COLUMNS = frozenset({"communications", "status_id", "signals"})


@transaction.atomic
def merge(winner: Record, loser: Record, choices: dict[str, str], *, by: Actor | User) -> Merge:
    """Merge `loser` into `winner`: values as chosen, everything that refers to it, and `loser` in the bin.

    `choices` names for each difference the side whose value is taken; by default that of `winner`.

    Raises:
        NotPermitted: `by` may not merge such records.
        InvalidInput: they are the same record, of different tables, or a choice or a merged value is invalid.
        IllegalTransition: one of them is deleted, merged, or `by` may not see it.
    """
    actor, model = Actor.of(by), type(winner)
    if model is not type(loser) or winner.pk == loser.pk:
        raise InvalidInput(f"Choose another {winner._meta.verbose_name}. A record cannot be merged with itself.")
    rules = rules_of(model)
    actor.require_permission(permission_name(winner, "merge"), f"merge {winner._meta.verbose_name_plural}")
    winner, loser = lock_live(model, [winner, loser], actor)
    for guard in rules.guards:
        guard(winner, loser)
    values = merged_values(winner, loser, choices)
    before = [read_row(row) for row in (winner, loser)]
    model.everything.filter(pk=loser.pk).update(deleted_at=Now(), merged_into=winner)
    store_values(winner, values)
    moved = move_references(loser, winner, excluded=rules.excluded_tables)
    refresh(rules, [winner])
    summary = f"Merged {describe_record(loser)} into {describe_record(winner)}"
    record(winner, "merged", by=by, summary=summary, loser=str(loser.pk))
    record(loser, "merged", by=by, summary=summary, winner=str(winner.pk))
    return Merge.objects.create(
        table=model._meta.label_lower,
        winner_id=winner.pk,
        loser_id=loser.pk,
        choices=choices,
        moved=moved,
        winner_before=before[0],
        loser_before=before[1],
        winner_after=read_row(winner),
        loser_after=read_row(loser),
        merged_by=actor.user,
    )


@transaction.atomic
def unmerge(merge: Merge, *, by: Actor | User) -> list[MovedRows]:
    """Restore both records of `merge`. What was changed or added since then stays with the winner.

    Return the rows that do not return, because they no longer refer to the winner.

    Raises:
        NotPermitted: `by` may not merge such records.
        IllegalTransition: it was undone, a later merge stands in the way, or one of the records is gone.
        InvalidInput: a live record now conflicts with the restored one, for example by the same email address.
    """
    actor, model = Actor.of(by), apps.get_model(merge.table)
    actor.require_permission(permission_name(model, "merge"), f"undo a merge of {model._meta.verbose_name_plural}")
    rules = rules_of(model)
    winner, loser = lock_merged(merge, model, actor)
    if reason := reason_not_undoable(merge, winner, loser):
        raise IllegalTransition(reason)
    current = [read_row(winner), read_row(loser)]
    winner_row = restored_row(merge.winner_before, merge.winner_after, current[0], rules.derived)
    loser_row = restored_row(merge.loser_before, merge.loser_after, current[1], ("updated_at",))
    remaining = restore_references(merge.moved, source=loser, target=winner)
    summary = f"Undid the merge of {describe_record(loser)} into {describe_record(winner)}"
    for row in (winner, loser):
        other = loser if row is winner else winner
        record(row, "unmerged", by=by, summary=summary, other=str(other.pk))
    with errors_as_invalid_input():
        write_row(winner, winner_row, current[0])
        write_row(loser, loser_row, current[1])
    if current[0] != merge.winner_after:
        refresh(rules, list(model.everything.filter(pk__in=[winner.pk, loser.pk])))
    Merge.objects.filter(pk=merge.pk).update(undone_at=timezone.now(), undone_by=actor.user)
    return remaining


def lock_live(model: type[Record], rows: Iterable[Record], actor: Actor) -> list[Record]:
    """Lock and return the rows in the given order.

    Raises:
        IllegalTransition: one of them is deleted or merged, or `actor` may not see it.
    """
    rows = list(rows)
    keys = [row.pk for row in rows]
    list(model.everything.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",)))
    visible = model.everything.filter(pk__in=keys)
    found = {row.pk: row for row in (visible.visible_to(actor.user) if actor.user else visible)}
    for row in rows:
        known = found.get(row.pk)
        if known is None:
            raise IllegalTransition(f"The {describe_record(row)} is gone, or you do not have access to it.")
        if known.merged_into_id:
            raise IllegalTransition(f"The {describe_record(row)} is already merged into another one.")
        if known.is_deleted:
            raise IllegalTransition(f"The {describe_record(row)} is deleted; restore it first.")
    return [found[key] for key in keys]


def lock_merged(merge: Merge, model: type[Record], actor: Actor) -> tuple[Record, Record]:
    """Lock and return the winner and the loser of `merge`.

    Raises:
        IllegalTransition: one of them was purged, or `actor` may not see the winner.
    """
    keys = [merge.winner_id, merge.loser_id]
    found = {row.pk: row for row in model.everything.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))}
    is_visible = actor.user is None or model.everything.visible_to(actor.user).filter(pk=merge.winner_id).exists()
    if len(found) < len(keys) or not is_visible:
        raise IllegalTransition("This merge cannot be undone: one of the two records no longer exists.")
    return found[merge.winner_id], found[merge.loser_id]


def reason_not_undoable(merge: Merge, winner: Record, loser: Record) -> str:
    """Return a sentence that says why `merge` cannot be undone; empty if it can."""
    if Merge.objects.filter(pk=merge.pk, undone_at__isnull=False).exists() or loser.merged_into_id != winner.pk:
        return "This merge has already been undone."
    if winner.merged_into_id:
        return f"The {describe_record(winner)} was itself merged into another one. Undo that merge first."
    if winner.is_deleted:
        return f"The {describe_record(winner)} is deleted; restore it first."
    later = Merge.objects.in_force().of_winner(winner).filter(pk__gt=merge.pk).exists()
    return "Another record was merged later. Undo that merge first." if later else ""


def store_values(winner: Record, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(winner, name, value)
    with errors_as_invalid_input():
        winner.full_clean()
        winner.save(update_fields=[*values, "updated_at"])


def refresh(rules: MergeRules, rows: list[Record]) -> None:
    """Let the owners of derived columns compute them again."""
    for refresher in rules.refreshers:
        refresher(rows)
    for row in rows:
        row.refresh_from_db()


def restored_row(before: Row, after: Row, current: Row, derived: Iterable[str]) -> Row:
    """Return the row as it was before, with what was changed since then; `derived` columns follow from other rows."""
    row = without_change(before, after, current)
    return {**row, **{name: before[name] for name in derived if name in before}}


def kept_changes(merge: Merge, winner: Record) -> list[models.Field]:
    """Return the fields of the winner that were changed since `merge`, and so stay."""
    ignored = {*rules_of(type(winner)).derived, "updated_at", "search_text"}
    columns = set(changed_columns(merge.winner_after, read_row(winner))) - ignored
    return [field for field in winner._meta.concrete_fields if field.column in columns]


def read_row(row: models.Model) -> Row:
    """Return the stored row as JSON, without the columns of promoted keys: they follow from the JSON in it."""
    with connection.cursor() as cursor:
        cursor.execute(READ_ROW_SQL.format(table=row._meta.db_table), [row.pk])
        (value,) = cursor.fetchone()
    columns = {field.column for field in row._meta.concrete_fields}
    return {name: each for name, each in json.loads(value).items() if name in columns}


def write_row(row: models.Model, values: Row, current: Row) -> None:
    """Store the columns of `row` as they stand in `values`. A JSON column that is the same keeps its every digit."""
    stored = [one for one in row._meta.concrete_fields if not one.generated and not one.primary_key]
    columns = {
        one.column
        for one in stored
        if not isinstance(one, models.JSONField) or values[one.column] != current[one.column]
    }
    with connection.cursor() as cursor:
        for names in (columns & FIRST_COLUMNS, columns - FIRST_COLUMNS):
            if names:
                statement = WRITE_ROW_SQL.format(table=row._meta.db_table, columns=", ".join(sorted(names)))
                cursor.execute(statement, [Jsonb(values), row.pk])
