"""The login page."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from unfold.forms import AuthenticationForm

from crm.accounts.account_emails import can_send
from crm.accounts.login_limits import LoginBlocked
from crm.accounts.screens.finish_login import continue_login
from crm.screens.action_values import safe_next_url


class LoginForm(AuthenticationForm):
    """Django's form of username and password; it says how long to wait after too many failed logins."""

    error_messages = {
        "invalid_login": "Wrong username or password.",
        "inactive": "This account is not active.",
    }

    def get_invalid_login_error(self) -> ValidationError:
        refusal = getattr(self.request, "login_refusal", None)
        return ValidationError(str(refusal), code="blocked") if refusal else super().get_invalid_login_error()


class AccountLoginView(LoginView):
    """Django's login with limits. A refused try is answered with 429 and the time to wait."""

    authentication_form = LoginForm
    template_name = "crm/accounts/login.html"
    site: AdminSite | None = None

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.site.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return super().get(request, *args, **kwargs)

    def get_redirect_url(self) -> str:
        """Return where to go after the login; empty means Today."""
        asked = self.request.POST.get(REDIRECT_FIELD_NAME) or self.request.GET.get(REDIRECT_FIELD_NAME)
        return safe_next_url(asked, "")

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own = {
            "title": "Log in",
            "can_send": can_send(),
            "app_path": self.request.get_full_path(),
            "username": self.request.user.get_username(),
            REDIRECT_FIELD_NAME: self.get_redirect_url(),
        }
        return {**super().get_context_data(**kwargs), **self.site.each_context(self.request), **own}

    def form_valid(self, form: LoginForm) -> HttpResponse:
        return continue_login(self.request, form.get_user(), self.get_success_url())

    def form_invalid(self, form: LoginForm) -> HttpResponse:
        response = super().form_invalid(form)
        refusal = getattr(self.request, "login_refusal", None)
        if isinstance(refusal, LoginBlocked):
            response.status_code = 429
            response["Retry-After"] = str(refusal.retry_after)
        return response


def login_urls(site: AdminSite) -> list[URLPattern]:
    return [path("login/", never_cache(AccountLoginView.as_view(site=site)), name="login")]
