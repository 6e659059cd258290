"""What can be done to a lead and to a task."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.transitions import create, named
from crm.runtime.job_queue import enqueue
from crm.text.cleaning import without_nul
from leads.models import Category, Lead, LeadStageHistory, LeadStatus, LossReason, ScoringPolicy, Task, TaskStatus, Tier
from leads.models.lead import newest_on_top
from leads.prediction.transitions import look_at
from leads.scoring import field_signals
from leads.scoring.explanation import checked, moment, same_sign
from leads.scoring.rescoring import rescore
from leads.scoring.stage_moves import after_move

SMALLEST_GAP = 1e-6
TAG_LENGTH = 60
MOST_SIGNALS = 500
SCORE_ALL = "leads.score_all"
RESPACE = """
    UPDATE leads SET rank = spaced.place FROM (
        SELECT id, row_number() OVER (ORDER BY rank, id) AS place FROM leads
         WHERE status_id = %s AND deleted_at IS NULL AND closed_at IS NULL
    ) AS spaced WHERE leads.id = spaced.id
"""


@transaction.atomic
def create_lead(lead: Lead, *, by: Actor | User) -> None:
    """Save a new `lead` on top of its stage's column, with the first line of its history.

    Raises:
        NotAllowed: `by` may not add leads.
        BadInput: a field or constraint refuses it.
    """
    actor = Actor.of(by)
    actor.require("leads.add_lead", "add a lead")
    with refusing():
        lead.full_clean()
        lead.save(force_insert=True)
    lead.refresh_from_db()
    LeadStageHistory.objects.create(lead=lead, to_status=lead.status, by=actor.user, at=lead.created_at)
    field_signals.read([lead.pk], ScoringPolicy.objects.active(), timezone.now())
    weighed(lead)
    record(lead, "created", by=by, summary=f"Created {named(lead)}", status=lead.status_id)


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
    """Move `lead` to the stage `status` and write its history.

    Losing asks for a reason; re-opening clears what closing set. `expected` is the stage the caller
    believes the lead to be in; None means whatever it was when `lead` was read.

    Raises:
        NotAllowed: `by` may not change leads.
        IllegalMove: deleted, already there, moved meanwhile, or converted to a client.
        BadInput: a lost lead without a valid reason.
    """
    actor = Actor.of(by)
    actor.require("leads.change_lead", "change the stage of a lead")
    expected = expected or lead.status_id
    locked = Lead.everything.select_for_update(of=("self",)).select_related("status").get(pk=lead.pk)
    guard_move(locked, status, expected)
    was, changes = locked.status, closing(status, loss_reason, loss_notes)
    moved = {"status": status, "rank": newest_on_top(), "next_look_at": timezone.now()}
    Lead.everything.filter(pk=lead.pk).update(**moved, **changes)
    lead.refresh_from_db()
    show_move(LeadStageHistory.objects.create(lead=lead, from_status=was, to_status=status, by=actor.user))
    weighed(lead)
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


def show_move(move: LeadStageHistory) -> None:
    """Let the signals of the lead say what `move` shows."""
    lead = move.lead
    signals = after_move(lead.signals, move, ScoringPolicy.objects.active().weights)
    if signals != lead.signals:
        Lead.everything.filter(pk=lead.pk).update(signals=signals)


def guard_move(lead: Lead, status: LeadStatus, expected: str) -> None:
    """Refuse a move that makes no sense from where `lead` (locked) stands."""
    if lead.is_deleted:
        raise IllegalMove(f"The {named(lead)} is deleted; restore it first.")
    if lead.status_id == status.pk:
        raise IllegalMove(f"The {named(lead)} is already in {status.label}.")
    if lead.status_id != expected:
        raise IllegalMove(f"The {named(lead)} has moved to {lead.status.label} meanwhile. Look again.")
    if lead.converted_at is not None and status.category != Category.WON:
        raise IllegalMove(f"The {named(lead)} has become a client and stays won.")
    if status.is_open and not lead.is_open and lead.contact_email:
        twin = Lead.objects.open().filter(contact_email__iexact=lead.contact_email).exclude(pk=lead.pk).first()
        if twin:
            raise IllegalMove(f"Another open lead already has this address: {twin}.")


def closing(status: LeadStatus, loss_reason: str, loss_notes: str) -> dict[str, str]:
    """The loss fields that a move to `status` writes."""
    if status.category != Category.LOST:
        return {"loss_reason": "", "loss_notes": ""}
    if loss_reason not in LossReason.values:
        raise BadInput(f"Say why the lead was lost, one of: {', '.join(LossReason.values)}.")
    return {"loss_reason": loss_reason, "loss_notes": without_nul(loss_notes).strip()}


@transaction.atomic
def place(lead: Lead, *, before: Lead | None, after: Lead | None, by: Actor | User) -> None:
    """Put `lead` between two neighbours of its column of the board; None is the column's end.

    Raises:
        NotAllowed: `by` may not change leads.
        IllegalMove: a neighbour is in another stage by now.
    """
    Actor.of(by).require("leads.change_lead", "order the board")
    neighbours = [row for row in (before, after) if row is not None]
    list(Lead.objects.select_for_update().filter(pk__in=[lead.pk, *(row.pk for row in neighbours)]).order_by("pk"))
    lead.refresh_from_db()
    for row in neighbours:
        row.refresh_from_db()
        if row.status_id != lead.status_id or not row.is_open:
            raise IllegalMove(f"The board has changed: {named(row)} is in another column. Look again.")
    if before and after and after.rank - before.rank < SMALLEST_GAP:
        respace(lead.status_id)
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


def respace(status_id: str) -> None:
    """Spread the ranks of a column evenly again; halving has used up a gap."""
    with connection.cursor() as cursor:
        cursor.execute(RESPACE, [status_id])


@transaction.atomic
def set_tier_override(lead: Lead, tier: str | None, *, by: Actor | User) -> None:
    """Let a person's judgement stand as the tier of `lead`; None hands it back to the score.

    Raises:
        NotAllowed: `by` may not change leads.
        BadInput: no such tier.
        IllegalMove: the override is already that.
    """
    Actor.of(by).require("leads.change_lead", "set the tier of a lead")
    if tier is not None and tier not in Tier.values:
        raise BadInput(f"The tier must be one of: {', '.join(Tier.values)}.")
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    if locked.is_deleted:
        raise IllegalMove(f"The {named(lead)} is deleted; restore it first.")
    if locked.tier_override == tier:
        raise IllegalMove(f"The tier of {named(lead)} is already {'set to ' + tier if tier else 'the computed one'}.")
    was = locked.priority_tier
    Lead.everything.filter(pk=lead.pk).update(tier_override=tier, priority_tier=tier or was)
    scored(lead)
    now = lead.priority_tier
    said = f"Tier set to {tier}" if tier else "Tier handed back to the score"
    record(lead, "tier set", by=by, summary=f"{said} (was {was or 'none'})", was=was, now=now)


@transaction.atomic
def add_signals(lead: Lead, signals: Iterable[dict[str, Any]], *, by: Actor | User) -> int:
    """Put what `lead` has shown on it and score it; returns how many of `signals` were new.

    Of one source a type of signal counts once, however often it is read. The newest five hundred are kept: what has
    faded that far counts for nothing.

    Raises:
        NotAllowed: `by` may not change leads.
        BadInput: one of `signals` is not well formed; none is added.
        IllegalMove: the lead is deleted.
    """
    Actor.of(by).require("leads.change_lead", "add a signal to a lead")
    now = timezone.now()
    wanted = [checked(signal, now) for signal in signals]
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    if locked.is_deleted:
        raise IllegalMove(f"The {named(lead)} is deleted; restore it first.")
    kept = list(locked.signals)
    for signal in wanted:
        if not any(same_sign(signal, other) for other in kept):
            kept.append(signal)
    new = len(kept) - len(locked.signals)
    if new:
        kept = sorted(kept, key=lambda signal: moment(signal["timestamp"]))[-MOST_SIGNALS:]
        with refusing():
            Lead.everything.filter(pk=lead.pk).update(signals=kept, next_look_at=now)
        scored(lead)
    return new


@transaction.atomic
def read_facts(lead: Lead, *, by: Actor | User) -> bool:
    """Let the signals of `lead` say what its fields and stakeholders show now; whether any changed, and was scored.

    Raises:
        NotAllowed: `by` may not change leads.
    """
    Actor.of(by).require("leads.change_lead", "read the facts about a lead")
    changed = field_signals.read([lead.pk], ScoringPolicy.objects.active(), timezone.now()) > 0
    if changed:
        scored(lead)
    return changed


def weighed(lead: Lead) -> None:
    """Bring score, tier and chance of `lead` up to date."""
    scored(lead)
    look_at(lead)


def scored(lead: Lead) -> None:
    """Bring the score and the tier of `lead` up to date; one that is closed keeps what it had."""
    rescore([lead.pk], ScoringPolicy.objects.active(), timezone.now())
    lead.refresh_from_db()


@transaction.atomic
def new_policy(policy: ScoringPolicy, *, by: Actor | User) -> None:
    """Save `policy` as the next version; it is not in use yet.

    Raises:
        NotAllowed: `by` may not add policies.
        BadInput: a field or constraint refuses it.
    """
    newest = ScoringPolicy.objects.select_for_update().order_by("-version").first()
    policy.note = without_nul(policy.note).strip()
    policy.version = newest.version + 1 if newest else 1
    create(policy, by=by)


@transaction.atomic
def activate_policy(policy: ScoringPolicy, *, by: Actor | User) -> None:
    """Score leads by `policy` from now on; a job goes through all of them.

    Raises:
        NotAllowed: `by` may not choose the policy.
        IllegalMove: it is in use already.
    """
    actor = Actor.of(by)
    actor.require("leads.activate_scoringpolicy", "choose the scoring policy")
    locked = {row.pk: row for row in ScoringPolicy.objects.select_for_update().order_by("version")}
    if locked[policy.pk].is_active:
        raise IllegalMove(f"{policy} is in use already.")
    was = next((row for row in locked.values() if row.is_active), None)
    ScoringPolicy.objects.filter(is_active=True).update(is_active=False)
    ScoringPolicy.objects.filter(pk=policy.pk).update(
        is_active=True, activated_at=timezone.now(), activated_by=actor.user
    )
    policy.refresh_from_db()
    enqueue(app.configure_task(SCORE_ALL, queueing_lock=SCORE_ALL), timestamp=0)
    record(
        policy,
        "activated",
        by=by,
        summary=f"{policy} is in use" + (f" instead of version {was.version}" if was else ""),
    )


@transaction.atomic
def add_tag(lead: Lead, tag: str, *, by: Actor | User) -> None:
    """Put `tag` on `lead`.

    Raises:
        NotAllowed: `by` may not change leads.
        BadInput: the tag is empty, too long or holds a comma.
        IllegalMove: the lead has it already, or is deleted.
    """
    Actor.of(by).require("leads.change_lead", "tag a lead")
    tag = without_nul(tag).strip()
    if not tag or len(tag) > TAG_LENGTH or "," in tag:
        raise BadInput(f"A tag has 1 to {TAG_LENGTH} characters and no comma.")
    locked = Lead.everything.select_for_update().get(pk=lead.pk)
    if locked.is_deleted or tag in locked.tags:
        raise IllegalMove(f"The {named(lead)} {'is deleted' if locked.is_deleted else 'has this tag already'}.")
    Lead.everything.filter(pk=lead.pk).update(tags=[*locked.tags, tag])
    lead.refresh_from_db()
    record(lead, "tagged", by=by, summary=f"Tagged “{tag}”")


@transaction.atomic
def add_task(task: Task, *, by: Actor | User) -> None:
    """Save a new `task` and put it on its lead's or client's timeline.

    Raises:
        NotAllowed: `by` may not add tasks.
        IllegalMove: what it is for is deleted.
        BadInput: a field refuses it.
    """
    Actor.of(by).require("leads.add_task", "add a task")
    about = subject_of(task)
    if about.is_deleted:
        raise IllegalMove(f"The {named(about)} is deleted; restore it first.")
    with refusing():
        # The database sees to the constraints, and says the same of them.
        task.full_clean(validate_constraints=False)
        task.save(force_insert=True)
    due = f", due {task.due_on:%d %b %Y}" if task.due_on else ""
    record(task, "created", by=by, about=about, summary=f"Task: {task.title}{due}")


@transaction.atomic
def move_task(task: Task, status: str, *, by: Actor | User) -> None:
    """Set the status of `task`.

    Raises:
        NotAllowed: `by` may not change tasks.
        BadInput: no such status.
        IllegalMove: it has that status, or is deleted.
    """
    Actor.of(by).require("leads.change_task", "change a task")
    if status not in TaskStatus.values:
        raise BadInput(f"The status of a task must be one of: {', '.join(TaskStatus.values)}.")
    if Task.objects.filter(pk=task.pk).exclude(status=status).update(status=status) != 1:
        raise IllegalMove(f"The task “{task}” is already {TaskStatus(status).label.lower()} or deleted.")
    was, task.status = task.status, status
    label = TaskStatus(status).label.lower()
    record(
        task,
        "moved",
        by=by,
        about=subject_of(task),
        summary=f"Task {label}: {task.title}",
        was=was,
        now=status,
    )


def subject_of(task: Task) -> "Lead | Task":
    """Whose timeline a task stands on."""
    return task.lead or task.client or task.project or task
