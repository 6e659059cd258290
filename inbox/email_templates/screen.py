"""The screen of email templates, with a preview for a real lead."""

from typing import Any

import django_filters
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models
from django.http import HttpRequest

from crm.exceptions import InvalidInput
from crm.models import User
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.pickers import RecordChoiceField
from crm.screens.record_admin import RecordAdmin
from inbox.email_templates.custom_placeholders import custom_meanings
from inbox.email_templates.placeholders import PLACEHOLDER_MEANINGS, fill_placeholders, placeholder_values
from inbox.models import Thread
from inbox.models.email_template import EmailTemplate, TemplateCategory
from leads.models import Lead


class EmailTemplateFilter(LiveRowsFilter):
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", max_length=100)
    category = django_filters.ChoiceFilter(choices=TemplateCategory.choices, label="Category")
    is_active = django_filters.BooleanFilter(
        label="In use", widget=forms.Select(choices=[("", "—"), ("true", "Yes"), ("false", "No")])
    )

    class Meta:
        model = EmailTemplate
        fields: list[str] = []


class TemplatePreviewForm(forms.Form):
    """The lead for a preview."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = AutocompleteSelect(Thread._meta.get_field("lead"), admin.site)
        rows = Lead.objects.visible_to(user).select_related("insurance_type")
        self.fields["lead"] = RecordChoiceField(queryset=rows, required=False, widget=widget, label="Preview for")


class EmailTemplateAdmin(RecordAdmin):
    filterset_class = EmailTemplateFilter
    search_label = "Search templates"
    row_template = "inbox/email_template_row.html"
    page_template = "inbox/email_template_page.html"
    columns = (Column("Template"), Column("Category"), Column("Subject"), Column("In use"))
    orders = {"newest": Order("Newest first", {"id": models.F("id")})}
    list_defer = ("body",)
    tabs = (
        Tab("All"),
        Tab("Deleted", {"deleted": "true"}, lambda rows, user: rows.deleted(), "inbox.restore_emailtemplate"),
    )
    fields = (("name", "category"), "subject", "body", "is_active", "loaded_digest")

    def formfield_for_dbfield(self, db_field: models.Field, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "body":
            names = [*PLACEHOLDER_MEANINGS, *custom_meanings()]
            field.help_text = "Available placeholders: " + ", ".join(f"{{{{{name}}}}}" for name in names) + "."
        return field

    def page_context(self, request: HttpRequest, row: EmailTemplate) -> dict[str, Any]:
        may_see = request.user.has_perm("leads.view_lead")
        form = (
            TemplatePreviewForm(request.GET if "lead" in request.GET else None, user=request.user) if may_see else None
        )
        lead = form.cleaned_data["lead"] if form is not None and form.is_valid() else None
        return {
            **super().page_context(request, row),
            "placeholders": {**PLACEHOLDER_MEANINGS, **custom_meanings()}.items(),
            "preview_form": form,
            "lead": lead,
            **(render_preview(row, lead, request.user) if lead else {}),
        }


def render_preview(template: EmailTemplate, lead: Lead, user: User) -> dict[str, Any]:
    """Return subject and body of `template` in an email from `user` to `lead`, or why it cannot be sent."""
    values = placeholder_values(lead, user)
    try:
        return {
            "subject": fill_placeholders(template.subject, values),
            "body": fill_placeholders(template.body, values),
        }
    except InvalidInput as error:
        return {"preview_error": str(error)}
