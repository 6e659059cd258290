"""Where sessions are stored: in a table that knows the user of each."""

import time
from datetime import datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crm.accounts.client_address import network_address
from crm.models import User, UserSession
from crm.outages import find_outage

ADDRESS_KEY, BROWSER_KEY, BEGAN_KEY, SEEN_KEY = "address", "browser", "began_at", "seen_at"
# Whether the login was confirmed with a second factor.
SECOND_FACTOR_KEY = "second_factor"
MAX_BROWSER_LENGTH = 300
# Each page would write otherwise.
SEEN_EVERY_SECONDS = 15 * 60
# What a User-Agent header says of the browser and the system, the more special first.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


class SessionStore(DatabaseStore):
    """Django's sessions in the database, with what a user reads about them in columns."""

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        row = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        row.address = data.get(ADDRESS_KEY, "")
        row.browser = data.get(BROWSER_KEY, "")
        if began := data.get(BEGAN_KEY):
            row.began_at = datetime.fromisoformat(began)
        return row

    def save(self, must_create: bool = False) -> None:
        """Save the session.

        Raises:
            UpdateError: it was deleted meanwhile.
            DatabaseError: the database failed. Django would raise an UpdateError for that, too.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            failure = error.__context__
            if find_outage(failure):
                raise failure from failure.__cause__
            raise

    def is_use_all_that_changed(self) -> bool:
        """Return whether the session differs from the stored one in no more than the time of its last use."""
        stored = SessionStore(self.session_key).load()
        return {**self._session, SEEN_KEY: None} == {**stored, SEEN_KEY: None}


def describe_place(request: HttpRequest) -> None:
    """Store in the session from where it was begun, and when."""
    request.session[ADDRESS_KEY] = network_address(request)
    request.session[BROWSER_KEY] = request.headers.get("User-Agent", "")[:MAX_BROWSER_LENGTH]
    request.session[BEGAN_KEY] = timezone.now().isoformat()
    request.session[SEEN_KEY] = int(time.time())


def note_use(request: HttpRequest) -> None:
    """Store that the session is used, at most every quarter of an hour."""
    if request.session.get(SEEN_KEY, 0) < time.time() - SEEN_EVERY_SECONDS:
        request.session[SEEN_KEY] = int(time.time())


def live_sessions(user: User) -> list[UserSession]:
    """Return the sessions of `user` that still work, the last used first.

    A session holds a digest of the password that it was begun with, so a new password ends it.
    """
    password_digest, store = user.get_session_auth_hash(), SessionStore()
    rows = UserSession.objects.filter(user=user, expire_date__gt=timezone.now()).order_by("-last_seen_at")
    return [row for row in rows if store.decode(row.session_data).get(HASH_SESSION_KEY) == password_digest]


def public_key(session_key: str) -> str:
    """Return what names a session in a form; the key itself would let its reader in."""
    return salted_hmac("crm.accounts.sessions", session_key).hexdigest()


def describe_browser(user_agent: str) -> str:
    """Return a User-Agent header in words, such as “Firefox on Windows”."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "Another browser")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
