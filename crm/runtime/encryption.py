"""Secrets that the program needs itself, such as passwords of mailboxes: encrypted wherever they are kept.

Sealed with the first key of CREDENTIALS_KEYS and opened with any of them, so that keys can be changed. What a secret
is for is sealed with it: a password cannot be used for another server than the one it was entered for.
"""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import BadInput

NO_KEYS = "CREDENTIALS_KEYS is not set, so no password can be kept: see .env.example."


class Unreadable(BadInput):
    """A secret that cannot be opened; the message says why and what to do."""


def keys() -> MultiFernet:
    """The keys, the one that seals first.

    Raises:
        BadInput: there are none.
    """
    if not settings.CREDENTIALS_KEYS:
        raise BadInput(NO_KEYS)
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])


@sensitive_variables()
def sealed(secret: str, *, purpose: str) -> str:
    """`secret` encrypted, to be opened for the same `purpose` only."""
    return keys().encrypt(json.dumps([secret, purpose]).encode()).decode()


@sensitive_variables()
def opened(token: str, *, purpose: str) -> str:
    """What `sealed` was given.

    Raises:
        Unreadable: none of the keys opens it, or it was sealed for something else.
    """
    try:
        secret, sealed_for = json.loads(keys().decrypt(token.encode()))
    except InvalidToken:
        raise Unreadable(
            "The password kept here cannot be read with the keys of CREDENTIALS_KEYS: "
            "put the key back, or enter the password again."
        ) from None
    if sealed_for != purpose:
        raise Unreadable("The password was entered for another server or login: enter it again.")
    return secret


def resealed(token: str) -> str:
    """`token` under the first key.

    Raises:
        Unreadable: none of the keys opens it.
    """
    try:
        return keys().rotate(token.encode()).decode()
    except InvalidToken:
        raise Unreadable("None of the keys of CREDENTIALS_KEYS opens it.") from None
