"""Why a web form is refused: the status and the sentence that the sender gets."""

from collections.abc import Mapping

from crm.exceptions import ActionRefused
from inbox.models import RefusalReason

STATUS_BY_REASON = {
    RefusalReason.ORIGIN: 403,
    RefusalReason.RATE: 429,
    RefusalReason.SIZE: 413,
    RefusalReason.FORMAT: 400,
    RefusalReason.TRAP: 400,
    RefusalReason.FIELDS: 400,
    RefusalReason.KEY_REUSED: 422,
}


class FormRefused(ActionRefused):
    """A form that is not accepted. `field_errors` has a sentence for each field, `retry_after` is in seconds."""

    def __init__(
        self,
        reason: RefusalReason,
        message: str,
        *,
        status: int = 0,
        field_errors: Mapping[str, str] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status or STATUS_BY_REASON[reason]
        self.field_errors = dict(field_errors or {})
        self.retry_after = retry_after


class FormNotFound(ActionRefused):
    """There is no form that can be sent at this address."""
