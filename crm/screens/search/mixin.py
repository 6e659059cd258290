"""What an admin class says about its table to the search over everything."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from crm.models import User
from crm.screens.search.commands import Command


class SearchedRows(NamedTuple):
    """What the search of a list finds: its rows, why there are none, and whether every row was searched."""

    rows: models.QuerySet
    error: str = ""
    is_complete: bool = True


class SearchedMixin:
    """For an admin class: how its rows are named among the results, and its commands."""

    # The column with the name of a row, and the time that tells which row is newer.
    found_name: ClassVar[str] = ""
    found_newest: ClassVar[Any] = "created_at"
    # The command that adds a row, by default “New” and the name of the table; and further words that find it.
    add_label: ClassVar[str] = ""
    add_words: ClassVar[str] = ""
    add_icon: ClassVar[str] = "add"

    def exact_rows(self, request: HttpRequest, text: str) -> models.QuerySet:
        """Return the live rows that `text` names by an address or a number of their own, for the user."""
        return self.get_queryset(request).filter(deleted_at__isnull=True).identified_by(text)

    def find_rows(self, request: HttpRequest, rows: models.QuerySet, text: str) -> SearchedRows:
        """Return those of `rows` that the search of the list finds; deleted ones never."""
        return self.search_rows(request, rows, text, self.filterset_class)[0]

    def search_rows(
        self, request: HttpRequest, rows: models.QuerySet, text: str, filterset_class: Any
    ) -> tuple[SearchedRows, Any]:
        """Return the live ones of `rows` that a FilterSet finds by its search, and the FilterSet."""
        filterset = filterset_class({"q": text}, rows.filter(deleted_at__isnull=True), request=request)
        error = " ".join(filterset.form.errors.get("q", ()))
        return SearchedRows(rows.none() if error else filterset.qs, error), filterset

    def found_details(self, row: models.Model, reader: User) -> Iterable[Any]:
        """Return what is shown beside the name of `row`; empty parts are left out."""
        return ()

    def get_commands(self, request: HttpRequest) -> list[Command]:
        """Return the commands that the user may give for this table."""
        if not self.has_add_permission(request):
            return []
        url = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_add")
        label = self.add_label or f"New {self.opts.verbose_name}"
        return [Command(label, self.add_icon, url, f"add create new {self.add_words}")]
