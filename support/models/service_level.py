"""How soon a ticket is answered and resolved, and the hours in which the agency works."""

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Lower
from uuid_utils.compat import uuid7

from crm.records.base import choices_check, not_blank_check, range_check
from support.models.ticket import TicketPriority

MAX_TARGET_MINUTES = 60 * 24 * 90
MAX_WARN_MINUTES = 60 * 24 * 7
# Held by a change of what due times follow from, and shared by those who compute one.
CHANGE_LOCK = 7_218_003
DUE_TIMES_ARE_STALE_SQL = f"""
    PERFORM pg_advisory_xact_lock({CHANGE_LOCK});
    UPDATE support_tickets SET due_is_stale = true
     WHERE status <> 'Resolved' AND NOT due_is_stale AND NOT has_own_due_times;
    RETURN NULL;
"""
GENERAL_LEVEL_STAYS_SQL = """
    RAISE EXCEPTION 'The general service level of a priority can be changed, not deleted.'
        USING ERRCODE = 'check_violation';
"""
# Seconds of the week; midnight as closing time is the end of the day.
WEEK_HAS_AN_HOUR_SQL = """
    IF (SELECT coalesce(sum(extract(epoch FROM
               CASE WHEN closes_at = '00:00' THEN interval '24 hours' ELSE closes_at::interval END - opens_at::interval
               - coalesce(break_to - break_from, interval '0'))), 0) < 3600 FROM working_days) THEN
        RAISE EXCEPTION 'The week needs at least one working hour.' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
ANY_CHANGE = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
ENDS_LATER = models.Q(closes_at="00:00")


def due_times_are_stale() -> pgtrigger.Trigger:
    """Return a trigger that has the due times of all unresolved tickets computed again."""
    return pgtrigger.Trigger(
        name="due_times_are_stale",
        level=pgtrigger.Statement,
        operation=ANY_CHANGE,
        when=pgtrigger.After,
        func=DUE_TIMES_ARE_STALE_SQL,
    )


class ServiceLevel(models.Model):
    """How soon tickets of a priority are answered and resolved; without an issue type, those of every type.

    A ticket follows the level of its issue type where there is one, else the general one.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    issue_type = models.CharField(max_length=80, blank=True, default="", db_default="")
    priority = models.CharField(max_length=8, choices=TicketPriority)
    first_response_minutes = models.PositiveIntegerField()
    resolution_minutes = models.PositiveIntegerField()
    # Else around the clock.
    in_working_hours = models.BooleanField(default=True, db_default=True)
    # How long before a due time the assignee is warned; 0 for no warning.
    warn_minutes = models.PositiveIntegerField(default=60, db_default=60)
    # The assignee of a ticket that missed its time; None leaves it with its assignee.
    escalates_to = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "service_levels"
        verbose_name = "service level"
        default_permissions = ("view", "change")
        triggers = [
            due_times_are_stale(),
            pgtrigger.Trigger(
                name="general_level_stays",
                operation=pgtrigger.Delete,
                when=pgtrigger.Before,
                condition=pgtrigger.Condition("OLD.issue_type = ''"),
                func=GENERAL_LEVEL_STAYS_SQL,
            ),
            pgtrigger.Trigger(
                name="general_level_keeps_its_place",
                operation=pgtrigger.UpdateOf("issue_type", "priority"),
                when=pgtrigger.Before,
                condition=pgtrigger.Condition(
                    "OLD.issue_type = '' AND (OLD.issue_type, OLD.priority) <> (NEW.issue_type, NEW.priority)"
                ),
                func=GENERAL_LEVEL_STAYS_SQL,
            ),
        ]
        constraints = [
            choices_check("service_levels", "priority", TicketPriority),
            range_check("service_levels", "first_response_minutes", 1, MAX_TARGET_MINUTES, null=False),
            range_check("service_levels", "resolution_minutes", 1, MAX_TARGET_MINUTES, null=False),
            range_check("service_levels", "warn_minutes", 0, MAX_WARN_MINUTES, null=False),
            models.CheckConstraint(
                name="service_levels_answer_before_resolution",
                condition=models.Q(first_response_minutes__lte=models.F("resolution_minutes")),
                violation_error_message="The first response must not be due after the resolution.",
            ),
            models.UniqueConstraint(
                Lower("issue_type"),
                "priority",
                name="service_levels_once",
                violation_error_message="There is a service level for this issue type and priority already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.issue_type or 'Every type'}, {self.get_priority_display().lower()}"


class WorkingDay(models.Model):
    """The working hours of one weekday in the agency's time zone, with a break or without; none on a day off."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    # 0 for Monday.
    weekday = models.PositiveSmallIntegerField(unique=True)
    opens_at = models.TimeField(null=True, blank=True)
    # 00:00 is midnight, the end of the day.
    closes_at = models.TimeField(null=True, blank=True)
    break_from = models.TimeField(null=True, blank=True)
    break_to = models.TimeField(null=True, blank=True)

    class Meta:
        db_table = "working_days"
        default_permissions = ()
        triggers = [
            due_times_are_stale(),
            pgtrigger.Trigger(
                name="week_has_an_hour",
                level=pgtrigger.Statement,
                operation=ANY_CHANGE,
                when=pgtrigger.After,
                func=WEEK_HAS_AN_HOUR_SQL,
            ),
        ]
        constraints = [
            range_check("working_days", "weekday", 0, 6, null=False),
            models.CheckConstraint(
                name="working_days_hours_valid",
                condition=models.Q(opens_at__isnull=True, closes_at__isnull=True)
                | models.Q(opens_at__isnull=False, closes_at__isnull=False)
                & (models.Q(opens_at__lt=models.F("closes_at")) | ENDS_LATER),
                violation_error_message="A working day must open before it closes; a day off has neither time.",
            ),
            models.CheckConstraint(
                name="working_days_break_valid",
                condition=models.Q(break_from__isnull=True, break_to__isnull=True)
                | models.Q(
                    opens_at__isnull=False,
                    break_from__isnull=False,
                    break_to__isnull=False,
                    break_from__gt=models.F("opens_at"),
                    break_to__gt=models.F("break_from"),
                )
                & (models.Q(break_to__lt=models.F("closes_at")) | ENDS_LATER),
                violation_error_message="A break must begin and end within the working hours.",
            ),
        ]

    def __str__(self) -> str:
        return f"Working hours of weekday {self.weekday}"


class Holiday(models.Model):
    """A day without working hours."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    day = models.DateField(unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        db_table = "holidays"
        default_permissions = ()
        ordering = ("day",)
        triggers = [due_times_are_stale()]
        constraints = [not_blank_check("holidays", "name")]

    def __str__(self) -> str:
        return self.name
