"""The second factor of a login: codes of an app (TOTP, RFC 6238) and recovery codes.

pyotp computes the codes. What surrounds them is ours: the secret is encrypted, a code works once, and wrong codes are
limited like wrong passwords.
"""

import pyotp
import segno
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils.crypto import get_random_string, salted_hmac
from pyotp.exceptions import OTPVerificationError

from crm.models import RoleSecurity, SecondFactor, User
from crm.runtime.encryption import decrypt_secret, encrypt_secret

# The clock of a phone may be a step (half a minute) off, either way.
ALLOWED_STEPS = 1
RECOVERY_CODES = 10
RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
RECOVERY_LENGTH = 12


def secret_purpose(user: User) -> str:
    """Return what the secret is encrypted for, so that it works for no other user."""
    return f"second factor {user.pk}"


def new_secret(user: User) -> str:
    """Return a new secret, encrypted."""
    return encrypt_secret(pyotp.random_base32(), purpose=secret_purpose(user))


def read_secret(factor: SecondFactor) -> str:
    return decrypt_secret(factor.secret, purpose=secret_purpose(factor.user))


def picture(factor: SecondFactor) -> str:
    """Return the QR code that an app reads, as a data URI."""
    issuer = settings.AGENCY_NAME or "CRM"
    totp = pyotp.TOTP(read_secret(factor), name=factor.user.username, issuer=issuer)
    return segno.make(totp.provisioning_uri()).svg_data_uri(scale=5, border=4, light="white")


def matching_step(factor: SecondFactor, code: str) -> int | None:
    """Return the time step of `code` if it is right and no code of that step or later was used, else None."""
    try:
        step = pyotp.TOTP(read_secret(factor)).verify_and_get_timecode(code, valid_window=ALLOWED_STEPS)
    except OTPVerificationError:
        return None
    return step if step > factor.last_step else None


def new_recovery_codes() -> list[str]:
    """Return recovery codes such as “abcd-efgh-jkmn”."""
    codes = [get_random_string(RECOVERY_LENGTH, RECOVERY_LETTERS) for _ in range(RECOVERY_CODES)]
    return ["-".join(code[start : start + 4] for start in range(0, RECOVERY_LENGTH, 4)) for code in codes]


def recovery_digest(user: User, code: str) -> str:
    """Return the digest of a recovery code, however it is written; random codes need no slow one."""
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return salted_hmac("crm.accounts.recovery", f"{user.pk} {letters}", algorithm="sha256").hexdigest()


def confirmed_factor(user: User) -> SecondFactor | None:
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).select_related("user").first()


def needs_second_factor(user: User) -> bool:
    """Return whether a role of `user` needs a second factor."""
    return RoleSecurity.objects.filter(role__user=user, needs_second_factor=True).exists()


def role_needs_second_factor(role: Group) -> bool:
    return RoleSecurity.objects.filter(role=role, needs_second_factor=True).exists()
