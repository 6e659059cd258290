"""A deed as a form: what it asks for, who may do it, and the transition it calls."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from crm.exceptions import Refused
from crm.models import User

MOST_AT_ONCE = 1_000
MOST_REASONS = 5
MOST_LISTED = 50


class DeedForm(forms.Form):
    """Asks for what a transition needs and calls it. Subclasses declare fields and `perform`."""

    verb: ClassVar[str]
    label: ClassVar[str]
    permission: ClassVar[str]
    icon: ClassVar[str] = ""
    danger: ClassVar[bool] = False
    primary: ClassVar[bool] = False
    # Done to many, whether what was done is told of each.
    each: ClassVar[bool] = False

    def __init__(self, *args: Any, user: User, record: models.Model | None = None, **kwargs: Any) -> None:
        self.user, self.record = user, record
        super().__init__(*args, **kwargs)

    @classmethod
    def possible(cls, record: models.Model) -> bool:
        """Whether the deed makes sense for `record` as it stands."""
        return True

    @classmethod
    def offered(cls, record: models.Model, user: User) -> bool:
        return user.has_perm(cls.permission) and cls.possible(record)

    def perform(self, record: models.Model, by: User) -> str:
        """Do it; the sentence that is shown."""
        raise NotImplementedError


def report(request: HttpRequest, outcomes: Iterable[str | Refused], *, each: bool = False) -> None:
    """Tell how many were done (and what, where `each`), and for each that was refused, why."""
    outcomes = list(outcomes)
    refused = [str(outcome) for outcome in outcomes if isinstance(outcome, Refused)]
    done = [outcome for outcome in outcomes if not isinstance(outcome, Refused)]
    if done:
        messages.success(request, listed(f"Done for {len(done):,}.", done if each else []))
    for reason in refused[:MOST_REASONS]:
        messages.error(request, reason)
    if more := refused[MOST_REASONS:]:
        messages.error(request, listed(f"… and {len(more):,} more were refused.", more))


def listed(sentence: str, items: list[str]) -> str:
    """`sentence`, with `items` to be unfolded beneath it."""
    if not items:
        return sentence
    shown = format_html_join("", "<li>{}</li>", ((item,) for item in items[:MOST_LISTED]))
    rest = format_html("<li>… and {} more.</li>", len(items) - MOST_LISTED) if len(items) > MOST_LISTED else ""
    return format_html("<details><summary>{}</summary><ul>{}{}</ul></details>", sentence, shown, rest)


def attempt(form: DeedForm, record: models.Model, by: User) -> str | Refused:
    """The outcome of one deed out of many: its sentence, or why not."""
    try:
        return form.perform(record, by)
    except Refused as refusal:
        return refusal
