"""Drafts, and the sending of what people write."""

import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
import django.db.models.manager
import django.utils.timezone
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0003_log_is_never_emptied"),
        ("inbox", "0016_unnoticed"),
        ("leads", "0004_stage_history_only_grows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Dispatch",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="dispatch",
                        serialize=False,
                        to="inbox.message",
                    ),
                ),
                ("run_after", models.DateTimeField()),
                ("put_off", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "ordered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "dispatches",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        models.F("run_after"), condition=models.Q(("finished_at__isnull", True)), name="dispatches_open"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("put_off__gte", 0), ("put_off__lte", 5)),
                        name="dispatches_put_off_range",
                        violation_error_message="The put off must lie between 0 and 5.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Draft",
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
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        default=django.utils.timezone.now,
                        editable=False,
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now()),
                ),
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("to", models.TextField(blank=True, db_default="", default="")),
                ("cc", models.TextField(blank=True, db_default="", default="")),
                ("subject", models.CharField(blank=True, db_default="", default="", max_length=998)),
                ("body", models.TextField(blank=True, db_default="", default="")),
                ("quotes", models.BooleanField(db_default=False, default=False)),
                (
                    "attachments",
                    models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
                ),
                ("version", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="drafts", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="drafts",
                        to="crm.client",
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="drafts",
                        to="leads.lead",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="inbox.message",
                    ),
                ),
                (
                    "reply_to",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="inbox.message",
                    ),
                ),
                (
                    "thread",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="drafts",
                        to="inbox.thread",
                    ),
                ),
            ],
            options={
                "db_table": "drafts",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "everything",
                "indexes": [
                    models.Index(
                        models.F("author"),
                        models.OrderBy(models.F("updated_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("deleted_at__isnull", True)),
                        name="drafts_newest",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("attachments"), function="jsonb_typeof", output_field=models.TextField()
                                ),
                                models.Value("array"),
                            )
                        ),
                        name="drafts_attachments_array",
                        violation_error_message="The attachments must be a JSON array.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("thread", None), models.Q(("client", None), ("lead", None)), _connector="OR"
                        ),
                        name="drafts_one_place",
                        violation_error_message="A draft in a conversation is for whoever the conversation is with.",
                    ),
                    models.UniqueConstraint(
                        models.F("author"),
                        models.F("thread"),
                        condition=models.Q(("deleted_at__isnull", True)),
                        name="drafts_once_in_thread",
                        violation_error_message="You have begun an answer in this conversation already.",
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everything", django.db.models.manager.Manager()),
            ],
        ),
    ]
