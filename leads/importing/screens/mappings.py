"""The pages of saved mappings: apply one to a file, save one, rename and delete."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused, InvalidInput
from crm.records.transitions import IMPORT_PERMISSION
from leads.importing.saved_mappings.fitting import is_offered, shared_columns
from leads.importing.saved_mappings.transitions import apply_mapping, delete_mapping, rename_mapping, save_mapping
from leads.importing.tables.registry import importable_tables
from leads.models import ImportBatch, ImportMapping

MAX_OFFERS = 50


@dataclass(frozen=True)
class MappingOffer:
    """A mapping that fits a file: how many of its columns the file has."""

    pk: UUID
    name: str
    shared: int
    columns: int


def mapping_offers(table: str, header: list[str]) -> list[MappingOffer]:
    """Return the mappings for `table` that fit a file with the columns `header`, the best first."""
    offers = [
        MappingOffer(mapping.pk, mapping.name, shared_columns(mapping.header, header), len(mapping.header))
        for mapping in ImportMapping.objects.filter(table=table).defer("options").order_by("-saved_at")
        if is_offered(mapping.header, header)
    ]
    return sorted(offers, key=lambda offer: -offer.shared / offer.columns)[:MAX_OFFERS]


def mapping_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages of mappings."""
    name, wrap, one = "leads_importbatch", site.admin_view, "leads/import/<uuid:pk>/"
    return [
        path("leads/import/mappings/", wrap(mappings_view), {"site": site}, name=f"{name}_mappings"),
        path(f"{one}mapping/save/", wrap(require_POST(save_view)), name=f"{name}_save_mapping"),
        path(f"{one}mapping/apply/", wrap(require_POST(apply_view)), name=f"{name}_apply_mapping"),
    ]


def check_can_import(request: HttpRequest) -> None:
    if not (request.user.has_perm(IMPORT_PERMISSION) and importable_tables(request.user)):
        raise PermissionDenied


def visible_batch(request: HttpRequest, pk: UUID) -> ImportBatch:
    check_can_import(request)
    return get_object_or_404(ImportBatch.objects.visible_to(request.user), pk=pk)


def posted_mapping(request: HttpRequest) -> ImportMapping:
    """Return the mapping that the form names.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return ImportMapping.objects.get(pk=UUID(request.POST.get("mapping", "")))
    except (ValueError, ImportMapping.DoesNotExist):
        raise InvalidInput("This mapping no longer exists. Choose another one.") from None


def apply_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Apply a mapping to the file of an import, and say what does not fit."""
    batch = visible_batch(request, pk)
    try:
        mapping = posted_mapping(request)
        fitted = apply_mapping(batch, mapping, by=request.user)
        messages.success(request, f"Mapping “{mapping}” applied.")
        for note in fitted.notes:
            messages.info(request, note)
    except ActionRefused as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:leads_importbatch_columns", args=[pk]))


def save_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Save the decisions about the file of an import."""
    batch = visible_batch(request, pk)
    try:
        mapping = save_mapping(batch, request.POST.get("name", ""), by=request.user)
        messages.success(request, f"Mapping “{mapping}” saved. It is offered for files with these columns.")
    except ActionRefused as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:leads_importbatch_change", args=[pk]))


def mappings_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """List the mappings; rename or delete one."""
    check_can_import(request)
    if request.method == "POST":
        try:
            change_mapping(request)
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:leads_importbatch_mappings"))
    tables = [table.name for table in importable_tables(request.user)]
    mappings = ImportMapping.objects.filter(table__in=tables).select_related("saved_by").defer("options")
    context = {
        **site.each_context(request),
        "title": "Saved mappings",
        "opts": ImportBatch._meta,
        "mappings": mappings.order_by("name"),
    }
    return TemplateResponse(request, "leads/imports/mappings.html", context)


def change_mapping(request: HttpRequest) -> None:
    """Do what the pressed button says.

    Raises:
        ActionRefused: the mapping does not exist, or the name does not do.
    """
    mapping = posted_mapping(request)
    if request.POST.get("do") == "delete":
        delete_mapping(mapping, by=request.user)
        messages.success(request, f"Mapping “{mapping}” deleted.")
        return
    name = request.POST.get("name", "")
    rename_mapping(mapping, name, by=request.user)
    messages.success(request, f"Mapping “{mapping}” renamed to “{name}”.")
