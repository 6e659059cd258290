"""The views of a record's actions: the page of an action, and the form in the place of a value."""

from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.text import capfirst

from crm.exceptions import ActionRefused
from crm.records import transitions
from crm.records.owners import rows_left_by
from crm.screens.action_forms import ActionForm
from crm.screens.action_values import is_in_place, perform_action, safe_next_url
from crm.screens.bulk_actions.views import BulkActionsMixin


class ActionViewsMixin(BulkActionsMixin):
    """For the admin class of a record: the actions of its page, of its list, and of its deleted rows."""

    page_actions: ClassVar[tuple[type[ActionForm], ...]] = ()

    def user_can(self, request: HttpRequest, verb: str) -> bool:
        return request.user.has_perm(transitions.permission_name(self.model, verb))

    def get_visible_object(self, request: HttpRequest, object_id: Any) -> models.Model:
        """Return the record if the user may see it, else 404."""
        row = self.get_object(request, unquote(str(object_id)))
        if row is None or not self.has_view_permission(request, row):
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return row

    def page_url(self, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")

    # Actions on one record

    def record_actions(self) -> tuple[type[ActionForm], ...]:
        """Return the actions of the page: those that other apps add by the settings, then its own."""
        added = settings.RECORD_ACTIONS.get(self.opts.label_lower, ())
        return (*(import_string(name) for name in added), *self.page_actions)

    def available_actions(self, request: HttpRequest, row: models.Model) -> list[ActionForm]:
        """Return the actions that the user can take on `row` now, as empty forms with their addresses."""
        if is_soft_deleted(row):
            return []
        action_forms = [
            form(user=request.user, record=row)
            for form in self.record_actions()
            if form.is_available(row, request.user)
        ]
        for form in action_forms:
            form.url = self.action_url(row, form.verb)
        return action_forms

    def row_actions(self, request: HttpRequest) -> dict[str, type[ActionForm]]:
        """Return the actions that a row of the list offers in the place of the value that they set."""
        if IS_POPUP_VAR in request.GET:
            return {}
        actions = self.record_actions()
        return {form.verb: form for form in actions if form.value and request.user.has_perm(form.permission)}

    def edits_fields_in_list(self, request: HttpRequest) -> bool:
        """Whether a row of the list offers to change fields in the place of their values."""
        return False

    def action_url(self, row: models.Model, verb: str) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return reverse(f"{self.admin_site.name}:{name}", args=[row.pk, verb])

    def action_view(self, request: HttpRequest, pk: Any, verb: str) -> HttpResponse:
        """Show the form of an action, or perform it. A refused form keeps what was typed."""
        row = self.get_visible_object(request, pk)
        action_classes = {form.verb: form for form in (*self.record_actions(), *self.deleted_row_actions())}
        if verb not in action_classes or not request.user.has_perm(action_classes[verb].permission):
            raise PermissionDenied
        if is_in_place(request, action_classes[verb]):
            return self.render_value_form(request, row, action_classes[verb])
        post_data = request.POST if request.method == "POST" else None
        form = action_classes[verb](post_data, user=request.user, record=row, initial=request.GET.dict())
        if form.is_bound and form.is_valid():
            try:
                messages.success(request, perform_action(request, form, row, self.action_url(row, verb)))
                return HttpResponseRedirect(self.success_url(request, row, verb))
            except ActionRefused as error:
                form.add_error(None, str(error))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {row}",
            "opts": self.opts,
            "original": row,
            "form": form,
            "back": safe_next_url(request.GET.get("next"), self.page_url(row)),
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "crm/action.html", context, status=status)

    def render_value_form(self, request: HttpRequest, row: models.Model, form_class: type[ActionForm]) -> HttpResponse:
        """Return the one field of an action that sets a value, for the place of the value.

        What the value needs besides, such as the reason for a loss, the page of the action asks for.
        """
        initial = form_class.saved_data(row)
        form = form_class(user=request.user, record=row, initial=initial)
        context = {
            "form": form,
            "field": form[form_class.value[0]],
            "action": self.action_url(row, form.verb),
            "back": self.page_url(row),
        }
        return TemplateResponse(request, "crm/value_form.html", context)

    def success_url(self, request: HttpRequest, row: models.Model, verb: str) -> str:
        """Return the page to show after an action: the page that held the form, if it is on this site."""
        return safe_next_url(request.POST.get("next"), self.list_url() if verb == "purge" else self.page_url(row))

    def deleted_row_actions(self) -> tuple[type[ActionForm], ...]:
        """Return the actions on deleted rows: restore and purge."""
        return (
            make_deleted_row_action(self.model, "restore", "Restore"),
            make_deleted_row_action(self.model, "purge", "Delete permanently", PurgeForm),
        )


def drop_invalid_keys(post_data: QueryDict) -> QueryDict:
    """Return `post_data` with only valid keys among the selected rows; "select all" needs none of them."""
    post_data, keys = post_data.copy(), []
    for raw_key in post_data.getlist(ACTION_CHECKBOX_NAME):
        with suppress(ValidationError):
            keys.append(str(models.UUIDField().to_python(raw_key)))
    if not keys and post_data.get("select_across") == "1":
        keys.append(str(UUID(int=0)))
    post_data.setlist(ACTION_CHECKBOX_NAME, keys)
    return post_data


def is_soft_deleted(row: models.Model) -> bool:
    """Whether `row` is soft-deleted; a row of an append-only table never is."""
    return getattr(row, "is_deleted", False)


class PurgeForm(ActionForm):
    """Asks what becomes of the conversations, tasks and the like that are about the record."""

    rows = forms.ChoiceField(
        choices=[
            ("keep", "Keep it, for users who see the records of every owner"),
            ("purge", "Delete permanently what is about no other record as well"),
        ],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        counts = [(rows.model, rows.count()) for rows in rows_left_by(self.record)]
        left = transitions.describe_counts((model, count) for model, count in counts if count)
        if left:
            self.fields["rows"].label = f"About this {self.record._meta.verbose_name}: {left}"
        else:
            del self.fields["rows"]

    @property
    def options(self) -> dict[str, bool]:
        return {"with_rows": self.cleaned_data.get("rows") == "purge"}


def make_deleted_row_action(
    model: type[models.Model], action: str, action_label: str, form_class: type[ActionForm] = ActionForm
) -> type[ActionForm]:
    """The form of `restore` or `purge` for `model`."""

    class DeletedRowAction(form_class):
        verb = action
        label = action_label
        permission = transitions.permission_name(model, action)
        danger = action == "purge"
        past_tense = "restored" if action == "restore" else "permanently deleted"

        def perform(self, record: models.Model, by: Any) -> str:
            getattr(transitions, action)(record, by=by, **getattr(self, "options", {}))
            done = "restored" if action == "restore" else "permanently deleted"
            return f"{capfirst(model._meta.verbose_name)} {done}."

    return DeletedRowAction
