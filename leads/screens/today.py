"""What there is to do about tasks, calls and policies."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q, QuerySet
from django.urls import reverse

from crm.models import User
from crm.records.consent import closed_channels
from crm.records.local_time import agency_today, format_short_day
from crm.records.owners.branches import first_rows
from crm.screens.today.items import Candidate, TodayAction, TodayItem, TodaySource, Urgency, start_of
from leads.models import Policy, Task
from leads.models.policy import EXPIRY_SORT_KEY
from leads.models.task import IS_CALL

# What is due or expires later is for another day.
TASKS_AHEAD, RENEWALS_AHEAD_DAYS = timedelta(days=7), 30
# The client has to answer before the policy expires.
URGENT_RENEWAL_DAYS, SOON_RENEWAL_DAYS = 7, 14
TASK_COLUMNS = (
    *("title", "due_on", "status", "assignee", "lead", "client", "project", "owner", "restriction"),
    *("lead__contact_name", "lead__company_name", "lead__contact_phone", "lead__communications"),
    *("lead__estimated_value", "lead__assigned_to"),
    *("client__name", "client__phone", "client__communications", "client__assigned_to"),
)
POLICY_COLUMNS = (
    *("client", "insurance_type", "carrier", "number", "premium", "expires_on", "status"),
    *("client__name", "client__assigned_to", "insurance_type__name"),
)


def call_source(user: User, now: datetime) -> TodaySource | None:
    """Return the calls to make: tasks that begin with the word."""
    return task_source(user, now, "call", "Call", "call", IS_CALL)


def other_task_source(user: User, now: datetime) -> TodaySource | None:
    return task_source(user, now, "task", "Tasks", "checklist", ~IS_CALL)


def task_source(user: User, now: datetime, kind: str, label: str, icon: str, which: Q) -> TodaySource | None:
    """Return the user's own tasks that are overdue or due within a week, the oldest due day first."""
    if not user.has_perm("leads.view_task"):
        return None
    today = agency_today(now)
    rows = Task.objects.filter(which, owner=user).due(today + TASKS_AHEAD)
    url = f"{reverse('admin:leads_task_changelist')}?assignee=me"

    def load(size: int) -> Iterator[Candidate]:
        for task in rows.select_related("lead", "client").only(*TASK_COLUMNS)[:size]:
            value = task.lead.estimated_value if task.lead else None
            urgency = Urgency.of_day(task.due_on, today)
            yield Candidate(urgency, value, start_of(task.due_on), partial(build_task, task, user, icon))

    return TodaySource(kind, label, icon, url, rows, load)


def build_task(task: Task, user: User, icon: str) -> TodayItem:
    customer = task.lead or task.client
    is_open = customer is not None and customer.is_visible_to(user)
    done = TodayAction("Done", reverse("admin:leads_task_do", args=[task.pk, "done"]), is_form=True)
    return TodayItem(
        person=customer.name_for(user) if customer else "",
        text=task.title,
        url=reverse("admin:leads_task_change", args=[task.pk]),
        icon=icon,
        action=done if user.has_perm("leads.change_task") else None,
        due=f"due {format_short_day(task.due_on)}" + (", late" if task.is_late else ""),
        is_late=task.is_late,
        value=task.lead.estimated_value if is_open and task.lead else None,
        phone=phone_of(task) if is_open and icon == "call" else "",
    )


def phone_of(task: Task) -> str:
    """Return the number to call, unless the person does not want to be called."""
    customer = task.lead or task.client
    if customer is None or "phone" in closed_channels(customer.communications):
        return ""
    return task.lead.contact_phone if task.lead else task.client.phone


def renewal_source(user: User, now: datetime) -> TodaySource | None:
    """Return the policies that expire within a month, the next first."""
    if not user.has_perm("leads.view_policy"):
        return None
    today = agency_today(now)
    rows = Policy.objects.visible_to(user).expiring(today, RENEWALS_AHEAD_DAYS)
    url = f"{reverse('admin:leads_policy_changelist')}?expiring=60"

    def load(size: int) -> Iterator[Candidate]:
        yield from renewal_candidates(rows, user, size)

    return TodaySource("renew", "Renew", "autorenew", url, rows, load)


def renewal_candidates(rows: QuerySet[Policy], user: User, size: int) -> Iterator[Candidate]:
    ordered = rows.annotate(_expires=EXPIRY_SORT_KEY).order_by("_expires", "id")
    for policy in first_rows(ordered.select_related("client", "insurance_type").only(*POLICY_COLUMNS), size):
        urgency = Urgency.LATER
        if policy.days_left <= SOON_RENEWAL_DAYS:
            urgency = Urgency.NOW if policy.days_left <= URGENT_RENEWAL_DAYS else Urgency.TODAY
        yield Candidate(urgency, policy.premium, start_of(policy.expires_on), partial(build_renewal, policy, user))


def build_renewal(policy: Policy, user: User) -> TodayItem:
    renew = TodayAction("Renew", reverse("admin:leads_policy_do", args=[policy.pk, "renew"]))
    return TodayItem(
        person=policy.client.name_for(user),
        text=f"Renew {policy}",
        url=reverse("admin:leads_policy_change", args=[policy.pk]),
        icon="autorenew",
        action=renew if user.has_perm("leads.change_policy") else None,
        due=f"expires {policy.expiry_text}",
        is_late=policy.days_left <= URGENT_RENEWAL_DAYS,
        value=policy.premium,
    )
