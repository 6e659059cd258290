"""What can be done to the log: keep an answer that no model gave, say whether one helped, erase texts."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

from ai_log.gateway.otel_names import CHAT, KEPT
from ai_log.models import (
    ERASED,
    ERASING,
    AIInteraction,
    AIInteractionQuerySet,
    Feedback,
    InteractionSource,
    InteractionType,
)
from crm.exceptions import BadInput
from crm.models import User
from crm.records.activity import Actor, record
from leads.models import Lead

COMMENT_LENGTH, SUMMARY_LENGTH = 2_000, 120
BATCH = 2_000
KEPT_OF_METADATA = "coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(metadata) WHERE key = ANY(%s)), '{}')"


@transaction.atomic
def log_chat(
    lead: Lead,
    question: str,
    answer: str,
    *,
    agent: str,
    conversation_id: str,
    chat: dict[str, Any],
    took: int,
    by: User,
) -> AIInteraction:
    """Keep what `by` asked about `lead` and what was answered without a model, in `took` milliseconds.

    `chat` is what a screen shows of it. What asks a model is logged by `ai_log.gateway.ask` alone.
    """
    return AIInteraction.objects.create(
        type=InteractionType.CHAT,
        source=InteractionSource.AGENT_UI,
        agent=agent,
        lead=lead,
        asked_by=by,
        content=question,
        ai_response=answer,
        summary=" ".join(question.split())[:SUMMARY_LENGTH],
        conversation_id=conversation_id,
        latency_ms=took,
        metadata={CHAT: chat},
    )


@transaction.atomic
def rate(interaction: AIInteraction, feedback: str, *, comment: str = "", by: User) -> None:
    """Keep `by`'s judgement of an answer; a later one takes the place of an earlier.

    Raises:
        NotAllowed: `by` may not rate.
        BadInput: neither up nor down, or the comment is longer than 2,000 characters.
    """
    Actor.of(by).require("ai_log.rate_aiinteraction", "say whether an answer helped")
    if feedback not in Feedback.values:
        raise BadInput("Say whether the answer helped: up or down.")
    comment = comment.strip().replace("\x00", "")
    if len(comment) > COMMENT_LENGTH:
        raise BadInput(f"A comment has at most {COMMENT_LENGTH:,} characters; this one has {len(comment):,}.")
    AIInteraction.objects.filter(pk=interaction.pk).update(
        feedback=feedback, feedback_comment=comment, feedback_by=by, feedback_at=timezone.now()
    )
    interaction.refresh_from_db()
    said = f"{Feedback(feedback).label}{': ' + comment if comment else ''}"
    about = interaction.lead or interaction.client or interaction
    record(interaction, "rated", about=about, by=by, summary=f"An AI answer was rated: {said}")


def erase(rows: AIInteractionQuerySet, *, unlink: bool = False) -> Iterator[int]:
    """Erase every text of `rows` for good; numbers, names of models and agents, times and ratings stay.

    With `unlink`, whom they were about is forgotten, too. What came of an answer (suggestions) is no part of the log
    and stays. Works in batches, each in a transaction of its own, and yields the size of each: broken off, it is
    taken up where it ended by asking again.
    """
    left = rows.to_erase(unlink=unlink).order_by("created_at", "id")
    while found := list(left.values_list("pk", "created_at")[:BATCH]):
        yield erase_batch([key for key, _ in found], unlink=unlink)
        # Those before are done: they need not be looked at again.
        left = left.filter(created_at__gte=found[-1][1])


@transaction.atomic
def erase_batch(keys: list[UUID], *, unlink: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'yes', true)", [ERASING])
    forgotten = {"lead": None, "client": None} if unlink else {}
    erased = AIInteraction.objects.filter(pk__in=keys).update(
        content="",
        ai_response="",
        summary="",
        feedback_comment="",
        error_message=Case(When(error_message="", then=Value("")), default=Value(ERASED)),
        metadata=RawSQL(KEPT_OF_METADATA, [list(KEPT)]),
        **forgotten,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'no', true)", [ERASING])
    return erased
