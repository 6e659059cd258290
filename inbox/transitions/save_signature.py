"""Save or remove the signature of a user."""

from django.db import transaction

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import User
from crm.text.cleaning import clean_form_text
from crm.text.hidden_characters import strip_hidden_characters
from inbox.email_templates.signatures import check_signature
from inbox.models import EmailSignature
from inbox.models.email_signature import MAX_SIGNATURE_LENGTH


@transaction.atomic
def save_signature(user: User, text: str, *, by: User) -> None:
    """Save `text` as the signature of `user`; a blank one removes it.

    Raises:
        NotPermitted: `by` is another user.
        InvalidInput: it is too long, or has a placeholder that a signature cannot fill.
    """
    if by.pk != user.pk:
        raise NotPermitted(f"{by} may not change the signature of {user}.")
    lines = (strip_hidden_characters(line).rstrip() for line in clean_form_text(text).split("\n"))
    signature = "\n".join(lines).strip()
    if not signature:
        EmailSignature.objects.filter(user=user).delete()
        return
    if len(signature) > MAX_SIGNATURE_LENGTH:
        raise InvalidInput(f"A signature can have at most {MAX_SIGNATURE_LENGTH:,} characters.")
    check_signature(signature)
    EmailSignature.objects.update_or_create(user=user, defaults={"text": signature})
