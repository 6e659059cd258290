"""What can be done to the log: keep an answer that no model gave, say whether one helped, erase texts."""

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
    """Keep what `by` asked about `lead` and what was answered without a model, in `latency_ms` milliseconds.

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
        summary=" ".join(question.split())[:MAX_CHAT_SUMMARY_LENGTH],
        conversation_id=conversation_id,
        latency_ms=latency_ms,
        metadata={CHAT_TURN: chat},
    )


@transaction.atomic
def rate_answer(interaction: AIInteraction, feedback: str, *, comment: str = "", by: User) -> None:
    """Keep `by`'s judgement of an answer; a later one takes the place of an earlier.

    Raises:
        NotPermitted: `by` may not rate.
        InvalidInput: neither up nor down, or the comment is longer than 2,000 characters.
    """
    Actor.of(by).require_permission("ai_log.rate_aiinteraction", "say whether an answer helped")
    if feedback not in Feedback.values:
        raise InvalidInput("Say whether the answer helped: up or down.")
    comment = comment.strip().replace("\x00", "")
    if len(comment) > MAX_COMMENT_LENGTH:
        raise InvalidInput(f"A comment has at most {MAX_COMMENT_LENGTH:,} characters; this one has {len(comment):,}.")
    AIInteraction.objects.filter(pk=interaction.pk).update(
        feedback=feedback, feedback_comment=comment, feedback_by=by, feedback_at=timezone.now()
    )
    interaction.refresh_from_db()
    rating = f"{Feedback(feedback).label}{': ' + comment if comment else ''}"
    timeline_owner = interaction.lead or interaction.client or interaction
    record(interaction, "rated", timeline_owner=timeline_owner, by=by, summary=f"An AI answer was rated: {rating}")


def erase_texts(rows: AIInteractionQuerySet, *, unlink: bool = False) -> Iterator[int]:
    """Erase every text of `rows` for good; numbers, names of models and agents, times and ratings stay.

    With `unlink`, whom they were about is forgotten, too. What came of an answer (suggestions) is no part of the log
    and stays. Works in batches, each in a transaction of its own, and yields the size of each: broken off, it is
    taken up where it ended by asking again.
    """
    remaining = rows.erasable(unlink=unlink).order_by("created_at", "id")
    while batch := list(remaining.values_list("pk", "created_at")[:ERASE_BATCH_SIZE]):
        yield erase_batch([key for key, _ in batch], unlink=unlink)
        # Those before are done: they need not be looked at again.
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
