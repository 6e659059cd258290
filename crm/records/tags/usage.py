"""Which tags there are, and how many records have them, from a bounded number of rows."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models.expressions import RawSQL

from crm.models import CustomFieldTable, Tag
from crm.records.base import can_see_everyone, lower_tags

# The tables of records with tags, by model label.
TAGGED_TABLES = (CustomFieldTable.LEAD, CustomFieldTable.CLIENT, CustomFieldTable.CONTACT)
# Every tag of a large table cannot be listed: those of its newest records are. Counts stop at a number, too.
SAMPLED_ROW_COUNT, MAX_TAGS, MAX_COUNT = 10_000, 200, 1_000
TAGS = ArrayField(models.TextField())
NEWEST_TAGS_SQL = """
SELECT tag FROM ({rows}) AS newest, unnest(newest.tags) AS tag GROUP BY tag ORDER BY count(*) DESC, tag LIMIT {limit}
"""
COUNT_SQL = """
SELECT (SELECT count(*) FROM ({rows}) AS counted) FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (tag, n) ORDER BY n
"""


def tagged_models() -> list[type[models.Model]]:
    return [apps.get_model(table) for table in TAGGED_TABLES]


def with_tags(rows: models.QuerySet, *tags: str) -> models.QuerySet:
    """Return those of `rows` that have all `tags`; the index of tags finds them."""
    wanted = models.Func(models.Value(list(tags), TAGS), function="lower_tags", output_field=TAGS)
    return rows.alias(_tags=lower_tags("tags")).filter(_tags__contains=wanted)


def known_tags(user: Any, tables: Iterable[type[models.Model]]) -> list[str]:
    """Return the tags of the newest records of `tables` that `user` may see, and those with a colour, in order.

    A tag with a colour may come from a record that `user` may not see, so only users who see all records read it.
    """
    spellings: dict[str, str] = {}
    for model in tables:
        newest = model.objects.order_by("-pk").values("pk")[:SAMPLED_ROW_COUNT]
        rows = model.objects.visible_to(user).filter(pk__in=newest).order_by().values("tags")
        sql, params = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(NEWEST_TAGS_SQL.format(rows=sql, limit=MAX_TAGS), params)
            for (tag,) in cursor:
                spellings.setdefault(tag.lower(), tag)
    if can_see_everyone(user):
        for name in Tag.objects.order_by("name").values_list("name", flat=True)[:MAX_TAGS]:
            spellings.setdefault(name.lower(), name)
    return sorted(spellings.values(), key=str.lower)[:MAX_TAGS]


def count_records(tags: list[str], user: Any, tables: Iterable[type[models.Model]]) -> dict[str, list[int]]:
    """Return for each table (model label) how many records `user` sees with each of `tags`, up to `MAX_COUNT` + 1."""
    counts = {}
    this_tag = RawSQL("lower_tags(ARRAY[wanted.tag])", [], output_field=TAGS)
    for model in tables:
        rows = model.objects.visible_to(user).alias(_tags=lower_tags("tags")).filter(_tags__contains=this_tag)
        sql, params = rows.order_by().values("pk")[: MAX_COUNT + 1].query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(COUNT_SQL.format(rows=sql), [*params, tags])
            counts[model._meta.label_lower] = [count for (count,) in cursor.fetchall()]
    return counts


def tag_colours() -> dict[str, str]:
    """Return the colour of each tag that has one, by its name in lower case."""
    return {name.lower(): colour for name, colour in Tag.objects.values_list("name", "colour")}
