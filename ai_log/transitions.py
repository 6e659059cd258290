"""What can be done to a logged interaction: say whether it helped, and erase its texts."""

from collections.abc import Iterator
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

from ai_log.genai import KEPT
from ai_log.models import ERASED, ERASING, AIInteraction, AIInteractionQuerySet, Feedback
from crm.activity import Actor, record
from crm.models import User
from crm.refusals import BadInput

COMMENT_LENGTH = 2_000
BATCH = 2_000
KEPT_OF_METADATA = "coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(metadata) WHERE key = ANY(%s)), '{}')"


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
