"""A suggestion with everything that can hang on one."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from ai_log.models import AIInteraction
from crm.exceptions import IllegalTransition
from inbox.models import Direction, Message, Thread
from suggestions.kinds.task import TaskKind
from suggestions.models import Suggestion
from tests.cast import make_lead, make_suggestion, make_thread


def make_message(thread: Thread, body: str = "We would like to go ahead.", **kw: Any) -> Message:
    kw.setdefault("sent_at", timezone.now() - timedelta(hours=1))
    return Message.objects.create(
        thread=thread, direction=Direction.IN, from_email="lee@example.com", snippet=body, body_text=body, **kw
    )


def break_next_task(monkeypatch: Any) -> None:
    """Let the next task that is to be added fail, and only that one."""

    def refuse(payload: Any, suggestion: Suggestion, *, by: Any) -> dict[str, Any]:
        again.undo()
        raise IllegalTransition("The shelf is full.")

    again = monkeypatch.context().__enter__()
    again.setattr(TaskKind, "execute", refuse)


def make_complete_suggestion(**kw: Any) -> Suggestion:
    """One with everything that can hang on it."""
    lead = kw.pop("lead", None) or make_lead(contact_name="Lee Lead", estimated_value=5_000)
    thread = make_thread(lead=lead, subject="About the quote")
    message = make_message(thread)
    asked = AIInteraction.objects.create(lead=lead, type="Chat", source="AI Assistant", content="?", agent="scout")
    return make_suggestion(
        lead=lead,
        thread=thread,
        message=message,
        interaction=asked,
        confidence="0.83",
        reasoning="They asked for it.",
        evidence=[{"quote": "go ahead", "source": "message", "id": str(message.pk)}],
        ai_model_version="small-model-1",
        prompt_tokens=1_200,
        completion_tokens=80,
        tainted=True,
        expires_at=timezone.now() + timedelta(days=3),
        **kw,
    )
