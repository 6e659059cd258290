"""Middleware of every request."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from crm import health
from crm.records.local_time import agency_as_reader, set_reader


class HealthMiddleware:
    """Answer health checks before hosts, HTTPS and sessions: a load balancer asks by address, over plain HTTP."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return health.answer(request) if request.path_info in health.PATHS else self.get_response(request)


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
