"""Filters and tags for the templates of every app."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django import template
from django.apps import apps
from django.contrib.messages import WARNING
from django.contrib.messages.storage.base import Message
from django.db.models.options import Options
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince

from crm.records import local_time
from crm.records.base import Record
from crm.records.tags.usage import tag_colours
from crm.screens.columns.cells import RowCells, parse_cell
from crm.screens.json_forms.display import ValueNode, describe_value
from crm.screens.record_page.neighbours import record_query
from crm.screens.theme import path_by_navigation
from crm.text.links import is_web_link

register = template.Library()
register.tag("cell", parse_cell)
register.filter("is_web_link", is_web_link)
register.filter("path_by_navigation", path_by_navigation)
register.filter("record_query", record_query)
UNASSIGNED = format_html('<span class="quiet">{}</span>', "Unassigned")


@register.simple_tag
def icon(name: str) -> str:
    """Return a Material Symbols icon, hidden from screen readers."""
    return format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', name)


@register.filter
def is_visible_to(record: Record | None, user: Any) -> bool:
    """Whether there is such a record and `user` may see it."""
    return record is not None and record.is_visible_to(user)


@register.filter
def name_for(record: Record, user: Any) -> str:
    """Return the name of `record`, if `user` may see it."""
    return record.name_for(user)


@register.simple_tag(takes_context=True)
def visible_link(context: template.Context, record: Record, css_class: str = "") -> str:
    """Return a link to the page of `record`; for a reader who may not see it, only that it is another owner's."""
    user, meta = context["request"].user, record._meta
    name, classes = record.name_for(user), format_html(' class="{}"', css_class) if css_class else ""
    if not record.is_visible_to(user):
        return format_html('<span class="{}">{}</span>', f"quiet {css_class}".strip(), name)
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[record.pk])
    return format_html('<a{} href="{}">{}</a>', classes, url, name)


@register.simple_tag
def ago(moment: datetime | None, css_class: str = "") -> str:
    """Return how long ago `moment` was; its tooltip gives the exact time."""
    if moment is None:
        return time_ago(moment)
    classes = format_html(' class="{}"', css_class) if css_class else ""
    return format_html('<span{} title="{}">{}</span>', classes, local_time.format_moment(moment), time_ago(moment))


def date_filter(write: Callable[..., str]) -> Callable[[Any], str]:
    """Return `write` as a filter: it writes a date or a moment for the reader, and nothing of anything else."""
    return lambda value: write(value) if isinstance(value, date) else ""


# 29 Nov 2026 · 29 Nov · 29 Nov 2026, 14:05 · 29 Nov 2026, 14:05:09 · 29 Nov, 14:05 · 14:05 · 14:05:09
register.filter("day", date_filter(local_time.format_day))
register.filter("short_day", date_filter(local_time.format_short_day))
register.filter("moment", date_filter(local_time.format_moment))
register.filter("exact_moment", date_filter(partial(local_time.format_moment, with_seconds=True)))
register.filter("short_moment", date_filter(local_time.format_short_moment))
register.filter("clock", date_filter(local_time.format_time))
register.filter("exact_clock", date_filter(partial(local_time.format_time, with_seconds=True)))


@register.simple_tag
def today() -> str:
    """Return the reader's day, such as `Sunday, 29 November 2026`."""
    now = timezone.localtime()
    return f"{now:%A}, {local_time.format_long_day(now)}"


@register.simple_tag
def score_bar(share: Decimal | float | None) -> str:
    """Return a bar filled to `share` (0 to 1), for an element of the class `score`."""
    return format_html('<i aria-hidden="true">{}</i>', bar(100 * (share or 0)))


@register.simple_tag
def bar(width: Decimal | float, css_class: str = "") -> str:
    """Return the filled part of a bar, `width` percent wide.

    It is an empty picture: its width is an attribute, which the Content-Security-Policy allows, unlike a style.
    """
    classes = format_html(' class="{}"', css_class) if css_class else ""
    return format_html('<svg{} width="{}%"></svg>', classes, f"{width:.1f}")


@register.filter
def by_attention(messages: Iterable[Message]) -> dict[str, list[Message]]:
    """Return the `toasts`, short confirmations, and the `notices`, which need attention or have a list below them."""
    said: dict[str, list[Message]] = {"toasts": [], "notices": []}
    for message in messages:
        is_short = message.level < WARNING and "<details" not in str(message)
        said["toasts" if is_short else "notices"].append(message)
    return said


@register.filter
def owner(user: Any) -> Any:
    """Return `user`, or a muted "Unassigned" where there is none."""
    return UNASSIGNED if user is None else user


@register.filter
def crm_url(opts: Options, page: str) -> str:
    """Return the name of an admin URL: `{% url opts|crm_url:"change" pk %}`."""
    return f"admin:{opts.app_label}_{opts.model_name}_{page}"


@register.simple_tag(takes_context=True)
def edit_link(context: template.Context, name: str, label: str, *, is_page: bool = False) -> str:
    """Return the link that changes the field `name` in its place, or on a page of its own, if the reader may."""
    if not context.get("edits_fields"):
        return ""
    url = reverse(crm_url(context["opts"], "field"), args=[context["row"].pk, name])
    mark = "" if is_page else "data-edit"
    return format_html('<a class="edit" href="{}" {} aria-label="Edit {}">{}</a>', url, mark, label, icon("edit"))


@register.simple_tag(takes_context=True)
def row_action(context: template.Context, verb: str, key: str) -> str:
    """Return the link in a row of a list that takes the action `verb` in the place of the value that it sets.

    `key` is pressed for it while the row has the focus.
    """
    action, row = context.get("row_actions", {}).get(verb), context["row"]
    if action is None or row.is_deleted or not action.is_applicable(row):
        return ""
    return row_link(f"{row.pk}/do/{verb}/", key, f"{action.label}: {row}")


@register.simple_tag(takes_context=True)
def row_field(context: template.Context, name: str, label: str, key: str) -> str:
    """Return the link in a row of a list that changes the field `name` in its place."""
    row = context["row"]
    if not context.get("edits_fields") or row.is_deleted:
        return ""
    return row_link(f"{row.pk}/field/{name}/", key, f"Edit {label}: {row}")


def row_link(url: str, key: str, label: str) -> str:
    link = '<a class="edit" href="{}" data-edit data-row-key="{}" aria-label="{}">{}</a>'
    return format_html(link, url, key, label, icon("edit"))


@register.filter
def plus(number: int, more: int) -> int:
    return number + more


@register.filter
def time_ago(moment: datetime | None) -> str:
    """Return the time since (or until) `moment`, in one unit."""
    if moment is None:
        return "never"
    now = timezone.now()
    if abs((now - moment).total_seconds()) < 60:
        return "now"
    if moment > now:
        return "in " + timesince(now, moment, depth=1)
    return timesince(moment, now, depth=1) + " ago"


@register.filter
def days_ago(moment: datetime) -> str:
    """Return the time since `moment` in days, exact enough to decide on a follow-up."""
    days = (timezone.now() - moment).days
    return time_ago(moment) if days < 1 else f"{days:,} day{'' if days == 1 else 's'} ago"


@register.filter
def percent(share: Decimal | float | None) -> str:
    return "" if share is None else f"{round(float(share) * 100)} %"


@register.filter
def money(amount: Decimal | float | None) -> str:
    """Return an amount in dollars: `$1,240`, or `$1.2M` from a million."""
    if amount is None:
        return ""
    value = float(amount)
    return f"${value / 1_000_000:,.1f}M" if value >= 1_000_000 else f"${value:,.0f}"


@register.filter
def exact_money(amount: Decimal | None) -> str:
    """Return an amount in dollars and cents: `$1,240.50`."""
    return "" if amount is None else f"${amount:,.2f}"


@register.filter
def get_item(mapping: Any, key: str) -> Any:
    return mapping.get(key, "") if hasattr(mapping, "get") else ""


@register.filter
def humanize_key(key: str) -> str:
    """Return a key as a label: `renewal_date` becomes `Renewal date`."""
    return str(key).replace("_", " ").strip().capitalize()


@register.filter
def json_node(value: Any) -> ValueNode:
    """Return JSON without a schema for `crm/json_value.html`."""
    return describe_value(value)


@register.simple_tag(takes_context=True)
def row_cells(context: template.Context, cells: RowCells) -> str:
    """Return the cells of the row of a list, in the order of its columns."""
    return cells.render(context)


@register.simple_tag(takes_context=True)
def tag_chips(context: template.Context, tags: str | list[str], url: str = "", limit: int = 0) -> str:
    """Return tags as chips in their colours, as links to the list at `url` if given; a `limit` counts the rest."""
    tags = [tags] if isinstance(tags, str) else tags
    if not tags:
        return ""
    request = context["request"]
    if not hasattr(request, "tag_colours"):  # once a page, whatever number of rows it has
        request.tag_colours = tag_colours()
    shown = tags[:limit] if limit else tags
    classes = [f"tag b-{colour}" if (colour := request.tag_colours.get(tag.lower())) else "tag" for tag in shown]
    if url:
        links = ((one, url, urlencode({"tags": tag}), tag) for one, tag in zip(classes, shown, strict=True))
        return format_html_join(" ", '<a class="{}" href="{}?{}">{}</a>', links)
    chips = format_html_join(" ", '<span class="{}">{}</span>', zip(classes, shown, strict=True))
    return (
        format_html('{} <span class="small quiet">+{}</span>', chips, rest)
        if (rest := len(tags) - len(shown))
        else chips
    )


@register.filter
def type_name(value: Any) -> str:
    return type(value).__name__


@register.simple_tag
def list_link(table: str) -> str:
    """Return the URL of the list of `table` (`leads.lead`), or "" if it has none."""
    try:
        return reverse(f"admin:{table.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""


@register.simple_tag
def record_link(table: str, pk: Any) -> str:
    """Return a link to the record of `table` with key `pk`."""
    name = table_name(table, 1)
    try:
        url = reverse(f"admin:{table.replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return name
    return format_html('<a href="{}">{}</a>', url, name)


@register.filter
def table_name(table: str, count: int = 2) -> str:
    """Return the name of the records of `table`: "support.supportticket" as "tickets", or "ticket" for a `count` of 1.

    A log may name a table that no longer exists: then its label is returned.
    """
    try:
        options = apps.get_model(table)._meta
    except (LookupError, ValueError):
        return table
    return str(options.verbose_name if count == 1 else options.verbose_name_plural)
