"""The pages on which users change their password, ask for a link to choose one, and choose it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.contrib.auth import views as auth_views
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.forms import AdminOwnPasswordChangeForm

from crm.accounts.account_emails import can_send, site_address
from crm.accounts.client_address import network_address
from crm.accounts.known_browsers import remember_browser
from crm.accounts.login_limits import LoginBlocked
from crm.accounts.transitions import ask_for_password_reset, record_password_change
from crm.models import User


class PasswordResetForm(forms.Form):
    email = forms.EmailField(label="Your email address", widget=forms.EmailInput({"autocomplete": "email"}))


def password_reset_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Send a link to choose a new password. The answer does not say whether an account has the address."""
    form = PasswordResetForm(request.POST or None)
    context = {**site.each_context(request), "title": "Forgot your password?", "form": form, "can_send": can_send()}
    if can_send() and form.is_valid():
        email, address = form.cleaned_data["email"], network_address(request)
        try:
            ask_for_password_reset(email, address=address, site=site_address(request))
        except LoginBlocked as refusal:
            form.add_error(None, str(refusal))
            return TemplateResponse(request, "crm/accounts/password_reset.html", context, status=429)
        context["sent_to"] = email
    return TemplateResponse(request, "crm/accounts/password_reset.html", context)


class ChoosePasswordView(auth_views.PasswordResetConfirmView):
    """The page of the link in an email. A browser that has opened it is known to the account from then on."""

    template_name = "crm/accounts/choose_password.html"
    title = "Choose a password"
    site: AdminSite | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {**self.site.each_context(self.request), **super().get_context_data(**kwargs)}
        return context if self.validlink else {**context, "title": "This link does not work any more"}

    def form_valid(self, form: forms.Form) -> HttpResponse:
        super().form_valid(form)
        record_password_change(self.user, by=self.user)
        messages.success(self.request, "Password saved. Log in with it.")
        response = HttpResponseRedirect(reverse("admin:login"))
        remember_browser(self.request, response, self.user)
        return response

    def get_success_url(self) -> str:
        return reverse("admin:login")


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Django's form; guesses of the old password count as failed logins."""

    request: HttpRequest

    def clean_old_password(self) -> str:
        old_password = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.username, password=old_password) is None:
            refusal = getattr(self.request, "login_refusal", None)
            raise ValidationError(str(refusal or "That is not your password."), code="password_incorrect")
        return old_password


class OwnPasswordView(auth_views.PasswordChangeView):
    """Change the own password. All other sessions end."""

    form_class = OwnPasswordForm
    title = "Change password"
    site: AdminSite | None = None

    def get_form(self, form_class: Any = None) -> OwnPasswordForm:
        form = super().get_form(form_class)
        form.request = self.request
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**self.site.each_context(self.request), **super().get_context_data(**kwargs)}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        response = super().form_valid(form)
        user: User = self.request.user
        record_password_change(user, by=user)
        messages.success(self.request, "Password changed. All your other sessions have ended.")
        return response

    def get_success_url(self) -> str:
        return reverse("admin:own_sessions")


def password_urls(site: AdminSite) -> list[URLPattern]:
    own = site.admin_view(OwnPasswordView.as_view(site=site), cacheable=True)
    return [
        path("password_change/", own, name="password_change"),
        path("password-reset/", password_reset_view, {"site": site}, name="admin_password_reset"),
        path("choose-password/<uidb64>/<token>/", ChoosePasswordView.as_view(site=site), name="choose_password"),
    ]
