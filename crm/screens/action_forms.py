"""An action as a form: what it asks for, which permission it needs, and the transition it calls."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import models
from django.db.models.options import Options
from django.forms.forms import DeclarativeFieldsMetaclass
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from crm.exceptions import ActionRefused
from crm.models import User

MAX_BULK_ROWS = 1_000
MAX_ERROR_MESSAGES = 5
MAX_LISTED_ITEMS = 50


class ActionFormType(DeclarativeFieldsMetaclass, ABCMeta):
    """Lets a form have abstract methods."""


class ActionPlace(StrEnum):
    """Where the page of a record offers an action."""

    BUTTON = "button"
    MENU = "menu"
    VALUE = "value"


class ActionForm(forms.Form, metaclass=ActionFormType):
    """Asks for what a transition needs and calls it. Subclasses declare fields and `perform`."""

    verb: ClassVar[str]
    label: ClassVar[str]
    permission: ClassVar[str]
    icon: ClassVar[str] = ""
    danger: ClassVar[bool] = False
    primary: ClassVar[bool] = False
    # Where the page of a record offers it: among the buttons, in the menu "More", or beside the value that it changes.
    place: ClassVar[ActionPlace] = ActionPlace.BUTTON
    # The key that opens its form on the page.
    key: ClassVar[str] = ""
    # The field of the form and the column of the record, of an action that sets one value. It can be taken in the place
    # of the value, and undone by setting the earlier value.
    value: ClassVar[tuple[str, str] | None] = None
    # Completes the confirmation of a bulk action: "8 leads updated."
    past_tense: ClassVar[str] = "updated"
    # Whether a bulk action lists the outcome of each record.
    report_each: ClassVar[bool] = False

    def __init__(self, *args: Any, user: User, record: models.Model | None = None, **kwargs: Any) -> None:
        self.user, self.record = user, record
        super().__init__(*args, **kwargs)

    @classmethod
    def is_applicable(cls, record: models.Model) -> bool:
        """Whether the action makes sense for `record` in its present state."""
        return True

    @classmethod
    def is_available(cls, record: models.Model, user: User) -> bool:
        return user.has_perm(cls.permission) and cls.is_applicable(record)

    @abstractmethod
    def perform(self, record: models.Model, by: User) -> str:
        """Call the transition and return the confirmation."""

    @classmethod
    def saved_value(cls, record: models.Model) -> str:
        """Return the value that `record` has, as the form sends it."""
        value = getattr(record, cls.value[1])
        return "" if value is None else str(value)

    @classmethod
    def saved_data(cls, record: models.Model) -> dict[str, str]:
        """Return what the form would have to send for `record` to become as it is now."""
        return {cls.value[0]: cls.saved_value(record)}

    @property
    def expected(self) -> str:
        """The value that the record has while the form is shown: only another change of it is a conflict."""
        return self.saved_value(self.record) if self.value and self.record is not None else ""

    def bulk_summary(self, count: int, opts: Options) -> str:
        """Return the confirmation for `count` records of the model of `opts`, such as "8 leads reassigned."."""
        return f"{count:,} {noun_for(opts, count)} {self.past_tense}."


def noun_for(opts: Options, count: int) -> str:
    """Return the name of `count` records of the model of `opts`."""
    return str(opts.verbose_name if count == 1 else opts.verbose_name_plural)


class ActionLink:
    """An action without a form on the page: a menu has a link to it, a sheet fetches its fields when opened.

    For a template it looks like the form.
    """

    def __init__(self, form_class: type[ActionForm], url: str) -> None:
        self.form_class, self.url = form_class, url
        self.fields = form_class.base_fields

    def __getattr__(self, name: str) -> Any:
        return getattr(self.form_class, name)

    @staticmethod
    def is_enough(form_class: type[ActionForm]) -> bool:
        """Whether a page does without the form: it is in the menu, or its choices are records, which must be read."""
        fields = form_class.base_fields.values()
        in_menu = form_class.place == ActionPlace.MENU and bool(fields)
        return in_menu or any(isinstance(field, forms.ModelChoiceField) for field in fields)

    @property
    def sheet_url(self) -> str:
        return f"{self.url}?sheet=1"


def report(
    request: HttpRequest,
    outcomes: Iterable[str | ActionRefused],
    form: ActionForm,
    opts: Options,
    undo_button: str = "",
) -> None:
    """Report how many records `form` changed (one by one if `report_each`), and the reason of each refusal."""
    outcomes = list(outcomes)
    errors = [str(outcome) for outcome in outcomes if isinstance(outcome, ActionRefused)]
    succeeded = [outcome for outcome in outcomes if not isinstance(outcome, ActionRefused)]
    if succeeded:
        summary = form.bulk_summary(len(succeeded), opts)
        listed = collapsible_list(summary, succeeded if form.report_each else [])
        messages.success(request, format_html("{} {}", listed, undo_button) if undo_button else listed)
    for reason in errors[:MAX_ERROR_MESSAGES]:
        messages.error(request, reason)
    if unlisted_errors := errors[MAX_ERROR_MESSAGES:]:
        messages.error(request, collapsible_list(f"… and {len(unlisted_errors):,} more were refused.", unlisted_errors))


def collapsible_list(sentence: str, items: list[str]) -> str:
    """Return `sentence`, with `items` in a folded list below it."""
    if not items:
        return sentence
    listed_items = format_html_join("", "<li>{}</li>", ((item,) for item in items[:MAX_LISTED_ITEMS]))
    rest_item = (
        format_html("<li>… and {} more.</li>", len(items) - MAX_LISTED_ITEMS) if len(items) > MAX_LISTED_ITEMS else ""
    )
    return format_html("<details><summary>{}</summary><ul>{}{}</ul></details>", sentence, listed_items, rest_item)


def attempt(form: ActionForm, record: models.Model, by: User) -> str | ActionRefused:
    """Return the outcome of one action of many: its confirmation, or the exception that refused it."""
    try:
        return form.perform(record, by)
    except ActionRefused as error:
        return error
