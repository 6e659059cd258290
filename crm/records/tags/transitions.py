"""State changes of tags: added and removed, another name, two that become one, a colour."""

from urllib.parse import parse_qsl, urlencode

import pghistory
from django.apps import apps
from django.db import connection, models, transaction

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import BadgeColour, SavedView, Tag, User
from crm.records.activity import Actor, record
from crm.records.base import can_see_everyone
from crm.records.tags.usage import TAGGED_TABLES
from crm.records.transitions import describe_record, permission_name
from crm.runtime.job_queue import configure_job, enqueue
from crm.text.tags import MAX_TAG_LENGTH, clean_tag, unique_tags

CHANGE_PERMISSION = "crm.change_tag"
RENAME_TASK = "crm.rename_tag"
RENAME_BATCH_SIZE = 500
# Forms whose leads get tags; a row without a live flag would keep the old name otherwise.
FORM_TABLES = ("inbox.webform",)
TAGS_PARAM = "tags"
# A row that has the new spelling and no other one of both names is not read again, so repeating the statement ends.
RENAME_SQL = """
UPDATE {table} SET tags = ARRAY(
    SELECT tag FROM (
        SELECT DISTINCT ON (lower(named.tag)) named.tag, named.n
          FROM (SELECT CASE WHEN lower(tag) IN (lower(%(old)s), lower(%(new)s)) THEN %(new)s ELSE tag END, n
                  FROM unnest({table}.tags) WITH ORDINALITY AS each (tag, n)) AS named (tag, n)
         ORDER BY lower(named.tag), named.n
    ) AS once ORDER BY n)
 WHERE id IN (
    SELECT id FROM {table}
     WHERE {live} AND lower_tags(tags) && lower_tags(ARRAY[%(old)s, %(new)s])
       AND (NOT tags @> ARRAY[%(new)s]::varchar[]
            OR lower(%(old)s) <> lower(%(new)s) AND lower_tags(tags) @> lower_tags(ARRAY[%(old)s]))
     ORDER BY id LIMIT {limit} FOR UPDATE)
"""


@transaction.atomic
def rename_tag(old: str, new: str, *, by: User) -> None:
    """Give the tag `old` the name `new` in all records, web forms and saved views. If there is a tag `new`, both are
    one from then on, with this spelling and the colour of `new`.

    Saved views change at once; a job changes the records in batches, those out of sight of `by` and deleted ones too.

    Raises:
        NotPermitted: `by` may not change tags, or does not see the records of every owner.
        InvalidInput: a name cannot be a tag, or nothing would change.
    """
    require_rights(by)
    old, new = clean_tag(old), clean_name(new)
    if not old or old == new:
        raise InvalidInput("Enter another name.")
    tags = list(Tag.objects.select_for_update().with_names([old, new]))
    if len(tags) > 1:
        Tag.objects.filter(pk__in=[tag.pk for tag in tags if tag.name.lower() == old.lower()]).delete()
    Tag.objects.with_names([old, new]).update(name=new)
    views = rename_in_views(old, new)
    enqueue(configure_job(RENAME_TASK, lock=RENAME_TASK), old=old, new=new, by=str(by.pk))
    record(by, "renamed a tag", by=by, summary=f"Renamed the tag “{old}” to “{new}”", views=views)


@transaction.atomic
def colour_tag(tag: str, colour: str, *, by: User) -> None:
    """Give `tag` a colour; grey is none.

    Raises:
        NotPermitted: `by` may not change tags, or does not see the records of every owner.
        InvalidInput: the name cannot be a tag, or there is no such colour.
    """
    require_rights(by)
    tag = clean_name(tag)
    if colour not in BadgeColour.values:
        raise InvalidInput(f"“{colour[:20]}” is no colour. Choose one of: {', '.join(BadgeColour.values)}.")
    Tag.objects.with_names([tag]).delete()
    if colour != BadgeColour.GREY:
        Tag.objects.create(name=tag, colour=colour)
    record(by, "coloured a tag", by=by, summary=f"Colour of the tag “{tag}”: {BadgeColour(colour).label.lower()}")


@transaction.atomic
def add_tag(row: models.Model, tag: str, *, by: Actor | User) -> None:
    """Add `tag` to a record.

    Raises:
        NotPermitted: `by` may not change such records.
        InvalidInput: the tag is blank, too long or contains a comma.
        IllegalTransition: the record already has the tag, or is deleted.
    """
    tag = clean_name(tag)
    locked = lock_to_tag(row, by)
    if tag.lower() in {one.lower() for one in locked.tags}:
        raise IllegalTransition(f"The {describe_record(row)} already has this tag.")
    type(row).everything.filter(pk=row.pk).update(tags=[*locked.tags, tag])
    row.refresh_from_db()
    record(row, "tagged", by=by, summary=f"Tagged “{tag}”")


@transaction.atomic
def remove_tag(row: models.Model, tag: str, *, by: Actor | User) -> None:
    """Remove `tag` from a record, in whatever case it is written.

    Raises:
        NotPermitted: `by` may not change such records.
        InvalidInput: the tag is blank, too long or contains a comma.
        IllegalTransition: the record does not have the tag, or is deleted.
    """
    tag = clean_name(tag)
    locked = lock_to_tag(row, by)
    tags = [one for one in locked.tags if one.lower() != tag.lower()]
    if tags == locked.tags:
        raise IllegalTransition(f"The {describe_record(row)} does not have this tag.")
    type(row).everything.filter(pk=row.pk).update(tags=tags)
    row.refresh_from_db()
    record(row, "untagged", by=by, summary=f"Removed the tag “{tag}”")


def lock_to_tag(row: models.Model, by: Actor | User) -> models.Model:
    """Return the locked record, if `by` may change its tags."""
    Actor.of(by).require_permission(permission_name(row, "change"), f"tag the {row._meta.verbose_name}")
    locked = type(row).everything.select_for_update().get(pk=row.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} is deleted.")
    return locked


def require_rights(by: User) -> None:
    Actor.of(by).require_permission(CHANGE_PERMISSION, "change tags")
    if not can_see_everyone(by):
        raise NotPermitted(f"{by} may not change tags: the records of every owner have them.")


def clean_name(name: str) -> str:
    tag = clean_tag(name)
    if not tag:
        raise InvalidInput(f"A tag must have 1 to {MAX_TAG_LENGTH} characters and no comma.")
    return tag


def views_with_tag(tag: str) -> list[SavedView]:
    """Return the saved views of every user that filter by `tag`."""
    views = SavedView.objects.filter(table__in=TAGGED_TABLES, query__contains=f"{TAGS_PARAM}=")
    return [view for view in views if tag.lower() in {one.lower() for one in tags_of_query(view.query)}]


def tags_of_query(query: str) -> list[str]:
    """Return the tags that the query string of a list filters by."""
    return [tag for name, value in parse_qsl(query) if name == TAGS_PARAM for tag in unique_tags(value.split(","))]


def rename_in_views(old: str, new: str) -> int:
    """Rename the tag in the saved views of every user; return their number."""
    views = views_with_tag(old)
    for view in views:
        view.query = urlencode(
            [
                (name, rename_in_list(value, old, new) if name == TAGS_PARAM else value)
                for name, value in parse_qsl(view.query, keep_blank_values=True)
            ]
        )
        view.save(update_fields=["query", "updated_at"])
    return len(views)


def rename_in_list(text: str, old: str, new: str) -> str:
    tags = (new if tag.lower() == old.lower() else tag for tag in unique_tags(text.split(",")))
    return ",".join(unique_tags(tags))


def rename_in_records(old: str, new: str, by: str) -> int:
    """Rename a tag in every record and web form, and return their number.

    A batch is a transaction, and a row that has the new name is not found again: a run after a kill goes on where the
    last one ended.
    """
    return sum(
        rename_in_table(apps.get_model(table), live, old, new, by)
        for table in (*TAGGED_TABLES, *FORM_TABLES)
        for live in ("deleted_at IS NULL", "deleted_at IS NOT NULL")
    )


def rename_in_table(model: type[models.Model], live: str, old: str, new: str, by: str) -> int:
    statement = RENAME_SQL.format(
        table=connection.ops.quote_name(model._meta.db_table), live=live, limit=RENAME_BATCH_SIZE
    )
    total = 0
    while True:
        # The row audit says who asked for it.
        with pghistory.context(user=by, command="rename tag"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {"old": old, "new": new})
            if not cursor.rowcount:
                return total
            total += cursor.rowcount
