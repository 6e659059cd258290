import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.db.models.manager
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import suggestions.models.execution
import uuid_utils.compat
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('ai_log', '0001_initial'),
        ('crm', '0001_initial'),
        ('inbox', '0001_initial'),
        ('leads', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('support', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AutonomySetting',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], max_length=16)),
                ('level', models.CharField(choices=[('off', 'Off'), ('suggest', 'Suggest'), ('auto_draft', 'Draft in place'), ('auto_execute', 'Carry out')], db_default='suggest', default='suggest', max_length=12)),
                ('daily_cap', models.PositiveIntegerField(db_default=20, default=20, help_text='Carried out by policy in a day.')),
                ('value_ceiling', models.DecimalField(blank=True, decimal_places=2, help_text='Above this value of the lead a person decides.', max_digits=12, null=True)),
                ('confidence_floor', models.DecimalField(db_default=Decimal('0.80'), decimal_places=2, default=Decimal('0.80'), help_text='Below this confidence a person decides.', max_digits=3)),
                ('undo_seconds', models.PositiveIntegerField(db_default=300, default=300, help_text='How long it can be taken back before it is carried out.')),
                ('lowered_at', models.DateTimeField(blank=True, null=True)),
                ('lowered_because', models.TextField(blank=True, db_default='', default='')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='autonomy', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'autonomy_settings',
                'permissions': [('change_everyones_autonomy', 'Can set the autonomy of the house and of other people')],
                'abstract': False,
                'default_permissions': ('view', 'change'),
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='AutonomySettingEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], max_length=16)),
                ('level', models.CharField(choices=[('off', 'Off'), ('suggest', 'Suggest'), ('auto_draft', 'Draft in place'), ('auto_execute', 'Carry out')], db_default='suggest', default='suggest', max_length=12)),
                ('daily_cap', models.PositiveIntegerField(db_default=20, default=20, help_text='Carried out by policy in a day.')),
                ('value_ceiling', models.DecimalField(blank=True, decimal_places=2, help_text='Above this value of the lead a person decides.', max_digits=12, null=True)),
                ('confidence_floor', models.DecimalField(db_default=Decimal('0.80'), decimal_places=2, default=Decimal('0.80'), help_text='Below this confidence a person decides.', max_digits=3)),
                ('undo_seconds', models.PositiveIntegerField(db_default=300, default=300, help_text='How long it can be taken back before it is carried out.')),
                ('lowered_at', models.DateTimeField(blank=True, null=True)),
                ('lowered_because', models.TextField(blank=True, db_default='', default='')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='suggestions.autonomysetting')),
                ('user', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'autonomy_settings_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ExecutionPause',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(blank=True, choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], db_default='', default='', max_length=16)),
                ('reason', models.TextField(blank=True, db_default='', default='')),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'execution_pauses',
                'abstract': False,
                'default_permissions': ('view',),
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ExecutionPauseEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(blank=True, choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], db_default='', default='', max_length=16)),
                ('reason', models.TextField(blank=True, db_default='', default='')),
                ('by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='suggestions.executionpause')),
            ],
            options={
                'db_table': 'execution_pauses_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Suggestion',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], max_length=16)),
                ('status', models.CharField(choices=[('DRAFT', 'Draft'), ('PENDING', 'Waiting'), ('APPROVED', 'Approved'), ('REJECTED', 'Rejected'), ('MODIFIED', 'Approved with changes'), ('FAILED', 'Failed')], db_default='PENDING', default='PENDING', max_length=10)),
                ('version', models.PositiveIntegerField(db_default=1, default=1)),
                ('agent', models.CharField(blank=True, db_default='', default='', help_text='Which agent proposed it.', max_length=100)),
                ('confidence', models.DecimalField(blank=True, decimal_places=2, max_digits=3, null=True)),
                ('reasoning', models.TextField(blank=True, db_default='', default='')),
                ('evidence', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('ai_model_version', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('model_asked_at', models.DateTimeField(blank=True, help_text='When a model was asked to better it.', null=True)),
                ('prompt_tokens', models.PositiveIntegerField(blank=True, null=True)),
                ('completion_tokens', models.PositiveIntegerField(blank=True, null=True)),
                ('suggested_content', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('approved_content', models.JSONField(blank=True, null=True)),
                ('reviewed_at', models.DateTimeField(blank=True, null=True)),
                ('review_note', models.TextField(blank=True, db_default='', default='')),
                ('reject_code', models.CharField(blank=True, choices=[('NOT_NEEDED', 'Not needed'), ('ALREADY_DONE', 'Already done'), ('WRONG_FACTS', 'The facts are wrong'), ('WRONG_PERSON', 'The wrong person'), ('BAD_TIMING', 'The wrong time'), ('BAD_WORDING', 'Badly worded'), ('SUSPICIOUS', 'Looks like a trick'), ('SUPERSEDED', 'Replaced by a newer one'), ('OTHER', 'Something else')], db_default='', default='', max_length=12)),
                ('findings', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='What the policy pointed out when it was proposed.')),
                ('autonomy', models.CharField(choices=[('off', 'Off'), ('suggest', 'Suggest'), ('auto_draft', 'Draft in place'), ('auto_execute', 'Carry out')], db_default='suggest', default='suggest', help_text='How far the program may go by itself, as resolved when it was proposed.', max_length=12)),
                ('held_because', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Why a person is asked though the setting would let it happen.')),
                ('acknowledged', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='The findings that whoever approved it has confirmed.')),
                ('snoozed_until', models.DateTimeField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('content_hash', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('tainted', models.BooleanField(db_default=False, default=False, help_text='Rests on words of somebody outside the team.')),
                ('executed_at', models.DateTimeField(blank=True, null=True)),
                ('result', models.JSONField(blank=True, null=True)),
                ('error_message', models.TextField(blank=True, db_default='', default='')),
                ('dedupe_key', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('client', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='crm.client')),
                ('interaction', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='ai_log.aiinteraction')),
                ('lead', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='leads.lead')),
                ('message', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='inbox.message')),
                ('owner', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='crm.project')),
                ('proposed_by', models.ForeignKey(blank=True, help_text='Who proposed it.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reviewed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('superseded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='superseded', to='suggestions.suggestion')),
                ('thread', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='inbox.thread')),
                ('ticket', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suggestions', to='support.supportticket')),
            ],
            options={
                'db_table': 'suggestions',
                'permissions': [('decide_suggestion', 'Can approve, change, reject and restore suggestions'), ('open_pull_request', 'Can let pull requests be opened'), ('restore_suggestion', 'Can restore a deleted suggestion'), ('purge_suggestion', 'Can purge a suggestion for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='SuggestionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('type', models.CharField(choices=[('TASK', 'Task'), ('PR', 'Pull request'), ('REPLY', 'Reply'), ('FOLLOW_UP', 'Follow-up'), ('SEND_EMAIL', 'Email'), ('SCHEDULE_CALL', 'Call'), ('SEND_PROPOSAL', 'Proposal'), ('CHANGE_STATUS', 'Stage change'), ('CREATE_LEAD', 'New lead'), ('LINK_THREAD', 'Link conversation'), ('RESOLVE_TICKET', 'Ticket resolution')], max_length=16)),
                ('status', models.CharField(choices=[('DRAFT', 'Draft'), ('PENDING', 'Waiting'), ('APPROVED', 'Approved'), ('REJECTED', 'Rejected'), ('MODIFIED', 'Approved with changes'), ('FAILED', 'Failed')], db_default='PENDING', default='PENDING', max_length=10)),
                ('version', models.PositiveIntegerField(db_default=1, default=1)),
                ('agent', models.CharField(blank=True, db_default='', default='', help_text='Which agent proposed it.', max_length=100)),
                ('confidence', models.DecimalField(blank=True, decimal_places=2, max_digits=3, null=True)),
                ('reasoning', models.TextField(blank=True, db_default='', default='')),
                ('evidence', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('ai_model_version', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('model_asked_at', models.DateTimeField(blank=True, help_text='When a model was asked to better it.', null=True)),
                ('prompt_tokens', models.PositiveIntegerField(blank=True, null=True)),
                ('completion_tokens', models.PositiveIntegerField(blank=True, null=True)),
                ('suggested_content', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('approved_content', models.JSONField(blank=True, null=True)),
                ('reviewed_at', models.DateTimeField(blank=True, null=True)),
                ('review_note', models.TextField(blank=True, db_default='', default='')),
                ('reject_code', models.CharField(blank=True, choices=[('NOT_NEEDED', 'Not needed'), ('ALREADY_DONE', 'Already done'), ('WRONG_FACTS', 'The facts are wrong'), ('WRONG_PERSON', 'The wrong person'), ('BAD_TIMING', 'The wrong time'), ('BAD_WORDING', 'Badly worded'), ('SUSPICIOUS', 'Looks like a trick'), ('SUPERSEDED', 'Replaced by a newer one'), ('OTHER', 'Something else')], db_default='', default='', max_length=12)),
                ('findings', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='What the policy pointed out when it was proposed.')),
                ('autonomy', models.CharField(choices=[('off', 'Off'), ('suggest', 'Suggest'), ('auto_draft', 'Draft in place'), ('auto_execute', 'Carry out')], db_default='suggest', default='suggest', help_text='How far the program may go by itself, as resolved when it was proposed.', max_length=12)),
                ('held_because', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Why a person is asked though the setting would let it happen.')),
                ('acknowledged', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='The findings that whoever approved it has confirmed.')),
                ('snoozed_until', models.DateTimeField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('content_hash', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('tainted', models.BooleanField(db_default=False, default=False, help_text='Rests on words of somebody outside the team.')),
                ('executed_at', models.DateTimeField(blank=True, null=True)),
                ('result', models.JSONField(blank=True, null=True)),
                ('error_message', models.TextField(blank=True, db_default='', default='')),
                ('dedupe_key', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('client', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client')),
                ('interaction', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='ai_log.aiinteraction')),
                ('lead', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.lead')),
                ('message', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='inbox.message')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='suggestions.suggestion')),
                ('project', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.project')),
                ('proposed_by', models.ForeignKey(blank=True, db_constraint=False, help_text='Who proposed it.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('reviewed_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('superseded_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='suggestions.suggestion')),
                ('thread', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='inbox.thread')),
                ('ticket', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='support.supportticket')),
            ],
            options={
                'db_table': 'suggestions_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SuggestionExecution',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('attempt', models.PositiveSmallIntegerField()),
                ('state', models.CharField(choices=[('QUEUED', 'Queued'), ('RUNNING', 'Running'), ('SUCCEEDED', 'Done'), ('FAILED', 'Failed'), ('UNKNOWN', 'Not known'), ('CANCELLED', 'Taken back'), ('UNDONE', 'Undone')], db_default='QUEUED', default='QUEUED', max_length=10)),
                ('idempotency_key', models.CharField(max_length=100)),
                ('external_reference', models.CharField(blank=True, db_default='', default='', max_length=998)),
                ('error', models.TextField(blank=True, db_default='', default='')),
                ('by_policy', models.BooleanField(db_default=False, default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('run_after', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('retry_count', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('message', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='executions', to='inbox.message')),
                ('ordered_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('suggestion', models.ForeignKey(db_index=False, on_delete=suggestions.models.execution.unless_on_its_way, related_name='executions', to='suggestions.suggestion')),
            ],
            options={
                'verbose_name': 'execution',
                'db_table': 'suggestion_executions',
                'permissions': [('pause_execution', 'Can stop the carrying out of suggestions, and let it go on')],
                'default_permissions': ('view',),
            },
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['TASK', 'PR', 'REPLY', 'FOLLOW_UP', 'SEND_EMAIL', 'SCHEDULE_CALL', 'SEND_PROPOSAL', 'CHANGE_STATUS', 'CREATE_LEAD', 'LINK_THREAD', 'RESOLVE_TICKET'])), name='autonomy_settings_type_valid', violation_error_message='The type must be one of: TASK, PR, REPLY, FOLLOW_UP, SEND_EMAIL, SCHEDULE_CALL, SEND_PROPOSAL, CHANGE_STATUS, CREATE_LEAD, LINK_THREAD, RESOLVE_TICKET.'),
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.CheckConstraint(condition=models.Q(('level__in', ['off', 'suggest', 'auto_draft', 'auto_execute'])), name='autonomy_settings_level_valid', violation_error_message='The level must be one of: off, suggest, auto_draft, auto_execute.'),
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confidence_floor__gte', 0), ('confidence_floor__lte', 1)), ('confidence_floor__isnull', True), _connector='OR'), name='autonomy_settings_confidence_floor_range', violation_error_message='The confidence floor must lie between 0 and 1.'),
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('undo_seconds__gte', 0), ('undo_seconds__lte', 86400)), ('undo_seconds__isnull', True), _connector='OR'), name='autonomy_settings_undo_seconds_range', violation_error_message='The undo seconds must lie between 0 and 86400.'),
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.CheckConstraint(condition=models.Q(('value_ceiling__isnull', True), ('value_ceiling__gte', 0), _connector='OR'), name='autonomy_settings_value_ceiling_valid', violation_error_message='The ceiling of the value is not below zero.'),
        ),
        migrations.AddConstraint(
            model_name='autonomysetting',
            constraint=models.UniqueConstraint(models.F('user'), models.F('type'), name='autonomy_settings_once', nulls_distinct=False, violation_error_message='There is a setting for this person and type already.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='autonomysetting',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."confidence_floor" IS DISTINCT FROM (NEW."confidence_floor") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."daily_cap" IS DISTINCT FROM (NEW."daily_cap") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."level" IS DISTINCT FROM (NEW."level") OR OLD."lowered_at" IS DISTINCT FROM (NEW."lowered_at") OR OLD."lowered_because" IS DISTINCT FROM (NEW."lowered_because") OR OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."undo_seconds" IS DISTINCT FROM (NEW."undo_seconds") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."value_ceiling" IS DISTINCT FROM (NEW."value_ceiling"))', func='INSERT INTO "autonomy_settings_history" ("confidence_floor", "created_at", "daily_cap", "deleted_at", "id", "level", "lowered_at", "lowered_because", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "type", "undo_seconds", "updated_at", "user_id", "value_ceiling") VALUES (OLD."confidence_floor", OLD."created_at", OLD."daily_cap", OLD."deleted_at", OLD."id", OLD."level", OLD."lowered_at", OLD."lowered_because", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."type", OLD."undo_seconds", OLD."updated_at", OLD."user_id", OLD."value_ceiling"); RETURN NULL;', hash='def040a404099b72e0323720dbec8fe1e84a1cec', operation='UPDATE', pgid='pgtrigger_update_update_64949', table='autonomy_settings', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='autonomysetting',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "autonomy_settings_history" ("confidence_floor", "created_at", "daily_cap", "deleted_at", "id", "level", "lowered_at", "lowered_because", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "type", "undo_seconds", "updated_at", "user_id", "value_ceiling") VALUES (OLD."confidence_floor", OLD."created_at", OLD."daily_cap", OLD."deleted_at", OLD."id", OLD."level", OLD."lowered_at", OLD."lowered_because", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."type", OLD."undo_seconds", OLD."updated_at", OLD."user_id", OLD."value_ceiling"); RETURN NULL;', hash='e6b450564313a708a2d113d48a59c6fba8fabbcf', operation='DELETE', pgid='pgtrigger_delete_delete_5ec2c', table='autonomy_settings', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='executionpause',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['', 'TASK', 'PR', 'REPLY', 'FOLLOW_UP', 'SEND_EMAIL', 'SCHEDULE_CALL', 'SEND_PROPOSAL', 'CHANGE_STATUS', 'CREATE_LEAD', 'LINK_THREAD', 'RESOLVE_TICKET'])), name='execution_pauses_type_valid', violation_error_message='Stop everything, or one of the types there are.'),
        ),
        migrations.AddConstraint(
            model_name='executionpause',
            constraint=models.UniqueConstraint(models.F('type'), name='execution_pauses_once', violation_error_message='This is stopped already.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='executionpause',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."by_id" IS DISTINCT FROM (NEW."by_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."type" IS DISTINCT FROM (NEW."type"))', func='INSERT INTO "execution_pauses_history" ("by_id", "created_at", "deleted_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "type", "updated_at") VALUES (OLD."by_id", OLD."created_at", OLD."deleted_at", OLD."id", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."reason", OLD."type", OLD."updated_at"); RETURN NULL;', hash='f673fc894376c0de43b77aa3c3b6f8d45a033d4f', operation='UPDATE', pgid='pgtrigger_update_update_b55b2', table='execution_pauses', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='executionpause',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "execution_pauses_history" ("by_id", "created_at", "deleted_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "type", "updated_at") VALUES (OLD."by_id", OLD."created_at", OLD."deleted_at", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."reason", OLD."type", OLD."updated_at"); RETURN NULL;', hash='59d16afa9fc6280e1d1c44710a677e312eb14070', operation='DELETE', pgid='pgtrigger_delete_delete_20d61', table='execution_pauses', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.F('lead'), models.OrderBy(models.F('created_at'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('lead__isnull', False)), name='suggestions_of_lead'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.F('status'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='suggestions_by_status'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.F('type'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='suggestions_by_type'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='suggestions_newest'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('status', 'PENDING')), include=('owner', 'snoozed_until', 'expires_at', 'type', 'confidence'), name='suggestions_waiting'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('snoozed_until__isnull', False), ('status', 'PENDING')), include=('snoozed_until', 'owner'), name='suggestions_snoozed'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.F('owner'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('status', 'PENDING')), name='suggestions_waiting_for'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('reviewed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('interaction__isnull', False), ('reviewed_by__isnull', False)), name='suggestions_judged'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', False)), name='suggestions_deleted'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(django.db.models.functions.text.Upper('agent'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), models.Q(('agent', ''), _negated=True)), name='suggestions_of_agent'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(django.db.models.functions.text.Upper('ai_model_version'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), models.Q(('ai_model_version', ''), _negated=True)), name='suggestions_of_model'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.F('agent'), models.F('type'), models.OrderBy(models.F('created_at'), descending=True), condition=models.Q(('deleted_at__isnull', True), models.Q(('agent', ''), _negated=True)), name='suggestions_by_agent'),
        ),
        migrations.AddIndex(
            model_name='suggestion',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('autonomy', 'auto_execute'), ('held_because', []), ('reviewed_at__isnull', False), ('reviewed_by__isnull', True), ('status__in', ['APPROVED', 'MODIFIED', 'FAILED'])), name='suggestions_by_policy'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['TASK', 'PR', 'REPLY', 'FOLLOW_UP', 'SEND_EMAIL', 'SCHEDULE_CALL', 'SEND_PROPOSAL', 'CHANGE_STATUS', 'CREATE_LEAD', 'LINK_THREAD', 'RESOLVE_TICKET'])), name='suggestions_type_valid', violation_error_message='The type must be one of: TASK, PR, REPLY, FOLLOW_UP, SEND_EMAIL, SCHEDULE_CALL, SEND_PROPOSAL, CHANGE_STATUS, CREATE_LEAD, LINK_THREAD, RESOLVE_TICKET.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['DRAFT', 'PENDING', 'APPROVED', 'REJECTED', 'MODIFIED', 'FAILED'])), name='suggestions_status_valid', violation_error_message='The status must be one of: DRAFT, PENDING, APPROVED, REJECTED, MODIFIED, FAILED.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('autonomy__in', ['off', 'suggest', 'auto_draft', 'auto_execute'])), name='suggestions_autonomy_valid', violation_error_message='The autonomy must be one of: off, suggest, auto_draft, auto_execute.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('held_because'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='suggestions_held_because_array', violation_error_message='The held because must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confidence__gte', 0), ('confidence__lte', 1)), ('confidence__isnull', True), _connector='OR'), name='suggestions_confidence_range', violation_error_message='The confidence must lie between 0 and 1.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('evidence'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='suggestions_evidence_array', violation_error_message='The evidence must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('suggested_content'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='suggestions_suggested_content_object', violation_error_message='The suggested content must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('findings'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='suggestions_findings_array', violation_error_message='The findings must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('acknowledged'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='suggestions_acknowledged_array', violation_error_message='The acknowledged must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('reject_code__in', ['', 'NOT_NEEDED', 'ALREADY_DONE', 'WRONG_FACTS', 'WRONG_PERSON', 'BAD_TIMING', 'BAD_WORDING', 'SUSPICIOUS', 'SUPERSEDED', 'OTHER'])), name='suggestions_reject_code_valid', violation_error_message='The code of a rejection is one of those that are listed.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('reject_code', ''), ('status', 'REJECTED'), _connector='OR'), name='suggestions_rejected_has_code', violation_error_message='Only what is rejected says why it was.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ('APPROVED', 'MODIFIED')), _negated=True), models.Q(('approved_content__isnull', False), ('reviewed_at__isnull', False), models.Q(('content_hash', ''), _negated=True)), _connector='OR'), name='suggestions_approved_has_content', violation_error_message='What is approved has its content, its hash and its date.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'FAILED'), _negated=True), models.Q(('error_message', ''), _negated=True), _connector='OR'), name='suggestions_failed_says_why', violation_error_message='A failed suggestion says why.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.UniqueConstraint(models.F('dedupe_key'), condition=models.Q(('deleted_at__isnull', True), ('status__in', ('DRAFT', 'PENDING', 'FAILED')), models.Q(('dedupe_key', ''), _negated=True)), name='suggestions_one_live_per_key', violation_error_message='The same suggestion is already waiting.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='suggestion',
            trigger=pgtrigger.compiler.Trigger(name='content_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."suggested_content" IS DISTINCT FROM NEW."suggested_content" AND OLD."status" <> \'DRAFT\')', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e082c132d1ceed123a12ddae95daa55bd5552570', operation='UPDATE', pgid='pgtrigger_content_is_kept_d41b5', table='suggestions', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='suggestion',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."acknowledged" IS DISTINCT FROM (NEW."acknowledged") OR OLD."agent" IS DISTINCT FROM (NEW."agent") OR OLD."ai_model_version" IS DISTINCT FROM (NEW."ai_model_version") OR OLD."approved_content" IS DISTINCT FROM (NEW."approved_content") OR OLD."autonomy" IS DISTINCT FROM (NEW."autonomy") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."completion_tokens" IS DISTINCT FROM (NEW."completion_tokens") OR OLD."confidence" IS DISTINCT FROM (NEW."confidence") OR OLD."content_hash" IS DISTINCT FROM (NEW."content_hash") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."dedupe_key" IS DISTINCT FROM (NEW."dedupe_key") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."error_message" IS DISTINCT FROM (NEW."error_message") OR OLD."evidence" IS DISTINCT FROM (NEW."evidence") OR OLD."executed_at" IS DISTINCT FROM (NEW."executed_at") OR OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."findings" IS DISTINCT FROM (NEW."findings") OR OLD."held_because" IS DISTINCT FROM (NEW."held_because") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."interaction_id" IS DISTINCT FROM (NEW."interaction_id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."message_id" IS DISTINCT FROM (NEW."message_id") OR OLD."model_asked_at" IS DISTINCT FROM (NEW."model_asked_at") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."prompt_tokens" IS DISTINCT FROM (NEW."prompt_tokens") OR OLD."proposed_by_id" IS DISTINCT FROM (NEW."proposed_by_id") OR OLD."reasoning" IS DISTINCT FROM (NEW."reasoning") OR OLD."reject_code" IS DISTINCT FROM (NEW."reject_code") OR OLD."result" IS DISTINCT FROM (NEW."result") OR OLD."review_note" IS DISTINCT FROM (NEW."review_note") OR OLD."reviewed_at" IS DISTINCT FROM (NEW."reviewed_at") OR OLD."reviewed_by_id" IS DISTINCT FROM (NEW."reviewed_by_id") OR OLD."snoozed_until" IS DISTINCT FROM (NEW."snoozed_until") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."suggested_content" IS DISTINCT FROM (NEW."suggested_content") OR OLD."superseded_by_id" IS DISTINCT FROM (NEW."superseded_by_id") OR OLD."tainted" IS DISTINCT FROM (NEW."tainted") OR OLD."thread_id" IS DISTINCT FROM (NEW."thread_id") OR OLD."ticket_id" IS DISTINCT FROM (NEW."ticket_id") OR OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."version" IS DISTINCT FROM (NEW."version"))', func='INSERT INTO "suggestions_history" ("acknowledged", "agent", "ai_model_version", "approved_content", "autonomy", "client_id", "completion_tokens", "confidence", "content_hash", "created_at", "dedupe_key", "deleted_at", "error_message", "evidence", "executed_at", "expires_at", "findings", "held_because", "id", "interaction_id", "lead_id", "message_id", "model_asked_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "prompt_tokens", "proposed_by_id", "reasoning", "reject_code", "result", "review_note", "reviewed_at", "reviewed_by_id", "snoozed_until", "status", "suggested_content", "superseded_by_id", "tainted", "thread_id", "ticket_id", "type", "updated_at", "version") VALUES (OLD."acknowledged", OLD."agent", OLD."ai_model_version", OLD."approved_content", OLD."autonomy", OLD."client_id", OLD."completion_tokens", OLD."confidence", OLD."content_hash", OLD."created_at", OLD."dedupe_key", OLD."deleted_at", OLD."error_message", OLD."evidence", OLD."executed_at", OLD."expires_at", OLD."findings", OLD."held_because", OLD."id", OLD."interaction_id", OLD."lead_id", OLD."message_id", OLD."model_asked_at", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."project_id", OLD."prompt_tokens", OLD."proposed_by_id", OLD."reasoning", OLD."reject_code", OLD."result", OLD."review_note", OLD."reviewed_at", OLD."reviewed_by_id", OLD."snoozed_until", OLD."status", OLD."suggested_content", OLD."superseded_by_id", OLD."tainted", OLD."thread_id", OLD."ticket_id", OLD."type", OLD."updated_at", OLD."version"); RETURN NULL;', hash='df2da836dc539c8f93b385ed607c5d6ebcdfbe08', operation='UPDATE', pgid='pgtrigger_update_update_78e97', table='suggestions', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='suggestion',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "suggestions_history" ("acknowledged", "agent", "ai_model_version", "approved_content", "autonomy", "client_id", "completion_tokens", "confidence", "content_hash", "created_at", "dedupe_key", "deleted_at", "error_message", "evidence", "executed_at", "expires_at", "findings", "held_because", "id", "interaction_id", "lead_id", "message_id", "model_asked_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "prompt_tokens", "proposed_by_id", "reasoning", "reject_code", "result", "review_note", "reviewed_at", "reviewed_by_id", "snoozed_until", "status", "suggested_content", "superseded_by_id", "tainted", "thread_id", "ticket_id", "type", "updated_at", "version") VALUES (OLD."acknowledged", OLD."agent", OLD."ai_model_version", OLD."approved_content", OLD."autonomy", OLD."client_id", OLD."completion_tokens", OLD."confidence", OLD."content_hash", OLD."created_at", OLD."dedupe_key", OLD."deleted_at", OLD."error_message", OLD."evidence", OLD."executed_at", OLD."expires_at", OLD."findings", OLD."held_because", OLD."id", OLD."interaction_id", OLD."lead_id", OLD."message_id", OLD."model_asked_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."project_id", OLD."prompt_tokens", OLD."proposed_by_id", OLD."reasoning", OLD."reject_code", OLD."result", OLD."review_note", OLD."reviewed_at", OLD."reviewed_by_id", OLD."snoozed_until", OLD."status", OLD."suggested_content", OLD."superseded_by_id", OLD."tainted", OLD."thread_id", OLD."ticket_id", OLD."type", OLD."updated_at", OLD."version"); RETURN NULL;', hash='0b2110babf0d798928fbb961ed93ee3742466437', operation='DELETE', pgid='pgtrigger_delete_delete_1d182', table='suggestions', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='suggestionexecution',
            index=models.Index(models.F('run_after'), models.F('id'), condition=models.Q(('state', 'QUEUED')), name='suggestion_executions_due'),
        ),
        migrations.AddIndex(
            model_name='suggestionexecution',
            index=models.Index(models.F('suggestion'), condition=models.Q(('state', 'UNKNOWN')), name='suggestion_executions_unknown'),
        ),
        migrations.AddIndex(
            model_name='suggestionexecution',
            index=models.Index(models.F('started_at'), condition=models.Q(('state', 'RUNNING')), name='suggestion_executions_running'),
        ),
        migrations.AddIndex(
            model_name='suggestionexecution',
            index=models.Index(models.F('created_at'), condition=models.Q(('ordered_by__isnull', True)), name='suggestion_executions_policy'),
        ),
        migrations.AddConstraint(
            model_name='suggestionexecution',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'UNKNOWN', 'CANCELLED', 'UNDONE'])), name='suggestion_executions_state_valid', violation_error_message='The state must be one of: QUEUED, RUNNING, SUCCEEDED, FAILED, UNKNOWN, CANCELLED, UNDONE.'),
        ),
        migrations.AddConstraint(
            model_name='suggestionexecution',
            constraint=models.UniqueConstraint(models.F('suggestion'), condition=models.Q(('state__in', ('QUEUED', 'RUNNING', 'SUCCEEDED', 'UNKNOWN'))), name='suggestion_executions_one_live', violation_error_message='This suggestion is being carried out already, or has been.'),
        ),
        migrations.AddConstraint(
            model_name='suggestionexecution',
            constraint=models.UniqueConstraint(models.F('suggestion'), models.F('attempt'), name='suggestion_executions_attempt_once', violation_error_message='There is such an attempt already.'),
        ),
        migrations.AddConstraint(
            model_name='suggestionexecution',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['FAILED', 'UNKNOWN']), _negated=True), models.Q(('error', ''), _negated=True), _connector='OR'), name='suggestion_executions_failure_says_why', violation_error_message='An attempt that failed says why.'),
        ),
    ]
