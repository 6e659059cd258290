"""A signed cookie that says which account a browser has logged in to before."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string, salted_hmac

from crm.accounts.login_limits import KNOWN_FOR
from crm.models import User

SALT = "crm.accounts.known_browser"


def cookie_name(username: str) -> str:
    """Return the name of the cookie, one for each account, so that colleagues can share a computer."""
    return f"known_{salted_hmac(SALT, username).hexdigest()[:16]}"


def browser_token(request: HttpRequest, username: str) -> str:
    """Return the token of a browser that has logged in as `username` before, else an empty text."""
    return request.get_signed_cookie(cookie_name(username), default="", salt=SALT, max_age=KNOWN_FOR)


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Give the browser the cookie of `user`, with its token if it has one."""
    name = cookie_name(user.username)
    token = browser_token(request, user.username) or get_random_string(22)
    response.set_signed_cookie(
        name,
        token,
        salt=SALT,
        max_age=KNOWN_FOR,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
