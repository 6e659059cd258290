"""The action forms of a mailbox."""

from crm.models import User
from crm.screens.action_forms import ActionForm
from inbox.imap import transitions
from inbox.models import Mailbox, MailboxStatus


class MailboxActionForm(ActionForm):
    """An action on a connected mailbox."""

    permission = transitions.CHANGE_MAILBOX_PERMISSION

    @classmethod
    def is_applicable(cls, record: Mailbox) -> bool:
        return record.is_fetched and record.has_password and record.status == MailboxStatus.ACTIVE


class FetchNow(MailboxActionForm):
    verb, label, icon, primary = "sync", "Sync now", "sync", True

    def perform(self, record: Mailbox, by: User) -> str:
        transitions.fetch_now(record, by=by)
        return f"Sync of {record} started. This page shows its progress."


class TestConnection(MailboxActionForm):
    """Log in to the server immediately and report the result."""

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
        return f"Gap check of {record} started. Missing emails are fetched in the background."


class Disconnect(MailboxActionForm):
    """Stop syncing and delete the password. Imported email stays."""

    verb, label, icon, danger = "disconnect", "Disconnect", "link_off", True

    @classmethod
    def is_applicable(cls, record: Mailbox) -> bool:
        return record.is_fetched and record.has_password

    def perform(self, record: Mailbox, by: User) -> str:
        transitions.disconnect(record, by=by)
        return f"{record} disconnected and its password deleted. Its conversations stay."
