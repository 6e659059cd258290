"""The admin site, with the dashboard as its index."""

from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string
from unfold.sites import UnfoldAdminSite

from crm.screens.notifications.badges import BELL, badge_counts
from crm.screens.notifications.bell import bell_context
from crm.screens.search.screen import search_view
from crm.screens.theme import agency_name, allows, place_above
from crm.screens.today.page import today_context
from crm.text.cleaning import searchable

# What the theme's settings say in place of Django's.
TITLES_OF_THEME = {"site_title", "site_header", "site_url"}


class RecordAutocompleteView(AutocompleteJsonView):
    """Django's autocomplete view, with a notice if the search text is invalid."""

    def process_request(self, request: HttpRequest) -> tuple[str, Any, Any, str]:
        term, *others = super().process_request(request)
        return searchable(term), *others

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = super().get(request, *args, **kwargs)
        get_search_error = getattr(self.model_admin, "search_error", None)
        # The truth of `self.object_list` would read the whole table. With an error it is empty anyway.
        search_error_text = get_search_error(request, self.term) if get_search_error and self.term else ""
        if not search_error_text:
            return answer
        disabled_choice = {"id": "", "text": search_error_text, "disabled": True}
        return JsonResponse({"results": [disabled_choice], "pagination": {"more": False}})


@cache
def first_page_url() -> str:
    return reverse("admin:index")


class CrmSite(UnfoldAdminSite):
    """The admin with the dashboard as its index."""

    index_template = "crm/today/page.html"
    enable_nav_sidebar = True
    # The menu would link to the page that the user is on already.
    site_url = None
    # What the theme reads from its settings for each page, merging them with its defaults fifty times; here it is once.
    _theme_context: dict[str, Any] | None = None

    def get_urls(self) -> list[Any]:
        """Return the admin's own addresses and those of the plain views that the settings name.

        "View on site" is left out: no record has a page outside the admin, and it would answer a wrong key with an
        error and say which records exist.
        """
        pages = [page for name in settings.SITE_PAGES for page in import_string(name)(self)]
        return [*pages, *(page for page in super().get_urls() if getattr(page, "name", "") != "view_on_site")]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return Django's list of all tables, built only if a template reads it: our navigation does not."""
        return SimpleLazyObject(lambda: super(CrmSite, self).get_app_list(request, app_label))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page needs. The colours are in a stylesheet of ours, so that no page holds styles."""
        of_django = super(UnfoldAdminSite, self).each_context(request)
        if self._theme_context is None:
            of_request = {*of_django, "sidebar_navigation"} - TITLES_OF_THEME
            whole = super().each_context(request)
            self._theme_context = {name: value for name, value in whole.items() if name not in of_request}
        bell = bell_context(badge_counts(request).get(BELL, ""))
        return {
            **of_django,
            **self._theme_context,
            "bell": bell,
            "templates": {"navigation": "crm/navigation.html"},
            "colors": {},
            "site_subheader": agency_name(request),
            "sidebar_navigation": self.get_sidebar_list(request) if self.has_permission(request) else [],
        }

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the groups of the navigation, with the entries that the user may open.

        Unfold's own method makes a class for every entry of every page.
        """
        groups = [
            {
                **group,
                "items": [self.sidebar_entry(request, entry) for entry in group["items"] if allows(request, entry)],
            }
            for group in settings.UNFOLD["SIDEBAR"]["navigation"]
        ]
        return [group for group in groups if group["items"]]

    def sidebar_entry(self, request: HttpRequest, entry: dict[str, Any]) -> dict[str, Any]:
        """Return an entry of the navigation for `crm/navigation.html`; an empty badge is not drawn."""
        link = str(entry["link"])
        lists = (link, *map(str, entry["lists"]))
        is_above_page = link != first_page_url() and request.path.startswith(lists)
        return {
            **entry,
            "link": link,
            "active": is_above_page or request.path == link,
            "badge": badge_counts(request).get(entry["badge"], "") if entry["badge"] else "",
        }

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return RecordAutocompleteView.as_view(admin_site=self)(request)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Search every table and the commands, in place of the theme's search."""
        return search_view(request, self)

    def not_found(self, request: HttpRequest) -> TemplateResponse:
        """Return the page for an address without a page that the user may open; it says no more about the reason."""
        place = place_above(request.path)
        list_link = place if place and allows(request, place) else None
        context = {**self.each_context(request), "title": "Page not found", "place": list_link}
        return TemplateResponse(request, "crm/not_found.html", context, status=404)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what to do today, from the sources that the settings name."""
        context = {
            **self.each_context(request),
            "title": "Today",
            **today_context(request),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return TemplateResponse(request, self.index_template, context)
