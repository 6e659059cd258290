"""Service levels, working hours and holidays, and what a ticket knows about its time."""

import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

from crm.records.migration_operations import InOneStep

TICKET_WAIT = """
    CREATE FUNCTION ticket_wait(wait_from timestamptz, wait_to timestamptz) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN jsonb_build_array(jsonb_build_object(
        'from', to_char(wait_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
        'to', to_char(greatest(wait_from, wait_to) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')));
"""


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0022_notifications"),
        ("inbox", "0008_indexes_by_owner"),
        ("leads", "0014_statistics_of_expressions"),
        ("support", "0006_ticket_record_owner_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
                migrations.RunSQL(TICKET_WAIT, "DROP FUNCTION ticket_wait"),
                migrations.CreateModel(
                    name="Holiday",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                db_default=django.contrib.postgres.functions.RandomUUID(),
                                default=uuid_utils.compat.uuid7,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("day", models.DateField(unique=True)),
                        ("name", models.CharField(max_length=100)),
                    ],
                    options={
                        "db_table": "holidays",
                        "ordering": ("day",),
                        "default_permissions": (),
                    },
                ),
                migrations.CreateModel(
                    name="ServiceLevel",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                db_default=django.contrib.postgres.functions.RandomUUID(),
                                default=uuid_utils.compat.uuid7,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("issue_type", models.CharField(blank=True, db_default="", default="", max_length=80)),
                        (
                            "priority",
                            models.CharField(
                                choices=[("low", "Low"), ("normal", "Normal"), ("high", "High"), ("urgent", "Urgent")],
                                max_length=8,
                            ),
                        ),
                        ("first_response_minutes", models.PositiveIntegerField()),
                        ("resolution_minutes", models.PositiveIntegerField()),
                        ("in_working_hours", models.BooleanField(db_default=True, default=True)),
                        ("warn_minutes", models.PositiveIntegerField(db_default=60, default=60)),
                    ],
                    options={
                        "verbose_name": "service level",
                        "db_table": "service_levels",
                        "default_permissions": ("view", "change"),
                    },
                ),
                migrations.CreateModel(
                    name="WorkingDay",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                db_default=django.contrib.postgres.functions.RandomUUID(),
                                default=uuid_utils.compat.uuid7,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("weekday", models.PositiveSmallIntegerField(unique=True)),
                        ("opens_at", models.TimeField(blank=True, null=True)),
                        ("closes_at", models.TimeField(blank=True, null=True)),
                        ("break_from", models.TimeField(blank=True, null=True)),
                        ("break_to", models.TimeField(blank=True, null=True)),
                    ],
                    options={
                        "db_table": "working_days",
                        "default_permissions": (),
                    },
                ),
            ]
        ),
        InOneStep(
            [
                pgtrigger.migrations.RemoveTrigger(
                    model_name="supportticket",
                    name="empty_for_null",
                ),
                pgtrigger.migrations.RemoveTrigger(
                    model_name="supportticket",
                    name="update_update",
                ),
                pgtrigger.migrations.RemoveTrigger(
                    model_name="supportticket",
                    name="delete_delete",
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="due_is_stale",
                    field=models.BooleanField(db_default=False, default=False, editable=False),
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="has_own_due_times",
                    field=models.BooleanField(db_default=False, default=False, editable=False),
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="opened_at",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="waiting_since",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="waits",
                    field=models.JSONField(
                        blank=True, db_default=models.Value([], models.JSONField()), default=list, editable=False
                    ),
                ),
                migrations.AddField(
                    model_name="supportticket",
                    name="warned_for",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                migrations.AddField(
                    model_name="supportticketevent",
                    name="has_own_due_times",
                    field=models.BooleanField(db_default=False, default=False, editable=False),
                ),
                migrations.AddField(
                    model_name="supportticketevent",
                    name="waiting_since",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="empty_for_null",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.created_by IS NULL OR NEW.issue_type IS NULL OR NEW.issue_description IS NULL OR NEW.resolution_summary IS NULL OR NEW.notes IS NULL OR NEW.custom_fields IS NULL OR NEW.opened_at IS NULL)",
                            func="NEW.created_by := coalesce(NEW.created_by, ''); NEW.issue_type := coalesce(NEW.issue_type, ''); NEW.issue_description := coalesce(NEW.issue_description, ''); NEW.resolution_summary := coalesce(NEW.resolution_summary, ''); NEW.notes := coalesce(NEW.notes, '[]'); NEW.custom_fields := coalesce(NEW.custom_fields, '{}'); NEW.opened_at := coalesce(NEW.opened_at, NEW.created_at); RETURN NEW;",
                            hash="7f3fbc81f6cb69ec154657d72667692e1238ccf1",
                            operation="INSERT",
                            pgid="pgtrigger_empty_for_null_4e427",
                            table="support_tickets",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="due_is_stale",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.status <> 'Resolved' AND NOT NEW.has_own_due_times\n    AND (NEW.priority <> OLD.priority OR NEW.issue_type <> OLD.issue_type OR OLD.status = 'Resolved')\n    AND NEW.first_response_due_at IS NOT DISTINCT FROM OLD.first_response_due_at\n    AND NEW.resolve_due_at IS NOT DISTINCT FROM OLD.resolve_due_at)",
                            func="NEW.due_is_stale := true; RETURN NEW;",
                            hash="b485e9e721dea16dfcd726f608536f307a4a92ee",
                            operation='UPDATE OF "priority", "issue_type", "status"',
                            pgid="pgtrigger_due_is_stale_a7286",
                            table="support_tickets",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="due_is_missing",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.resolve_due_at IS NULL AND NEW.status <> 'Resolved' AND NOT NEW.has_own_due_times)",
                            func="NEW.due_is_stale := true; RETURN NEW;",
                            hash="415f76f90f2b16964e246d8d49e55f3203b4bd99",
                            operation="INSERT",
                            pgid="pgtrigger_due_is_missing_12aec",
                            table="support_tickets",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="resolution_ends_wait",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (NEW.status = 'Resolved' AND NEW.waiting_since IS NOT NULL)",
                            func="\n    NEW.waits := NEW.waits || ticket_wait(NEW.waiting_since, coalesce(NEW.resolved_at, now()));\n    NEW.waiting_since := NULL;\n    RETURN NEW;\n",
                            hash="76d6e4a1ba7754ca45b9f3f33f599976216e40e8",
                            operation='UPDATE OF "status"',
                            pgid="pgtrigger_resolution_ends_wait_5eff9",
                            table="support_tickets",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by" IS DISTINCT FROM (NEW."created_by") OR OLD."custom_fields" IS DISTINCT FROM (NEW."custom_fields") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."escalated_at" IS DISTINCT FROM (NEW."escalated_at") OR OLD."first_responded_at" IS DISTINCT FROM (NEW."first_responded_at") OR OLD."first_response_due_at" IS DISTINCT FROM (NEW."first_response_due_at") OR OLD."has_own_due_times" IS DISTINCT FROM (NEW."has_own_due_times") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."issue_description" IS DISTINCT FROM (NEW."issue_description") OR OLD."issue_type" IS DISTINCT FROM (NEW."issue_type") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."priority" IS DISTINCT FROM (NEW."priority") OR OLD."resolution_summary" IS DISTINCT FROM (NEW."resolution_summary") OR OLD."resolve_due_at" IS DISTINCT FROM (NEW."resolve_due_at") OR OLD."resolved_at" IS DISTINCT FROM (NEW."resolved_at") OR OLD."satisfaction" IS DISTINCT FROM (NEW."satisfaction") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."subject" IS DISTINCT FROM (NEW."subject") OR OLD."thread_id" IS DISTINCT FROM (NEW."thread_id") OR OLD."waiting_since" IS DISTINCT FROM (NEW."waiting_since"))',
                            func='INSERT INTO "support_tickets_history" ("assigned_to_id", "client_id", "created_at", "created_by", "custom_fields", "deleted_at", "escalated_at", "first_responded_at", "first_response_due_at", "has_own_due_times", "id", "issue_description", "issue_type", "lead_id", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "resolution_summary", "resolve_due_at", "resolved_at", "satisfaction", "status", "subject", "thread_id", "updated_at", "waiting_since") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."created_by", OLD."custom_fields", OLD."deleted_at", OLD."escalated_at", OLD."first_responded_at", OLD."first_response_due_at", OLD."has_own_due_times", OLD."id", OLD."issue_description", OLD."issue_type", OLD."lead_id", OLD."notes", OLD."number", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."priority", OLD."resolution_summary", OLD."resolve_due_at", OLD."resolved_at", OLD."satisfaction", OLD."status", OLD."subject", OLD."thread_id", OLD."updated_at", OLD."waiting_since"); RETURN NULL;',
                            hash="23a425be215f52a7234f27ec0267221b1cc9ed9e",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_28833",
                            table="support_tickets",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="supportticket",
                    trigger=pgtrigger.compiler.Trigger(
                        name="delete_delete",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "support_tickets_history" ("assigned_to_id", "client_id", "created_at", "created_by", "custom_fields", "deleted_at", "escalated_at", "first_responded_at", "first_response_due_at", "has_own_due_times", "id", "issue_description", "issue_type", "lead_id", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "resolution_summary", "resolve_due_at", "resolved_at", "satisfaction", "status", "subject", "thread_id", "updated_at", "waiting_since") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."created_by", OLD."custom_fields", OLD."deleted_at", OLD."escalated_at", OLD."first_responded_at", OLD."first_response_due_at", OLD."has_own_due_times", OLD."id", OLD."issue_description", OLD."issue_type", OLD."lead_id", OLD."notes", OLD."number", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."priority", OLD."resolution_summary", OLD."resolve_due_at", OLD."resolved_at", OLD."satisfaction", OLD."status", OLD."subject", OLD."thread_id", OLD."updated_at", OLD."waiting_since"); RETURN NULL;',
                            hash="782dd96a90060d3e9d7b2872a717636be77fba5e",
                            operation="DELETE",
                            pgid="pgtrigger_delete_delete_2632d",
                            table="support_tickets",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="supportticket",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("waits"), function="jsonb_typeof", output_field=models.TextField()
                                ),
                                models.Value("array"),
                            )
                        ),
                        name="support_tickets_waits_array",
                        violation_error_message="The waits must be a JSON array.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="supportticket",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Func(
                                    models.F("waits"),
                                    output_field=models.BooleanField(),
                                    template='jsonb_path_exists(%(expressions)s, \'$[*] ? ((@.type() <> "object") || (!exists(@.from ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?[+]00:00$"))) || (!exists(@.to ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?[+]00:00$"))) || (@.to < @.from))\'::jsonpath)',
                                ),
                                _negated=True,
                            ),
                            models.Q(
                                models.Func(
                                    models.F("waits"),
                                    output_field=models.BooleanField(),
                                    template="jsonb_path_exists(%(expressions)s, 'strict $[*] ? (@.type() <> \"object\")'::jsonpath)",
                                ),
                                _negated=True,
                            ),
                        ),
                        name="support_tickets_waits_well_formed",
                        violation_error_message="A wait needs its begin and its later end, both as ISO timestamps in UTC.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="supportticket",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "Resolved"), _negated=True),
                            ("waiting_since__isnull", True),
                            _connector="OR",
                        ),
                        name="support_tickets_resolved_waits_for_nobody",
                        violation_error_message="A resolved ticket cannot wait for the customer.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="holiday",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True),
                        name="holidays_name_not_blank",
                        violation_error_message="The name must not be empty.",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="holiday",
                    trigger=pgtrigger.compiler.Trigger(
                        name="due_times_are_stale",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    PERFORM pg_advisory_xact_lock(7218003);\n    UPDATE support_tickets SET due_is_stale = true\n     WHERE status <> 'Resolved' AND NOT due_is_stale AND NOT has_own_due_times;\n    RETURN NULL;\n",
                            hash="0bf07aab3b71ab29c3b7f540101aadcb027041f8",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE",
                            pgid="pgtrigger_due_times_are_stale_0e46a",
                            table="holidays",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddField(
                    model_name="servicelevel",
                    name="escalates_to",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AddConstraint(
                    model_name="workingday",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("weekday__gte", 0), ("weekday__lte", 6)),
                        name="working_days_weekday_range",
                        violation_error_message="The weekday must lie between 0 and 6.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="workingday",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closes_at__isnull", True), ("opens_at__isnull", True)),
                            models.Q(
                                ("closes_at__isnull", False),
                                ("opens_at__isnull", False),
                                models.Q(
                                    ("opens_at__lt", models.F("closes_at")), ("closes_at", "00:00"), _connector="OR"
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="working_days_hours_valid",
                        violation_error_message="A working day must open before it closes; a day off has neither time.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="workingday",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("break_from__isnull", True), ("break_to__isnull", True)),
                            models.Q(
                                ("break_from__gt", models.F("opens_at")),
                                ("break_from__isnull", False),
                                ("break_to__gt", models.F("break_from")),
                                ("break_to__isnull", False),
                                ("opens_at__isnull", False),
                                models.Q(
                                    ("break_to__lt", models.F("closes_at")), ("closes_at", "00:00"), _connector="OR"
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="working_days_break_valid",
                        violation_error_message="A break must begin and end within the working hours.",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="workingday",
                    trigger=pgtrigger.compiler.Trigger(
                        name="due_times_are_stale",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    PERFORM pg_advisory_xact_lock(7218003);\n    UPDATE support_tickets SET due_is_stale = true\n     WHERE status <> 'Resolved' AND NOT due_is_stale AND NOT has_own_due_times;\n    RETURN NULL;\n",
                            hash="06bb7689e6d35e094276b8763b6c66ed120f7f71",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE",
                            pgid="pgtrigger_due_times_are_stale_9b6d8",
                            table="working_days",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="workingday",
                    trigger=pgtrigger.compiler.Trigger(
                        name="week_has_an_hour",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    IF (SELECT coalesce(sum(extract(epoch FROM\n               CASE WHEN closes_at = '00:00' THEN interval '24 hours' ELSE closes_at::interval END - opens_at::interval\n               - coalesce(break_to - break_from, interval '0'))), 0) < 3600 FROM working_days) THEN\n        RAISE EXCEPTION 'The week needs at least one working hour.' USING ERRCODE = 'check_violation';\n    END IF;\n    RETURN NULL;\n",
                            hash="4c77ca81172b4bbb5d29f6dadc7a57f4c852494b",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE",
                            pgid="pgtrigger_week_has_an_hour_24ecc",
                            table="working_days",
                            when="AFTER",
                        ),
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("priority__in", ["low", "normal", "high", "urgent"])),
                        name="service_levels_priority_valid",
                        violation_error_message="The priority must be one of: low, normal, high, urgent.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("first_response_minutes__gte", 1), ("first_response_minutes__lte", 129600)),
                        name="service_levels_first_response_minutes_range",
                        violation_error_message="The first response minutes must lie between 1 and 129600.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("resolution_minutes__gte", 1), ("resolution_minutes__lte", 129600)),
                        name="service_levels_resolution_minutes_range",
                        violation_error_message="The resolution minutes must lie between 1 and 129600.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("warn_minutes__gte", 0), ("warn_minutes__lte", 10080)),
                        name="service_levels_warn_minutes_range",
                        violation_error_message="The warn minutes must lie between 0 and 10080.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("first_response_minutes__lte", models.F("resolution_minutes"))),
                        name="service_levels_answer_before_resolution",
                        violation_error_message="The first response must not be due after the resolution.",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="servicelevel",
                    constraint=models.UniqueConstraint(
                        django.db.models.functions.text.Lower("issue_type"),
                        models.F("priority"),
                        name="service_levels_once",
                        violation_error_message="There is a service level for this issue type and priority already.",
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="servicelevel",
                    trigger=pgtrigger.compiler.Trigger(
                        name="due_times_are_stale",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n    PERFORM pg_advisory_xact_lock(7218003);\n    UPDATE support_tickets SET due_is_stale = true\n     WHERE status <> 'Resolved' AND NOT due_is_stale AND NOT has_own_due_times;\n    RETURN NULL;\n",
                            hash="d6995b9e6b8819d592ff5351311e30f3ac22a8cd",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE",
                            pgid="pgtrigger_due_times_are_stale_1db21",
                            table="service_levels",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="servicelevel",
                    trigger=pgtrigger.compiler.Trigger(
                        name="general_level_stays",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.issue_type = '')",
                            func="\n    RAISE EXCEPTION 'The general service level of a priority can be changed, not deleted.'\n        USING ERRCODE = 'check_violation';\n",
                            hash="920956cb115f67fc33dcd831a780974ab4baa1b9",
                            operation="DELETE",
                            pgid="pgtrigger_general_level_stays_5e659",
                            table="service_levels",
                            when="BEFORE",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="servicelevel",
                    trigger=pgtrigger.compiler.Trigger(
                        name="general_level_keeps_its_place",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.issue_type = '' AND (OLD.issue_type, OLD.priority) <> (NEW.issue_type, NEW.priority))",
                            func="\n    RAISE EXCEPTION 'The general service level of a priority can be changed, not deleted.'\n        USING ERRCODE = 'check_violation';\n",
                            hash="48676348af900b09eb7eaa7c577f5c82417717e9",
                            operation='UPDATE OF "issue_type", "priority"',
                            pgid="pgtrigger_general_level_keeps_its_place_b8c33",
                            table="service_levels",
                            when="BEFORE",
                        ),
                    ),
                ),
            ]
        ),
    ]
