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
from crm.records.duplicates.finding import find_duplicates
from crm.records.duplicates.matching import Identity
from crm.records.history import display_value
from crm.records.merging.rules import BOTH, LOSER, WINNER, Difference, differences, rules_of
from crm.records.merging.transitions import kept_changes, merge, unmerge
from crm.records.references import references_to
from crm.records.timeline import may_view_table
from crm.records.transitions import describe_record
from crm.templatetags.crm import humanize_key

MAX_CANDIDATES = 20
MAX_MERGE_CHAIN = 20
CHOICE_PREFIX = "choice:"


class ChoiceRow(NamedTuple):
    """A difference as a row of the page: its label, and a value to choose for each side."""

    name: str
    label: str
    options: list[tuple[str, str, bool]]


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

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        context = super().page_context(request, row)
        if row.is_deleted or not self.user_can(request, "merge"):
            return context
        is_winner = Merge.objects.in_force().of_winner(row).exists()
        urls = {"merge_url": self.merge_page("merge", row)}
        return {**context, **urls, "unmerge_url": self.merge_page("unmerge", row) if is_winner else ""}

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
            "rows": [choice_row(winner, one, choices) for one in differences(winner, loser)],
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
        if request.method == "POST":
            try:
                unmerge(latest, by=request.user)
            except ActionRefused as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{latest.row_name('loser')} and {winner} are two records again.")
            return HttpResponseRedirect(self.page_url(winner))
        context = {
            **self.admin_site.each_context(request),
            "title": "Undo the merge",
            "opts": self.opts,
            "original": winner,
            "merge": latest,
            "loser_name": latest.row_name("loser"),
            "kept": [field.verbose_name for field in kept_changes(latest, winner)],
            "back": self.page_url(winner),
        }
        return TemplateResponse(request, "crm/unmerge.html", context)


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


def choice_row(winner: models.Model, difference: Difference, choices: dict[str, str]) -> ChoiceRow:
    field = winner._meta.get_field(difference.path[0])
    keys = [humanize_key(key) for key in difference.path[1:]]
    values = {WINNER: difference.winner, LOSER: difference.loser, BOTH: "Both, one after the other"}
    chosen_side = choices.get(difference.name, WINNER)
    options = [(side, display_choice(field, values[side]), side == chosen_side) for side in difference.sides]
    return ChoiceRow(f"{CHOICE_PREFIX}{difference.name}", ": ".join([field.verbose_name, *keys]), options)


def display_choice(field: models.Field, value: Any) -> str:
    if isinstance(value, models.Model):
        return str(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(display_value(field, value) if not isinstance(field, models.JSONField) else value)


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
