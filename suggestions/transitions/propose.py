"""Proposing: the one way in which people and agents make a suggestion."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from crm.exceptions import ActionRefused, IllegalTransition, errors_as_invalid_input
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.records.local_time import format_agency_moment
from leads.models import Lead
from suggestions.autonomy.rules import AUTO_APPROVED_NOTE, AutonomyDecision, resolve_autonomy
from suggestions.kinds import Kind
from suggestions.model_fields import content_without_prose
from suggestions.models import OPEN_STATUSES, Level, RejectCode, Suggestion, SuggestionStatus
from suggestions.policy.confidence import load_track_records
from suggestions.policy.consent import ContactNotPermitted, check_consent, check_possible
from suggestions.policy.findings import find_policy_findings
from suggestions.policy.priority import queue_priority
from suggestions.policy.taint import has_untrusted_content, is_model_written
from suggestions.transitions.decide import save_decision
from suggestions.transitions.execute import enqueue_execution
from suggestions.transitions.state import (
    POLICY_ACTOR,
    Decision,
    content_digest,
    content_to_decide,
    get_kind,
    lock_suggestion,
    timeline_owner,
)

PROPOSE_PERMISSION = "suggestions.add_suggestion"
# A reviewer is not asked more at a time about one lead.
MAX_OPEN_PER_LEAD = 3


@transaction.atomic
def propose(suggestion: Suggestion, *, by: Actor | User, as_draft: bool = False) -> Suggestion:
    """Save `suggestion` as waiting for a decision, or as a draft.

    If the same suggestion is waiting already, also in a model's wording, that one is returned instead. One with the
    same key and other content is replaced.

    Raises:
        NotPermitted: `by` may not propose.
        InvalidInput: the content is not valid for its type.
        IllegalTransition: it could not be executed, too many are waiting for its lead, or its type is switched off.
    """
    actor, kind = proposing_actor(by), get_kind(suggestion)
    if suggestion.lead_id:  # one proposal at a time for each lead: the limit below counts them
        suggestion.lead = Lead.everything.select_for_update(of=("self",)).filter(pk=suggestion.lead_id).first()
    payload = kind.parse_content(kind.fill_defaults(suggestion.suggested_content, suggestion))
    check_possible(kind, payload, suggestion)
    suggestion.suggested_content = payload.model_dump(mode="json")
    existing = existing_with_same_key(suggestion)
    if existing is not None and makes_redundant(existing, suggestion, actor):
        return existing
    check_lead_limit(suggestion, replacing=existing)
    suggestion.status = SuggestionStatus.DRAFT if as_draft else SuggestionStatus.PENDING
    suggestion.agent, suggestion.proposed_by = ("", actor.user) if actor.user else (str(actor), None)
    suggestion.tainted = suggestion.tainted or has_untrusted_content(suggestion, actor)
    fill_in_confidence(suggestion)
    autonomy = apply_policy(kind, payload, suggestion, by=actor)
    suggestion.expires_at = suggestion.expires_at or timezone.now() + kind.expires_after
    if existing is not None:
        supersede(existing, by=actor)
    with errors_as_invalid_input():
        # The database checks the constraints, with the same messages.
        suggestion.full_clean(validate_constraints=False)
        suggestion.save(force_insert=True)
    if existing is not None:
        Suggestion.everything.filter(pk=existing.pk).update(superseded_by=suggestion)
    record_proposed(suggestion, kind, payload, by=by)
    if autonomy.is_auto_approved and not as_draft:
        auto_approve(Decision(suggestion, kind, POLICY_ACTOR, payload), autonomy.setting.undo_seconds)
    return suggestion


def proposing_actor(by: Actor | User) -> Actor:
    """Return the actor of a proposal; a person needs the permission to propose."""
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require_permission(PROPOSE_PERMISSION, "propose suggestions")
    return actor


def fill_in_confidence(suggestion: Suggestion) -> None:
    """Take the confidence from the track record of the rule, unless the agent has done so."""
    if suggestion.rule and suggestion.confidence is None:
        key = (str(suggestion.type), suggestion.rule)
        suggestion.set_track_record(load_track_records(suggestion.agent, [key])[key])


def apply_policy(kind: type[Kind], payload: Any, suggestion: Suggestion, *, by: Actor) -> AutonomyDecision:
    """Write findings, priority and autonomy on `suggestion`; what a person proposes always waits for a decision.

    Raises:
        IllegalTransition: the program proposes it, and its type is switched off.
    """
    findings = find_policy_findings(kind, payload, suggestion)
    decision = (
        resolve_autonomy(kind, payload, suggestion, findings) if by.user is None else AutonomyDecision(Level.SUGGEST)
    )
    suggestion.priority = queue_priority(kind, payload, suggestion)
    suggestion.findings = [finding.as_json() for finding in findings]
    suggestion.autonomy, suggestion.held_because = decision.level, decision.hold_reasons
    return decision


def auto_approve(decision: Decision, undo_seconds: int) -> None:
    """Approve automatically; it can be undone for `undo_seconds`, or for the undo window of its kind if longer."""
    suggestion, kind, approved = decision.suggestion, decision.kind, decision.payload.model_dump(mode="json")
    wait = max(kind.undo_window, timedelta(seconds=undo_seconds))
    save_decision(
        suggestion,
        SuggestionStatus.APPROVED,
        by=decision.actor,
        note=AUTO_APPROVED_NOTE,
        approved_content=approved,
        content_hash=content_digest(approved),
    )
    until = f", done at {format_agency_moment(timezone.now() + wait)} unless it is undone" if wait else ""
    summary = f"Approved automatically{until}: {kind.sentence_for_log(decision.payload, suggestion)}"
    record(suggestion, "let happen", timeline_owner=timeline_owner(suggestion), by=decision.actor, summary=summary)
    enqueue_execution(decision, wait=wait)


def record_proposed(suggestion: Suggestion, kind: type[Kind], payload: Any, *, by: Actor | User) -> None:
    verb = "drafted" if suggestion.status == SuggestionStatus.DRAFT else "proposed"
    record(
        suggestion,
        verb,
        timeline_owner=timeline_owner(suggestion),
        by=by,
        summary=kind.sentence_for_log(payload, suggestion),
    )


def existing_with_same_key(suggestion: Suggestion) -> Suggestion | None:
    """Lock and return the open suggestion with the same key."""
    if not suggestion.dedupe_key:
        return None
    same = Suggestion.objects.select_for_update(of=("self",)).filter(dedupe_key=suggestion.dedupe_key)
    return same.filter(status__in=OPEN_STATUSES).first()


def makes_redundant(existing: Suggestion, newer: Suggestion, by: Actor) -> bool:
    """Return whether `existing` makes `newer` redundant: the same content, or the same in a model's better wording."""
    if existing.suggested_content == newer.suggested_content:
        return is_model_written(existing) or not is_model_written(newer)
    is_improvement = existing.agent == str(by) and is_model_written(existing) and not is_model_written(newer)
    same = is_improvement and existing.type == newer.type and existing.message_id == newer.message_id
    return same and content_without_prose(existing) == content_without_prose(newer)


def check_lead_limit(suggestion: Suggestion, *, replacing: Suggestion | None) -> None:
    """Refuse a suggestion for a lead that has MAX_OPEN_PER_LEAD undecided ones, not counting `replacing`."""
    if suggestion.lead_id is None:
        return
    undecided_for_lead = Suggestion.objects.undecided(timezone.now()).filter(lead=suggestion.lead_id)
    if replacing is not None:
        undecided_for_lead = undecided_for_lead.exclude(pk=replacing.pk)
    if len(undecided_for_lead.values_list("pk", flat=True)[:MAX_OPEN_PER_LEAD]) == MAX_OPEN_PER_LEAD:
        raise IllegalTransition(
            f"{MAX_OPEN_PER_LEAD} suggestions are waiting for {suggestion.lead} already: decide one of them first."
        )


def withdraw_without_consent(lead: Lead, *, by: Actor) -> int:
    """Withdraw the open suggestions that use a channel `lead` has opted out of; return how many."""
    count = 0
    for one in lock_open(Suggestion.objects.filter(lead=lead.pk)):
        one.lead = lead
        count += withdraw_if_refused(one, by=by)
    return count


def withdraw_refused_by_clients(*, by: Actor) -> int:
    """Withdraw the open suggestions that use a channel their client has opted out of; return how many.

    All are read in one statement; only those that are refused are locked, and read again.
    """
    count = 0
    for key in [one.pk for one in open_with_client_preferences() if find_refusal(one)]:
        with transaction.atomic():
            for one in lock_open(Suggestion.objects.filter(pk=key)):
                count += withdraw_if_refused(one, by=by)
    return count


def open_with_client_preferences() -> QuerySet[Suggestion]:
    """Return the open suggestions for clients with contact preferences; a converted lead's are for its client too."""
    with_preferences = Q()
    for path in ("client", "lead__converted_to_client"):
        has_client = Q(**{f"{path}__isnull": False})
        with_preferences |= has_client & ~Q(**{f"{path}__communications": {}})
    rows = Suggestion.objects.filter(with_preferences, status__in=OPEN_STATUSES)
    return rows.select_related("client", "lead__converted_to_client")


def lock_open(suggestions: QuerySet[Suggestion]) -> QuerySet[Suggestion]:
    return suggestions.select_for_update(of=("self",)).filter(status__in=OPEN_STATUSES)


def withdraw_if_refused(suggestion: Suggestion, *, by: Actor) -> bool:
    """Withdraw `suggestion`, which is locked, if contact preferences forbid it; return whether they do."""
    refusal = find_refusal(suggestion)
    if refusal:
        supersede(suggestion, by=by, reason=refusal)
    return bool(refusal)


def find_refusal(suggestion: Suggestion) -> str:
    """Return why contact preferences forbid `suggestion`; empty if they do not."""
    try:
        kind = get_kind(suggestion)
        check_consent(kind, kind.parse_content(content_to_decide(suggestion)), suggestion)
    except ContactNotPermitted as refusal:
        return str(refusal)
    except ActionRefused:  # its content is not valid any more, so it cannot be approved
        return ""
    return ""


def supersede(existing: Suggestion, *, by: Actor, reason: str = "") -> None:
    """Reject `existing`, because a newer suggestion replaces it, or for `reason`."""
    Suggestion.objects.filter(pk=existing.pk, status__in=OPEN_STATUSES).update(
        status=SuggestionStatus.REJECTED,
        reject_code=RejectCode.SUPERSEDED,
        reviewed_by=None,
        reviewed_at=timezone.now(),
        review_note=reason,
        version=existing.version + 1,
    )
    label = existing.get_type_display().lower()
    summary = f"Withdrawn: {label}. {reason}" if reason else f"Replaced by a newer suggestion: {label}"
    record(
        existing,
        "superseded",
        timeline_owner=timeline_owner(existing),
        by=by if by.user is None else SYSTEM_ACTOR,
        summary=summary,
    )


@transaction.atomic
def submit(draft: Suggestion, content: dict[str, Any] | None = None, *, by: Actor | User) -> Suggestion:
    """Submit `draft` for a decision, with `content` where it was edited. From then on the content never changes.

    Raises:
        NotPermitted: `by` may not propose.
        InvalidInput: the content is not valid for its type.
        IllegalTransition: it is not a draft, or could not be executed.
    """
    actor = Actor.of(by)
    if actor.user is not None:
        actor.require_permission(PROPOSE_PERMISSION, "propose suggestions")
    lock_suggestion(draft, by=by)
    if draft.is_deleted or draft.status != SuggestionStatus.DRAFT:
        state = "deleted" if draft.is_deleted else draft.get_status_display().lower()
        raise IllegalTransition(f"Only a draft can be submitted; this suggestion is {state}.")
    kind = get_kind(draft)
    payload = kind.parse_content(kind.fill_defaults(draft.suggested_content if content is None else content, draft))
    check_possible(kind, payload, draft)
    autonomy = apply_policy(kind, payload, draft, by=actor)
    with errors_as_invalid_input():
        Suggestion.objects.filter(pk=draft.pk).update(
            status=SuggestionStatus.PENDING,
            suggested_content=payload.model_dump(mode="json"),
            findings=draft.findings,
            autonomy=draft.autonomy,
            held_because=draft.held_because,
            priority=draft.priority,
            version=draft.version + 1,
        )
    draft.refresh_from_db()
    record_proposed(draft, kind, payload, by=by)
    if autonomy.is_auto_approved:
        auto_approve(Decision(draft, kind, POLICY_ACTOR, payload), autonomy.setting.undo_seconds)
    return draft
