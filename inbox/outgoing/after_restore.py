"""What a restored backup cannot say: whether the emails that were waiting have left since."""

from django.utils import timezone

from inbox.models import Direction, EmailDelivery, Message, MessageState

HELD_AFTER_RESTORE = (
    "The database was restored from a backup. The email may have left in the meantime: check before you send it."
)


def hold_waiting_emails() -> None:
    """Treat emails that were waiting as if a worker had died while it sent them; scheduled ones are held.

    Most of them left after the backup. So their jobs end as "delivery unconfirmed", and a person decides.
    """
    waiting = Message.everything.filter(direction=Direction.OUT, state=MessageState.QUEUED)
    scheduled = list(EmailDelivery.objects.scheduled().filter(message__in=waiting).values_list("pk", flat=True))
    EmailDelivery.objects.filter(pk__in=scheduled).update(finished_at=timezone.now())
    waiting.filter(pk__in=scheduled).update(state=MessageState.HELD, error_message=HELD_AFTER_RESTORE)
    waiting.update(state=MessageState.SENDING)
