"""Middleware that sees every request of a user."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from crm.accounts.sessions import SECOND_FACTOR_KEY, note_use

OPEN_WITHOUT_SECOND_FACTOR = {"second_factor", "login", "login_code", "logout", "jsi18n"}


class AccountMiddleware:
    """Note in the session of a user that it is used, and ask for the second factor that a role needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Send members of a role that needs a second factor to its page, until the session has one.

        That a role needs one is read together with the user, so it costs no statement.
        """
        page = request.resolver_match
        if page.app_name != "admin" or not request.user.is_authenticated:
            return None
        note_use(request)
        is_missing = request.user.needs_second_factor and not request.session.get(SECOND_FACTOR_KEY)
        if is_missing and page.url_name not in OPEN_WITHOUT_SECOND_FACTOR:
            return HttpResponseRedirect(reverse("admin:second_factor"))
        return None
