"""Who snoozed a conversation, and until when."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from crm.records.migration_operations import InOneStep


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0021_statistics_of_expressions"),
        ("inbox", "0008_indexes_by_owner"),
        ("leads", "0014_statistics_of_expressions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        InOneStep(
            [
                pgtrigger.migrations.RemoveTrigger(
                    model_name="thread",
                    name="update_update",
                ),
                pgtrigger.migrations.RemoveTrigger(
                    model_name="thread",
                    name="delete_delete",
                ),
                migrations.AddField(
                    model_name="thread",
                    name="snoozed_by",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AddField(
                    model_name="thread",
                    name="snoozed_until",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                migrations.AddField(
                    model_name="threadevent",
                    name="snoozed_by",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AddField(
                    model_name="threadevent",
                    name="snoozed_until",
                    field=models.DateTimeField(blank=True, editable=False, null=True),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="thread",
                    trigger=pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."mailbox_id" IS DISTINCT FROM (NEW."mailbox_id") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."participant_emails" IS DISTINCT FROM (NEW."participant_emails") OR OLD."policy_id" IS DISTINCT FROM (NEW."policy_id") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."sentiment" IS DISTINCT FROM (NEW."sentiment") OR OLD."snoozed_by_id" IS DISTINCT FROM (NEW."snoozed_by_id") OR OLD."snoozed_until" IS DISTINCT FROM (NEW."snoozed_until") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."subject" IS DISTINCT FROM (NEW."subject"))',
                            func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "policy_id", "project_id", "sentiment", "snoozed_by_id", "snoozed_until", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."policy_id", OLD."project_id", OLD."sentiment", OLD."snoozed_by_id", OLD."snoozed_until", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;',
                            hash="d1a0aa06fce5e221d214fdd9669284165a886961",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_1ebe4",
                            table="threads",
                            when="AFTER",
                        ),
                    ),
                ),
                pgtrigger.migrations.AddTrigger(
                    model_name="thread",
                    trigger=pgtrigger.compiler.Trigger(
                        name="delete_delete",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "policy_id", "project_id", "sentiment", "snoozed_by_id", "snoozed_until", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."policy_id", OLD."project_id", OLD."sentiment", OLD."snoozed_by_id", OLD."snoozed_until", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;',
                            hash="1292822a50f3efb55e5b319da1b73f453968abf4",
                            operation="DELETE",
                            pgid="pgtrigger_delete_delete_f3831",
                            table="threads",
                            when="AFTER",
                        ),
                    ),
                ),
            ]
        ),
        InOneStep(
            [
                AddConstraintNotValid(
                    model_name="thread",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("snoozed_until__isnull", True), ("status", "OPEN"), _connector="OR"),
                        name="threads_snoozed_is_open",
                        violation_error_message="Only an open conversation can be snoozed.",
                    ),
                ),
                AddConstraintNotValid(
                    model_name="thread",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("snoozed_by__isnull", True), ("snoozed_until__isnull", False), _connector="OR"
                        ),
                        name="threads_snoozed_by_has_time",
                        violation_error_message="A snoozed conversation needs the time until which it is snoozed.",
                    ),
                ),
            ]
        ),
    ]
