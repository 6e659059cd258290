"""Middleware of every request."""

import contextlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.sessions import middleware as sessions
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from pghistory.middleware import HistoryMiddleware

from crm import health
from crm.outages import outage_response
from crm.records.local_time import agency_as_reader, set_reader

COMPRESSED_TYPES = ("text/html", "application/json")


class HealthMiddleware:
    """Answer health checks before hosts, HTTPS and sessions: a load balancer asks by address, over plain HTTP."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return health.answer(request) if request.path_info in health.PATHS else self.get_response(request)


class CompressionMiddleware(GZipMiddleware):
    """Compress pages, which makes a tenth of them, for browsers that accept it.

    Files are sent as they are, and those of the program itself are stored compressed. Each answer has a random length,
    so that nobody can guess what it holds from its size.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        is_page = not response.streaming and response.get("Content-Type", "").startswith(COMPRESSED_TYPES)
        return super().process_response(request, response) if is_page else response


class ReaderTimeMiddleware:
    """Write each page of the admin in the time zone and the formats of its reader.

    Public pages keep the agency's, because they read no session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with agency_as_reader():
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if request.resolver_match.app_name == "admin":
            try:
                # Reads the session and the user, and so meets an outage first.
                set_reader(request.user)
            except Error as error:
                return outage_or_raise(error)
        return None


class PageHeadersMiddleware:
    """Say with every answer what a page may load, embed and ask the browser for, unless its view has said so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's pages for developers hold styles. They are no templates of ours.
        if settings.DEBUG and response.status_code in {404, 500} and not hasattr(response, "template_name"):
            return response
        for name, value in settings.PAGE_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class SessionMiddleware(sessions.SessionMiddleware):
    """Django's, and a page where the database does not save a session.

    Pages that only note that the session is used are shown without that note, so that a read-only database can be read.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except Error as error:
            refusal = outage_or_raise(error)
        with contextlib.suppress(Error):
            if request.session.is_use_all_that_changed():
                request.session.modified = False
                return super().process_response(request, response)
        return refusal


class AuditMiddleware(HistoryMiddleware):
    """Name the user to the row audit. For that it reads the session of a change, and so meets an outage first."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return super().__call__(request)
        except Error as error:
            return outage_or_raise(error)


class OutageMiddleware:
    """Answer a view's failure because of the database or the disk with a page, whether DEBUG is on or not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return outage_response(error)


class NotFoundMiddleware:
    """Show a missing page of the admin like its other pages, with DEBUG on, too: Django's would list all addresses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        match = request.resolver_match
        is_of_admin = isinstance(error, Http404) and match is not None and match.app_name == admin.site.name
        return admin.site.not_found(request) if is_of_admin and admin.site.has_permission(request) else None


def outage_or_raise(error: Error) -> HttpResponse:
    response = outage_response(error)
    if response is None:
        raise error
    return response
