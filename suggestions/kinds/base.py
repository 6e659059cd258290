"""What a kind of suggestion is: a payload, a sentence, an action."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor
from crm.records.local_time import agency_as_reader
from crm.runtime.delivery import Delivery
from crm.text.cleaning import collect_texts
from suggestions.choices import LabelCache
from suggestions.models import Suggestion, SuggestionExecution

MAX_ERRORS_SHOWN = 10
MAX_FIELD_NAME_LENGTH = 60

# The errors of pydantic in plain words; others keep its own message.
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


class NextStep(NamedTuple):
    """A page that follows an executed suggestion."""

    label: str
    url: str


class InvalidContent(InvalidInput):
    """The content is not valid for its type; `fields` has the errors of each field."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        messages = [f"{name or 'content'}: {' '.join(said)}" for name, said in fields.items()]
        more = f" … and {len(messages) - MAX_ERRORS_SHOWN:,} more." if len(messages) > MAX_ERRORS_SHOWN else ""
        super().__init__(" ".join(messages[:MAX_ERRORS_SHOWN]) + more)


class Payload(BaseModel):
    """The content of a suggestion; an unknown field is an error.

    A field defines its form input: `title` is its label, and `json_schema_extra` may have "widget" ("textarea"),
    "choices" (a source in `suggestions.choices`), "blank" (the label of no choice), "readonly" and "record" (the field
    holds the key of such a record, which is shown by its name).
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def null_is_left_out(cls, content: Any) -> Any:
        """Take null in an optional field as left out: some programs write every field."""
        if not isinstance(content, dict):
            return content
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in content.items() if value is not None or name not in optional}

    @field_validator("*", mode="before")
    @classmethod
    def storable(cls, value: Any) -> Any:
        """Reject the one character that PostgreSQL cannot store."""
        if "\x00" in collect_texts(value):
            raise ValueError("This holds a null character, which cannot be stored.")
        return value


@dataclass(frozen=True)
class FollowOn:
    """A suggestion to propose once another one is executed, by the program or in the name of `agent`."""

    suggestion: Suggestion
    as_draft: bool = False
    agent: str = ""


class Kind(ABC):
    """One type of suggestion. Subclasses define its content, describe what it does, and do it."""

    type: ClassVar[str]
    Payload: ClassVar[type[Payload]]
    # The permission that the approver needs, and the action as a refusal names it.
    permission: ClassVar[str]
    action_phrase: ClassVar[str]
    # The field that summarizes it in a list, and the format; empty: the reasoning does.
    summary_field: ClassVar[str]
    summary_format: ClassVar[str] = "{}"
    # Whether it reaches a person or a system outside our own database, and whether it does so by email.
    is_outward: ClassVar[bool] = False
    sends_email: ClassVar[bool] = False
    # Whether it can do no harm but take up time: then untrusted content may lead to it.
    is_harmless: ClassVar[bool] = False
    # Whether it answers a message of theirs: a refused consent to be written to does not stop that.
    answers_a_message: ClassVar[bool] = False
    # How long it may wait for a decision, and how long it can be undone before it is executed.
    expires_after: ClassVar[timedelta] = timedelta(days=14)
    undo_window: ClassVar[timedelta] = timedelta()
    # The heading of what `preview` returns; empty if there is nothing to preview.
    preview_title: ClassVar[str] = ""
    # Why it cannot be undone once it is executed; empty if it can.
    irreversible_reason: ClassVar[str] = ""

    @classmethod
    def parse_content(cls, content: Any) -> Payload:
        """Return `content` as a payload.

        Raises:
            InvalidContent: a field is missing, unknown or wrong; the message names each.
        """
        try:
            payload = cls.Payload.model_validate(content)
        except ValidationError as error:
            raise InvalidContent(describe_errors(error)) from error
        return payload

    @classmethod
    def fill_defaults(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """Return `content` with defaults filled in, before it is validated at the proposal."""
        return content

    @classmethod
    @abstractmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        """Refuse what could not be executed. Called at the proposal, the approval and the execution."""

    @classmethod
    @abstractmethod
    def sentence(cls, payload: Any, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        """Return the sentence that says what will happen; `labels` are those that the screen has read already."""

    @classmethod
    def sentence_for_log(cls, payload: Any, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        """Return the sentence with dates as the agency writes them: a log has more than one reader."""
        with agency_as_reader():
            return cls.sentence(payload, suggestion, labels)

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        """Return the addresses that it writes to."""
        return []

    @classmethod
    def choices(cls, suggestion: Suggestion, user: User) -> dict[str, dict[str, str]]:
        """Return the choices of its fields that depend on `suggestion` and its reader, by the name of the source."""
        return {}

    @classmethod
    def points_to_check(cls, payload: Any, suggestion: Suggestion) -> list[tuple[str, str]]:
        """Return what the approver must check in our records, as codes and sentences."""
        return []

    @classmethod
    def contact_channels(cls, payload: Any) -> frozenset[str]:
        """Return the channels by which it contacts the lead: "email", "phone", "sms"."""
        return frozenset()

    @classmethod
    def urgency(cls, payload: Any) -> int:
        """Return how soon it needs a decision: 1 (can wait) to 3 (a customer waits for it)."""
        return 1

    @classmethod
    def outgoing_text(cls, payload: Any, suggestion: Suggestion) -> str:
        """Return the text that leaves the agency, as its readers will see it."""
        return ""

    @classmethod
    def preview(cls, payload: Any, suggestion: Suggestion, by: User | None = None) -> list[tuple[str, str]]:
        """Return exactly what leaves the agency, or what else happens, if `by` approves it, as labels and texts.

        Raises:
            ActionRefused: it cannot be sent or done as it is.
        """
        return []

    @classmethod
    def is_offered(cls) -> bool:
        """Return whether it can be suggested here."""
        return True

    @classmethod
    def parts_to_write(cls, payload: Any) -> list[str]:
        """Return what a person must write in `payload` before it can be approved."""
        return []

    @classmethod
    def why_incomplete(cls, payload: Any, suggestion: Suggestion) -> str:
        """Return why it cannot be approved as it is; empty if nothing is missing."""
        return ""

    @classmethod
    def change_since_proposed(cls, payload: Any, suggestion: Suggestion) -> tuple[datetime, str] | None:
        """Return when something it is based on changed since the proposal, and what; None if nothing did."""
        return None

    @classmethod
    def next_step(cls, suggestion: Suggestion) -> NextStep | None:
        """Return what a person does next after this suggestion was executed; None if nothing follows."""
        return None

    @classmethod
    def refresh_payload(cls, payload: Any, suggestion: Suggestion) -> Any:
        """Return the payload for the current state, once the approver has seen the change."""
        return payload

    @classmethod
    def follow_ons(cls, payload: Any, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """Return what to propose after an execution with this `result`.

        It is proposed in the transaction that records the execution. `suggestion.result` lists the keys of the
        proposals as "suggestions", and the refusals as "not_suggested".
        """
        return []

    @classmethod
    def discard_failed_attempts(
        cls, suggestion: Suggestion, *, except_execution: SuggestionExecution | None = None
    ) -> int:
        """Delete what failed attempts, except `except_execution`, have left behind; return how many records."""
        return 0

    @classmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        """Take back what was queued for `execution`, which has not begun."""
        return  # most kinds queue nothing outside the execution itself

    @classmethod
    def record_delivery(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        """Write what follows from a delivery into our own database; return the result as JSON. For outward kinds."""
        return {}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        """Undo the execution that `suggestion.result` describes, in the caller's transaction.

        Raises:
            ActionRefused: it can no longer be undone.
        """
        raise IllegalTransition(cls.irreversible_reason or "This cannot be undone.")


class LocalKind(Kind):
    """A type that changes only our own database."""

    @classmethod
    @abstractmethod
    def execute(cls, payload: Any, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        """Execute it in the caller's transaction; return the result as JSON."""


class OutwardKind(Kind):
    """A type that changes another system over its own connection, where nothing can be rolled back.

    `deliver` and `recover` run outside any transaction. It happens at most once: what may have happened is UNKNOWN,
    and a person settles it.
    """

    is_outward = True

    @classmethod
    @abstractmethod
    def deliver(cls, execution: SuggestionExecution, last_check: Callable[[], Delivery | None]) -> Delivery:
        """Deliver it. `last_check()` is called right before the point of no return, and returns None to go on."""

    @classmethod
    @abstractmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        """Return what is known of a delivery after its worker died."""


def describe_errors(error: ValidationError) -> dict[str, list[str]]:
    """Return the sentences of `error` by field ("" for the whole content)."""
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
    """Return the name of a field, shortened and printable: it is untrusted input."""
    return str(name)[:MAX_FIELD_NAME_LENGTH].encode("utf-8", "replace").decode().replace("\x00", "")
