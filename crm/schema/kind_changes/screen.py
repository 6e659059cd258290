"""The screens of a change of kind: the page that previews it, its card on the page of the field, and its undoing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import CustomField, CustomFieldKind, KindChange, KindChangeState, MisfitRule, User
from crm.records.base import can_see_everyone
from crm.schema.kind_changes.conversion import explain_kinds
from crm.schema.kind_changes.preview import SAMPLED_ROWS, KindPreview, preview_change
from crm.schema.kind_changes.transitions import CHANGE_PERMISSION, change_kind, find_aside_key, undo_kind_change
from crm.screens.action_forms import ActionForm

MAX_CHANGES_SHOWN, MAX_KEPT_SHOWN = 5, 20


class KindForm(forms.Form):
    """Which kind the field shall have, and what becomes of values that do not convert."""

    kind = forms.ChoiceField(label="New kind")
    misfit_rule = forms.ChoiceField(
        label="Values that do not convert",
        choices=MisfitRule.choices,
        initial=MisfitRule.STOP,
        required=False,
        widget=forms.RadioSelect,
    )

    def __init__(self, field: CustomField, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = [one for one in CustomFieldKind.choices if one[0] != field.kind]
        self.fields["kind"].choices = [one for one in others if not explain_kinds(field.kind, one[0])]


class UndoKindChange(ActionForm):
    """Take the last change of kind back."""

    verb, label, permission, icon = "undo-kind", "Undo the change of kind", CHANGE_PERMISSION, "undo"

    @classmethod
    def is_applicable(cls, record: CustomField) -> bool:
        return undoable_change(record) is not None

    def perform(self, record: CustomField, by: User) -> str:
        change = undoable_change(record)
        if change is None:
            raise IllegalTransition(f"There is no change of the kind of “{record}” to undo.")
        undo_kind_change(change, by=by)
        return f"“{record}” is of the kind {change.get_from_kind_display()} again. A job restores the values."


def undoable_change(field: CustomField) -> KindChange | None:
    """Return the last change of the kind of `field` if it can be undone."""
    last = field.kind_changes.exclude(state=KindChangeState.STOPPED).order_by("-id").first()
    can_be_undone = last is not None and last.state in {KindChangeState.RUNNING, KindChangeState.APPLIED}
    return last if can_be_undone else None


def change_kind_view(screen: Any, request: HttpRequest, pk: UUID) -> HttpResponse:
    """Preview another kind of a field, and begin to change it; `screen` is the admin class of custom fields."""
    field = screen.get_visible_object(request, str(pk))
    if not screen.has_change_permission(request, field):
        raise PermissionDenied
    if request.method == "POST":
        return begin_change(screen, request, field)
    form = KindForm(field, request.GET or None)
    preview = preview_change(field, form.cleaned_data["kind"], request.user) if form.is_valid() else None
    context = {
        **screen.admin_site.each_context(request),
        "title": f"Change the kind of {field}",
        "opts": screen.opts,
        "original": field,
        "field": field,
        "form": form,
        "preview": preview,
        # Without it, no value can be left over.
        "aside_key": find_aside_key(field) if preview and may_have_misfits(preview, request.user) else "",
        "sampled_rows": SAMPLED_ROWS,
        "sees_everyone": can_see_everyone(request.user),
        "back": screen.page_url(field),
    }
    return TemplateResponse(request, "crm/change_kind.html", context)


def may_have_misfits(preview: KindPreview, user: User) -> bool:
    """Return whether values may not convert: one that was read does not, or not all were read."""
    return bool(preview.misfit_count) or preview.is_sample or not can_see_everyone(user)


def begin_change(screen: Any, request: HttpRequest, field: CustomField) -> HttpResponse:
    form = KindForm(field, request.POST)
    try:
        kind, rule = request.POST.get("kind", ""), request.POST.get("misfit_rule", "")
        change = change_kind(field, kind, misfit_rule=rule, by=request.user)
    except ActionRefused as error:
        messages.error(request, str(error))
        query = f"?kind={form.cleaned_data['kind']}" if form.is_valid() else ""
        return HttpResponseRedirect(f"{reverse('admin:crm_customfield_kind', args=[field.pk])}{query}")
    messages.success(request, f"A job changes the kind of “{field}” to {change.get_to_kind_display()}.")
    return HttpResponseRedirect(screen.page_url(field))


@dataclass(frozen=True)
class ShownChange:
    """A change of kind for the page of its field; `kept` are records, as far as the user may see them."""

    change: KindChange
    kept_count: int
    kept: list[models.Model]


def kind_changes_context(field: CustomField, user: User) -> dict[str, Any]:
    """Return what the page of `field` shows of changes of its kind."""
    changes = field.kind_changes.select_related("created_by").order_by("-id")[:MAX_CHANGES_SHOWN]
    return {
        "kind_changes": [describe_change(change, field, user) for change in changes],
        "sees_everyone": can_see_everyone(user),
    }


def describe_change(change: KindChange, field: CustomField, user: User) -> ShownChange:
    """Return `change` with the records whose value people have changed before it was undone."""
    if change.state not in {KindChangeState.UNDOING, KindChangeState.UNDONE}:
        return ShownChange(change, 0, [])
    kept = change.values.filter(is_kept=True).values("record_id")
    rows = apps.get_model(field.table).objects.visible_to(user).filter(pk__in=kept).order_by("-id")
    return ShownChange(change, kept.count(), list(rows[:MAX_KEPT_SHOWN]))
