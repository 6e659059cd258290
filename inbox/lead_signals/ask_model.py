"""Letting a model read what leads have written: it may add signals, each found once in the message it came from.

It is asked once for all that is new in a conversation: the rules of the question weigh more than most mails, and two
mails in a row are mostly one thought. Nothing is held in the database meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ai_log.gateway.ask import Answer, ask, resting
from ai_log.gateway.budgets import exceeded
from ai_log.models import AIInteraction, InteractionSource, InteractionType
from crm.text.english.signals import Sign
from inbox.lead_signals.model_signals import MEANINGS, SYSTEM, Signals, accepted, legible, question
from inbox.lead_signals.transitions import LONGEST_READ, notice
from inbox.models import Message, Reading, Thread
from leads.models import Lead, ScoringPolicy

AGENT = "Signals"
MOST_MESSAGES = 10
# Where no model answered, a conversation is asked about again after as long as it has waited already.
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)


def may_ask(now: datetime) -> bool:
    """Whether to go on asking: the provider is not left alone for now, and the day's budget lasts.

    Looked at before, so that the log has one line that says why nothing is asked, and not one a minute.
    """
    return not resting(now) and not exceeded(None, now)


def sense(thread: Thread) -> bool:
    """Let a model read what is new in `thread`; False if none answered, and it is left for later.

    Raises:
        IllegalMove: there is no model to ask.
        RuntimeError: called inside a transaction.
    """
    rows = Message.objects.unread_by_model(timezone.now()).filter(thread=thread).order_by("sent_at", "id")
    texts = {one.pk: legible(one.body_text[:LONGEST_READ]) for one in rows.defer("body_html")[:MOST_MESSAGES]}
    lead = Lead.objects.open().filter(pk=thread.lead_id).first() if thread.lead_id else None
    if lead is None or not texts:
        Thread.everything.filter(pk=thread.pk).update(sense_at=None)
        return True
    wordy = {key: text for key, text in texts.items() if text}
    keep_read([key for key in texts if key not in wordy], None, [])
    if wordy:
        types = {name: meaning for name, meaning in MEANINGS.items() if name in ScoringPolicy.objects.active().weights}
        answer = asked(thread, lead, list(wordy.values()), types)
        if answer.may_come_yet:
            put_off(thread)
            return False
        found = answer.value.signals if isinstance(answer.value, Signals) else []
        keep_read(list(wordy), answer.interaction, accepted(found, list(wordy.values()), types))
    # The messages may stand in another conversation by now.
    for one in Thread.everything.filter(messages__in=list(texts)).distinct() or [thread]:
        notice(one)
    return True


def asked(thread: Thread, lead: Lead, texts: Sequence[str], types: dict[str, str]) -> Answer:
    return ask(
        question(texts, types),
        system=SYSTEM,
        agent=AGENT,
        type=InteractionType.PROMPT_RESPONSE,
        source=InteractionSource.BACKEND_MIDDLEWARE,
        answer=Signals,
        lead=lead,
        conversation_id=str(thread.pk),
    )


@transaction.atomic
def keep_read(messages: Sequence[UUID], interaction: AIInteraction | None, signs: Sequence[Sequence[Sign]]) -> None:
    """Keep that `messages` were read, with what counts of each; those purged meanwhile are left out."""
    found = dict(zip(messages, signs, strict=False))
    there = Message.everything.select_for_update(no_key=True, of=("self",)).filter(pk__in=messages).order_by("pk")
    Reading.objects.bulk_create(
        [
            Reading(message_id=key, interaction=interaction, signs=kept(found.get(key, [])))
            for key in there.values_list("pk", flat=True)
        ],
        ignore_conflicts=True,
    )


def kept(signs: Sequence[Sign]) -> list[dict[str, object]]:
    return [
        {"type": sign.type, "quote": sign.quote, **({} if sign.value is None else {"value": sign.value})}
        for sign in signs
    ]


def put_off(thread: Thread) -> None:
    """Ask about `thread` again after as long as the oldest of what is new has waited already."""
    now = timezone.now()
    oldest = Message.objects.unread_by_model(now).filter(thread=thread).order_by("created_at").first()
    waited = now - oldest.created_at if oldest else SHORTEST_PAUSE
    Thread.everything.filter(pk=thread.pk).update(sense_at=now + min(max(waited, SHORTEST_PAUSE), LONGEST_PAUSE))
