"""The due order without waiting tickets, and what the jobs of each minute read."""

import datetime

import django.db.models.functions.comparison
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from crm.records.migration_operations import AddIndexConcurrently, InOneStep


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("support", "0009_opened_at_required")]
    operations = [
        InOneStep(
            [
                RemoveIndexConcurrently(
                    model_name="supportticket",
                    name="support_tickets_due",
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.Case(
                            models.When(
                                then=django.db.models.functions.comparison.Coalesce(
                                    "resolve_due_at",
                                    models.Value(
                                        datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.UTC),
                                        models.DateTimeField(),
                                    ),
                                ),
                                waiting_since__isnull=True,
                            ),
                            default=models.Value(
                                datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.UTC), models.DateTimeField()
                            ),
                            output_field=models.DateTimeField(),
                        ),
                        models.F("id"),
                        condition=models.Q(
                            ("deleted_at__isnull", True), models.Q(("status", "Resolved"), _negated=True)
                        ),
                        name="support_tickets_due",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.F("resolve_due_at"),
                        condition=models.Q(
                            ("deleted_at__isnull", True),
                            models.Q(("status", "Resolved"), _negated=True),
                            ("waiting_since__isnull", True),
                            models.Q(
                                ("escalated_at__isnull", True),
                                ("escalated_at__lt", models.F("resolve_due_at")),
                                _connector="OR",
                            ),
                        ),
                        name="support_tickets_to_resolve",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.F("first_response_due_at"),
                        condition=models.Q(
                            ("deleted_at__isnull", True),
                            models.Q(("status", "Resolved"), _negated=True),
                            ("waiting_since__isnull", True),
                            ("first_responded_at__isnull", True),
                            models.Q(
                                ("escalated_at__isnull", True),
                                ("escalated_at__lt", models.F("first_response_due_at")),
                                _connector="OR",
                            ),
                        ),
                        name="support_tickets_to_answer",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.F("waiting_since"),
                        condition=models.Q(("waiting_since__isnull", False)),
                        name="support_tickets_waiting",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.F("thread"),
                        condition=models.Q(
                            ("deleted_at__isnull", True),
                            models.Q(("status", "Resolved"), _negated=True),
                            ("thread__isnull", False),
                        ),
                        name="support_tickets_in_threads",
                    ),
                ),
                AddIndexConcurrently(
                    model_name="supportticket",
                    index=models.Index(
                        models.F("id"), condition=models.Q(("due_is_stale", True)), name="support_tickets_stale"
                    ),
                ),
            ]
        ),
    ]
