"""The signals that an AI model found in a message."""

from django.db import models

from crm.records.base import json_field, json_type_check


class Reading(models.Model):
    """Records that a model has read a message, and the signals that were accepted. Written once per message.

    `signs` is a list of {"type", "quote"} with an optional "value"; empty if the model found nothing.
    """

    message = models.OneToOneField("inbox.Message", primary_key=True, on_delete=models.CASCADE, related_name="reading")
    # The AI log entry; None if the message has no text of its own, so no model was asked.
    interaction = models.ForeignKey(
        "ai_log.AIInteraction", null=True, on_delete=models.PROTECT, related_name="readings"
    )
    signs = json_field(list)

    class Meta:
        db_table = "message_readings"
        default_permissions = ()
        constraints = [json_type_check("message_readings", "signs", "array")]

    def __str__(self) -> str:
        return f"Reading of {self.message_id}"
