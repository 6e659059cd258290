"""Middleware that sees every request of a user."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from crm.accounts.sessions import note_use


class AccountMiddleware:
    """Note in the session of a user that it is used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if request.resolver_match.app_name == "admin" and request.user.is_authenticated:
            note_use(request)
