"""The deeds to a mailbox."""

from crm.models import User
from crm.screens.action_forms import ActionForm
from inbox.imap import transitions
from inbox.models import Mailbox, MailboxStatus


class MailboxActionForm(ActionForm):
    """A deed to a mailbox that is connected."""

    permission = transitions.CHANGE_MAILBOX_PERMISSION

    @classmethod
    def is_applicable(cls, record: Mailbox) -> bool:
        return record.is_fetched and record.has_password and record.status == MailboxStatus.ACTIVE


class FetchNow(MailboxActionForm):
    verb, label, icon, primary = "sync", "Sync now", "sync", True

    def perform(self, record: Mailbox, by: User) -> str:
        transitions.fetch_now(record, by=by)
        return f"What is new in {record} is fetched in a moment; this page tells how far it is."


class TestConnection(MailboxActionForm):
    """Logging in, here and now."""

    verb, label, icon = "test", "Test connection", "network_check"

    @classmethod
    def is_applicable(cls, record: Mailbox) -> bool:
        return record.is_fetched and record.has_password

    def perform(self, record: Mailbox, by: User) -> str:
        return transitions.try_connection(record, by=by)


class CheckGaps(MailboxActionForm):
    verb, label, icon = "gaps", "Check for gaps", "rule"

    def perform(self, record: Mailbox, by: User) -> str:
        transitions.fetch_now(record, gaps=True, by=by)
        return f"{record} is compared with what was taken in; what lacks is fetched in a moment."


class Disconnect(MailboxActionForm):
    """Forgetting the password; what was taken in stays."""

    verb, label, icon, danger = "disconnect", "Disconnect", "link_off", True

    @classmethod
    def is_applicable(cls, record: Mailbox) -> bool:
        return record.is_fetched and record.has_password

    def perform(self, record: Mailbox, by: User) -> str:
        transitions.disconnect(record, by=by)
        return f"{record} is disconnected and its password forgotten; its conversations stay."
