"""The actions on a web form."""

from crm.models import User
from crm.screens.action_forms import ActionForm
from inbox.models import WebForm
from inbox.web_forms.transitions import CHANGE_PERMISSION, change_acceptance, renew_token


class OpenForm(ActionForm):
    verb, label, permission, icon = "open", "Open", CHANGE_PERMISSION, "play_arrow"

    @classmethod
    def is_applicable(cls, record: WebForm) -> bool:
        return not record.is_active and not record.is_deleted

    def perform(self, record: WebForm, by: User) -> str:
        change_acceptance(record, is_active=True, by=by)
        return f"The web form “{record}” accepts messages again."


class CloseForm(ActionForm):
    """Stop accepting messages. Its address answers as if it did not exist, until the form is opened again."""

    verb, label, permission, icon = "close", "Close", CHANGE_PERMISSION, "pause"

    @classmethod
    def is_applicable(cls, record: WebForm) -> bool:
        return record.is_active and not record.is_deleted

    def perform(self, record: WebForm, by: User) -> str:
        change_acceptance(record, is_active=False, by=by)
        return f"The web form “{record}” is closed."


class RenewAddress(ActionForm):
    """Replace the public address. The old one stops at once: paste the new one into your websites."""

    verb, label, permission, icon, danger = "renew", "Renew address", CHANGE_PERMISSION, "autorenew", True

    @classmethod
    def is_applicable(cls, record: WebForm) -> bool:
        return not record.is_deleted

    def perform(self, record: WebForm, by: User) -> str:
        renew_token(record, by=by)
        return f"The web form “{record}” has a new address. The old one no longer works."
