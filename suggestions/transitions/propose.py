"""Proposing: the one way a suggestion comes to be, whoever makes it."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from crm.exceptions import IllegalTransition, errors_as_invalid_input
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from leads.models import Lead
from suggestions.autonomy.rules import AUTO_APPROVED_NOTE, AutonomyDecision, resolve_autonomy
from suggestions.kinds import Kind
from suggestions.model_fields import content_without_prose
from suggestions.models import OPEN_STATUSES, Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.findings import find_policy_findings
from suggestions.policy.taint import has_untrusted_content, is_model_written
from suggestions.transitions.decide import save_decision
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.state import (
    POLICY_ACTOR,
    content_digest,
    format_moment,
    get_kind,
    lock_suggestion,
    timeline_owner,
)

PROPOSE_PERMISSION = "suggestions.add_suggestion"
# More than a person can take in at once helps nobody.
MAX_OPEN_PER_LEAD = 3
UNDECIDED_STATUSES = (SuggestionStatus.DRAFT, SuggestionStatus.PENDING)


@transaction.atomic
def propose(suggestion: Suggestion, *, by: Actor | User, as_draft: bool = False) -> Suggestion:
    """Save `suggestion` as waiting for a person, or as a draft.

    The same one waiting already is returned instead, in a model's words too; another content under its key replaces it.

    Raises:
        NotPermitted: `by` may not suggest.
        InvalidInput: its content is not what its type holds.
        IllegalTransition: it could not be carried out, three wait for its lead already, or it is switched off for agents.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require_permission(PROPOSE_PERMISSION, "suggest anything")
    kind, now = get_kind(suggestion), timezone.now()
    if suggestion.lead_id:  # one at a time for each lead, as it stands: what follows counts
        suggestion.lead = Lead.everything.select_for_update(of=("self",)).filter(pk=suggestion.lead_id).first()
    payload = kind.parse_content(kind.fill_defaults(suggestion.suggested_content, suggestion))
    kind.guard(payload, suggestion)
    suggestion.suggested_content = payload.model_dump(mode="json")
    existing = existing_with_same_key(suggestion)
    if existing is not None and makes_redundant(existing, suggestion, actor):
        return existing
    check_lead_limit(suggestion, replacing=existing)
    suggestion.status = SuggestionStatus.DRAFT if as_draft else SuggestionStatus.PENDING
    suggestion.agent, suggestion.proposed_by = ("", actor.user) if actor.user else (str(actor), None)
    suggestion.tainted = suggestion.tainted is True or has_untrusted_content(suggestion, actor)
    decision = apply_policy(kind, payload, suggestion, by=actor)
    suggestion.expires_at = suggestion.expires_at or now + kind.expires_after
    if existing is not None:
        supersede(existing, by=actor)
    with errors_as_invalid_input():
        # The database sees to the constraints, and says the same of them.
        suggestion.full_clean(validate_constraints=False)
        suggestion.save(force_insert=True)
    if existing is not None:
        Suggestion.everything.filter(pk=existing.pk).update(superseded_by=suggestion)
    record_proposed(suggestion, kind, payload, by=by)
    if decision.is_auto_approved and not as_draft:
        auto_approve(suggestion, kind, payload, decision)
    return suggestion


def apply_policy(kind: type[Kind], payload: Any, suggestion: Suggestion, *, by: Actor) -> AutonomyDecision:
    """Write on `suggestion` what is pointed out about it and how far it may go by itself; what a person proposes waits.

    Raises:
        IllegalTransition: the program proposes it, and its type is switched off.
    """
    findings = find_policy_findings(kind, payload, suggestion)
    decision = (
        resolve_autonomy(kind, payload, suggestion, findings) if by.user is None else AutonomyDecision(Level.SUGGEST)
    )
    suggestion.findings = [finding.as_json() for finding in findings]
    suggestion.autonomy, suggestion.held_because = decision.level, decision.hold_reasons
    return decision


def auto_approve(suggestion: Suggestion, kind: type[Kind], payload: Any, decision: AutonomyDecision) -> None:
    """Approve `suggestion` by policy; it can be taken back until the setting's time for that is over."""
    approved = payload.model_dump(mode="json")
    wait = max(kind.undo_window, timedelta(seconds=decision.setting.undo_seconds))
    save_decision(
        suggestion,
        SuggestionStatus.APPROVED,
        by=POLICY_ACTOR,
        note=AUTO_APPROVED_NOTE,
        approved_content=approved,
        content_hash=content_digest(approved),
    )
    until = f", carried out at {format_moment(timezone.now() + wait)} unless it is taken back" if wait else ""
    summary = f"Let happen by policy{until}: {kind.sentence(payload, suggestion)}"
    record(suggestion, "let happen", timeline_owner=timeline_owner(suggestion), by=POLICY_ACTOR, summary=summary)
    enqueue_execution(suggestion, by=POLICY_ACTOR, wait=wait)


def record_proposed(suggestion: Suggestion, kind: type[Kind], payload: Any, *, by: Actor | User) -> None:
    verb = "drafted" if suggestion.status == SuggestionStatus.DRAFT else "proposed"
    record(
        suggestion, verb, timeline_owner=timeline_owner(suggestion), by=by, summary=kind.sentence(payload, suggestion)
    )


def existing_with_same_key(suggestion: Suggestion) -> Suggestion | None:
    """The live one under the same key, held until the transaction ends."""
    # One that was not given is the database's default, an expression and no text: every other would be its twin.
    if isinstance(suggestion.dedupe_key, DatabaseDefault) or not suggestion.dedupe_key:
        return None
    same = Suggestion.objects.select_for_update(of=("self",)).filter(dedupe_key=suggestion.dedupe_key)
    return same.filter(status__in=OPEN_STATUSES).first()


def makes_redundant(existing: Suggestion, newer: Suggestion, by: Actor) -> bool:
    """Whether `existing` says what `newer` would: word for word, or on the same grounds in a model's better words."""
    if existing.suggested_content == newer.suggested_content:
        return is_model_written(existing) or not is_model_written(newer)
    is_improvement = existing.agent == str(by) and is_model_written(existing) and not is_model_written(newer)
    same = is_improvement and existing.type == newer.type and existing.message_id == newer.message_id
    return same and content_without_prose(existing) == content_without_prose(newer)


def check_lead_limit(suggestion: Suggestion, *, replacing: Suggestion | None) -> None:
    """See to it that a person is never asked more than a few things about one lead at a time."""
    if suggestion.lead_id is None:
        return
    undecided_for_lead = Suggestion.objects.undecided(timezone.now()).filter(lead=suggestion.lead_id)
    if replacing is not None:
        undecided_for_lead = undecided_for_lead.exclude(pk=replacing.pk)
    if len(undecided_for_lead.values_list("pk", flat=True)[:MAX_OPEN_PER_LEAD]) == MAX_OPEN_PER_LEAD:
        raise IllegalTransition(
            f"{MAX_OPEN_PER_LEAD} suggestions wait for {suggestion.lead} already: decide one of them first."
        )


def supersede(existing: Suggestion, *, by: Actor) -> None:
    """Turn down `existing`, because a newer one says better what it says."""
    Suggestion.objects.filter(pk=existing.pk, status__in=OPEN_STATUSES).update(
        status=SuggestionStatus.REJECTED,
        reject_code=RejectCode.SUPERSEDED,
        reviewed_by=None,
        reviewed_at=timezone.now(),
        version=existing.version + 1,
    )
    summary = f"Replaced by a newer suggestion: {existing.get_type_display().lower()}"
    record(
        existing,
        "superseded",
        timeline_owner=timeline_owner(existing),
        by=by if by.user is None else SYSTEM_ACTOR,
        summary=summary,
    )


@transaction.atomic
def submit(draft: Suggestion, content: dict[str, Any] | None = None, *, by: Actor | User) -> Suggestion:
    """Let `draft` wait for a decision, with `content` where it was worked on; from then on it never changes.

    Raises:
        NotPermitted: `by` may not suggest.
        InvalidInput: the content is not what the type holds.
        IllegalTransition: it is no draft, or could not be carried out.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require_permission(PROPOSE_PERMISSION, "suggest anything")
    current = lock_suggestion(draft)
    if current.is_deleted or current.status != SuggestionStatus.DRAFT:
        state = "deleted" if current.is_deleted else current.get_status_display().lower()
        raise IllegalTransition(f"Only a draft is submitted; this one is {state}.")
    kind = get_kind(draft)
    payload = kind.parse_content(kind.fill_defaults(draft.suggested_content if content is None else content, draft))
    kind.guard(payload, draft)
    decision = apply_policy(kind, payload, draft, by=actor)
    with errors_as_invalid_input():
        Suggestion.objects.filter(pk=draft.pk).update(
            status=SuggestionStatus.PENDING,
            suggested_content=payload.model_dump(mode="json"),
            findings=draft.findings,
            autonomy=draft.autonomy,
            held_because=draft.held_because,
            version=current.version + 1,
        )
    draft.refresh_from_db()
    record_proposed(draft, kind, payload, by=by)
    if decision.is_auto_approved:
        auto_approve(draft, kind, payload, decision)
    return draft
