"""The page on which users choose what they are told, and whether on the page, by email or not at all."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from crm.exceptions import ActionRefused
from crm.models import NotificationDigest, NotificationKind
from crm.models.notification import DEFAULT_DIGEST_HOUR
from crm.records.local_time import reader_style
from crm.records.notifications.notify import Ways
from crm.records.notifications.transitions import load_own_ways, save_ways

EXPLANATIONS = {
    NotificationKind.ASSIGNED: "A lead, client, ticket, task or conversation is yours now.",
    NotificationKind.MENTIONED: "A colleague names you in a note.",
    NotificationKind.ANSWERED: "A customer writes in a conversation of yours.",
    NotificationKind.DUE: "A task or ticket of yours is due today.",
    NotificationKind.FAILED: "Something you approved, a mailbox or an import of yours failed.",
    NotificationKind.ESCALATED: "A ticket of yours or of your team is escalated.",
}


class KindFields(NamedTuple):
    label: str
    explanation: str
    in_page: BoundField
    by_email: BoundField


class OwnWaysForm(forms.Form):
    """Two boxes for each kind, and the hour of the email. The transition judges the hour."""

    hour = forms.TypedChoiceField(label="Time of the email", coerce=int)

    def __init__(self, *args: Any, ways: dict[str, Ways], hour: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style = reader_style()
        hours = [(one, style.time(datetime(2026, 1, 1, one))) for one in range(24)]
        self.fields["hour"].choices, self.fields["hour"].initial = hours, hour
        self.fields["hour"].help_text = f"In the agency's time zone: {settings.TIME_ZONE}."
        for kind, chosen in ways.items():
            self.fields[f"page_{kind}"] = forms.BooleanField(required=False, initial=chosen.in_page)
            self.fields[f"email_{kind}"] = forms.BooleanField(required=False, initial=chosen.by_email)

    def kinds(self) -> Iterator[KindFields]:
        for kind in NotificationKind:
            page, email = self[f"page_{kind}"], self[f"email_{kind}"]
            page.field.widget.attrs["aria-label"] = f"{kind.label}: on the page"
            email.field.widget.attrs["aria-label"] = f"{kind.label}: by email"
            yield KindFields(kind.label, EXPLANATIONS[kind], page, email)

    def chosen_ways(self) -> dict[str, Ways]:
        data = self.cleaned_data
        return {kind: Ways(data[f"page_{kind}"], data[f"email_{kind}"]) for kind in NotificationKind.values}


def own_ways_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show and save how the user who reads the page is told."""
    user = request.user
    digest = NotificationDigest.objects.filter(user=user).first()
    hour = digest.hour if digest else DEFAULT_DIGEST_HOUR
    form = OwnWaysForm(request.POST or None, ways=load_own_ways(user), hour=hour)
    if form.is_valid():
        try:
            save_ways(user, form.chosen_ways(), hour=form.cleaned_data["hour"], by=user)
            messages.success(request, "Settings saved.")
            return HttpResponseRedirect(reverse("admin:own_notifications"))
        except ActionRefused as error:
            form.add_error(None, str(error))
    context = {
        **site.each_context(request),
        "title": "Notification settings",
        "form": form,
        "lacks_server": not settings.EMAIL_HOST,
        "lacks_address": not user.email,
    }
    return TemplateResponse(request, "crm/notifications/own_ways.html", context)
