"""Middleware of every request."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from crm.records.local_time import agency_as_reader, set_reader


class ReaderTimeMiddleware:
    """Write each page of the admin in the time zone and the formats of its reader.

    Public pages keep the agency's, because they read no session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with agency_as_reader():
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if request.resolver_match.app_name == "admin":
            set_reader(request.user)


class PageHeadersMiddleware:
    """Say with every answer what a page may load, embed and ask the browser for, unless its view has said so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if settings.DEBUG and response.status_code in {404, 500}:  # Django's pages for developers hold styles
            return response
        for name, value in settings.PAGE_HEADERS.items():
            response.headers.setdefault(name, value)
        return response
