"""Proposing: the one way a suggestion comes to be, whoever makes it."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from crm.exceptions import IllegalMove, refusing
from crm.models import User
from crm.records.activity import SYSTEM, Actor, record
from leads.models import Lead
from suggestions.autonomy.rules import BY_POLICY, Ruling, rule
from suggestions.kinds import Kind
from suggestions.model_fields import apart_from_words
from suggestions.models import REVIEWABLE, Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.findings import judge
from suggestions.policy.taint import by_a_model, rests_on_outsiders
from suggestions.transitions.decide import decide
from suggestions.transitions.execute import order
from suggestions.transitions.state import POLICY, about, digest, kind_of, lock, when

PROPOSE = "suggestions.add_suggestion"
# More than a person can take in at once helps nobody.
MOST_PER_LEAD = 3
UNDECIDED = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


@transaction.atomic
def propose(suggestion: Suggestion, *, by: Actor | User, as_draft: bool = False) -> Suggestion:
    """Save `suggestion` as waiting for a person, or as a draft.

    The same one waiting already is returned instead, in a model's words too; another content under its key replaces it.

    Raises:
        NotAllowed: `by` may not suggest.
        BadInput: its content is not what its type holds.
        IllegalMove: it could not be carried out, three wait for its lead already, or it is switched off for agents.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require(PROPOSE, "suggest anything")
    kind, now = kind_of(suggestion), timezone.now()
    if suggestion.lead_id:  # one at a time for each lead, as it stands: what follows counts
        suggestion.lead = Lead.everything.select_for_update(of=("self",)).filter(pk=suggestion.lead_id).first()
    payload = kind.check(kind.completed(suggestion.suggested_content, suggestion))
    kind.guard(payload, suggestion)
    suggestion.suggested_content = payload.model_dump(mode="json")
    older = standing_in_the_way(suggestion)
    if older is not None and stands_for(older, suggestion, actor):
        return older
    refuse_crowd(suggestion, besides=older)
    suggestion.status = SuggestionStatus.DRAFT if as_draft else SuggestionStatus.PENDING
    suggestion.agent, suggestion.proposed_by = ("", actor.user) if actor.user else (str(actor), None)
    suggestion.tainted = suggestion.tainted is True or rests_on_outsiders(suggestion, actor)
    ruling = judged(kind, payload, suggestion, by=actor)
    suggestion.expires_at = suggestion.expires_at or now + kind.expires_after
    if older is not None:
        retire(older, by=actor)
    with refusing():
        # The database sees to the constraints, and says the same of them.
        suggestion.full_clean(validate_constraints=False)
        suggestion.save(force_insert=True)
    if older is not None:
        Suggestion.everything.filter(pk=older.pk).update(superseded_by=suggestion)
    told(suggestion, kind, payload, by=by)
    if ruling.goes and not as_draft:
        let_happen(suggestion, kind, payload, ruling)
    return suggestion


def judged(kind: type[Kind], payload: Any, suggestion: Suggestion, *, by: Actor) -> Ruling:
    """Write on `suggestion` what is pointed out about it and how far it may go by itself; what a person proposes waits.

    Raises:
        IllegalMove: the program proposes it, and its type is switched off.
    """
    findings = judge(kind, payload, suggestion)
    ruling = rule(kind, payload, suggestion, findings) if by.user is None else Ruling(Level.SUGGEST)
    suggestion.findings = [finding.as_json() for finding in findings]
    suggestion.autonomy, suggestion.held_because = ruling.level, ruling.because
    return ruling


def let_happen(suggestion: Suggestion, kind: type[Kind], payload: Any, ruling: Ruling) -> None:
    """Approve `suggestion` by policy; it can be taken back until the setting's time for that is over."""
    approved = payload.model_dump(mode="json")
    wait = max(kind.wait, timedelta(seconds=ruling.setting.undo_seconds))
    decide(
        suggestion,
        SuggestionStatus.APPROVED,
        by=POLICY,
        note=BY_POLICY,
        approved_content=approved,
        content_hash=digest(approved),
    )
    until = f", carried out at {when(timezone.now() + wait)} unless it is taken back" if wait else ""
    summary = f"Let happen by policy{until}: {kind.sentence(payload, suggestion)}"
    record(suggestion, "let happen", about=about(suggestion), by=POLICY, summary=summary)
    order(suggestion, by=POLICY, wait=wait)


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


def stands_for(older: Suggestion, newer: Suggestion, by: Actor) -> bool:
    """Whether `older` says what `newer` would: word for word, or on the same grounds in a model's better words."""
    if older.suggested_content == newer.suggested_content:
        return by_a_model(older) or not by_a_model(newer)
    bettered = older.agent == str(by) and by_a_model(older) and not by_a_model(newer)
    same = bettered and older.type == newer.type and older.message_id == newer.message_id
    return same and apart_from_words(older) == apart_from_words(newer)


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
    ruling = judged(kind, payload, draft, by=actor)
    with refusing():
        Suggestion.objects.filter(pk=draft.pk).update(
            status=SuggestionStatus.PENDING,
            suggested_content=payload.model_dump(mode="json"),
            findings=draft.findings,
            autonomy=draft.autonomy,
            held_because=draft.held_because,
            version=stands.version + 1,
        )
    draft.refresh_from_db()
    told(draft, kind, payload, by=by)
    if ruling.goes:
        let_happen(draft, kind, payload, ruling)
    return draft
