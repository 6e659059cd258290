"""Find the later work that undoing a conversion would destroy."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models

from crm.models import ActivityLog, Client, User
from crm.records.references import references_to
from crm.records.timeline import visible_entries
from leads.conversion.linked_rows import linkable_tables
from leads.conversion.welcome import was_edited
from leads.models import Lead, LeadConversion

MAX_ENTRIES_LISTED = 5
HIDDEN_WORK = "changes of records that you cannot open"


def find_obstacles(conversion: LeadConversion, client: Client, user: User | None) -> list[str]:
    """Return the work on the client, and on what the conversion added, since `conversion`; each as a phrase.

    `user` is the reader, None for the program: what other people's records say is not told.
    """
    obstacles = list(changed_details(conversion, client))
    rows = []
    for entry, row in made_records(conversion):
        rows.append(row)
        if was_edited(entry, row):
            obstacles.append(f"the {row._meta.verbose_name} was edited")
    if conversion.is_new_client:
        rows.append(client)
    for row in rows:
        obstacles += [*later_entries(conversion, row, user), *later_rows(conversion, row, user)]
    return list(dict.fromkeys(obstacles))


def made_records(conversion: LeadConversion) -> Iterator[tuple[dict[str, Any], models.Model]]:
    """Yield the records that the conversion added and that were not purged, each after its entry in `made`."""
    for entry in conversion.made:
        row = apps.get_model(entry["model"])._base_manager.filter(pk=entry["id"]).first()
        if row is not None:
            yield entry, row


def changed_details(conversion: LeadConversion, client: Client) -> Iterator[str]:
    """Yield the columns of an existing client that were changed after the conversion changed them."""
    for name, value in conversion.client_after.items():
        if getattr(client, name) != value:
            yield f"the {client._meta.get_field(name).verbose_name} changed"


def later_entries(conversion: LeadConversion, row: models.Model, user: User | None) -> Iterator[str]:
    """Yield what the activity log says of `row` since the conversion, newest first."""
    is_about, is_target = (
        models.Q(**{f"{column}_type": row._meta.label_lower, f"{column}_id": row.pk}) for column in ("about", "target")
    )
    for condition in (is_about, is_target):
        entries = ActivityLog.objects.filter(condition, occurred_at__gt=conversion.converted_at).order_by(
            "-occurred_at"
        )
        listed = list(entries[:MAX_ENTRIES_LISTED])
        visible = listed if user is None else visible_entries(user, row, listed)
        yield from (entry.summary[:80] for entry in visible)
        if len(visible) < len(listed):
            yield HIDDEN_WORK


def later_rows(conversion: LeadConversion, row: models.Model, user: User | None) -> Iterator[str]:
    """Yield the number of records that refer to `row`, by table, except those that the conversion put there.

    Records that `user` may not see are not counted.
    """
    linkable = {table.model: table.lead.name for table in linkable_tables()}
    for model, field in references_to(type(row), excluded={LeadConversion._meta.db_table}):
        others = model._default_manager.filter(**{field.name: row}).exclude(pk__in=conversion.made_keys(model))
        if model is Lead:
            others = others.exclude(pk=conversion.lead_id)
        elif model in linkable:
            # These go back to the lead.
            others = others.exclude(models.Q(**{linkable[model]: conversion.lead_id}))
        count = others.count()
        visible = others.visible_to(user).count() if user and count and hasattr(others, "visible_to") else count
        if visible:
            yield number_of(visible, model)
        if visible < count:
            yield HIDDEN_WORK


def number_of(count: int, model: type[models.Model]) -> str:
    meta: Any = model._meta
    return f"{count:,} {meta.verbose_name if count == 1 else meta.verbose_name_plural}"
