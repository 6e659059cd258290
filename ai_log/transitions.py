"""The state changes of the AI log: log an answer given without a model, rate an answer, erase texts."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

from ai_log.gateway.otel_names import CHAT_TURN, KEPT_WHEN_ERASED
from ai_log.models import (
    ERASED_TEXT,
    ERASING_SETTING,
    AIInteraction,
    AIInteractionQuerySet,
    Feedback,
    InteractionSource,
    InteractionType,
)
from crm.exceptions import InvalidInput
from crm.models import User
from crm.records.activity import Actor, record
from leads.models import Lead

MAX_COMMENT_LENGTH, MAX_CHAT_SUMMARY_LENGTH = 2_000, 120
ERASE_BATCH_SIZE = 2_000
KEPT_METADATA_SQL = (
    "coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(metadata) WHERE key = ANY(%s)), '{}')"
)


@transaction.atomic
def log_chat(
    lead: Lead,
    question: str,
    answer: str,
    *,
    agent: str,
    conversation_id: str,
    chat: dict[str, Any],
    latency_ms: int,
    by: User,
) -> AIInteraction:
    """Log a question of `by` about `lead` that was answered without a model, in `latency_ms` milliseconds.

    `chat` is what a screen shows of the turn. Calls to a model are logged only by `ai_log.gateway.ask`.
    """
    return AIInteraction.objects.create(
        type=InteractionType.CHAT,
        source=InteractionSource.AGENT_UI,
        agent=agent,
        lead=lead,
        asked_by=by,
        content=question,
        ai_response=answer,
        summary=" ".join(question.split())[:MAX_CHAT_SUMMARY_LENGTH],
        conversation_id=conversation_id,
        latency_ms=latency_ms,
        metadata={CHAT_TURN: chat},
    )


@transaction.atomic
def rate_answer(interaction: AIInteraction, feedback: str, *, comment: str = "", by: User) -> None:
    """Save the rating of an answer by `by`; it replaces an earlier rating.

    Raises:
        NotPermitted: `by` may not rate answers.
        InvalidInput: the rating is neither up nor down, or the comment is longer than 2,000 characters.
    """
    Actor.of(by).require_permission("ai_log.rate_aiinteraction", "rate an answer")
    if feedback not in Feedback.values:
        raise InvalidInput(f"The rating must be one of: {', '.join(Feedback.values)}.")
    comment = comment.strip().replace("\x00", "")
    if len(comment) > MAX_COMMENT_LENGTH:
        raise InvalidInput(
            f"A comment can have at most {MAX_COMMENT_LENGTH:,} characters; this one has {len(comment):,}."
        )
    AIInteraction.objects.filter(pk=interaction.pk).update(
        feedback=feedback, feedback_comment=comment, feedback_by=by, feedback_at=timezone.now()
    )
    interaction.refresh_from_db()
    rating = f"{Feedback(feedback).label}{': ' + comment if comment else ''}"
    timeline_owner = interaction.lead or interaction.client or interaction
    record(interaction, "rated", timeline_owner=timeline_owner, by=by, summary=f"AI answer rated: {rating}")


def erase_texts(rows: AIInteractionQuerySet, *, unlink: bool = False) -> Iterator[int]:
    """Permanently erase all texts of `rows`; numbers, names of models and agents, times and ratings stay.

    With `unlink`, the links to the lead and client are removed, too. Suggestions from an answer are not part of the
    log and stay. Each batch is a transaction of its own; yields the size of each. After an interruption, call again
    to continue.
    """
    remaining = rows.erasable(unlink=unlink).order_by("created_at", "id")
    while batch := list(remaining.values_list("pk", "created_at")[:ERASE_BATCH_SIZE]):
        yield erase_batch([key for key, _ in batch], unlink=unlink)
        # Older rows are already erased, so the next query can skip them.
        remaining = remaining.filter(created_at__gte=batch[-1][1])


@transaction.atomic
def erase_batch(keys: list[UUID], *, unlink: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'yes', true)", [ERASING_SETTING])
    unlinked_fields = {"lead": None, "client": None} if unlink else {}
    erased = AIInteraction.objects.filter(pk__in=keys).update(
        content="",
        ai_response="",
        summary="",
        feedback_comment="",
        error_message=Case(When(error_message="", then=Value("")), default=Value(ERASED_TEXT)),
        metadata=RawSQL(KEPT_METADATA_SQL, [list(KEPT_WHEN_ERASED)]),
        **unlinked_fields,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'no', true)", [ERASING_SETTING])
    return erased
