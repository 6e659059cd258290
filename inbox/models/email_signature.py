"""What a person puts under their emails."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from crm.records.base import not_blank_check

MAX_SIGNATURE_LENGTH = 1_000


class EmailSignature(models.Model):
    """The signature of one user: plain text with placeholders such as `{{sender_name}}`."""

    user = models.OneToOneField("crm.User", primary_key=True, on_delete=models.CASCADE, related_name="signature")
    text = models.TextField()

    class Meta:
        db_table = "email_signatures"
        default_permissions = ()
        constraints = [
            not_blank_check("email_signatures", "text"),
            models.CheckConstraint(
                name="email_signatures_text_length",
                condition=LessThanOrEqual(Length("text"), MAX_SIGNATURE_LENGTH),
                violation_error_message=f"A signature can have at most {MAX_SIGNATURE_LENGTH:,} characters.",
            ),
        ]

    def __str__(self) -> str:
        return f"Signature of {self.user}"
