"""The queue of suggestions: each row says what it is about, and one is shown beside."""

from typing import Any
from urllib.parse import urlencode

from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Left
from django.http import HttpRequest

from crm.screens.lists import AFTER, BEFORE, ORDER, KeysetChangeList
from suggestions.choices import Names
from suggestions.kinds import KINDS
from suggestions.models import Suggestion
from suggestions.screens.content_form import hints
from suggestions.screens.presenters import COLOURS, ICONS

SHOW = "show"
GIST_LENGTH = 160


class Approvals(KeysetChangeList):
    """A list whose rows open beside it."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet:
        return super().get_queryset(request, exclude_parameters).annotate(gist=gist())

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.names = Names()
        beside = urlencode([*self.kept(ORDER, AFTER, BEFORE), (SHOW, "")])
        for row in self.page.rows:
            row.beside = f"?{beside}{row.pk}"
            row.headline = headline(row, self.names) or row.type_label
            row.icon = ICONS.get(row.type, "lightbulb")
            row.colour = COLOURS.get(row.status, "grey")

    def here(self) -> str:
        """The query string of this page of the list."""
        return urlencode(self.kept(ORDER, AFTER, BEFORE))


def gist() -> models.Expression:
    """The beginning of what says most about a suggestion, without its whole content."""
    by_kind = [
        models.When(type=name, then=KeyTextTransform(kind.gist, "suggested_content"))
        for name, kind in KINDS.items()
        if kind.gist
    ]
    whole = models.Case(*by_kind, default=models.F("reasoning"), output_field=models.TextField())
    return Left(whole, GIST_LENGTH)


def headline(row: Suggestion, names: Names) -> str:
    """The gist of `row` for people: a label where it is the code of something."""
    text, kind = row.gist or "", KINDS.get(row.type)
    if kind is None or not kind.gist or not text:
        return text
    source = hints(kind.Payload.model_fields[kind.gist]).get("choices")
    return kind.brief.format(names.label(source, text) if source else text)
