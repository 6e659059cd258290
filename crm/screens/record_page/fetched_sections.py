"""The sections at the ends of a record's page, which the page fetches once they are scrolled into view.

Without scripts a link opens them as a page of their own.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from crm.screens.panels import Panel, Place

# So many cards above the timeline fill a screen, even empty ones.
CARDS_OF_A_SCREEN = 3
# The header with which a page asks for a part of it.
IS_PART = "HX-Request"


def make_panels(names: list[str], request: HttpRequest, row: models.Model) -> list[Panel]:
    """Return the panels of `row` that the functions called `names` make, as far as the user may see them."""
    made = (import_string(name)(request, row) for name in names)
    return [panel for panel in made if panel is not None]


def record_panels(request: HttpRequest, row: models.Model) -> list[Panel]:
    """Return the panels with which the page of `row` begins."""
    return make_panels(settings.RECORD_SECTIONS.get(row._meta.label_lower, []), request, row)


class FetchedSectionsMixin:
    """For the admin class of a record: `FETCHED_SECTIONS` in the settings names the panels at the ends of its page."""

    # Templates that come before these panels, by the place of their sections.
    fetched_templates: ClassVar[dict[str, str]] = {}

    def get_urls(self) -> list[Any]:
        name, view = f"{self.opts.app_label}_{self.opts.model_name}_sections", require_safe(self.sections_view)
        sections = path("<uuid:pk>/sections/<slug:end>/", self.admin_site.admin_view(view), name=name)
        return [*([sections] if self.fetched_sections() else ()), *super().get_urls()]

    def fetched_sections(self) -> dict[str, tuple[str, list[str]]]:
        """Return for each place the label of its sections and the functions that make its panels."""
        return settings.FETCHED_SECTIONS.get(self.opts.label_lower, {})

    def fetched_context(self, row: models.Model) -> dict[str, Any]:
        """Return label and address of the sections that the page of `row` fetches, by their place."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_sections"
        sections = self.fetched_sections()
        return {"fetched": {end: (label, reverse(name, args=[row.pk, end])) for end, (label, _) in sections.items()}}

    def first_timeline(self, request: HttpRequest, row: models.Model, panels: list[Panel]) -> dict[str, Any]:
        """Return the first page of the timeline; only where to fetch it if one of `panels` fills the screen above."""
        above = [panel for panel in panels if panel.place == Place.MAIN]
        if len(above) < CARDS_OF_A_SCREEN and not any(panel.fills_screen for panel in above):
            return self.timeline_context(request, row)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_timeline"
        return {"fetched_timeline": ("Timeline", reverse(name, args=[row.pk]))}

    def sections_context(self, request: HttpRequest, row: models.Model, end: str) -> dict[str, Any]:
        """Return what the template in `fetched_templates` for the place `end` shows."""
        return {}

    def sections_view(self, request: HttpRequest, pk: UUID, end: str) -> HttpResponse:
        """Return the sections at one end of the page of a record: for the page itself, or as a page of their own."""
        if end not in self.fetched_sections():
            raise Http404("The page has no such sections.")
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_visible_object(request, pk)
        label, names = self.fetched_sections()[end]
        context = {
            "opts": self.opts,
            "original": row,
            "row": row,
            "panels": make_panels(names, request, row),
            "own_template": self.fetched_templates.get(end, ""),
            **self.sections_context(request, row, end),
        }
        if IS_PART in request.headers:
            return TemplateResponse(request, "crm/fetched_sections.html", context)
        page = {"title": f"{label}: {row}", "record_url": self.page_url(row)}
        whole = {**self.admin_site.each_context(request), **context, **page}
        return TemplateResponse(request, "crm/fetched_sections_page.html", whole)
