import crm.records.migration_operations
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
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('crm', '0001_functions_and_users'),
        ('crm', '0002_tables'),
        ('inbox', '0001_tables'),
        ('leads', '0001_tables'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('support', '0001_ticket_numbers'),
    ]

    operations = [
        crm.records.migration_operations.InOneStep(
            operations=[
                migrations.CreateModel(
                    name='SupportTicket',
                    fields=[
                        ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                        ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                        ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('number', models.BigIntegerField(db_default=models.Func(models.Value('support_ticket_number'), function='nextval', output_field=models.BigIntegerField()), editable=False, unique=True)),
                        ('client', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tickets', to='crm.client')),
                        ('lead', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tickets', to='leads.lead')),
                        ('thread', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tickets', to='inbox.thread')),
                        ('created_by', models.CharField(blank=True, db_default='', default='', max_length=200)),
                        ('subject', models.CharField(blank=True, db_default='', default='', help_text='Leave blank to take it from the description.', max_length=200)),
                        ('issue_type', models.CharField(blank=True, db_default='', default='', max_length=80)),
                        ('issue_description', models.TextField(blank=True, db_default='', default='')),
                        ('resolution_summary', models.TextField(blank=True, db_default='', default='')),
                        ('status', models.CharField(choices=[('Open', 'Open'), ('In Progress', 'In Progress'), ('Resolved', 'Resolved'), ('Escalated', 'Escalated')], db_default='Open', default='Open', max_length=12)),
                        ('priority', models.CharField(choices=[('low', 'Low'), ('normal', 'Normal'), ('high', 'High'), ('urgent', 'Urgent')], db_default='normal', default='normal', max_length=8)),
                        ('assigned_to', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tickets', to=settings.AUTH_USER_MODEL)),
                        ('notes', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                        ('first_response_due_at', models.DateTimeField(blank=True, null=True)),
                        ('resolve_due_at', models.DateTimeField(blank=True, null=True)),
                        ('first_responded_at', models.DateTimeField(blank=True, null=True)),
                        ('resolved_at', models.DateTimeField(blank=True, null=True)),
                        ('escalated_at', models.DateTimeField(blank=True, null=True)),
                        ('satisfaction', models.PositiveSmallIntegerField(blank=True, null=True)),
                        ('search_text', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce(django.db.models.functions.comparison.Cast('number', models.TextField()), models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('subject', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('issue_description', models.Value(''), output_field=models.TextField()), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
                    ],
                    options={
                        'verbose_name': 'ticket',
                        'db_table': 'support_tickets',
                        'permissions': [('resolve_supportticket', 'Can start, escalate, resolve and reopen tickets'), ('reassign_supportticket', 'Can reassign a ticket'), ('restore_supportticket', 'Can restore a deleted ticket'), ('purge_supportticket', 'Can permanently delete a ticket')],
                        'abstract': False,
                        'base_manager_name': 'everything',
                        'indexes': [models.Index(django.db.models.functions.comparison.Coalesce('resolve_due_at', models.Value(datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), models.DateTimeField())), models.F('id'), condition=models.Q(('deleted_at__isnull', True), models.Q(('status', 'Resolved'), _negated=True)), name='support_tickets_due'), models.Index(models.F('status'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='support_tickets_by_status'), models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='support_tickets_newest'), models.Index(models.F('issue_type'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='support_tickets_of_issue'), models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', False)), name='support_tickets_deleted'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('search_text', name='gin_trgm_ops'), condition=models.Q(('deleted_at__isnull', True)), name='support_tickets_search')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['Open', 'In Progress', 'Resolved', 'Escalated'])), name='support_tickets_status_valid', violation_error_message='The status must be one of: Open, In Progress, Resolved, Escalated.'), models.CheckConstraint(condition=models.Q(('priority__in', ['low', 'normal', 'high', 'urgent'])), name='support_tickets_priority_valid', violation_error_message='The priority must be one of: low, normal, high, urgent.'), models.CheckConstraint(condition=models.Q(models.Q(('satisfaction__gte', 1), ('satisfaction__lte', 5)), ('satisfaction__isnull', True), _connector='OR'), name='support_tickets_satisfaction_range', violation_error_message='The satisfaction must lie between 1 and 5.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('notes'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='support_tickets_notes_array', violation_error_message='The notes must be a JSON array.'), models.CheckConstraint(condition=models.Q(models.Q(models.Func(models.F('notes'), output_field=models.BooleanField(), template='jsonb_path_exists(%(expressions)s, \'$[*] ? ((@.type() <> "object") || (!exists(@.at ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}"))) || (!exists(@.by ? (@.type() == "string" && @ <> ""))) || (!exists(@.body ? (@.type() == "string" && @ <> ""))) || (!exists(@.internal ? (@.type() == "boolean"))))\'::jsonpath)'), _negated=True), models.Q(models.Func(models.F('notes'), output_field=models.BooleanField(), template='jsonb_path_exists(%(expressions)s, \'strict $[*] ? (@.type() <> "object")\'::jsonpath)'), _negated=True)), name='support_tickets_notes_well_formed', violation_error_message='A note needs an ISO timestamp, an author, a text and whether it is internal.'), models.CheckConstraint(condition=models.Q(('client__isnull', False), ('lead__isnull', False), _connector='OR'), name='support_tickets_has_customer', violation_error_message='A ticket needs a client or a lead.'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'Resolved'), _negated=True), models.Q(models.Q(('resolution_summary', ''), _negated=True), ('resolved_at__isnull', False)), _connector='OR'), name='support_tickets_resolved_says_how', violation_error_message='A resolved ticket needs a resolution summary and the time of its resolution.')],
                        'triggers': [pgtrigger.compiler.Trigger(name='empty_for_null', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW.created_by IS NULL OR NEW.issue_type IS NULL OR NEW.issue_description IS NULL OR NEW.resolution_summary IS NULL OR NEW.notes IS NULL)', func="NEW.created_by := coalesce(NEW.created_by, ''); NEW.issue_type := coalesce(NEW.issue_type, ''); NEW.issue_description := coalesce(NEW.issue_description, ''); NEW.resolution_summary := coalesce(NEW.resolution_summary, ''); NEW.notes := coalesce(NEW.notes, '[]'); RETURN NEW;", hash='ee1e3c794b4517d698c820666e283c24f9d74510', operation='INSERT', pgid='pgtrigger_empty_for_null_4e427', table='support_tickets', when='BEFORE')), pgtrigger.compiler.Trigger(name='subject_by_default', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (btrim(coalesce(NEW.subject, '')) = '')", declare='DECLARE words text;', func="\n    words := btrim(regexp_replace(left(btrim(NEW.issue_description, E' \\t\\r\\n'), 400), '\\s+', ' ', 'g'));\n    IF length(words) > 80 THEN\n        words := coalesce(substring(words FROM '^(.{1,79})\\s'), left(words, 79)) || '…';\n    END IF;\n    NEW.subject := coalesce(nullif(words, ''), nullif(NEW.issue_type, ''), 'Ticket');\n    RETURN NEW;\n", hash='e58f7d4eee128d264a9bbfbc2d094da80bafbe80', operation='INSERT OR UPDATE OF "subject"', pgid='pgtrigger_subject_by_default_bcbbf', table='support_tickets', when='BEFORE')), pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by" IS DISTINCT FROM (NEW."created_by") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."escalated_at" IS DISTINCT FROM (NEW."escalated_at") OR OLD."first_responded_at" IS DISTINCT FROM (NEW."first_responded_at") OR OLD."first_response_due_at" IS DISTINCT FROM (NEW."first_response_due_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."issue_description" IS DISTINCT FROM (NEW."issue_description") OR OLD."issue_type" IS DISTINCT FROM (NEW."issue_type") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."priority" IS DISTINCT FROM (NEW."priority") OR OLD."resolution_summary" IS DISTINCT FROM (NEW."resolution_summary") OR OLD."resolve_due_at" IS DISTINCT FROM (NEW."resolve_due_at") OR OLD."resolved_at" IS DISTINCT FROM (NEW."resolved_at") OR OLD."satisfaction" IS DISTINCT FROM (NEW."satisfaction") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."subject" IS DISTINCT FROM (NEW."subject") OR OLD."thread_id" IS DISTINCT FROM (NEW."thread_id"))', func='INSERT INTO "support_tickets_history" ("assigned_to_id", "client_id", "created_at", "created_by", "deleted_at", "escalated_at", "first_responded_at", "first_response_due_at", "id", "issue_description", "issue_type", "lead_id", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "resolution_summary", "resolve_due_at", "resolved_at", "satisfaction", "status", "subject", "thread_id", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."created_by", OLD."deleted_at", OLD."escalated_at", OLD."first_responded_at", OLD."first_response_due_at", OLD."id", OLD."issue_description", OLD."issue_type", OLD."lead_id", OLD."notes", OLD."number", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."priority", OLD."resolution_summary", OLD."resolve_due_at", OLD."resolved_at", OLD."satisfaction", OLD."status", OLD."subject", OLD."thread_id", OLD."updated_at"); RETURN NULL;', hash='5d24fdd7f47bed1644a561ce08cdfbd9ad969a7d', operation='UPDATE', pgid='pgtrigger_update_update_28833', table='support_tickets', when='AFTER')), pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "support_tickets_history" ("assigned_to_id", "client_id", "created_at", "created_by", "deleted_at", "escalated_at", "first_responded_at", "first_response_due_at", "id", "issue_description", "issue_type", "lead_id", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "resolution_summary", "resolve_due_at", "resolved_at", "satisfaction", "status", "subject", "thread_id", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."created_by", OLD."deleted_at", OLD."escalated_at", OLD."first_responded_at", OLD."first_response_due_at", OLD."id", OLD."issue_description", OLD."issue_type", OLD."lead_id", OLD."notes", OLD."number", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."priority", OLD."resolution_summary", OLD."resolve_due_at", OLD."resolved_at", OLD."satisfaction", OLD."status", OLD."subject", OLD."thread_id", OLD."updated_at"); RETURN NULL;', hash='341259ce345e3502e5fe868bd564bcbe9b162e41', operation='DELETE', pgid='pgtrigger_delete_delete_2632d', table='support_tickets', when='AFTER'))],
                    },
                    managers=[
                        ('objects', django.db.models.manager.Manager()),
                        ('everything', django.db.models.manager.Manager()),
                    ],
                ),
                migrations.CreateModel(
                    name='SupportTicketEvent',
                    fields=[
                        ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                        ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                        ('pgh_label', models.TextField(help_text='The event label.')),
                        ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='support.supportticket')),
                        ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                        ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                        ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                        ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('number', models.BigIntegerField(db_default=models.Func(models.Value('support_ticket_number'), function='nextval', output_field=models.BigIntegerField()), editable=False)),
                        ('client', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client')),
                        ('lead', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.lead')),
                        ('thread', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='inbox.thread')),
                        ('created_by', models.CharField(blank=True, db_default='', default='', max_length=200)),
                        ('subject', models.CharField(blank=True, db_default='', default='', help_text='Leave blank to take it from the description.', max_length=200)),
                        ('issue_type', models.CharField(blank=True, db_default='', default='', max_length=80)),
                        ('issue_description', models.TextField(blank=True, db_default='', default='')),
                        ('resolution_summary', models.TextField(blank=True, db_default='', default='')),
                        ('status', models.CharField(choices=[('Open', 'Open'), ('In Progress', 'In Progress'), ('Resolved', 'Resolved'), ('Escalated', 'Escalated')], db_default='Open', default='Open', max_length=12)),
                        ('priority', models.CharField(choices=[('low', 'Low'), ('normal', 'Normal'), ('high', 'High'), ('urgent', 'Urgent')], db_default='normal', default='normal', max_length=8)),
                        ('assigned_to', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                        ('notes', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                        ('first_response_due_at', models.DateTimeField(blank=True, null=True)),
                        ('resolve_due_at', models.DateTimeField(blank=True, null=True)),
                        ('first_responded_at', models.DateTimeField(blank=True, null=True)),
                        ('resolved_at', models.DateTimeField(blank=True, null=True)),
                        ('escalated_at', models.DateTimeField(blank=True, null=True)),
                        ('satisfaction', models.PositiveSmallIntegerField(blank=True, null=True)),
                    ],
                    options={
                        'db_table': 'support_tickets_history',
                        'abstract': False,
                    },
                ),
            ],
        ),
    ]
