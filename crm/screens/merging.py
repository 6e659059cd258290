"""The pages that merge two records side by side, and undo a merge."""

from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst

from crm.exceptions import ActionRefused
from crm.models import Merge, User
from crm.records.custom_fields.references import with_names
from crm.records.custom_fields.schemas import Schema
from crm.records.duplicates.finding import find_duplicates
from crm.records.duplicates.matching import Identity
from crm.records.history import display_value
from crm.records.merging.rules import (
    BOTH,
    LOSER,
    PATH_SEPARATOR,
    WINNER,
    Difference,
    differences,
    is_blank,
    rules_of,
)
from crm.records.merging.transitions import kept_changes, merge, unmerge
from crm.records.references import references_to
from crm.records.timeline import may_view_table
from crm.records.transitions import describe_record
from crm.screens.custom_fields.display import custom_fields_schema
from crm.screens.json_forms.display import value_text
from crm.templatetags.crm import humanize_key

MAX_CANDIDATES = 20
MAX_MERGE_CHAIN = 20
CHOICE_PREFIX = "choice:"


class ComparedValue(NamedTuple):
    """A value of one side; `side` is empty where there is nothing to choose."""

    side: str
    text: str
    is_chosen: bool


class ComparedRow(NamedTuple):
    """A field of both records side by side; `further` is the choice of both texts, one after the other."""

    name: str
    label: str
    values: list[ComparedValue]
    further: list[ComparedValue]


class Candidate(NamedTuple):
    """A record to merge with, and what tells it from others."""

    row: models.Model
    facts: list[str]


class MergeViewsMixin:
    """For the admin class of records that can be merged."""

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/merge/", wrap(self.merge_view), name=f"{name}_merge"),
            path("<uuid:pk>/unmerge/", wrap(self.unmerge_view), name=f"{name}_unmerge"),
            *super().get_urls(),
        ]

    def get_menu_links(self, request: HttpRequest) -> list[tuple[str, str, str]]:
        pairs = ("crm_duplicatepair_changelist", "content_copy", "Duplicates")
        return [*super().get_menu_links(request), *([pairs] if self.user_can(request, "merge") else [])]

    def page_rows(self, request: HttpRequest) -> models.QuerySet:
        rows = super().page_rows(request)
        merges = Merge.objects.in_force().filter(table=self.opts.label_lower, winner_id=models.OuterRef("pk"))
        return rows.annotate(is_winner=models.Exists(merges)) if self.user_can(request, "merge") else rows

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        context = super().page_context(request, row)
        if row.is_deleted or not self.user_can(request, "merge"):
            return context
        urls = {"merge_url": self.merge_page("merge", row)}
        return {**context, **urls, "unmerge_url": self.merge_page("unmerge", row) if row.is_winner else ""}

    def page_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead from the address of a merged record to the record it was merged into."""
        try:
            page = super().page_view(request, object_id)
        except Http404:
            # Only those who may restore records still see a merged one.
            page = None
        if page is not None and page.context_data["row"].merged_into_id is None:
            return page
        if winner := self.find_winner(request, object_id):
            messages.info(request, f"This {self.opts.verbose_name} was merged into {winner}.")
            return HttpResponseRedirect(self.page_url(winner))
        if page is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return page

    def find_winner(self, request: HttpRequest, object_id: str) -> models.Model | None:
        """Return the record that the given one was merged into, if the user may see it."""
        try:
            key = self.opts.pk.to_python(object_id)
        except ValidationError:
            return None
        winner, rows = None, self.model.everything.filter(merged_into__isnull=False)
        for _ in range(MAX_MERGE_CHAIN):
            next_key = rows.filter(pk=key).values_list("merged_into", flat=True).first()
            if next_key is None:
                break
            winner = key = next_key
        return self.get_queryset(request).live().filter(pk=winner).first() if winner else None

    def merge_page(self, page: str, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk])

    # Merge

    def merge_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Compare two records and merge them; without a second record, search for one."""
        if not self.user_can(request, "merge"):
            raise PermissionDenied
        winner = self.get_visible_object(request, pk)
        loser = self.find_other(request, winner)
        if loser is None:
            return self.candidates_view(request, winner)
        choices = posted_choices(request)
        if request.method == "POST":
            try:
                merge(winner, loser, choices, by=request.user)
            except ActionRefused as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{capfirst(describe_record(loser))} merged into {winner}.")
                return HttpResponseRedirect(self.page_url(winner))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Merge {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "original": winner,
            "winner": winner,
            "loser": loser,
            "rows": compare_records(winner, loser, choices, request.user),
            "refusal": reason_to_refuse(winner, loser),
            "related": count_references(loser, request.user),
            "back": self.page_url(winner),
            "swap": f"{self.merge_page('merge', loser)}?other={winner.pk}",
        }
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(request, "crm/merge.html", context, status=status)

    def find_other(self, request: HttpRequest, winner: models.Model) -> models.Model | None:
        """Return the other live record that the request names, if the user may see it."""
        try:
            key = self.opts.pk.to_python(request.POST.get("other") or request.GET.get("other"))
        except ValidationError:
            return None
        return self.get_queryset(request).live().filter(pk=key).exclude(pk=winner.pk).first() if key else None

    def candidates_view(self, request: HttpRequest, winner: models.Model) -> HttpResponse:
        """Show the records that may be the same, or those that a search finds."""
        words = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Merge {winner} with",
            "opts": self.opts,
            "original": winner,
            "words": words,
            "candidates": self.search_others(request, winner, words) if words else similar_records(request, winner),
            "back": self.page_url(winner),
        }
        return TemplateResponse(request, "crm/merge_candidates.html", context)

    def search_others(self, request: HttpRequest, winner: models.Model, words: str) -> list[Candidate]:
        found, _ = self.get_search_results(request, self.get_queryset(request), words)
        return [Candidate(row, contact_facts(row)) for row in found.exclude(pk=winner.pk)[:MAX_CANDIDATES]]

    # Undo

    def unmerge_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Undo the latest merge into a record, after showing what stays with it."""
        if not self.user_can(request, "merge"):
            raise PermissionDenied
        winner = self.get_visible_object(request, pk)
        latest = Merge.objects.in_force().of_winner(winner).select_related("merged_by").order_by("-pk").first()
        if latest is None:
            raise Http404("There is no merge to undo.")
        loser_name = self.loser_name(request, latest)
        if request.method == "POST":
            try:
                unmerge(latest, by=request.user)
            except ActionRefused as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{loser_name} and {winner} are two records again.")
            return HttpResponseRedirect(self.page_url(winner))
        context = {
            **self.admin_site.each_context(request),
            "title": "Undo the merge",
            "opts": self.opts,
            "original": winner,
            "merge": latest,
            "loser_name": loser_name,
            "kept": [field.verbose_name for field in kept_changes(latest, winner)],
            "back": self.page_url(winner),
        }
        return TemplateResponse(request, "crm/unmerge.html", context)

    def loser_name(self, request: HttpRequest, made: Merge) -> str:
        """Return the name that the loser had, if the user may open it."""
        loser = self.model.everything.filter(pk=made.loser_id).first()
        if loser is None:
            return f"A purged {self.opts.verbose_name}"
        return made.row_name("loser") if loser.is_visible_to(request.user) else loser.name_for(request.user)


def contact_facts(row: models.Model) -> list[str]:
    """Return the addresses and numbers of `row`, which tell it from others with the same name."""
    names = [name for name in rules_of(type(row)).fields if name.endswith(("email", "phone"))]
    return [value for name in names if (value := getattr(row, name))]


def similar_records(request: HttpRequest, winner: models.Model) -> list[Candidate]:
    """Return the records of the same table that may be the same as `winner`, with the reason."""
    found = find_duplicates(
        Identity.of(winner), request.user, excluded=winner, tables=(type(winner),), limit=MAX_CANDIDATES
    )
    return [Candidate(one.record, [capfirst(one.description), *contact_facts(one.record)]) for one in found]


def posted_choices(request: HttpRequest) -> dict[str, str]:
    """Return the side that was chosen for each difference; the default is left out."""
    return {
        name.removeprefix(CHOICE_PREFIX): side
        for name, side in request.POST.items()
        if name.startswith(CHOICE_PREFIX) and side != WINNER
    }


def compare_records(
    winner: models.Model, loser: models.Model, choices: dict[str, str], reader: User
) -> list[ComparedRow]:
    """Return every field that one of the two has, in the order of the rules; what differs can be chosen."""
    schema = with_names(custom_fields_schema(winner._meta.label_lower), reader)
    rules = rules_of(type(winner))
    found = {one.path: one for one in differences(winner, loser)}
    paths = [(name,) for name in (*rules.fields, *rules.texts)]
    for name in rules.objects:
        paths += value_paths((name,), getattr(winner, name), getattr(loser, name))
    paths += [(name,) for name in rules.lists]
    rows = (compared_row(path, winner, loser, found.get(path), choices, schema) for path in paths)
    return [row for row in rows if any(value.text for value in row.values)]


def value_paths(path: tuple[str, ...], *objects: Any) -> list[tuple[str, ...]]:
    """Return the paths of all values within JSON objects; an object within only one of them is one value."""
    if not all(isinstance(one, dict) for one in objects):
        return [path]
    keys = dict.fromkeys(key for one in objects for key in one)
    return [found for key in keys for found in value_paths((*path, key), *(one[key] for one in objects if key in one))]


def compared_row(
    path: tuple[str, ...],
    winner: models.Model,
    loser: models.Model,
    difference: Difference | None,
    choices: dict[str, str],
    schema: Schema,
) -> ComparedRow:
    field = winner._meta.get_field(path[0])
    name = PATH_SEPARATOR.join(path)
    chosen = choices.get(name, WINNER)
    sides = difference.sides if difference else ()
    values = [
        ComparedValue(side if side in sides else "", display_side(field, row, path, schema), side == chosen)
        for side, row in ((WINNER, winner), (LOSER, loser))
    ]
    further = [ComparedValue(BOTH, "Both, one after the other", chosen == BOTH)] if BOTH in sides else []
    keys = [humanize_key(key) for key in path[1:]]
    return ComparedRow(f"{CHOICE_PREFIX}{name}", ": ".join([field.verbose_name, *keys]), values, further)


def display_side(field: models.Field, row: models.Model, path: tuple[str, ...], schema: Schema) -> str:
    """Return the value at `path` in `row` for reading; `schema` is that of the custom fields."""
    value = getattr(row, path[0])
    for key in path[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    if is_blank(value):
        return ""
    defined = schema["properties"].get(path[-1]) if path[0] == "custom_fields" else None
    return value_text(value, defined) if defined else display_choice(field, value)


def display_choice(field: models.Field, value: Any) -> str:
    if isinstance(value, models.Model):
        return str(value)
    if isinstance(value, list):
        return describe_list(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(display_value(field, value) if not isinstance(field, models.JSONField) else value)


def describe_list(values: list[Any]) -> str:
    """Return the entries of a list; of objects, which are united, only how many there are."""
    if any(isinstance(one, dict) for one in values):
        return f"{len(values):,} {'entry' if len(values) == 1 else 'entries'}"
    return ", ".join(map(str, values))


def reason_to_refuse(winner: models.Model, loser: models.Model) -> str:
    """Return the sentence with which the merge would be refused, whatever is chosen; empty if it would not."""
    try:
        for guard in rules_of(type(winner)).guards:
            guard(winner, loser)
    except ActionRefused as error:
        return str(error)
    return ""


def count_references(row: models.Model, user: User) -> list[str]:
    """Return how many rows of each table that `user` may see refer to `row`, such as “3 tasks”."""
    found = []
    for other, field in references_to(type(row), excluded=rules_of(type(row)).excluded_tables):
        rows, meta = other._default_manager.filter(**{field.name: row}), other._meta
        if not may_view_table(user, meta.label_lower):
            continue
        rows = rows.visible_to(user) if hasattr(rows, "visible_to") else rows
        if number := rows.count():
            found.append(f"{number:,} {meta.verbose_name if number == 1 else meta.verbose_name_plural}")
    return found
