"""Secrets that the program needs itself, such as passwords of mailboxes: encrypted wherever they are kept.

Sealed with the first key of CREDENTIALS_KEYS and opened with any of them, so that keys can be changed. What a secret
is for is sealed with it: a password cannot be used for another server than the one it was entered for.
"""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import InvalidInput

NO_KEYS_MESSAGE = "CREDENTIALS_KEYS is not set, so no password can be kept: see .env.example."


class SecretUnreadable(InvalidInput):
    """A secret that cannot be opened; the message says why and what to do."""


def credential_keys() -> MultiFernet:
    """The keys, the one that seals first.

    Raises:
        InvalidInput: there are none.
    """
    if not settings.CREDENTIALS_KEYS:
        raise InvalidInput(NO_KEYS_MESSAGE)
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])


@sensitive_variables()
def encrypt_secret(secret: str, *, purpose: str) -> str:
    """`secret` encrypted, to be opened for the same `purpose` only."""
    return credential_keys().encrypt(json.dumps([secret, purpose]).encode()).decode()


@sensitive_variables()
def decrypt_secret(token: str, *, purpose: str) -> str:
    """What `encrypt_secret` was given.

    Raises:
        SecretUnreadable: none of the keys opens it, or it was sealed for something else.
    """
    try:
        secret, stored_purpose = json.loads(credential_keys().decrypt(token.encode()))
    except InvalidToken:
        raise SecretUnreadable(
            "The password kept here cannot be read with the keys of CREDENTIALS_KEYS: "
            "put the key back, or enter the password again."
        ) from None
    if stored_purpose != purpose:
        raise SecretUnreadable("The password was entered for another server or login: enter it again.")
    return secret


def reencrypt_secret(token: str) -> str:
    """`token` under the first key.

    Raises:
        SecretUnreadable: none of the keys opens it.
    """
    try:
        return credential_keys().rotate(token.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable("None of the keys of CREDENTIALS_KEYS opens it.") from None
