"""Conversations are assigned; what messages are found by has a table."""

import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0003_log_is_never_emptied"),
        ("inbox", "0008_deleted_threads"),
        ("leads", "0004_stage_history_only_grows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageWords",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="inbox.message",
                    ),
                ),
                ("sent_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("words", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                "db_table": "message_words",
                "default_permissions": (),
            },
        ),
        migrations.AlterModelOptions(
            name="thread",
            options={
                "base_manager_name": "everything",
                "permissions": [
                    ("reassign_thread", "Can give a colleague's conversation to another"),
                    ("restore_thread", "Can restore a deleted conversation"),
                    ("purge_thread", "Can purge a conversation for ever"),
                ],
                "verbose_name": "conversation",
            },
        ),
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
            name="assigned_to",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="threadevent",
            name="assigned_to",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="thread",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."mailbox_id" IS DISTINCT FROM (NEW."mailbox_id") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."participant_emails" IS DISTINCT FROM (NEW."participant_emails") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."sentiment" IS DISTINCT FROM (NEW."sentiment") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."subject" IS DISTINCT FROM (NEW."subject"))',
                    func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "sentiment", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."project_id", OLD."sentiment", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;',
                    hash="469fb22a9045ed4782466f9c92aa9ef9da75e36b",
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
                    func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "sentiment", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."project_id", OLD."sentiment", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;',
                    hash="db56b7e590cdf29c9cd10dbdc61d4864bb39e945",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_f3831",
                    table="threads",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="messagewords",
            name="thread",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="inbox.thread"),
        ),
    ]
