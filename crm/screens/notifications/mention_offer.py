"""Colleagues offered while a name is typed in a note, and the form of such a note."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib.admin import AdminSite
from django.db import models
from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from crm.models import NotificationKind
from crm.records.base import Record
from crm.records.notifications.mentions import offer_names
from crm.records.notifications.staff import may_open
from crm.records.notifications.tables import has_words
from crm.screens.action_forms import ActionForm

MAX_NOTE_LENGTH = 10_000
MAX_TYPED_LENGTH = 150


class NoteForm(ActionForm):
    """A note on a record, in which colleagues can be named."""

    label, icon, verb = "Note", "edit_note", "note"
    body = forms.CharField(
        label="Note",
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=MAX_NOTE_LENGTH,
        help_text="Name a colleague as @username to tell them.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.record is not None:
            self.fields["body"].widget.attrs["data-names"] = offer_url(self.record)


def offer_url(record: models.Model) -> str:
    place = {"table": record._meta.label_lower, "key": record.pk}
    return f"{reverse('admin:mention_offer')}?{urlencode(place)}"


def mention_offer_view(request: HttpRequest, site: AdminSite) -> JsonResponse:
    """Return the colleagues who may open the record, by the beginning of a name; none to users who may not."""
    record = find_record(request)
    typed = request.GET.get("typed", "")[:MAX_TYPED_LENGTH]
    users = offer_names(record, typed, to=request.user) if record is not None else []
    names = [{"username": user.username, "name": str(user)} for user in users]
    return JsonResponse({"names": names}, headers={"Cache-Control": "no-store"})


def find_record(request: HttpRequest) -> Record | None:
    """Return the record that the address names, if notes on it can name colleagues and the user may open it."""
    label = request.GET.get("table", "")
    try:
        key = UUID(request.GET.get("key", ""))
    except ValueError:
        return None
    if not has_words(NotificationKind.MENTIONED, label):
        return None
    record = apps.get_model(label).objects.filter(pk=key).first()
    return record if record is not None and may_open(request.user, record) else None
