"""Encryption of stored secrets such as mailbox passwords.

The first key of CREDENTIALS_KEYS encrypts and every key decrypts, so that keys can be rotated. The purpose of a
secret is encrypted with it: a password works only for the server it was entered for.
"""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from crm.exceptions import InvalidInput

NO_KEYS_MESSAGE = "CREDENTIALS_KEYS is not set, so passwords cannot be stored. See .env.example."


class SecretUnreadable(InvalidInput):
    """The secret cannot be decrypted; the message says why and what to do."""


def credential_keys() -> MultiFernet:
    """Return the keys, the encrypting one first.

    Raises:
        InvalidInput: no keys are set.
    """
    if not settings.CREDENTIALS_KEYS:
        raise InvalidInput(NO_KEYS_MESSAGE)
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])


@sensitive_variables()
def encrypt_secret(secret: str, *, purpose: str) -> str:
    """Return `secret` encrypted for `purpose`; it decrypts only for the same purpose."""
    return credential_keys().encrypt(json.dumps([secret, purpose]).encode()).decode()


@sensitive_variables()
def decrypt_secret(token: str, *, purpose: str) -> str:
    """Return the secret that `encrypt_secret` encrypted.

    Raises:
        SecretUnreadable: no key decrypts it, or it has another purpose.
    """
    try:
        secret, stored_purpose = json.loads(credential_keys().decrypt(token.encode()))
    except InvalidToken:
        raise SecretUnreadable(
            "The stored password cannot be decrypted with the keys of CREDENTIALS_KEYS. "
            "Restore the key or enter the password again."
        ) from None
    if stored_purpose != purpose:
        raise SecretUnreadable("The password was entered for another server or login. Enter it again.")
    return secret


def reencrypt_secret(token: str) -> str:
    """Return `token` re-encrypted with the first key.

    Raises:
        SecretUnreadable: no key decrypts it.
    """
    try:
        return credential_keys().rotate(token.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable("No key of CREDENTIALS_KEYS decrypts the secret.") from None
