"""The records that the picker of a reference offers: a page at a time, and only what the user may refer to."""

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db import models
from django.http import Http404, HttpRequest
from django.urls import URLPattern, path

from crm.models.custom_field import REFERENCE_TABLES
from crm.records.custom_fields.references import referable_records
from crm.screens.json_forms.reference_input import PICKER_PAGE
from crm.screens.site import RecordAutocompleteView
from crm.text.cleaning import searchable


class ReferencePickerView(RecordAutocompleteView):
    """Django's picker for a table that the address names. The rows are those that the user may refer to."""

    def process_request(self, request: HttpRequest) -> tuple[str, Any, None, str]:
        table = self.kwargs["table"]
        if table not in REFERENCE_TABLES.values():
            raise Http404("No custom field refers to this table.")
        return (
            searchable(request.GET.get("term", "")),
            self.admin_site.get_model_admin(apps.get_model(table)),
            None,
            "pk",
        )

    def has_perm(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Let every user ask: the rows are limited."""
        return True

    def get_queryset(self) -> models.QuerySet:
        rows = referable_records(self.kwargs["table"], self.request.user).order_by("-pk")
        found, _ = self.model_admin.get_search_results(self.request, rows, self.term)
        return found


def reference_picker_urls(site: AdminSite) -> list[URLPattern]:
    view = site.admin_view(ReferencePickerView.as_view(admin_site=site))
    return [path("references/<str:table>/", view, name=PICKER_PAGE.partition(":")[2])]
