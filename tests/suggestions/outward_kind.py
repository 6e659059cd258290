"""A kind that reaches outside, under a type's name: what became of it is decided by the test."""

from typing import Any

from crm.runtime.delivery import Delivery, DeliveryOutcome
from suggestions.kinds import KINDS
from suggestions.kinds.base import OutwardKind, Payload
from suggestions.models import Suggestion, SuggestionType
from suggestions.policy.findings import PolicyFinding


class PostPayload(Payload):
    body: str


class PostKind(OutwardKind):
    """Puts a card into the letter box."""

    type = SuggestionType.PR
    Payload = PostPayload
    permission, action_phrase = "suggestions.open_pull_request", "post cards"
    summary_field = "body"
    irreversible_reason = "A card that is posted stays posted."
    delivery: Delivery = Delivery(DeliveryOutcome.DELIVERED)

    @classmethod
    def guard(cls, payload: PostPayload, suggestion: Suggestion) -> None:
        return None

    @classmethod
    def sentence(cls, payload: PostPayload, suggestion: Suggestion, labels: Any = None) -> str:
        return f"Posts “{payload.body}”."

    @classmethod
    def deliver(cls, execution: Any, last_check: Any) -> Delivery:
        return last_check() or cls.delivery

    @classmethod
    def recover(cls, execution: Any) -> Delivery:
        return Delivery(DeliveryOutcome.UNCONFIRMED, "Cut off.")


def use_post_kind(monkeypatch: Any, delivery: Delivery) -> None:
    """Let suggestions of type PR be cards that end so."""
    monkeypatch.setitem(KINDS, SuggestionType.PR, PostKind)
    monkeypatch.setattr(PostKind, "delivery", delivery)


def fake_findings(monkeypatch: Any, *codes: str) -> None:
    """Let the policy point out `codes`, each of which must be confirmed."""
    found = [PolicyFinding(code, f"Mind {code}.") for code in codes]
    for module in ("suggestions.screens.action_forms", "suggestions.transitions.decide"):
        monkeypatch.setattr(f"{module}.find_policy_findings", lambda *args: found)
