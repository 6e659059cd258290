"""The form that chooses the columns of a list: check boxes in the order of the columns."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from crm.exceptions import ActionRefused
from crm.records import transitions
from crm.screens.action_values import IN_PLACE_PARAM
from crm.screens.columns.choice import (
    COLUMN_PARAM,
    ColumnChoice,
    can_choose_columns,
    choose_columns,
    requested_columns,
)
from crm.screens.columns.column import AnyColumn, Column
from crm.screens.custom_fields.questions import QuestionField, load_question_forms
from crm.text.cleaning import strip_nul

# What the form sends beside the checked columns: all columns in their order, the lines whose questions it offers, and
# the button that was pressed.
PLACE, FORM, ADD_FORM, UP, DOWN, SAVE, RESET = "place", "form", "add_form", "up", "down", "save", "reset"
# The value of the button that puts the columns into the address instead of saving them as the user's own.
FOR_PAGE = "page"


@dataclass(frozen=True)
class Entry:
    """A line of the form."""

    column: AnyColumn
    is_shown: bool

    @property
    def group(self) -> str:
        if isinstance(self.column, Column):
            return ""
        return "answer" if isinstance(self.column.field, QuestionField) else "custom field"


class ColumnsViewMixin:
    """For the admin class of a record: the page that chooses the columns of its list."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self.columns_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_columns"
        return [path("columns/", view, name=name), *super().get_urls()]

    def has_column_choice(self) -> bool:
        return can_choose_columns(self)

    def columns_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form, or save it. The buttons that move a column or add questions only show it again."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if not self.has_column_choice():
            raise Http404("The columns of this list cannot be chosen.")
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        if request.method != "POST":
            choice = choose_columns(self, filterset, request)
            names = {column.name for column in choice.shown}
            rest = (column for column in choice.offered.values() if column.name not in names)
            entries = [*(Entry(column, True) for column in choice.shown), *(Entry(column, False) for column in rest)]
            return self.render_columns(request, choice, entries)
        places = [strip_nul(name) for name in request.POST.getlist(PLACE)]
        choice = ColumnChoice(self, filterset, [*requested_columns(request), *places], sent_forms(request))
        checked = {choice.first.name, *map(strip_nul, request.POST.getlist(COLUMN_PARAM))}
        if SAVE in request.POST or RESET in request.POST:
            ordered = [name for name in dict.fromkeys(places) if name in checked]
            return self.save_columns(request, choice, [*ordered, *sorted(checked - {*ordered})])
        order = moved(places, request, [choice.first.name, *choice.offered])
        return self.render_columns(request, choice, [Entry(choice.offered[name], name in checked) for name in order])

    def save_columns(self, request: HttpRequest, choice: ColumnChoice, checked: list[str]) -> HttpResponse:
        """Save `checked` as the user's own columns, or put them into the address of a page that names its columns."""
        params = [pair for pair in sent_params(request) if pair[0] != COLUMN_PARAM]
        try:
            names = [] if RESET in request.POST else choice.check(checked)
            if request.POST.get(SAVE) == FOR_PAGE:
                params += [(COLUMN_PARAM, name) for name in names or choice.default_names]
            else:
                transitions.save_list_columns(request.user, choice.table, names, by=request.user)
                messages.success(request, "Columns saved." if names else "This list shows its default columns.")
        except ActionRefused as error:
            messages.error(request, f"The columns were not changed. {error}")
            params = sent_params(request)
        return HttpResponseRedirect(f"{self.list_url()}?{urlencode(params)}")

    def render_columns(self, request: HttpRequest, choice: ColumnChoice, entries: list[Entry]) -> HttpResponse:
        in_place, query = IN_PLACE_PARAM in request.GET, urlencode(sent_params(request))
        forms = load_question_forms(choice.table) if choice.custom_fields else []
        context = {
            **({} if in_place else self.admin_site.each_context(request)),
            "title": f"Columns of the list of {self.opts.verbose_name_plural}",
            "opts": self.opts,
            "entries": entries,
            "first": choice.first.name,
            "forms": [(form.code, form.label) for form in forms],
            "sent_forms": sorted(choice.forms),
            "is_for_page": COLUMN_PARAM in request.GET,
            "action": f"{self.list_url()}columns/?{query}",
            "back": f"{self.list_url()}?{query}",
        }
        return TemplateResponse(request, "crm/columns_form.html" if in_place else "crm/columns.html", context)


def sent_params(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the parameters of the list in the address of the form."""
    pairs = ((name, value) for name, values in request.GET.lists() for value in values)
    return [(name, value) for name, value in pairs if name != IN_PLACE_PARAM]


def sent_forms(request: HttpRequest) -> set[str]:
    """Return the lines with questions that the form offers: those that it had, and the one that was added."""
    added = request.POST.getlist(ADD_FORM) if SAVE not in request.POST else []
    return {strip_nul(code) for code in (*request.POST.getlist(FORM), *added)} - {""}


def moved(places: list[str], request: HttpRequest, offered: list[str]) -> list[str]:
    """Return the names of all columns in the order of the form, with the one moved that has the pressed button.

    The first of `offered` stays the first.
    """
    first, *rest = dict.fromkeys(offered)
    order = [name for name in dict.fromkeys([*places, *rest]) if name in rest]
    for button, step in ((UP, -1), (DOWN, 1)):
        name = request.POST.get(button)
        if name in order:
            place = order.index(name)
            order.insert(max(place + step, 0), order.pop(place))
    return [first, *order]
