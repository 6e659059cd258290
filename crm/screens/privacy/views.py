"""The privacy pages of a lead, client or contact: the whole record of the person as a file, and the erasure."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from crm.records.local_time import agency_today
from crm.records.privacy.erasure_plan import plan_erasure
from crm.records.privacy.footprint import trace
from crm.records.privacy.person import Person, RelatedRecord, find_same_person
from crm.records.privacy.transitions import (
    ERASE_PERSON_PERMISSION,
    EXPORT_PERSON_PERMISSION,
    erase,
    record_person_export,
)
from crm.screens.privacy.archive import Archive

CHOICE_PARAM, REASON_PARAM, CONFIRMATION_PARAM = "record", "reason", "confirmation"


class PrivacyViewsMixin:
    """For the admin class of a table of people."""

    def get_urls(self) -> list[Any]:
        name, wrap = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        erasure = wrap(require_POST(self.erasure_view))
        return [
            path("<uuid:pk>/privacy/", wrap(self.privacy_view), name=f"{name}_privacy"),
            path("<uuid:pk>/privacy/erase/", erasure, name=f"{name}_erase"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: models.Model) -> dict[str, Any]:
        url = self.privacy_page("privacy", row) if may_export(request.user) or may_erase(request.user) else ""
        return {**super().page_context(request, row), "privacy_url": url}

    def privacy_page(self, page: str, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk])

    def privacy_view(self, request: HttpRequest, pk: UUID) -> HttpResponse | StreamingHttpResponse:
        """Show the records of the person, and send what the CRM holds about the chosen ones."""
        is_export = request.method == "POST"
        if not may_export(request.user) and (is_export or not may_erase(request.user)):
            raise PermissionDenied
        row = self.get_visible_object(request, pk)
        related = find_same_person(row)
        if is_export:
            return send_record(request, Person([row, *chosen_records(request, related)]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Privacy: {row}",
            "opts": self.opts,
            "original": row,
            "related": related,
            "may_export": may_export(request.user),
            "erasure_url": self.privacy_page("erase", row) if may_erase(request.user) else "",
            "back": self.page_url(row),
        }
        return TemplateResponse(request, "crm/privacy/page.html", context)

    def erasure_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what an erasure of the chosen records does, and erase once it is confirmed."""
        if not may_erase(request.user):
            raise PermissionDenied
        row = self.get_visible_object(request, pk)
        person = Person([row, *chosen_records(request, find_same_person(row))])
        is_confirmed = CONFIRMATION_PARAM in request.POST
        if is_confirmed:
            try:
                check_confirmation(request, person)
                erase(person, reason=request.POST.get(REASON_PARAM, ""), by=request.user)
            except ActionRefused as error:
                messages.error(request, str(error))
            else:
                messages.success(request, "The person is erased.")
                return HttpResponseRedirect(self.list_url())
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erase {person}",
            "opts": self.opts,
            "original": row,
            "person": person,
            "plan": plan_erasure(person),
            "chosen": request.POST.getlist(CHOICE_PARAM),
            "reason": request.POST.get(REASON_PARAM, ""),
            "back": self.privacy_page("privacy", row),
        }
        return TemplateResponse(request, "crm/privacy/erase.html", context, status=422 if is_confirmed else 200)


def may_export(user: User) -> bool:
    """Whether `user` may have a whole record: the permission, and access to the records of every owner."""
    return user.has_perms([EXPORT_PERSON_PERMISSION, "crm.see_everyone"])


def may_erase(user: User) -> bool:
    return user.has_perms([ERASE_PERSON_PERMISSION, "crm.see_everyone"])


def send_record(request: HttpRequest, person: Person) -> StreamingHttpResponse:
    footprint = trace(person)
    record_person_export(person, by=request.user)
    chunks = Archive(person, footprint, request.user).chunks()
    file = StreamingHttpResponse(chunks, content_type="application/zip")
    file["Content-Disposition"] = f'attachment; filename="record-{agency_today()}.zip"'
    file["Cache-Control"] = "no-store"
    return file


def check_confirmation(request: HttpRequest, person: Person) -> None:
    """Check the typed name.

    Raises:
        InvalidInput: it is not the name of the person.
    """
    if request.POST.get(CONFIRMATION_PARAM, "").strip().casefold() != str(person).strip().casefold():
        raise InvalidInput(f"Nothing was erased. To confirm, type the name “{person}”.")


def chosen_records(request: HttpRequest, related: list[RelatedRecord]) -> list[models.Model]:
    """Return those of `related` that are ticked."""
    keys = set(request.POST.getlist(CHOICE_PARAM))
    return [one.record for one in related if f"{one.label}:{one.record.pk}" in keys]
