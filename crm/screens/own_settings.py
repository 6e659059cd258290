"""The page on which users choose the time zone and the formats in which they read."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from crm.exceptions import ActionRefused
from crm.records.transitions import save_preferences
from crm.text.dates import DATE_FORMATS, TIME_FORMATS

# The offered time zones: those named by a place. Others of the database are accepted, too.
REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def offered_time_zones(current: str) -> list[str]:
    """Return the time zones to choose from, with `current` among them."""
    places = {name for name in available_timezones() if name.startswith(REGIONS) and "/" in name}
    return sorted({*places, "UTC", *filter(None, [current])})


class OwnSettingsForm(forms.Form):
    """The time zone and the formats of one user. The transition judges the values."""

    time_zone = forms.CharField(
        label="Time zone", required=False, help_text="Due times and emails keep the agency's time zone."
    )
    date_format = forms.CharField(label="Dates", required=False)
    time_format = forms.CharField(label="Times", required=False)

    def __init__(self, *args: Any, current: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(name, name.replace("_", " ")) for name in offered_time_zones(current)]
        choices = {
            "time_zone": [("", f"Agency: {settings.TIME_ZONE}"), *zones],
            "date_format": [("", f"Agency: {DATE_FORMATS[settings.AGENCY_DATE_FORMAT]}"), *DATE_FORMATS.items()],
            "time_format": [("", f"Agency: {TIME_FORMATS[settings.AGENCY_TIME_FORMAT]}"), *TIME_FORMATS.items()],
        }
        for name, offered in choices.items():
            self.fields[name].widget = forms.Select(choices=offered)


def own_settings_urls(site: AdminSite) -> list[URLPattern]:
    return [path("your-settings/", site.admin_view(own_settings_view), {"site": site}, name="own_settings")]


def own_settings_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show and save the settings of the user who reads the page."""
    user = request.user
    saved = {name: getattr(user, name) for name in OwnSettingsForm.base_fields}
    form = OwnSettingsForm(request.POST or None, initial=saved, current=user.time_zone)
    if form.is_valid():
        try:
            save_preferences(user, **form.cleaned_data, by=user)
            messages.success(request, "Settings saved.")
            return HttpResponseRedirect(reverse("admin:own_settings"))
        except ActionRefused as error:
            form.add_error(None, str(error))
    context = {**site.each_context(request), "title": "Your settings", "form": form}
    return TemplateResponse(request, "crm/own_settings.html", context)
