"""The views of actions on the selected rows of a list."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused, IllegalTransition
from crm.screens.action_forms import MAX_BULK_ROWS, ActionForm, attempt, noun_for, report
from crm.screens.action_values import safe_next_url
from crm.screens.bulk_actions.changes import Undo, perform_on_each, preview_changes

APPLY, PREVIEW, OFFER = "apply", "preview", "offer"
MAX_ROWS_SHOWN, MAX_CHANGES_SHOWN = 20, 100
# The parameter of the list of deleted rows.
DELETED_PARAM = "deleted"


class BulkActionsMixin:
    """For the admin class of a record: actions on the selected rows of its list."""

    bulk_actions: ClassVar[tuple[type[ActionForm], ...]] = ()

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.undo_bulk_view))
        return [
            path("undo/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_undo_bulk"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str]]:
        """Return the actions of the list; deleted rows can only be restored."""
        if IS_POPUP_VAR in request.GET:
            return {}
        forms = self.deleted_row_actions()[:1] if request.GET.get(DELETED_PARAM) else self.bulk_actions
        return {
            form.verb: (self.make_bulk_action(form), form.verb, form.label)
            for form in forms
            if request.user.has_perm(form.permission)
        }

    def make_bulk_action(self, form_class: type[ActionForm]) -> Callable[..., HttpResponse | None]:
        """Return an admin action that shows the form once, then performs it on each selected row."""

        def run(_: Any, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse | None:
            rows = list(queryset[: MAX_BULK_ROWS + 1])
            if len(rows) > MAX_BULK_ROWS:
                messages.error(
                    request, f"Select at most {MAX_BULK_ROWS:,} at once. Narrow the list down with a filter."
                )
                return None
            form = form_class(request.POST if APPLY in request.POST else None, user=request.user)
            if not form.is_bound or not form.is_valid():
                return self.render_bulk_form(request, form, rows)
            if PREVIEW in request.POST and form.value:
                return self.render_bulk_form(request, form, rows, preview_changes(form, rows, request.user))
            self.perform_bulk(request, form, rows)
            return None

        return run

    def render_bulk_form(
        self, request: HttpRequest, form: ActionForm, rows: list[models.Model], changes: list[Any] | None = None
    ) -> HttpResponse:
        refused = [one for one in changes or () if one.is_refused]
        changed = [one for one in changes or () if not one.is_refused]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {len(rows):,} {noun_for(self.opts, len(rows))}",
            "opts": self.opts,
            "form": form,
            "rows": rows[:MAX_ROWS_SHOWN],
            "more": len(rows) - MAX_ROWS_SHOWN,
            "is_preview": changes is not None,
            "changed": f"{len(changed):,} {noun_for(self.opts, len(changed))}",
            "can_apply": bool(changed),
            "refused_count": len(refused),
            # What is refused comes first: it is what a person has to look at.
            "changes": [*refused, *changed][:MAX_CHANGES_SHOWN],
            "more_changes": len(refused) + len(changed) - MAX_CHANGES_SHOWN,
            "selected": request.POST.getlist("_selected_action"),
            "across": request.POST.get("select_across", "0"),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "crm/bulk_action.html", context)

    def perform_bulk(self, request: HttpRequest, form: ActionForm, rows: list[models.Model]) -> None:
        """Perform a valid form on each of `rows` and report the outcomes; a value can be put back."""
        if not form.value:
            report(request, [attempt(form, row, request.user) for row in rows], form, self.opts)
            return
        outcomes, undo = perform_on_each(form, rows, request.user)
        button = self.undo_button_of(request, undo.sign())
        report(request, outcomes, form, self.opts, button)

    def undo_button_of(self, request: HttpRequest, offer: str) -> str:
        if not offer:
            return ""
        values = {OFFER: offer, "next": request.get_full_path()}
        context = {"action": f"{self.list_url()}undo/", "values": values, "label": "the changes of these rows"}
        return render_to_string("crm/undo_action.html", context, request)

    def undo_bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Put back the values that an action changed, in each row that has not changed again since."""
        back = HttpResponseRedirect(safe_next_url(request.POST.get("next"), self.list_url()))
        try:
            undo = Undo.read(request.POST.get(OFFER, ""))
        except ActionRefused as error:
            messages.error(request, str(error))
            return back
        form_class = next((form for form in self.bulk_actions if form.verb == undo.verb), None)
        if form_class is None or not request.user.has_perm(form_class.permission):
            raise PermissionDenied
        outcomes = [
            outcome
            for data, keys in undo.groups
            for outcome in self.put_back(request, form_class, data, keys, undo.after)
        ]
        done = len([one for one in outcomes if not isinstance(one, ActionRefused)])
        if done:
            messages.success(request, f"{done:,} {noun_for(self.opts, done)} as before.")
        for error in [one for one in outcomes if isinstance(one, ActionRefused)][:5]:
            messages.error(request, str(error))
        return back

    def put_back(
        self, request: HttpRequest, form_class: type[ActionForm], data: dict[str, str], keys: list[str], after: str
    ) -> list[Any]:
        """Return the outcome for each of the records `keys`, which had the value in `data`."""
        form, outcomes = form_class(data, user=request.user), []
        if not form.is_valid():
            reason = " ".join(error for errors in form.errors.values() for error in errors)
            return [IllegalTransition(f"{len(keys):,} {noun_for(self.opts, len(keys))} stay as they are: {reason}")]
        for row in self.get_queryset(request).filter(pk__in=keys):
            if form.saved_value(row) == after:
                outcomes.append(attempt(form, row, request.user))
            else:
                outcomes.append(IllegalTransition(f"{row} was changed again since, and stays as it is."))
        return outcomes
