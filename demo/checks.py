"""A check before a deployment: the public logins of the demo must not be in the database of a server."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import OperationalError, ProgrammingError

from demo.agency import DEMO_PASSWORD, demo_logins


def check_demo_logins(app_configs: list[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no active account of the demo has its public password.

    A database that cannot be reached, or is still empty, is reported by the commands that need it.
    """
    if settings.DEBUG:
        return []
    try:
        usernames = [username for username, _, _, password in demo_logins() if password == DEMO_PASSWORD]
    except (OperationalError, ProgrammingError):
        return []
    if not usernames:
        return []
    return [
        Error(
            f"The database has demo logins with a public password: {', '.join(usernames)}.",
            hint="They are refused at login while DEBUG is off. Deactivate them under Staff, or use another database.",
            id="demo.E001",
        )
    ]
