"""What a kind of suggestion is: a payload, a sentence, a deed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.delivery import Delivery
from crm.text.cleaning import collect_texts
from suggestions.choices import LabelCache
from suggestions.models import Suggestion, SuggestionExecution

MAX_ERRORS_SHOWN = 10
MAX_FIELD_NAME_LENGTH = 60

# What pydantic found wrong, for people; whatever is not here speaks for itself.
ERROR_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda found: "This is needed.",
    "extra_forbidden": lambda found: "There is no such field.",
    "string_type": lambda found: "This must be a text.",
    "string_too_short": lambda found: (
        "This must not be empty."
        if found["min_length"] == 1
        else f"This must have at least {found['min_length']:,} characters."
    ),
    "string_too_long": lambda found: f"This must have at most {found['max_length']:,} characters.",
    "too_long": lambda found: f"There must be at most {found['max_length']:,} of these.",
    "date_type": lambda found: "This must be a date.",
    "date_parsing": lambda found: "This must be a date, such as 2026-11-30.",
    "date_from_datetime_parsing": lambda found: "This must be a date, such as 2026-11-30.",
    "timezone_aware": lambda found: "This must say its time zone.",
    "datetime_from_date_parsing": lambda found: "This must be a date and a time, such as 2026-11-30T14:00+01:00.",
    "datetime_parsing": lambda found: "This must be a date and a time, such as 2026-11-30T14:00+01:00.",
    "datetime_type": lambda found: "This must be a date and a time.",
    "less_than_equal": lambda found: f"This must be at most {found['le']}.",
    "greater_than": lambda found: f"This must be more than {found['gt']}.",
    "too_short": lambda found: f"There must be at least {found['min_length']:,} of these.",
    "list_type": lambda found: "This must be a list.",
    "int_parsing": lambda found: "This must be a whole number.",
    "int_type": lambda found: "This must be a whole number.",
    "model_type": lambda found: "The content must be an object with named fields.",
    "uuid_parsing": lambda found: "This must be the key of a record.",
    "uuid_type": lambda found: "This must be the key of a record.",
    "literal_error": lambda found: f"This must be one of {found['expected']}.",
    "decimal_type": lambda found: "This must be a number.",
    "decimal_parsing": lambda found: "This must be a number.",
    "decimal_max_digits": lambda found: "This number is too long.",
    "decimal_whole_digits": lambda found: "This number is too large.",
    "decimal_max_places": lambda found: f"This must have at most {found['decimal_places']} decimal places.",
    "finite_number": lambda found: "This must be a number.",
    "greater_than_equal": lambda found: f"This must be at least {found['ge']}.",
    "value_error": lambda found: str(found["error"]),
}


class InvalidContent(InvalidInput):
    """A content that is not what its type holds; `fields` says what is wrong with each."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        messages = [f"{name or 'content'}: {' '.join(said)}" for name, said in fields.items()]
        more = f" … and {len(messages) - MAX_ERRORS_SHOWN:,} more." if len(messages) > MAX_ERRORS_SHOWN else ""
        super().__init__(" ".join(messages[:MAX_ERRORS_SHOWN]) + more)


class Payload(BaseModel):
    """The content of a suggestion; anything not named in it is refused.

    A field says how people edit it: `title` is its label, and `json_schema_extra` may hold "widget"
    ("textarea"), "choices" (a source in `suggestions.choices`), "blank" (what choosing none means), "readonly" and
    "record" (it holds the key of such a record, which people are shown by its name).
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def storable(cls, value: Any) -> Any:
        """PostgreSQL keeps every character but this one."""
        if "\x00" in collect_texts(value):
            raise ValueError("This holds a null character, which cannot be stored.")
        return value


@dataclass(frozen=True)
class FollowOn:
    """What a deed leads to: another suggestion, proposed as soon as the deed is done."""

    suggestion: Suggestion
    as_draft: bool = False


class Kind(ABC):
    """One type of suggestion. Subclasses say what it holds, what it will do, and do it."""

    type: ClassVar[str]
    Payload: ClassVar[type[Payload]]
    # What whoever lets it happen must be allowed to do, and how a refusal calls that.
    permission: ClassVar[str]
    action_phrase: ClassVar[str]
    # The field that says most about it, for a line of a list, and how that is said; empty: the reasoning does.
    summary_field: ClassVar[str]
    summary_format: ClassVar[str] = "{}"
    # Whether it reaches anybody or anything outside our own database.
    is_outward: ClassVar[bool] = False
    # Whether the worst it can do is to take up somebody's time: then an outsider's words may lead to it.
    is_harmless: ClassVar[bool] = False
    # How long it may wait for a decision, and how long it can be taken back before it is carried out.
    expires_after: ClassVar[timedelta] = timedelta(days=14)
    undo_window: ClassVar[timedelta] = timedelta()
    # Why it cannot be undone, once done; empty where `undo` can.
    irreversible_reason: ClassVar[str] = ""

    @classmethod
    def parse_content(cls, content: Any) -> Payload:
        """`content` as a payload.

        Raises:
            InvalidContent: a field is missing, unknown or wrong; the sentence names each.
        """
        try:
            payload = cls.Payload.model_validate(content)
        except ValidationError as error:
            raise InvalidContent(describe_errors(error)) from error
        return payload

    @classmethod
    def fill_defaults(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """`content` with what follows from the rest filled in, before it is checked when proposed."""
        return content

    @classmethod
    @abstractmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        """Refuse now what could not be carried out anyway; runs when proposed, approved and executed."""

    @classmethod
    @abstractmethod
    def sentence(cls, payload: Any, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        """What will happen, in words; `labels` are those that the screen has read already."""

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        """The addresses that it writes to."""
        return []

    @classmethod
    def outgoing_text(cls, payload: Any, suggestion: Suggestion) -> str:
        """The words that leave the house with it, as they will be read there."""
        return ""

    @classmethod
    def preview(cls, payload: Any, suggestion: Suggestion, by: User | None = None) -> list[tuple[str, str]]:
        """What exactly will leave the house if `by` lets it, as label and text; nothing where nothing does.

        Raises:
            ActionRefused: it could not leave as it is.
        """
        return []

    @classmethod
    def change_since_proposed(cls, payload: Any, suggestion: Suggestion) -> tuple[datetime, str] | None:
        """When the world moved on since it was proposed, and how; None where it did not."""
        return None

    @classmethod
    def refresh_payload(cls, payload: Any, suggestion: Suggestion) -> Any:
        """The payload for the world as it is now, once whoever decides has seen that it moved on."""
        return payload

    @classmethod
    def execute(cls, payload: Any, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        """Do it, inside the caller's transaction; returns what came of it as JSON. Not for outward kinds."""
        raise NotImplementedError

    @classmethod
    def follow_ons(cls, payload: Any, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """What is to be proposed now that it is done and `result` came of it.

        It is proposed in the transaction that writes down the deed. `suggestion.result` names what was proposed as
        "suggestions" and says as "not_suggested" why something was not.
        """
        return []

    @classmethod
    def discard_failed_attempts(
        cls, suggestion: Suggestion, *, except_execution: SuggestionExecution | None = None
    ) -> int:
        """Take out what failed attempts (`except_execution` that one) have left behind, for good; returns how much that is."""
        return 0

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        """Make undone what was done, as `suggestion.result` tells, inside the caller's transaction.

        Raises:
            ActionRefused: the world has moved on.
        """
        raise IllegalTransition(cls.irreversible_reason or "This cannot be undone.")


class OutwardKind(Kind):
    """A type that reaches the outside world, where nothing can be rolled back.

    `deliver` and `recover` run outside any transaction. The deed is done at most once: what might have happened
    is UNKNOWN, and a person says.
    """

    is_outward = True

    @classmethod
    @abstractmethod
    def prepare(cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor) -> None:
        """Make ready what will be carried out, in the transaction of the decision."""

    @classmethod
    @abstractmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        """Take back what `prepare` made; nothing of it has happened."""

    @classmethod
    @abstractmethod
    def mark_undelivered(cls, execution: SuggestionExecution, why: str, *, certain: bool = True) -> None:
        """Write down that what `prepare` made did not happen, or (not `certain`) that nobody knows."""

    @classmethod
    @abstractmethod
    def deliver(cls, execution: SuggestionExecution, last_check: Callable[[], Delivery | None]) -> Delivery:
        """Hand over what was prepared; `last_check()` is called right before the point of no return, and is None if it may."""

    @classmethod
    @abstractmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        """What can be known of a delivery whose process died in the middle of it."""

    @classmethod
    def record_delivery(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        """Write down in our own database what follows from its having happened; returns what came of it."""
        return {}


def describe_errors(error: ValidationError) -> dict[str, list[str]]:
    """What `error` found, as sentences by the field they are about ("" for the whole)."""
    fields: dict[str, list[str]] = {}
    for found in error.errors():
        name = printable_name(found["loc"][0]) if found["loc"] else ""
        say = ERROR_SENTENCES.get(found["type"])
        sentence = say(found.get("ctx", {})) if say else f"{found['msg']}."
        if len(found["loc"]) > 1:
            sentence = f"{'.'.join(map(printable_name, found['loc'][1:]))}: {sentence}"
        fields.setdefault(name, []).append(sentence)
    return fields


def printable_name(name: Any) -> str:
    """The name of a field as far as it can be shown: whoever sent it chose it."""
    return str(name)[:MAX_FIELD_NAME_LENGTH].encode("utf-8", "replace").decode().replace("\x00", "")
