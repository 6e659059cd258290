"""A kind that reaches outside, under a type's name: what became of it is decided by the test."""

from typing import Any

from crm.runtime.delivery import Delivery, Outcome
from suggestions.kinds import KINDS
from suggestions.kinds.base import OutwardKind, Payload
from suggestions.models import Suggestion, SuggestionType
from suggestions.policy.findings import Finding


class PostPayload(Payload):
    body: str


class PostKind(OutwardKind):
    """Puts a card into the letter box."""

    type = SuggestionType.PR
    Payload = PostPayload
    permission, deed = "suggestions.open_pull_request", "post cards"
    gist = "body"
    cannot_be_undone = "A card that is posted stays posted."
    ends: Delivery = Delivery(Outcome.DONE)

    @classmethod
    def guard(cls, payload: PostPayload, suggestion: Suggestion) -> None:
        return None

    @classmethod
    def sentence(cls, payload: PostPayload, suggestion: Suggestion, names: Any = None) -> str:
        return f"Posts “{payload.body}”."

    @classmethod
    def prepare(cls, payload: Any, suggestion: Any, execution: Any, *, by: Any) -> None:
        return None

    withdraw = give_up = classmethod(lambda cls, *args, **kw: None)

    @classmethod
    def deliver(cls, execution: Any, go: Any) -> Delivery:
        return go() or cls.ends

    @classmethod
    def recover(cls, execution: Any) -> Delivery:
        return Delivery(Outcome.UNKNOWN, "Cut off.")


def posts(monkeypatch: Any, ends: Delivery) -> None:
    """Let suggestions of type PR be cards that end so."""
    monkeypatch.setitem(KINDS, SuggestionType.PR, PostKind)
    monkeypatch.setattr(PostKind, "ends", ends)


def points_out(monkeypatch: Any, *codes: str) -> None:
    """Let the policy point out `codes`, each of which must be confirmed."""
    found = [Finding(code, f"Mind {code}.") for code in codes]
    for module in ("suggestions.screens.action_forms", "suggestions.transitions.decide"):
        monkeypatch.setattr(f"{module}.judge", lambda *args: found)
