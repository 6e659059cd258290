"""Proposing: the one way a suggestion comes to be, whoever makes it."""

from typing import Any

from django.db import transaction
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from crm.activity import SYSTEM, Actor, record
from crm.models import User
from crm.refusals import IllegalMove, refusing
from leads.models import Lead
from suggestions.kinds import Kind
from suggestions.models import REVIEWABLE, RejectCode, Suggestion, SuggestionStatus
from suggestions.taint import rests_on_outsiders
from suggestions.transitions.standing import about, kind_of, lock

PROPOSE = "suggestions.add_suggestion"
# More than a person can take in at once helps nobody.
MOST_PER_LEAD = 3
UNDECIDED = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


@transaction.atomic
def propose(suggestion: Suggestion, *, by: Actor | User, as_draft: bool = False) -> Suggestion:
    """Save `suggestion` as waiting for a person, or as a draft.

    The same one waiting already is returned instead; another content under its key replaces it.

    Raises:
        NotAllowed: `by` may not suggest.
        BadInput: its content is not what its type holds.
        IllegalMove: it could not be carried out anyway, or three wait for its lead already.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require(PROPOSE, "suggest anything")
    kind = kind_of(suggestion)
    payload = kind.check(kind.completed(suggestion.suggested_content, suggestion))
    kind.guard(payload, suggestion)
    suggestion.suggested_content = payload.model_dump(mode="json")
    now = timezone.now()
    if suggestion.lead_id:  # one at a time for each lead: what follows counts
        Lead.everything.select_for_update(of=("self",)).filter(pk=suggestion.lead_id).first()
    older = standing_in_the_way(suggestion)
    if older is not None and older.suggested_content == suggestion.suggested_content:
        return older
    refuse_crowd(suggestion, besides=older)
    suggestion.status = SuggestionStatus.DRAFT if as_draft else SuggestionStatus.PENDING
    suggestion.agent, suggestion.proposed_by = ("", actor.user) if actor.user else (str(actor), None)
    suggestion.tainted = suggestion.tainted is True or rests_on_outsiders(suggestion)
    suggestion.expires_at = suggestion.expires_at or now + kind.expires_after
    if older is not None:
        retire(older, by=actor)
    with refusing():
        suggestion.full_clean()
        suggestion.save(force_insert=True)
    if older is not None:
        Suggestion.everything.filter(pk=older.pk).update(superseded_by=suggestion)
    told(suggestion, kind, payload, by=by)
    return suggestion


def told(suggestion: Suggestion, kind: type[Kind], payload: Any, *, by: Actor | User) -> None:
    verb = "drafted" if suggestion.status == SuggestionStatus.DRAFT else "proposed"
    record(suggestion, verb, about=about(suggestion), by=by, summary=kind.sentence(payload, suggestion))


def standing_in_the_way(suggestion: Suggestion) -> Suggestion | None:
    """The live one under the same key, held until the transaction ends."""
    # One that was not given is the database's default, an expression and no text: every other would be its twin.
    if isinstance(suggestion.dedupe_key, DatabaseDefault) or not suggestion.dedupe_key:
        return None
    same = Suggestion.objects.select_for_update(of=("self",)).filter(dedupe_key=suggestion.dedupe_key)
    return same.filter(status__in=REVIEWABLE).first()


def refuse_crowd(suggestion: Suggestion, *, besides: Suggestion | None) -> None:
    """See to it that a person is never asked more than a few things about one lead at a time."""
    if suggestion.lead_id is None:
        return
    waiting = Suggestion.objects.undecided(timezone.now()).filter(lead=suggestion.lead_id)
    if besides is not None:
        waiting = waiting.exclude(pk=besides.pk)
    if len(waiting.values_list("pk", flat=True)[:MOST_PER_LEAD]) == MOST_PER_LEAD:
        raise IllegalMove(f"{MOST_PER_LEAD} suggestions wait for {suggestion.lead} already: decide one of them first.")


def retire(older: Suggestion, *, by: Actor) -> None:
    """Turn down `older`, because a newer one says better what it says."""
    Suggestion.objects.filter(pk=older.pk, status__in=REVIEWABLE).update(
        status=SuggestionStatus.REJECTED,
        reject_code=RejectCode.SUPERSEDED,
        reviewed_by=None,
        reviewed_at=timezone.now(),
        version=older.version + 1,
    )
    summary = f"Replaced by a newer suggestion: {older.get_type_display().lower()}"
    record(older, "superseded", about=about(older), by=by if by.user is None else SYSTEM, summary=summary)


@transaction.atomic
def submit(draft: Suggestion, content: dict[str, Any] | None = None, *, by: Actor | User) -> Suggestion:
    """Let `draft` wait for a decision, with `content` where it was worked on; from then on it never changes.

    Raises:
        NotAllowed: `by` may not suggest.
        BadInput: the content is not what the type holds.
        IllegalMove: it is no draft, or could not be carried out.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require(PROPOSE, "suggest anything")
    stands = lock(draft)
    if stands.is_deleted or stands.status != SuggestionStatus.DRAFT:
        state = "deleted" if stands.is_deleted else stands.get_status_display().lower()
        raise IllegalMove(f"Only a draft is submitted; this one is {state}.")
    kind = kind_of(draft)
    payload = kind.check(kind.completed(draft.suggested_content if content is None else content, draft))
    kind.guard(payload, draft)
    with refusing():
        Suggestion.objects.filter(pk=draft.pk).update(
            status=SuggestionStatus.PENDING,
            suggested_content=payload.model_dump(mode="json"),
            version=stands.version + 1,
        )
    draft.refresh_from_db()
    told(draft, kind, payload, by=by)
    return draft
