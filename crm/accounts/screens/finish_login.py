"""What follows a right password: the session, or first the code of the second factor."""

import time

from django.contrib.auth import login as begin_session
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from crm.accounts.client_address import network_address
from crm.accounts.known_browsers import remember_browser
from crm.accounts.second_factor import confirmed_factor
from crm.accounts.sessions import SECOND_FACTOR_KEY, describe_place
from crm.accounts.transitions import record_login
from crm.models import User

PENDING_KEY = "pending_login"


def continue_login(request: HttpRequest, user: User, next_url: str) -> HttpResponse:
    """Begin the session of `user` after the right password, or ask for the second factor first."""
    if confirmed_factor(user) is None:
        return finish_login(request, user, next_url, second_factor=False)
    # A digest of the password: a change of it voids the half login.
    pending = {"user": str(user.pk), "password": user.get_session_auth_hash(), "at": int(time.time())}
    request.session.flush()
    request.session[PENDING_KEY] = {**pending, "next": next_url}
    return HttpResponseRedirect(reverse("admin:login_code"))


def finish_login(request: HttpRequest, user: User, next_url: str, *, second_factor: bool) -> HttpResponse:
    """Begin the session of `user`. The browser and its address are known from now on."""
    begin_session(request, user)
    describe_place(request)
    request.session[SECOND_FACTOR_KEY] = second_factor
    record_login(user, network_address(request))
    response = HttpResponseRedirect(next_url)
    remember_browser(request, response, user)
    return response
