"""The sending of what a person wrote."""

from django.db import models

from crm.records.base import range_check

# How often a mail that the other side put off is tried again; the waits stand in inbox/dispatching.py.
MAX_SEND_RETRIES = 5


class Dispatch(models.Model):
    """Sees to it that one mail that a person wrote goes out; how far it has come is the state of the message.

    A mail without one is somebody else's to send: that of the suggestion that was approved.
    """

    message = models.OneToOneField("inbox.Message", primary_key=True, on_delete=models.CASCADE, related_name="dispatch")
    ordered_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+")
    # Not before; until then it can be taken back.
    run_after = models.DateTimeField()
    put_off = models.PositiveSmallIntegerField(default=0, db_default=0)
    # When a worker last began to hand it over.
    claimed_at = models.DateTimeField(null=True)
    # When it was settled: sent, failed, taken back, or nobody can tell.
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "dispatches"
        default_permissions = ()
        constraints = [range_check("dispatches", "put_off", 0, MAX_SEND_RETRIES, null=False)]
        indexes = [
            models.Index("run_after", condition=models.Q(finished_at__isnull=True), name="dispatches_open"),
        ]

    def __str__(self) -> str:
        return f"Sending of {self.message_id}"
