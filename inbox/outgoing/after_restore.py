"""What a restored backup cannot say: whether the emails that were waiting have left since."""

from inbox.models import Direction, Message, MessageState


def hold_waiting_emails() -> None:
    """Treat emails that were waiting as if a worker had died while it sent them.

    Most of them left after the backup. So their jobs end as "delivery unconfirmed", and a person decides.
    """
    Message.everything.filter(direction=Direction.OUT, state=MessageState.QUEUED).update(state=MessageState.SENDING)
