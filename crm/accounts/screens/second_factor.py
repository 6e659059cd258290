"""The pages of the second factor: the code at login, and setting it up."""

import time
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from crm.accounts.client_address import network_address
from crm.accounts.known_browsers import browser_token
from crm.accounts.login_limits import LoginBlocked
from crm.accounts.screens.finish_login import PENDING_KEY, finish_login
from crm.accounts.second_factor import confirmed_factor, needs_second_factor, picture, read_secret
from crm.accounts.second_factor_transitions import (
    check_code,
    confirm_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    start_second_factor,
)
from crm.accounts.sessions import SECOND_FACTOR_KEY, live_sessions
from crm.accounts.transitions import end_sessions
from crm.exceptions import ActionRefused
from crm.models import User

# Seconds between the password and the code.
PENDING_FOR = 10 * 60


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code of your app",
        max_length=40,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "text", "autofocus": ""}),
    )


def pending_user(request: HttpRequest) -> User | None:
    """Return the user of the password that was right a moment ago, unless the password was changed since."""
    pending = request.session.get(PENDING_KEY)
    if not pending or pending["at"] < time.time() - PENDING_FOR:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    return user if user and user.get_session_auth_hash() == pending["password"] else None


def login_code_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Ask for the code after the password; a recovery code does as well."""
    user = pending_user(request)
    if user is None:
        return HttpResponseRedirect(reverse("admin:login"))
    form, status = CodeForm(request.POST or None), 200
    if form.is_valid():
        browser = browser_token(request, user.username)
        try:
            check_code(user, form.cleaned_data["code"], address=network_address(request), browser=browser)
            next_url = request.session.pop(PENDING_KEY)["next"]
            return finish_login(request, user, next_url, second_factor=True)
        except ActionRefused as refusal:
            form.add_error("code", str(refusal))
            status = 429 if isinstance(refusal, LoginBlocked) else 200
    context = {**site.each_context(request), "title": "Second factor", "form": form}
    return TemplateResponse(request, "crm/accounts/login_code.html", context, status=status)


def second_factor_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the second factor of the user who reads the page; set it up, renew its recovery codes, turn it off."""
    form = CodeForm(request.POST if "code" in request.POST else None)
    context = {"title": "Second factor", "form": form}
    if request.method == "POST":
        try:
            context["recovery_codes"] = perform(request, form)
        except ActionRefused as refusal:
            form.is_valid()
            form.add_error(None, str(refusal))
    factor = confirmed_factor(request.user)
    if factor is None and "begin" in request.POST and not form.errors or factor is None and "confirm" in request.POST:
        context |= begin_context(request.user, form)
    context |= {"factor": factor, "is_needed": needs_second_factor(request.user)}
    return TemplateResponse(request, "crm/accounts/second_factor.html", {**site.each_context(request), **context})


def begin_context(user: User, form: CodeForm) -> dict[str, Any]:
    """Return the QR code and the secret for the app."""
    try:
        factor = start_second_factor(user)
        return {"picture": picture(factor), "secret": read_secret(factor)}
    except ActionRefused as refusal:
        form.is_valid()
        form.add_error(None, str(refusal))
        return {}


def perform(request: HttpRequest, form: CodeForm) -> list[str]:
    """Do what the pressed button says. Return new recovery codes, which are shown once."""
    if "begin" in request.POST or not form.is_valid():
        return []
    user, code, address = request.user, form.cleaned_data["code"], network_address(request)
    if "confirm" in request.POST:
        codes = confirm_second_factor(user, code, address=address)
        request.session[SECOND_FACTOR_KEY] = True
        current = request.session.session_key
        others = [session for session in live_sessions(user) if session.session_key != current]
        end_sessions(others, user=user, by=user)
        messages.success(request, "Second factor turned on.")
        return codes
    if "renew" in request.POST:
        check_code(user, code, address=address)
        return renew_recovery_codes(user)
    if "remove" in request.POST:
        check_code(user, code, address=address)
        remove_second_factor(user, by=user)
        messages.success(request, "Second factor turned off.")
    return []


def second_factor_urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("login/code/", never_cache(login_code_view), {"site": site}, name="login_code"),
        path("second-factor/", site.admin_view(second_factor_view), {"site": site}, name="second_factor"),
    ]
