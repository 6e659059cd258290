"""The page of the book of business."""

from datetime import date
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from crm.records.local_time import agency_today
from crm.screens.filters import MAX_FILTER_DATE, MIN_FILTER_DATE
from leads.filters import date_input
from leads.policies.book import load_book


class BookForm(forms.Form):
    """The day as of which the book is shown."""

    day = forms.DateField(label="As of", required=False, widget=date_input())

    def clean_day(self) -> date | None:
        day = self.cleaned_data["day"]
        if day is not None and not MIN_FILTER_DATE <= day <= MAX_FILTER_DATE:
            raise forms.ValidationError(f"Choose a day from {MIN_FILTER_DATE.year} to {MAX_FILTER_DATE.year}.")
        return day


def book_urls(site: AdminSite) -> list[URLPattern]:
    view = site.admin_view(book_view)
    return [path("leads/book-of-business/", view, {"site": site}, name="leads_policy_book")]


@require_safe
def book_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the premium of the policies in force on a day, by default today."""
    if not request.user.has_perm("leads.view_policy"):
        raise PermissionDenied
    form = BookForm(request.GET if "day" in request.GET else {"day": agency_today().isoformat()})
    day = (form.cleaned_data["day"] if form.is_valid() else None) or agency_today()
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Book of business",
        "form": form,
        "book": load_book(request.user, day),
    }
    return TemplateResponse(request, "leads/policies/book.html", context, status=422 if form.errors else 200)
