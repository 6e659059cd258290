"""Which columns a list shows a user: those that the address names, else those that the user chose, else the default."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from django.http import HttpRequest

from crm.exceptions import InvalidInput
from crm.models import CustomField, ListColumns, User
from crm.models.saved_view import MAX_LIST_COLUMNS
from crm.screens.columns.cells import cells_of_template
from crm.screens.columns.column import AnyColumn, FieldColumn
from crm.screens.custom_fields.filters import PREFIX
from crm.screens.custom_fields.questions import QUESTION_PREFIX, load_question_forms
from crm.text.cleaning import strip_nul

# Once for each column: a saved view and a link name the columns that they show.
COLUMN_PARAM = "column"
MAX_LISTED_COLUMNS = 3


class ColumnChoice:
    """The columns of the list of `screen`, an admin class, that the names `requested` stand for.

    `forms` are the codes of lines whose questions can be chosen besides those requested.
    """

    def __init__(self, screen: Any, filterset: Any, requested: Sequence[str], forms: Iterable[str] = ()) -> None:
        self.screen, self.table, self.forms = screen, screen.opts.label_lower, set(forms)
        self.custom_fields = getattr(filterset, "custom_fields", None)
        self.requested = list(dict.fromkeys(requested)) if screen.has_column_choice() else []

    @property
    def first(self) -> AnyColumn:
        """The column that is always shown: it leads to the record."""
        return self.screen.columns[0]

    @cached_property
    def offered(self) -> dict[str, AnyColumn]:
        """All columns that can be chosen, by name: the list's own, custom fields, then questions."""
        fields = self.custom_fields.fields.values() if self.custom_fields else ()
        columns = (*self.screen.columns, *map(FieldColumn, fields), *self.question_columns)
        return {column.name: column for column in columns}

    @cached_property
    def question_columns(self) -> list[FieldColumn]:
        """The questions of the lines that the choice names. One of a repeated group has no single value to show."""
        names = (name for name in self.requested if name.startswith(QUESTION_PREFIX))
        codes = {name.split(".")[1] for name in names} | self.forms
        forms = load_question_forms(self.table, codes) if self.custom_fields and codes else []
        return [FieldColumn(one) for form in forms for one in form.fields if one.is_filterable and not one.is_repeated]

    @cached_property
    def chosen(self) -> list[AnyColumn]:
        """The requested columns that there are, beginning with the first; empty if none is requested."""
        found = [self.offered[name] for name in self.requested if name in self.offered]
        if not found:
            return []
        return [self.first, *(column for column in found if column.name != self.first.name)][:MAX_LIST_COLUMNS]

    @cached_property
    def shown(self) -> list[AnyColumn]:
        return self.chosen or [self.offered[name] for name in self.default_names]

    @property
    def default_names(self) -> list[str]:
        return [column.name for column in self.offered.values() if column.is_default]

    @property
    def names(self) -> list[str]:
        """The names of the chosen columns, for a link or a saved view; none if the list shows its default."""
        return [column.name for column in self.chosen]

    def shown_fields(self) -> list[FieldColumn]:
        return [column for column in self.shown if isinstance(column, FieldColumn)]

    def json_columns(self) -> set[str]:
        """Return the columns of the table that the shown fields are read from."""
        return {column.field.column for column in self.shown_fields()}

    def missing(self) -> list[str]:
        """Return a sentence for each requested column that is not shown, because it is retired or unknown."""
        names = [name for name in self.requested if name not in self.offered]
        if not names:
            return []
        keys = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
        known = CustomField.everything.filter(table=self.table, key__in=keys) if keys else ()
        labels = {f"{PREFIX}{field.key}": field.label for field in known}
        sentences = [
            f"The column “{labels[name]}” is retired, so it is not shown."
            if name in labels
            else f"There is no column “{name[:60]}” any more, so it is not shown."
            for name in names[:MAX_LISTED_COLUMNS]
        ]
        more = len(names) - len(sentences)
        return [*sentences, f"{more} more columns are not shown either."] if more else sentences

    def check(self, names: Iterable[str]) -> list[str]:
        """Return `names` as columns to save, with the first one among them; none if they are the default.

        Raises:
            InvalidInput: there is no such column, or there are too many.
        """
        names = list(dict.fromkeys([self.first.name, *names]))
        if unknown := [name for name in names if name not in self.offered]:
            raise InvalidInput(f"This list has no column “{unknown[0][:60]}”.")
        if len(names) > MAX_LIST_COLUMNS:
            raise InvalidInput(f"A list shows at most {MAX_LIST_COLUMNS} columns. You chose {len(names)}.")
        return [] if names == self.default_names else names


def requested_columns(request: HttpRequest) -> list[str]:
    """Return the columns that the address names."""
    return [strip_nul(name) for name in request.GET.getlist(COLUMN_PARAM) if name][: 2 * MAX_LIST_COLUMNS]


def own_columns(user: User, table: str) -> list[str]:
    """Return the columns that `user` chose for the list of `table`; none if the user chose none."""
    return ListColumns.objects.visible_to(user).filter(table=table).values_list("names", flat=True).first() or []


def choose_columns(screen: Any, filterset: Any, request: HttpRequest) -> ColumnChoice:
    """Return the columns that the list of `screen` shows at the address of `request`."""
    if not screen.has_column_choice():
        return ColumnChoice(screen, filterset, [])
    requested = requested_columns(request) or own_columns(request.user, screen.opts.label_lower)
    return ColumnChoice(screen, filterset, requested)


def can_choose_columns(screen: Any) -> bool:
    """Whether each column of `screen` has a cell of its own in the row template."""
    return bool(screen.row_template and cells_of_template(screen.row_template))
