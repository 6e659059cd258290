"""The one thing a person can do to a logged interaction: say whether it helped."""

from django.db import transaction
from django.utils import timezone

from ai_log.models import AIInteraction, Feedback
from crm.activity import Actor, record
from crm.models import User
from crm.refusals import BadInput

COMMENT_LENGTH = 2_000


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
