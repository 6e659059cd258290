"""The screens of web forms: list, form and page."""

from datetime import timedelta
from typing import Any

import django_filters
from django import forms
from django.db import models
from django.http import HttpRequest

from crm.records.local_time import agency_today
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column, Tab
from crm.screens.paging import CappedCount, Order, capped_count
from crm.screens.record_admin import RecordAdmin
from inbox.models import RefusalReason, WebForm, WebFormSubmission
from inbox.web_forms.action_forms import CloseForm, OpenForm, RenewAddress
from inbox.web_forms.admin_form import WebFormForm
from inbox.web_forms.snippets import html_snippet, public_url, script_snippet
from leads.models import Source

MAX_SUBMISSIONS_SHOWN = 20
REFUSALS_SHOWN_FOR = timedelta(days=30)
NEWEST_SUBMISSION = WebFormSubmission.objects.filter(web_form=models.OuterRef("pk")).order_by("-id")


class WebFormFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", max_length=100)
    is_active = django_filters.BooleanFilter(
        label="Open", widget=forms.Select(choices=[("", "—"), ("true", "Yes"), ("false", "No")])
    )
    source_type = django_filters.ChoiceFilter(choices=Source.choices, label="Lead source")

    class Meta:
        model = WebForm
        fields: list[str] = []


class WebFormAdmin(RecordAdmin):
    form = WebFormForm
    filterset_class = WebFormFilter
    search_label = "Search web forms"
    row_template = "inbox/web_forms/row.html"
    page_template = "inbox/web_forms/page.html"
    list_select_related = ("insurance_type", "assigned_to")
    list_defer = ("insurance_type__description", "insurance_type__form_schema")
    columns = (Column("Web form"), Column("Status"), Column("Line"), Column("Owner of leads"), Column("Last message"))
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    tabs = (
        Tab("All"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_webform"),
    )
    page_actions = (OpenForm, CloseForm, RenewAddress)
    autocomplete_fields = ("assigned_to",)
    fieldsets = (
        (None, {"fields": ("name", "heading", "loaded_digest")}),
        ("Fields", {"fields": ("shown_fields", "required_fields", "asks_line_questions", "questions", "consent_text")}),
        ("New leads", {"fields": (("source_type", "insurance_type"), "assigned_to", "tags")}),
        ("After sending", {"fields": ("thanks_text", "redirect_url")}),
        ("Who may send it", {"fields": ("allowed_origins", ("hourly_limit", "hourly_limit_per_sender"))}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        newest = models.Subquery(NEWEST_SUBMISSION.values("created_at")[:1])
        return super().get_queryset(request).annotate(last_message_at=newest)

    def page_context(self, request: HttpRequest, row: WebForm) -> dict[str, Any]:
        url = public_url(row, request)
        submissions = row.submissions.select_related("thread__lead", "thread__client").order_by("-id")
        count = CappedCount(capped_count(WebFormSubmission.objects.filter(web_form=row)))
        return {
            **super().page_context(request, row),
            "url": url,
            "html_snippet": html_snippet(row, url),
            "script_snippet": script_snippet(url),
            "submissions": submissions[:MAX_SUBMISSIONS_SHOWN],
            "submission_count": count,
            "refusals": refusals_by_reason(row),
        }


def refusals_by_reason(web_form: WebForm) -> list[dict[str, Any]]:
    """Return count, time and last message of each reason for which `web_form` was refused lately, most often first."""
    rows = web_form.refusals.filter(day__gt=agency_today() - REFUSALS_SHOWN_FOR).order_by("last_at")
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        earlier = found.get(row.reason, {"count": 0})
        newest = {"reason": RefusalReason(row.reason).label, "last_at": row.last_at, "last_message": row.last_message}
        found[row.reason] = {**newest, "count": earlier["count"] + row.count}
    return sorted(found.values(), key=lambda one: one["count"], reverse=True)
