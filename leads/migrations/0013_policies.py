"""Policies of clients, and leads that come from a renewal."""

import datetime

import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.db.models.manager
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0005_user_time_zone_and_formats"),
        ("leads", "0012_arrival_of_earlier_snapshots"),
        ("pghistory", "0007_auto_20250421_0444"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Policy",
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
                ("carrier", models.CharField(blank=True, db_default="", default="", max_length=120)),
                (
                    "number",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=60, verbose_name="policy number"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("QUOTED", "Quoted"),
                            ("BOUND", "Bound"),
                            ("ACTIVE", "Active"),
                            ("LAPSED", "Lapsed"),
                            ("CANCELLED", "Cancelled"),
                            ("RENEWED", "Renewed"),
                        ],
                        db_default="QUOTED",
                        default="QUOTED",
                        max_length=10,
                    ),
                ),
                (
                    "premium",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="For the whole term of the policy.",
                        max_digits=12,
                        null=True,
                    ),
                ),
                (
                    "billing_period",
                    models.CharField(
                        choices=[
                            ("MONTHLY", "Monthly"),
                            ("QUARTERLY", "Quarterly"),
                            ("SEMIANNUAL", "Every six months"),
                            ("ANNUAL", "Yearly"),
                        ],
                        db_default="ANNUAL",
                        default="ANNUAL",
                        max_length=10,
                    ),
                ),
                ("effective_on", models.DateField(blank=True, null=True, verbose_name="effective")),
                ("expires_on", models.DateField(blank=True, null=True, verbose_name="expires")),
                ("data", models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ("cancelled_on", models.DateField(blank=True, editable=False, null=True)),
                (
                    "cancellation_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NOT_TAKEN", "Quote not taken"),
                            ("CLIENT_REQUEST", "Client's request"),
                            ("NON_PAYMENT", "Premium not paid"),
                            ("REPLACED", "Replaced by another policy"),
                            ("RISK_GONE", "Sold or closed"),
                            ("CARRIER", "Cancelled by the carrier"),
                            ("OTHER", "Other"),
                        ],
                        db_default="",
                        default="",
                        editable=False,
                        max_length=20,
                    ),
                ),
                (
                    "search_text",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.text.Lower(
                            django.db.models.functions.text.Concat(
                                django.db.models.functions.comparison.Coalesce(
                                    "number", models.Value(""), output_field=models.TextField()
                                ),
                                models.Value(" "),
                                django.db.models.functions.comparison.Coalesce(
                                    "carrier", models.Value(""), output_field=models.TextField()
                                ),
                                models.Value(" "),
                                output_field=models.TextField(),
                            )
                        ),
                        output_field=models.TextField(),
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "policies",
                "db_table": "policies",
                "permissions": [
                    ("restore_policy", "Can restore a deleted policy"),
                    ("purge_policy", "Can permanently delete a policy"),
                ],
                "abstract": False,
                "base_manager_name": "everything",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everything", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="PolicyEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid_utils.compat.uuid7,
                        editable=False,
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
                ("carrier", models.CharField(blank=True, db_default="", default="", max_length=120)),
                (
                    "number",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=60, verbose_name="policy number"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("QUOTED", "Quoted"),
                            ("BOUND", "Bound"),
                            ("ACTIVE", "Active"),
                            ("LAPSED", "Lapsed"),
                            ("CANCELLED", "Cancelled"),
                            ("RENEWED", "Renewed"),
                        ],
                        db_default="QUOTED",
                        default="QUOTED",
                        max_length=10,
                    ),
                ),
                (
                    "premium",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="For the whole term of the policy.",
                        max_digits=12,
                        null=True,
                    ),
                ),
                (
                    "billing_period",
                    models.CharField(
                        choices=[
                            ("MONTHLY", "Monthly"),
                            ("QUARTERLY", "Quarterly"),
                            ("SEMIANNUAL", "Every six months"),
                            ("ANNUAL", "Yearly"),
                        ],
                        db_default="ANNUAL",
                        default="ANNUAL",
                        max_length=10,
                    ),
                ),
                ("effective_on", models.DateField(blank=True, null=True, verbose_name="effective")),
                ("expires_on", models.DateField(blank=True, null=True, verbose_name="expires")),
                ("data", models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ("cancelled_on", models.DateField(blank=True, editable=False, null=True)),
                (
                    "cancellation_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NOT_TAKEN", "Quote not taken"),
                            ("CLIENT_REQUEST", "Client's request"),
                            ("NON_PAYMENT", "Premium not paid"),
                            ("REPLACED", "Replaced by another policy"),
                            ("RISK_GONE", "Sold or closed"),
                            ("CARRIER", "Cancelled by the carrier"),
                            ("OTHER", "Other"),
                        ],
                        db_default="",
                        default="",
                        editable=False,
                        max_length=20,
                    ),
                ),
            ],
            options={
                "db_table": "policies_history",
                "abstract": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="lead",
            name="leads_source_type_valid",
        ),
        migrations.AlterField(
            model_name="lead",
            name="source_type",
            field=models.CharField(
                choices=[
                    ("REFERRAL", "Referral"),
                    ("WEBSITE", "Website"),
                    ("EVENT", "Event"),
                    ("IMPORT", "Import"),
                    ("EMAIL", "Email"),
                    ("RENEWAL", "Renewal"),
                    ("OTHER", "Other"),
                ],
                db_default="OTHER",
                default="OTHER",
                max_length=10,
                verbose_name="source",
            ),
        ),
        migrations.AlterField(
            model_name="leadevent",
            name="source_type",
            field=models.CharField(
                choices=[
                    ("REFERRAL", "Referral"),
                    ("WEBSITE", "Website"),
                    ("EVENT", "Event"),
                    ("IMPORT", "Import"),
                    ("EMAIL", "Email"),
                    ("RENEWAL", "Renewal"),
                    ("OTHER", "Other"),
                ],
                db_default="OTHER",
                default="OTHER",
                max_length=10,
                verbose_name="source",
            ),
        ),
        migrations.AddConstraint(
            model_name="lead",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("source_type__in", ["REFERRAL", "WEBSITE", "EVENT", "IMPORT", "EMAIL", "RENEWAL", "OTHER"])
                ),
                name="leads_source_type_valid",
                violation_error_message="The source type must be one of: REFERRAL, WEBSITE, EVENT, IMPORT, EMAIL, RENEWAL, OTHER.",
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="client",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="policies", to="crm.client"
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="insurance_type",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="policies",
                to="leads.insurancetype",
                verbose_name="line",
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="lead",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="policies",
                to="leads.lead",
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="renewal_lead",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="renewing_policies",
                to="leads.lead",
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="renewed_from",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="renewals",
                to="leads.policy",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="client",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="crm.client",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="insurance_type",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="leads.insurancetype",
                verbose_name="line",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="lead",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="leads.lead",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="pgh_context",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="pghistory.context",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="leads.policy",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="renewal_lead",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="leads.lead",
            ),
        ),
        migrations.AddField(
            model_name="policyevent",
            name="renewed_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="leads.policy",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=models.Index(
                django.db.models.functions.comparison.Coalesce(
                    "expires_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                ),
                models.F("id"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="policies_by_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=models.Index(
                models.F("status"),
                django.db.models.functions.comparison.Coalesce(
                    "expires_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                ),
                models.F("id"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="policies_status",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=models.Index(
                django.db.models.functions.comparison.Coalesce(
                    "expires_on", models.Value(datetime.date(9999, 12, 31), models.DateField())
                ),
                models.F("id"),
                condition=models.Q(("deleted_at__isnull", True), ("status__in", ("BOUND", "ACTIVE"))),
                name="policies_running",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=models.Index(
                models.OrderBy(
                    django.db.models.functions.comparison.Coalesce(
                        "premium", models.Value(-1), output_field=models.DecimalField()
                    ),
                    descending=True,
                ),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at__isnull", True)),
                name="policies_premium",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=models.Index(
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at__isnull", True), _negated=True),
                name="policies_deleted",
            ),
        ),
        migrations.AddIndex(
            model_name="policy",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass("search_text", name="gin_trgm_ops"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="policies_search",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["QUOTED", "BOUND", "ACTIVE", "LAPSED", "CANCELLED", "RENEWED"])),
                name="policies_status_valid",
                violation_error_message="The status must be one of: QUOTED, BOUND, ACTIVE, LAPSED, CANCELLED, RENEWED.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(("billing_period__in", ["MONTHLY", "QUARTERLY", "SEMIANNUAL", "ANNUAL"])),
                name="policies_billing_period_valid",
                violation_error_message="The billing period must be one of: MONTHLY, QUARTERLY, SEMIANNUAL, ANNUAL.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        models.Func(models.F("data"), function="jsonb_typeof", output_field=models.TextField()),
                        models.Value("object"),
                    )
                ),
                name="policies_data_object",
                violation_error_message="The data must be a JSON object.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(("premium__gte", 0), ("premium__isnull", True), _connector="OR"),
                name="policies_premium_not_negative",
                violation_error_message="The premium must not be negative.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expires_on__gt", models.F("effective_on")),
                    ("expires_on__isnull", True),
                    ("effective_on__isnull", True),
                    _connector="OR",
                ),
                name="policies_dates_in_order",
                violation_error_message="The policy must expire after it takes effect.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ("QUOTED", "CANCELLED")),
                    models.Q(
                        models.Q(("carrier", ""), _negated=True),
                        ("effective_on__isnull", False),
                        ("expires_on__isnull", False),
                        ("premium__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="policies_terms_complete",
                violation_error_message="Only a quote may lack its carrier, premium, effective or expiry date.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "cancellation_reason__in",
                            ["NOT_TAKEN", "CLIENT_REQUEST", "NON_PAYMENT", "REPLACED", "RISK_GONE", "CARRIER", "OTHER"],
                        ),
                        ("cancelled_on__isnull", False),
                        ("status", "CANCELLED"),
                    ),
                    models.Q(
                        models.Q(("status", "CANCELLED"), _negated=True),
                        ("cancellation_reason", ""),
                        ("cancelled_on", None),
                    ),
                    _connector="OR",
                ),
                name="policies_cancelled_with_reason",
                violation_error_message="A cancelled policy, and no other, has a cancellation date and a reason.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("renewed_from__isnull", True),
                    models.Q(("renewed_from", models.F("id")), _negated=True),
                    _connector="OR",
                ),
                name="policies_not_own_renewal",
                violation_error_message="A policy cannot be its own renewal.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.UniqueConstraint(
                models.F("renewed_from"),
                condition=models.Q(("deleted_at__isnull", True), models.Q(("status", "CANCELLED"), _negated=True)),
                name="policies_one_renewal",
                violation_error_message="The policy already has a renewal.",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="policy",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."billing_period" IS DISTINCT FROM (NEW."billing_period") OR OLD."cancellation_reason" IS DISTINCT FROM (NEW."cancellation_reason") OR OLD."cancelled_on" IS DISTINCT FROM (NEW."cancelled_on") OR OLD."carrier" IS DISTINCT FROM (NEW."carrier") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."data" IS DISTINCT FROM (NEW."data") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."effective_on" IS DISTINCT FROM (NEW."effective_on") OR OLD."expires_on" IS DISTINCT FROM (NEW."expires_on") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."insurance_type_id" IS DISTINCT FROM (NEW."insurance_type_id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."premium" IS DISTINCT FROM (NEW."premium") OR OLD."renewal_lead_id" IS DISTINCT FROM (NEW."renewal_lead_id") OR OLD."renewed_from_id" IS DISTINCT FROM (NEW."renewed_from_id") OR OLD."status" IS DISTINCT FROM (NEW."status"))',
                    func='INSERT INTO "policies_history" ("billing_period", "cancellation_reason", "cancelled_on", "carrier", "client_id", "created_at", "data", "deleted_at", "effective_on", "expires_on", "id", "insurance_type_id", "lead_id", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "premium", "renewal_lead_id", "renewed_from_id", "status", "updated_at") VALUES (OLD."billing_period", OLD."cancellation_reason", OLD."cancelled_on", OLD."carrier", OLD."client_id", OLD."created_at", OLD."data", OLD."deleted_at", OLD."effective_on", OLD."expires_on", OLD."id", OLD."insurance_type_id", OLD."lead_id", OLD."number", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."premium", OLD."renewal_lead_id", OLD."renewed_from_id", OLD."status", OLD."updated_at"); RETURN NULL;',
                    hash="6b14161cea66fa3231703e1bc446a6fd124e1782",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_8b49f",
                    table="policies",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="policy",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "policies_history" ("billing_period", "cancellation_reason", "cancelled_on", "carrier", "client_id", "created_at", "data", "deleted_at", "effective_on", "expires_on", "id", "insurance_type_id", "lead_id", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "premium", "renewal_lead_id", "renewed_from_id", "status", "updated_at") VALUES (OLD."billing_period", OLD."cancellation_reason", OLD."cancelled_on", OLD."carrier", OLD."client_id", OLD."created_at", OLD."data", OLD."deleted_at", OLD."effective_on", OLD."expires_on", OLD."id", OLD."insurance_type_id", OLD."lead_id", OLD."number", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."premium", OLD."renewal_lead_id", OLD."renewed_from_id", OLD."status", OLD."updated_at"); RETURN NULL;',
                    hash="97730fac97d973a5180cfd0fbed9777975856250",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_c157b",
                    table="policies",
                    when="AFTER",
                ),
            ),
        ),
    ]
