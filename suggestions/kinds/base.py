"""What a kind of suggestion is: a payload, a sentence, a deed."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from crm.activity import Actor
from crm.refusals import BadInput
from suggestions.models import Suggestion


class Payload(BaseModel):
    """The content of a suggestion; anything not named in it is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Kind(ABC):
    """One type of suggestion. Subclasses say what it holds, what it will do, and do it."""

    type: ClassVar[str]
    Payload: ClassVar[type[Payload]]

    @classmethod
    def check(cls, content: Any) -> Payload:
        """`content` as a payload.

        Raises:
            BadInput: a field is missing, unknown or wrong; the sentence names each.
        """
        try:
            payload = cls.Payload.model_validate(content)
        except ValidationError as error:
            parts = [f"{'.'.join(map(str, e['loc'])) or 'content'}: {e['msg']}" for e in error.errors()]
            raise BadInput("; ".join(parts) + ".") from error
        return payload

    @classmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        """Refuse now what could not be carried out anyway; runs when proposed, approved and executed."""

    @classmethod
    @abstractmethod
    def sentence(cls, payload: Any, suggestion: Suggestion) -> str:
        """What will happen, in words."""

    @classmethod
    @abstractmethod
    def execute(cls, payload: Any, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        """Do it, inside the caller's transaction; returns what came of it as JSON."""
