"""What a model found in a message."""

from django.db import models

from crm.records.base import json_field, json_type_check


class Reading(models.Model):
    """That a model has read one message, and the signs of it that were accepted: decided once, whatever they are.

    `signs` is a list of {"type", "quote"} with an optional "value"; empty where nothing was found.
    """

    message = models.OneToOneField("inbox.Message", primary_key=True, on_delete=models.CASCADE, related_name="reading")
    # The row of the log; none where the message has no words of its own, so that nobody was asked.
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
