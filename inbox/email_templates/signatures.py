"""The signature under the emails of a person: filled in, added once, and found again."""

from crm.exceptions import InvalidInput
from crm.models import User
from crm.text.email_bodies.signatures import SIGNATURE_DELIMITER
from inbox.email_templates.placeholders import (
    PLACEHOLDER_MEANINGS,
    check_placeholders,
    fill_known_placeholders,
    find_placeholders,
    sender_values,
)
from inbox.models import EmailSignature

# What does not depend on the recipient.
SIGNATURE_PLACEHOLDERS = {name: PLACEHOLDER_MEANINGS[name] for name in ("sender_name", "sender_email", "agency_name")}


def check_signature(text: str) -> None:
    """Check that `text` has only placeholders that a signature can fill.

    Raises:
        InvalidInput: it has another one; the message names it.
    """
    check_placeholders(text)
    others = [name for name in find_placeholders(text) if name not in SIGNATURE_PLACEHOLDERS]
    if others:
        shown = ", ".join(f"“{{{{{name}}}}}”" for name in others)
        offered = ", ".join(f"{{{{{name}}}}}" for name in SIGNATURE_PLACEHOLDERS)
        raise InvalidInput(f"A signature cannot use {shown}. Use one of: {offered}.")


def load_signature(sender: User | None) -> str:
    """Return the signature of `sender` with its placeholders filled in; empty where there is none."""
    text = EmailSignature.objects.filter(user=sender).values_list("text", flat=True).first() if sender else None
    return fill_known_placeholders(text, sender_values(sender)).strip() if text else ""


def signature_block(signature: str) -> str:
    """Return `signature` below the line by which every mail program knows it (RFC 3676); empty where there is none."""
    return f"{SIGNATURE_DELIMITER}\n{signature}" if signature else ""


def remove_signature(text: str, signature: str) -> tuple[str, bool]:
    """Return `text` without `signature` at its end, and whether it was there."""
    block = f"\n\n{signature_block(signature)}"
    return (text.removesuffix(block), True) if signature and text.endswith(block) else (text, False)
