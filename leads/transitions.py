"""The state changes of leads, tasks and scoring policies."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.local_time import agency_style
from crm.records.notifications.notify import notify_assigned
from crm.records.transitions import MAX_CLOCK_ERROR, create, describe_record, pull_back_dates, save_new
from crm.runtime.job_queue import configure_job, enqueue
from crm.text.cleaning import strip_nul
from leads.evaluation_queue import queue_evaluation
from leads.models import (
    Lead,
    LeadStageHistory,
    LeadStatus,
    LossReason,
    ScoringPolicy,
    StageCategory,
    Task,
    TaskStatus,
    Tier,
)
from leads.models.lead import newest_on_top
from leads.prediction.transitions import predict, refresh_prediction, take_arrival_snapshot
from leads.scoring import field_signals
from leads.scoring.explanation import is_same_signal, parse_signal_timestamp, validate_signal
from leads.scoring.rescoring import rescore_leads
from leads.scoring.stage_moves import signals_after_move

MIN_RANK_GAP = 1e-6
MAX_SIGNALS_PER_LEAD = 500
# No rule of silence waits longer before it looks at a lead again.
MAX_TIME_UNTIL_LOOK = timedelta(days=366)
SCORE_ALL_TASK = "leads.score_all"
RESPACE_COLUMN_SQL = """
    UPDATE leads SET rank = spaced.place FROM (
        SELECT id, row_number() OVER (ORDER BY rank, id) AS place FROM leads
         WHERE status_id = %s AND deleted_at IS NULL AND closed_at IS NULL
    ) AS spaced WHERE leads.id = spaced.id
"""


@transaction.atomic
def create_lead(lead: Lead, *, by: Actor | User) -> None:
    """Save a new `lead` at the top of the column of its stage, and start its history.

    Raises:
        NotPermitted: `by` may not add leads, or fill one of their custom fields.
        InvalidInput: a field is invalid or a constraint is violated.
    """
    save_new(lead, by=by)
    LeadStageHistory.objects.create(lead=lead, to_status_id=lead.status_id, by=Actor.of(by).user, at=lead.created_at)
    policy, now = ScoringPolicy.objects.active(), timezone.now()
    field_signals.sync_field_signals([lead.pk], policy, now)
    rescore_leads([lead.pk], policy, now)
    lead.refresh_from_db()
    take_arrival_snapshot(lead)
    predict(lead)
    record(lead, "created", by=by, summary=f"Created {describe_record(lead)}", status=lead.status_id)
    notify_assigned(lead, by=by)


@transaction.atomic
def change_status(
    lead: Lead,
    status: LeadStatus,
    *,
    by: Actor | User,
    loss_reason: str = "",
    loss_notes: str = "",
    expected: str | None = None,
) -> None:
    """Move `lead` to the stage `status` and record the move in its history.

    A lost lead needs a reason; reopening a lead clears it. `expected` is the stage that the caller saw; by default,
    the stage that `lead` had when it was read.

    Raises:
        NotPermitted: `by` may not change leads.
        IllegalTransition: the lead is deleted, already in this stage, moved since it was read, or a client already.
        InvalidInput: a lost lead has no valid reason.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.change_lead", "change the stage of a lead")
    expected = expected or lead.status_id
    # Without a join: PostgreSQL finds no row after a wait for a transaction that changed the joined column.
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    check_stage_change(locked, status, expected)
    was, changes = locked.status, loss_fields(status, loss_reason, loss_notes)
    move_to_stage(lead, status, changes)
    apply_stage_signals(LeadStageHistory.objects.create(lead=lead, from_status=was, to_status=status, by=actor.user))
    refresh_score_and_prediction(lead)
    why = f" ({LossReason(loss_reason).label})" if changes["loss_reason"] else ""
    record(
        lead,
        "moved",
        by=by,
        summary=f"Stage: {was.label} → {status.label}{why}",
        was=was.pk,
        now=status.pk,
        **{key: value for key, value in changes.items() if value},
    )


def move_to_stage(lead: Lead, status: LeadStatus, changes: dict[str, Any]) -> None:
    """Store the new stage on `lead`, on top of its column, and queue the search for the next best action."""
    stage_values = {"status": status, "rank": newest_on_top(), "next_look_at": timezone.now()}
    Lead.everything.filter(pk=lead.pk).update(**stage_values, **changes)
    lead.refresh_from_db()
    queue_evaluation(lead.pk)


def apply_stage_signals(move: LeadStageHistory) -> None:
    """Update the signals of the lead after `move`."""
    lead = move.lead
    signals = signals_after_move(lead.signals, move, ScoringPolicy.objects.active().weights)
    if signals != lead.signals:
        Lead.everything.filter(pk=lead.pk).update(signals=signals)


def check_stage_change(lead: Lead, status: LeadStatus, expected: str) -> None:
    """Refuse a move to `status` that is not allowed from the current state of the locked `lead`."""
    if lead.is_deleted:
        raise IllegalTransition(f"The {describe_record(lead)} is deleted; restore it first.")
    if lead.status_id == status.pk:
        raise IllegalTransition(f"The {describe_record(lead)} is already in {status.label}.")
    if lead.status_id != expected:
        raise IllegalTransition(
            f"The {describe_record(lead)} has been moved to {lead.status.label} in the meantime. Reload the page."
        )
    if lead.converted_at is not None and status.category != StageCategory.WON:
        lead_name = describe_record(lead)
        raise IllegalTransition(f"The {lead_name} was converted to a client and must stay won: undo the conversion.")
    if status.is_open and not lead.is_open:
        others = Lead.objects.open().with_addresses([lead.contact_email]).exclude(pk=lead.pk)
        if others.exists():
            # It is not named, because the reader may not be allowed to see it.
            raise IllegalTransition(f"Another open lead has the same email address, {lead.contact_email}.")


def loss_fields(status: LeadStatus, loss_reason: str, loss_notes: str) -> dict[str, str]:
    """Return the values of the loss fields after a move to `status`."""
    if status.category != StageCategory.LOST:
        return {"loss_reason": "", "loss_notes": ""}
    if loss_reason not in LossReason.values:
        raise InvalidInput(f"Choose a loss reason, one of: {', '.join(LossReason.values)}.")
    return {"loss_reason": loss_reason, "loss_notes": strip_nul(loss_notes).strip()}


@transaction.atomic
def place_on_board(lead: Lead, *, before: Lead | None, after: Lead | None, by: Actor | User) -> None:
    """Move `lead` between two neighbours in its column of the board; None is the end of the column.

    Raises:
        NotPermitted: `by` may not change leads.
        IllegalTransition: a neighbour is no longer in the same column.
    """
    Actor.of(by).require_permission("leads.change_lead", "move leads on the board")
    neighbours = [row for row in (before, after) if row is not None]
    list(Lead.objects.select_for_update().filter(pk__in=[lead.pk, *(row.pk for row in neighbours)]).order_by("pk"))
    lead.refresh_from_db()
    for row in neighbours:
        row.refresh_from_db()
        if row.status_id != lead.status_id or not row.is_open:
            raise IllegalTransition(
                f"The board has changed: the {describe_record(row)} is in another column. Reload the board."
            )
    if before and after and after.rank - before.rank < MIN_RANK_GAP:
        respace_column(lead.status_id)
        before.refresh_from_db()
        after.refresh_from_db()
    Lead.objects.filter(pk=lead.pk).update(rank=rank_between(before, after))
    lead.refresh_from_db()


def rank_between(before: Lead | None, after: Lead | None) -> float:
    if before and after:
        return (before.rank + after.rank) / 2
    if before:
        return before.rank + 1
    return after.rank - 1 if after else newest_on_top()


def respace_column(status_id: str) -> None:
    """Spread the ranks of a column evenly, because halving used up the gap between two of them."""
    with connection.cursor() as cursor:
        cursor.execute(RESPACE_COLUMN_SQL, [status_id])


@transaction.atomic
def set_tier_override(lead: Lead, tier: str | None, *, by: Actor | User) -> None:
    """Set the tier of `lead` by hand; None lets the score decide again.

    Raises:
        NotPermitted: `by` may not change leads.
        InvalidInput: there is no such tier.
        IllegalTransition: the lead is deleted, or already has this override.
    """
    Actor.of(by).require_permission("leads.change_lead", "set the tier of a lead")
    if tier is not None and tier not in Tier.values:
        raise InvalidInput(f"The tier must be one of: {', '.join(Tier.values)}.")
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(lead)} is deleted; restore it first.")
    if locked.tier_override == tier:
        raise IllegalTransition(
            f"The tier of the {describe_record(lead)} is already {'set to ' + tier if tier else 'set by the score'}."
        )
    was = locked.priority_tier
    Lead.everything.filter(pk=lead.pk).update(tier_override=tier, priority_tier=tier or was)
    refresh_score(lead)
    now = lead.priority_tier
    headline = f"Tier set to {tier}" if tier else "Tier set by the score again"
    record(lead, "tier set", by=by, summary=f"{headline} (was {was or 'none'})", was=was, now=now)


@transaction.atomic
def add_signals(lead: Lead, signals: Iterable[dict[str, Any]], *, by: Actor | User) -> int:
    """Add `signals` to `lead` and rescore it. Return how many of `signals` were new.

    A type of signal counts once for each source. Only the newest five hundred signals are stored; older ones have
    faded to nothing.

    Raises:
        NotPermitted: `by` may not change leads.
        InvalidInput: one of `signals` is invalid; none is added.
        IllegalTransition: the lead is deleted.
    """
    Actor.of(by).require_permission("leads.change_lead", "add a signal to a lead")
    now = timezone.now()
    checked_signals = [validate_signal(signal, now) for signal in signals]
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(lead)} is deleted; restore it first.")
    merged_signals = list(locked.signals)
    for signal in checked_signals:
        if not any(is_same_signal(signal, other) for other in merged_signals):
            merged_signals.append(signal)
    added = len(merged_signals) - len(locked.signals)
    if added:
        merged_signals = sorted(merged_signals, key=lambda signal: parse_signal_timestamp(signal["timestamp"]))[
            -MAX_SIGNALS_PER_LEAD:
        ]
        with errors_as_invalid_input():
            Lead.everything.filter(pk=lead.pk).update(signals=merged_signals, next_look_at=now)
        refresh_score(lead)
    return added


@transaction.atomic
def refresh_field_signals(lead: Lead, *, by: Actor | User) -> bool:
    """Update the signals from the fields and stakeholders of `lead`, and rescore it if they changed.

    Return whether they changed.

    Raises:
        NotPermitted: `by` may not change leads.
    """
    Actor.of(by).require_permission("leads.change_lead", "update the signals of a lead")
    changed = field_signals.sync_field_signals([lead.pk], ScoringPolicy.objects.active(), timezone.now()) > 0
    if changed:
        refresh_score(lead)
    return changed


def refresh_score_and_prediction(lead: Lead) -> None:
    """Update score, tier and probability of `lead`."""
    refresh_score(lead)
    refresh_prediction(lead)


def refresh_score(lead: Lead) -> None:
    """Update score and tier of `lead`; a closed lead keeps its score and tier."""
    rescore_leads([lead.pk], ScoringPolicy.objects.active(), timezone.now())
    lead.refresh_from_db()


@transaction.atomic
def create_policy_version(policy: ScoringPolicy, *, by: Actor | User) -> None:
    """Save `policy` as the next version, not active yet.

    Raises:
        NotPermitted: `by` may not add policies.
        InvalidInput: a field is invalid or a constraint is violated.
    """
    newest = ScoringPolicy.objects.select_for_update().order_by("-version").first()
    policy.note = strip_nul(policy.note).strip()
    policy.version = newest.version + 1 if newest else 1
    create(policy, by=by)


@transaction.atomic
def activate_policy(policy: ScoringPolicy, *, by: Actor | User) -> None:
    """Score leads with `policy` from now on, and enqueue a job that rescores all open leads.

    Raises:
        NotPermitted: `by` may not activate policies.
        IllegalTransition: the policy is already active.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.activate_scoringpolicy", "activate a scoring policy")
    locked = {row.pk: row for row in ScoringPolicy.objects.select_for_update().order_by("version")}
    if locked[policy.pk].is_active:
        raise IllegalTransition(f"{policy} is already active.")
    was = next((row for row in locked.values() if row.is_active), None)
    ScoringPolicy.objects.filter(is_active=True).update(is_active=False)
    ScoringPolicy.objects.filter(pk=policy.pk).update(
        is_active=True, activated_at=timezone.now(), activated_by=actor.user
    )
    policy.refresh_from_db()
    enqueue(configure_job(SCORE_ALL_TASK, queueing_lock=SCORE_ALL_TASK), timestamp=0)
    record(
        policy,
        "activated",
        by=by,
        summary=f"{policy} activated" + (f" instead of version {was.version}" if was else ""),
    )


@transaction.atomic
def add_task(task: Task, *, by: Actor | User) -> None:
    """Save a new `task`, and record it on the timeline of its lead, client or project.

    Raises:
        NotPermitted: `by` may not add tasks.
        IllegalTransition: the lead, client or project is deleted.
        InvalidInput: a field is invalid.
    """
    Actor.of(by).require_permission("leads.add_task", "add a task")
    timeline_owner = timeline_owner_of_task(task)
    if timeline_owner.is_deleted:
        raise IllegalTransition(f"The {describe_record(timeline_owner)} is deleted; restore it first.")
    with errors_as_invalid_input():
        # The database checks the constraints anyway, with the same messages.
        task.full_clean(validate_constraints=False)
        task.save(force_insert=True)
    due = f", due {agency_style().day(task.due_on)}" if task.due_on else ""
    record(task, "created", by=by, timeline_owner=timeline_owner, summary=f"Task: {task.title}{due}")
    notify_assigned(task, by=by)


@transaction.atomic
def change_task_status(task: Task, status: str, *, by: Actor | User) -> None:
    """Set the status of `task`.

    Raises:
        NotPermitted: `by` may not change tasks.
        InvalidInput: there is no such status.
        IllegalTransition: the task already has this status, or is deleted.
    """
    Actor.of(by).require_permission("leads.change_task", "change a task")
    if status not in TaskStatus.values:
        raise InvalidInput(f"The status of a task must be one of: {', '.join(TaskStatus.values)}.")
    if Task.objects.filter(pk=task.pk).exclude(status=status).update(status=status) != 1:
        raise IllegalTransition(f"The task “{task}” is already {TaskStatus(status).label.lower()} or deleted.")
    was, task.status = task.status, status
    label = TaskStatus(status).label.lower()
    record(
        task,
        "moved",
        by=by,
        timeline_owner=timeline_owner_of_task(task),
        summary=f"Task {label}: {task.title}",
        was=was,
        now=status,
    )


def timeline_owner_of_task(task: Task) -> "Lead | Task":
    """Return the record that has `task` on its timeline."""
    return task.lead or task.client or task.project or task


def correct_future_dates(now: datetime) -> int:
    """Pull back the dates of leads that a clock which ran ahead has set; return how many."""
    moved = pull_back_dates(Lead.everything.all(), ("last_contact_at", "last_activity_at"), now, by=MAX_CLOCK_ERROR)
    return moved + pull_back_dates(Lead.everything.open(), ("next_look_at",), now, by=MAX_TIME_UNTIL_LOOK)
