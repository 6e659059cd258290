import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.fields.json
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.db.models.manager
import django.utils.timezone
import leads.models.lead
import pgtrigger.compiler
import pgtrigger.migrations
import uuid_utils.compat
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('crm', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='InsuranceTypeEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('code', models.SlugField(db_index=False, help_text="Key of the line's data; never changes.", max_length=40)),
                ('name', models.CharField(max_length=80)),
                ('is_personal', models.BooleanField(db_default=False, default=False)),
                ('is_commercial', models.BooleanField(db_default=False, default=False)),
                ('description', models.TextField(blank=True, db_default='', default='')),
                ('form_schema', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('schema_version', models.PositiveIntegerField(db_default=1, default=1)),
                ('is_active', models.BooleanField(db_default=True, default=True)),
            ],
            options={
                'db_table': 'insurance_types_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Lead',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('contact_name', models.CharField(max_length=200, verbose_name='name')),
                ('contact_email', models.EmailField(blank=True, db_default='', default='', max_length=254, verbose_name='email')),
                ('contact_phone', models.CharField(blank=True, db_default='', default='', max_length=40, verbose_name='phone')),
                ('company_name', models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='company')),
                ('company_website', models.URLField(blank=True, db_default='', default='', verbose_name='website')),
                ('client_type', models.CharField(choices=[('Individual', 'Individual'), ('Business', 'Business')], db_default='Individual', default='Individual', max_length=20)),
                ('source_type', models.CharField(choices=[('REFERRAL', 'Referral'), ('WEBSITE', 'Website'), ('EVENT', 'Event'), ('IMPORT', 'Import'), ('EMAIL', 'Email'), ('OTHER', 'Other')], db_default='OTHER', default='OTHER', max_length=10, verbose_name='source')),
                ('source_detail', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('notes', models.TextField(blank=True, db_default='', default='')),
                ('closed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('rank', models.FloatField(db_default=django.db.models.expressions.CombinedExpression(django.db.models.functions.datetime.Extract(django.db.models.functions.datetime.Now(), 'epoch'), '*', models.Value(-1)), default=leads.models.lead.newest_on_top, editable=False, help_text='Order within a column of the board, lowest first.')),
                ('loss_reason', models.CharField(blank=True, choices=[('BUDGET', 'Budget'), ('TIMING', 'Timing'), ('COMPETITOR', 'Competitor'), ('FIT', 'Not a fit'), ('GHOSTED', 'Stopped answering'), ('OTHER', 'Other')], db_default='', default='', max_length=12)),
                ('loss_notes', models.TextField(blank=True, db_default='', default='')),
                ('overall_score', models.DecimalField(blank=True, decimal_places=2, max_digits=3, null=True, verbose_name='score')),
                ('priority_tier', models.CharField(blank=True, choices=[('hot', 'Hot'), ('warm', 'Warm'), ('cold', 'Cold'), ('dormant', 'Dormant')], max_length=8, null=True, verbose_name='tier')),
                ('tier_override', models.CharField(blank=True, choices=[('hot', 'Hot'), ('warm', 'Warm'), ('cold', 'Cold'), ('dormant', 'Dormant')], max_length=8, null=True)),
                ('signals', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('last_scored_at', models.DateTimeField(blank=True, null=True)),
                ('predicted_close_probability', models.DecimalField(blank=True, decimal_places=2, max_digits=3, null=True, verbose_name='probability')),
                ('estimated_value', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, verbose_name='value')),
                ('expected_close_date', models.DateField(blank=True, null=True)),
                ('last_contact_at', models.DateTimeField(blank=True, null=True, verbose_name='last contact')),
                ('last_activity_at', models.DateTimeField(blank=True, null=True)),
                ('awaiting_reply', models.BooleanField(db_default=False, default=False)),
                ('considered_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('next_look_at', models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False, null=True)),
                ('converted_at', models.DateTimeField(blank=True, null=True)),
                ('auto_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('home_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('line_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('additional_insureds', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('communications', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('search_text', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce('contact_name', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('contact_email', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('company_name', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('contact_phone', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce(models.Func(models.F('contact_phone'), models.Value('\\D'), models.Value(''), models.Value('g'), function='regexp_replace', output_field=models.TextField()), models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('vin', 'auto_data'), models.Value(''), output_field=models.TextField()), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
            ],
            options={
                'db_table': 'leads',
                'permissions': [('reassign_lead', 'Can give a lead to another owner'), ('restore_lead', 'Can restore a deleted lead'), ('purge_lead', 'Can purge a lead for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='LeadEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('contact_name', models.CharField(max_length=200, verbose_name='name')),
                ('contact_email', models.EmailField(blank=True, db_default='', default='', max_length=254, verbose_name='email')),
                ('contact_phone', models.CharField(blank=True, db_default='', default='', max_length=40, verbose_name='phone')),
                ('company_name', models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='company')),
                ('company_website', models.URLField(blank=True, db_default='', default='', verbose_name='website')),
                ('client_type', models.CharField(choices=[('Individual', 'Individual'), ('Business', 'Business')], db_default='Individual', default='Individual', max_length=20)),
                ('source_type', models.CharField(choices=[('REFERRAL', 'Referral'), ('WEBSITE', 'Website'), ('EVENT', 'Event'), ('IMPORT', 'Import'), ('EMAIL', 'Email'), ('OTHER', 'Other')], db_default='OTHER', default='OTHER', max_length=10, verbose_name='source')),
                ('source_detail', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('notes', models.TextField(blank=True, db_default='', default='')),
                ('closed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('loss_reason', models.CharField(blank=True, choices=[('BUDGET', 'Budget'), ('TIMING', 'Timing'), ('COMPETITOR', 'Competitor'), ('FIT', 'Not a fit'), ('GHOSTED', 'Stopped answering'), ('OTHER', 'Other')], db_default='', default='', max_length=12)),
                ('loss_notes', models.TextField(blank=True, db_default='', default='')),
                ('tier_override', models.CharField(blank=True, choices=[('hot', 'Hot'), ('warm', 'Warm'), ('cold', 'Cold'), ('dormant', 'Dormant')], max_length=8, null=True)),
                ('estimated_value', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, verbose_name='value')),
                ('expected_close_date', models.DateField(blank=True, null=True)),
                ('converted_at', models.DateTimeField(blank=True, null=True)),
                ('auto_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('home_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('line_data', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('additional_insureds', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('communications', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
            ],
            options={
                'db_table': 'leads_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='LeadStageHistory',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name_plural': 'stage history',
                'db_table': 'lead_stage_history',
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='LeadStatus',
            fields=[
                ('code', models.CharField(help_text='Capitals and underscores; never changes once leads use it.', max_length=40, primary_key=True, serialize=False)),
                ('label', models.CharField(max_length=60)),
                ('category', models.CharField(choices=[('open', 'Open'), ('paused', 'Paused'), ('won', 'Won'), ('lost', 'Lost'), ('unqualified', 'Unqualified')], max_length=12)),
                ('position', models.PositiveSmallIntegerField(help_text='Order on the board and in lists.', unique=True)),
                ('colour', models.CharField(choices=[('grey', 'Grey'), ('blue', 'Blue'), ('teal', 'Teal'), ('green', 'Green'), ('amber', 'Amber'), ('red', 'Red'), ('purple', 'Purple')], db_default='grey', default='grey', max_length=10)),
                ('stale_after_days', models.PositiveSmallIntegerField(blank=True, help_text='Silence beyond this many days is pointed out; empty: never.', null=True)),
                ('guidance', models.TextField(blank=True, db_default='', default='', help_text='What to do in this stage; shown on the lead.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': 'stage',
                'db_table': 'lead_statuses',
                'ordering': ['position'],
            },
        ),
        migrations.CreateModel(
            name='LeadStatusEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('code', models.CharField(help_text='Capitals and underscores; never changes once leads use it.', max_length=40, serialize=False)),
                ('label', models.CharField(max_length=60)),
                ('category', models.CharField(choices=[('open', 'Open'), ('paused', 'Paused'), ('won', 'Won'), ('lost', 'Lost'), ('unqualified', 'Unqualified')], max_length=12)),
                ('position', models.PositiveSmallIntegerField(help_text='Order on the board and in lists.')),
                ('colour', models.CharField(choices=[('grey', 'Grey'), ('blue', 'Blue'), ('teal', 'Teal'), ('green', 'Green'), ('amber', 'Amber'), ('red', 'Red'), ('purple', 'Purple')], db_default='grey', default='grey', max_length=10)),
                ('stale_after_days', models.PositiveSmallIntegerField(blank=True, help_text='Silence beyond this many days is pointed out; empty: never.', null=True)),
                ('guidance', models.TextField(blank=True, db_default='', default='', help_text='What to do in this stage; shown on the lead.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'lead_statuses_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='PredictionModel',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('version', models.PositiveIntegerField(unique=True)),
                ('rung', models.CharField(choices=[('STAGES', 'Win rate of the stage'), ('SCORECARD', 'Scorecard of ended leads')], max_length=10)),
                ('card', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('evaluation', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('refused', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('leads', models.PositiveIntegerField()),
                ('won', models.PositiveIntegerField()),
                ('verdict', models.TextField(help_text='Why it was put in use, or was not.')),
                ('is_active', models.BooleanField(db_default=False, default=False, editable=False)),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('ran_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'db_table': 'prediction_models',
                'permissions': [('activate_predictionmodel', 'Can train models of prediction and say which is used')],
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
            name='PredictionModelEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('version', models.PositiveIntegerField()),
                ('rung', models.CharField(choices=[('STAGES', 'Win rate of the stage'), ('SCORECARD', 'Scorecard of ended leads')], max_length=10)),
                ('card', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('evaluation', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('refused', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('leads', models.PositiveIntegerField()),
                ('won', models.PositiveIntegerField()),
                ('verdict', models.TextField(help_text='Why it was put in use, or was not.')),
                ('is_active', models.BooleanField(db_default=False, default=False, editable=False)),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'db_table': 'prediction_models_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ScoringPolicy',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('version', models.PositiveIntegerField(unique=True)),
                ('note', models.TextField(help_text='What this version is for, or what it changes.')),
                ('weights', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text='For each type of signal its weight (−1..1) and its half-life in days.')),
                ('half_life_days', models.DecimalField(db_default=Decimal('30'), decimal_places=1, default=Decimal('30'), help_text='In days, for signals of a type that is not named; they count with the weight they came with.', max_digits=6, verbose_name='half-life of other signals')),
                ('hot_from', models.DecimalField(db_default=Decimal('0.70'), decimal_places=2, default=Decimal('0.70'), max_digits=3)),
                ('warm_from', models.DecimalField(db_default=Decimal('0.40'), decimal_places=2, default=Decimal('0.40'), max_digits=3)),
                ('dormant_after_days', models.PositiveSmallIntegerField(db_default=30, default=30, help_text='Without contact in either direction.')),
                ('is_active', models.BooleanField(db_default=False, default=False, editable=False)),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('ran_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'verbose_name_plural': 'scoring policies',
                'db_table': 'scoring_policies',
                'permissions': [('activate_scoringpolicy', 'Can say by which policy leads are scored')],
                'abstract': False,
                'default_permissions': ('view', 'add'),
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ScoringPolicyEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('version', models.PositiveIntegerField()),
                ('note', models.TextField(help_text='What this version is for, or what it changes.')),
                ('weights', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text='For each type of signal its weight (−1..1) and its half-life in days.')),
                ('half_life_days', models.DecimalField(db_default=Decimal('30'), decimal_places=1, default=Decimal('30'), help_text='In days, for signals of a type that is not named; they count with the weight they came with.', max_digits=6, verbose_name='half-life of other signals')),
                ('hot_from', models.DecimalField(db_default=Decimal('0.70'), decimal_places=2, default=Decimal('0.70'), max_digits=3)),
                ('warm_from', models.DecimalField(db_default=Decimal('0.40'), decimal_places=2, default=Decimal('0.40'), max_digits=3)),
                ('dormant_after_days', models.PositiveSmallIntegerField(db_default=30, default=30, help_text='Without contact in either direction.')),
                ('is_active', models.BooleanField(db_default=False, default=False, editable=False)),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'db_table': 'scoring_policies_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Task',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('title', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True, db_default='', default='')),
                ('status', models.CharField(choices=[('ON_DECK', 'On deck'), ('IN_PROGRESS', 'In progress'), ('BLOCKED', 'Blocked'), ('DONE', 'Done'), ('ARCHIVED', 'Archived')], db_default='ON_DECK', default='ON_DECK', max_length=12)),
                ('due_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'db_table': 'tasks',
                'permissions': [('restore_task', 'Can restore a deleted task'), ('purge_task', 'Can purge a task for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='TaskEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('title', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True, db_default='', default='')),
                ('status', models.CharField(choices=[('ON_DECK', 'On deck'), ('IN_PROGRESS', 'In progress'), ('BLOCKED', 'Blocked'), ('DONE', 'Done'), ('ARCHIVED', 'Archived')], db_default='ON_DECK', default='ON_DECK', max_length=12)),
                ('due_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'db_table': 'tasks_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TierChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('was', models.CharField(choices=[('hot', 'Hot'), ('warm', 'Warm'), ('cold', 'Cold'), ('dormant', 'Dormant')], max_length=8, null=True)),
                ('now', models.CharField(choices=[('hot', 'Hot'), ('warm', 'Warm'), ('cold', 'Cold'), ('dormant', 'Dormant')], max_length=8, null=True)),
                ('score', models.DecimalField(decimal_places=2, max_digits=3, null=True)),
            ],
            options={
                'db_table': 'tier_changes',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ContactLead',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('role', models.CharField(choices=[('primary', 'Primary'), ('decision_maker', 'Decision maker'), ('influencer', 'Influencer'), ('technical', 'Technical'), ('financial', 'Financial'), ('end_user', 'End user'), ('other', 'Other')], db_default='other', default='other', max_length=20)),
                ('is_primary', models.BooleanField(db_default=False, default=False)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lead_links', to='crm.contact')),
            ],
            options={
                'verbose_name': 'stakeholder',
                'db_table': 'contact_leads',
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ContactLeadEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('role', models.CharField(choices=[('primary', 'Primary'), ('decision_maker', 'Decision maker'), ('influencer', 'Influencer'), ('technical', 'Technical'), ('financial', 'Financial'), ('end_user', 'End user'), ('other', 'Other')], db_default='other', default='other', max_length=20)),
                ('is_primary', models.BooleanField(db_default=False, default=False)),
                ('contact', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.contact')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.contactlead')),
            ],
            options={
                'db_table': 'contact_leads_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='InsuranceType',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('code', models.SlugField(help_text="Key of the line's data; never changes.", max_length=40, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('is_personal', models.BooleanField(db_default=False, default=False)),
                ('is_commercial', models.BooleanField(db_default=False, default=False)),
                ('description', models.TextField(blank=True, db_default='', default='')),
                ('form_schema', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('schema_version', models.PositiveIntegerField(db_default=1, default=1)),
                ('is_active', models.BooleanField(db_default=True, default=True)),
            ],
            options={
                'verbose_name': 'line of insurance',
                'verbose_name_plural': 'lines of insurance',
                'db_table': 'insurance_types',
                'permissions': [('restore_insurancetype', 'Can restore a deleted line of insurance')],
                'abstract': False,
                'base_manager_name': 'everything',
                'constraints': [models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='insurance_types_name_not_blank', violation_error_message='The name must not be empty.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('form_schema'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='insurance_types_form_schema_object', violation_error_message='The form schema must be a JSON object.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='insurancetype',
            trigger=pgtrigger.compiler.Trigger(name='next_version', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."form_schema" IS DISTINCT FROM (NEW."form_schema"))', func='NEW.schema_version = OLD.schema_version + 1; RETURN NEW;', hash='9cee836de5151eb2bc58322a52145bb093a07649', operation='UPDATE', pgid='pgtrigger_next_version_2f468', table='insurance_types', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='insurancetype',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."form_schema" IS DISTINCT FROM (NEW."form_schema") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_commercial" IS DISTINCT FROM (NEW."is_commercial") OR OLD."is_personal" IS DISTINCT FROM (NEW."is_personal") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."schema_version" IS DISTINCT FROM (NEW."schema_version"))', func='INSERT INTO "insurance_types_history" ("code", "created_at", "deleted_at", "description", "form_schema", "id", "is_active", "is_commercial", "is_personal", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "schema_version", "updated_at") VALUES (OLD."code", OLD."created_at", OLD."deleted_at", OLD."description", OLD."form_schema", OLD."id", OLD."is_active", OLD."is_commercial", OLD."is_personal", OLD."name", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."schema_version", OLD."updated_at"); RETURN NULL;', hash='52a46ddbc13f2929e5f785b8ec46c71c9f6df295', operation='UPDATE', pgid='pgtrigger_update_update_4ab51', table='insurance_types', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='insurancetype',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "insurance_types_history" ("code", "created_at", "deleted_at", "description", "form_schema", "id", "is_active", "is_commercial", "is_personal", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "schema_version", "updated_at") VALUES (OLD."code", OLD."created_at", OLD."deleted_at", OLD."description", OLD."form_schema", OLD."id", OLD."is_active", OLD."is_commercial", OLD."is_personal", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."schema_version", OLD."updated_at"); RETURN NULL;', hash='f849c9e76f849be602b539cc3e8ee29f041a6fe3', operation='DELETE', pgid='pgtrigger_delete_delete_9213b', table='insurance_types', when='AFTER')),
        ),
        migrations.AddField(
            model_name='insurancetypeevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='insurancetypeevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.insurancetype'),
        ),
        migrations.CreateModel(
            name='LeadSnapshot',
            fields=[
                ('lead', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='snapshot', serialize=False, to='leads.lead')),
                ('features', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('taken_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'lead_snapshots',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='lead',
            name='assigned_to',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='leads', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='lead',
            name='converted_to_client',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='converted_leads', to='crm.client'),
        ),
        migrations.AddField(
            model_name='lead',
            name='insurance_type',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.insurancetype', verbose_name='line'),
        ),
        migrations.AddField(
            model_name='contactleadevent',
            name='lead',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='contactlead',
            name='lead',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contact_links', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='assigned_to',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='converted_to_client',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='insurance_type',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.insurancetype', verbose_name='line'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='leadstagehistory',
            name='by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='leadstagehistory',
            name='lead',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='stage_history', to='leads.lead'),
        ),
        migrations.AddConstraint(
            model_name='leadstatus',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['open', 'paused', 'won', 'lost', 'unqualified'])), name='lead_statuses_category_valid', violation_error_message='The category must be one of: open, paused, won, lost, unqualified.'),
        ),
        migrations.AddConstraint(
            model_name='leadstatus',
            constraint=models.CheckConstraint(condition=models.Q(('colour__in', ['grey', 'blue', 'teal', 'green', 'amber', 'red', 'purple'])), name='lead_statuses_colour_valid', violation_error_message='The colour must be one of: grey, blue, teal, green, amber, red, purple.'),
        ),
        migrations.AddConstraint(
            model_name='leadstatus',
            constraint=models.CheckConstraint(condition=models.Q(('label', ''), _negated=True), name='lead_statuses_label_not_blank', violation_error_message='The label must not be empty.'),
        ),
        migrations.AddConstraint(
            model_name='leadstatus',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z][A-Z0-9_]*$')), name='lead_statuses_code_form', violation_error_message="A stage's code is capitals, digits and underscores."),
        ),
        migrations.AddField(
            model_name='leadstagehistory',
            name='from_status',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.leadstatus'),
        ),
        migrations.AddField(
            model_name='leadstagehistory',
            name='to_status',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.leadstatus'),
        ),
        migrations.AddField(
            model_name='leadevent',
            name='status',
            field=models.ForeignKey(db_constraint=False, db_default='NEW_OPPORTUNITIES', default='NEW_OPPORTUNITIES', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.leadstatus', verbose_name='stage'),
        ),
        migrations.AddField(
            model_name='lead',
            name='status',
            field=models.ForeignKey(db_default='NEW_OPPORTUNITIES', db_index=False, default='NEW_OPPORTUNITIES', on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.leadstatus', verbose_name='stage'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadstatus',
            trigger=pgtrigger.compiler.Trigger(name='category_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."category" IS DISTINCT FROM (NEW."category"))', func="\n                    IF EXISTS (SELECT FROM leads WHERE status_id = OLD.code) THEN\n                        RAISE EXCEPTION 'Leads stand in this stage: its category cannot change.'\n                            USING ERRCODE = 'check_violation';\n                    END IF;\n                    RETURN NEW;\n                ", hash='18f0f8d0cfd8f24950c5c509670e1f47b77af6c8', operation='UPDATE OF "category"', pgid='pgtrigger_category_is_kept_023bc', table='lead_statuses', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadstatus',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."category" IS DISTINCT FROM (NEW."category") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."colour" IS DISTINCT FROM (NEW."colour") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."guidance" IS DISTINCT FROM (NEW."guidance") OR OLD."label" IS DISTINCT FROM (NEW."label") OR OLD."position" IS DISTINCT FROM (NEW."position") OR OLD."stale_after_days" IS DISTINCT FROM (NEW."stale_after_days"))', func='INSERT INTO "lead_statuses_history" ("category", "code", "colour", "created_at", "guidance", "label", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "stale_after_days", "updated_at") VALUES (OLD."category", OLD."code", OLD."colour", OLD."created_at", OLD."guidance", OLD."label", _pgh_attach_context(), NOW(), \'update\', OLD."code", OLD."position", OLD."stale_after_days", OLD."updated_at"); RETURN NULL;', hash='85464bbb7cce0830d4e4b52e0620ab369b09bddb', operation='UPDATE', pgid='pgtrigger_update_update_099db', table='lead_statuses', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadstatus',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "lead_statuses_history" ("category", "code", "colour", "created_at", "guidance", "label", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "stale_after_days", "updated_at") VALUES (OLD."category", OLD."code", OLD."colour", OLD."created_at", OLD."guidance", OLD."label", _pgh_attach_context(), NOW(), \'delete\', OLD."code", OLD."position", OLD."stale_after_days", OLD."updated_at"); RETURN NULL;', hash='9f110e7c02d4b90800901db4e8fc295450addfc6', operation='DELETE', pgid='pgtrigger_delete_delete_ac661', table='lead_statuses', when='AFTER')),
        ),
        migrations.AddField(
            model_name='leadstatusevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='leadstatusevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.leadstatus'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(('rung__in', ['STAGES', 'SCORECARD'])), name='prediction_models_rung_valid', violation_error_message='The rung must be one of: STAGES, SCORECARD.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(('verdict', ''), _negated=True), name='prediction_models_verdict_not_blank', violation_error_message='The verdict must not be empty.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('card'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='prediction_models_card_object', violation_error_message='The card must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('evaluation'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='prediction_models_evaluation_object', violation_error_message='The evaluation must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('refused'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='prediction_models_refused_object', violation_error_message='The refused must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(('won__lte', models.F('leads'))), name='prediction_models_won_of_leads', violation_error_message='No more leads were won than ended.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.UniqueConstraint(models.F('is_active'), condition=models.Q(('is_active', True)), name='prediction_models_one_active', violation_error_message='Another model is in use.'),
        ),
        migrations.AddConstraint(
            model_name='predictionmodel',
            constraint=models.CheckConstraint(condition=models.Q(('is_active', False), ('activated_at__isnull', False), _connector='OR'), name='prediction_models_active_since', violation_error_message='A model in use says since when.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='predictionmodel',
            trigger=pgtrigger.compiler.Trigger(name='kept_to_the_letter', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."card" IS DISTINCT FROM (NEW."card") OR OLD."evaluation" IS DISTINCT FROM (NEW."evaluation") OR OLD."leads" IS DISTINCT FROM (NEW."leads") OR OLD."refused" IS DISTINCT FROM (NEW."refused") OR OLD."rung" IS DISTINCT FROM (NEW."rung") OR OLD."verdict" IS DISTINCT FROM (NEW."verdict") OR OLD."version" IS DISTINCT FROM (NEW."version") OR OLD."won" IS DISTINCT FROM (NEW."won"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e03c8efdeaf0edc8ee7a6446d40df8dc5fa54061', operation='UPDATE', pgid='pgtrigger_kept_to_the_letter_abb1d', table='prediction_models', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='predictionmodel',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='a769d1d781912334fa821c7fb4d574046aa8d586', operation='DELETE', pgid='pgtrigger_no_delete_cbcce', table='prediction_models', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='predictionmodel',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."activated_at" IS DISTINCT FROM (NEW."activated_at") OR OLD."card" IS DISTINCT FROM (NEW."card") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."evaluation" IS DISTINCT FROM (NEW."evaluation") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."leads" IS DISTINCT FROM (NEW."leads") OR OLD."refused" IS DISTINCT FROM (NEW."refused") OR OLD."rung" IS DISTINCT FROM (NEW."rung") OR OLD."verdict" IS DISTINCT FROM (NEW."verdict") OR OLD."version" IS DISTINCT FROM (NEW."version") OR OLD."won" IS DISTINCT FROM (NEW."won"))', func='INSERT INTO "prediction_models_history" ("activated_at", "card", "created_at", "deleted_at", "evaluation", "id", "is_active", "leads", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "refused", "rung", "updated_at", "verdict", "version", "won") VALUES (OLD."activated_at", OLD."card", OLD."created_at", OLD."deleted_at", OLD."evaluation", OLD."id", OLD."is_active", OLD."leads", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."refused", OLD."rung", OLD."updated_at", OLD."verdict", OLD."version", OLD."won"); RETURN NULL;', hash='c4da23c3a7c288dbf3d0ad76f4551e7049ed8cdc', operation='UPDATE', pgid='pgtrigger_update_update_ac689', table='prediction_models', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='predictionmodel',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "prediction_models_history" ("activated_at", "card", "created_at", "deleted_at", "evaluation", "id", "is_active", "leads", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "refused", "rung", "updated_at", "verdict", "version", "won") VALUES (OLD."activated_at", OLD."card", OLD."created_at", OLD."deleted_at", OLD."evaluation", OLD."id", OLD."is_active", OLD."leads", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."refused", OLD."rung", OLD."updated_at", OLD."verdict", OLD."version", OLD."won"); RETURN NULL;', hash='4e511b9e3514361c589e1b55488fd148ab07c98f', operation='DELETE', pgid='pgtrigger_delete_delete_6781f', table='prediction_models', when='AFTER')),
        ),
        migrations.AddField(
            model_name='predictionmodelevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='predictionmodelevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.predictionmodel'),
        ),
        migrations.AddField(
            model_name='scoringpolicy',
            name='activated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='scoringpolicyevent',
            name='activated_by',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='scoringpolicyevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='scoringpolicyevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.scoringpolicy'),
        ),
        migrations.AddField(
            model_name='task',
            name='assignee',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tasks', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='task',
            name='client',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tasks', to='crm.client'),
        ),
        migrations.AddField(
            model_name='task',
            name='lead',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tasks', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='task',
            name='project',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tasks', to='crm.project'),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='assignee',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='client',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client'),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='lead',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='leads.task'),
        ),
        migrations.AddField(
            model_name='taskevent',
            name='project',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.project'),
        ),
        migrations.AddField(
            model_name='tierchange',
            name='lead',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tier_changes', to='leads.lead'),
        ),
        migrations.AddConstraint(
            model_name='leadsnapshot',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('features'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='lead_snapshots_features_object', violation_error_message='The features must be a JSON object.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadsnapshot',
            trigger=pgtrigger.compiler.Trigger(name='never_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e2e17651f8f1b968cc93d517835490ad3e1eb972', operation='UPDATE', pgid='pgtrigger_never_changes_2bb2a', table='lead_snapshots', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='contactlead',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['primary', 'decision_maker', 'influencer', 'technical', 'financial', 'end_user', 'other'])), name='contact_leads_role_valid', violation_error_message='The role must be one of: primary, decision_maker, influencer, technical, financial, end_user, other.'),
        ),
        migrations.AddConstraint(
            model_name='contactlead',
            constraint=models.UniqueConstraint(models.F('contact'), models.F('lead'), condition=models.Q(('deleted_at__isnull', True)), name='contact_leads_once', violation_error_message='This contact is already a stakeholder of this lead.'),
        ),
        migrations.AddConstraint(
            model_name='contactlead',
            constraint=models.UniqueConstraint(models.F('lead'), condition=models.Q(('deleted_at__isnull', True), ('is_primary', True)), name='contact_leads_one_primary', violation_error_message='This lead already has a primary contact.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contactlead',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."contact_id" IS DISTINCT FROM (NEW."contact_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_primary" IS DISTINCT FROM (NEW."is_primary") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."role" IS DISTINCT FROM (NEW."role"))', func='INSERT INTO "contact_leads_history" ("contact_id", "created_at", "deleted_at", "id", "is_primary", "lead_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "updated_at") VALUES (OLD."contact_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_primary", OLD."lead_id", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."role", OLD."updated_at"); RETURN NULL;', hash='ee86435a04db5c5ead645fdbbf748e31fd82e84c', operation='UPDATE', pgid='pgtrigger_update_update_b7527', table='contact_leads', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contactlead',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "contact_leads_history" ("contact_id", "created_at", "deleted_at", "id", "is_primary", "lead_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "updated_at") VALUES (OLD."contact_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_primary", OLD."lead_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."role", OLD."updated_at"); RETURN NULL;', hash='af097f47a25bbdc10c3e7c591d7b0a3317e6fa04', operation='DELETE', pgid='pgtrigger_delete_delete_88e2d', table='contact_leads', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='leadstagehistory',
            index=models.Index(models.F('lead'), models.OrderBy(models.F('at'), descending=True), name='lead_stage_history_by_lead'),
        ),
        migrations.AddIndex(
            model_name='leadstagehistory',
            index=models.Index(fields=['from_status'], name='lead_stage_history_from'),
        ),
        migrations.AddIndex(
            model_name='leadstagehistory',
            index=models.Index(fields=['to_status'], name='lead_stage_history_to'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadstagehistory',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."at" IS DISTINCT FROM (NEW."at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."from_status_id" IS DISTINCT FROM (NEW."from_status_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."to_status_id" IS DISTINCT FROM (NEW."to_status_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='5b7fd440872682eecabb5fac04401aecf8f631a3', operation='UPDATE', pgid='pgtrigger_append_only_52dfe', table='lead_stage_history', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='leadstagehistory',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot truncate table %', TG_TABLE_NAME;", hash='cf46ae9b23f1591480bccdbbc0fdd40109ce1879', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_f3b32', table='lead_stage_history', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(django.db.models.functions.text.Lower('company_website'), condition=models.Q(('deleted_at__isnull', True), models.Q(('company_website', ''), _negated=True)), name='leads_by_website'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(models.Case(models.When(priority_tier='hot', then=models.Value(4)), models.When(priority_tier='warm', then=models.Value(3)), models.When(priority_tier='cold', then=models.Value(2)), models.When(priority_tier='dormant', then=models.Value(1)), default=models.Value(0), output_field=models.SmallIntegerField()), descending=True), models.OrderBy(django.db.models.functions.comparison.Coalesce('overall_score', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_priority'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(models.Case(models.When(priority_tier='hot', then=models.Value(4)), models.When(priority_tier='warm', then=models.Value(3)), models.When(priority_tier='cold', then=models.Value(2)), models.When(priority_tier='dormant', then=models.Value(1)), default=models.Value(0), output_field=models.SmallIntegerField()), descending=True), models.OrderBy(django.db.models.functions.comparison.Coalesce('overall_score', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('closed_at__isnull', True), ('deleted_at__isnull', True)), include=('priority_tier',), name='leads_open_priority'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.F('status'), models.OrderBy(models.Case(models.When(priority_tier='hot', then=models.Value(4)), models.When(priority_tier='warm', then=models.Value(3)), models.When(priority_tier='cold', then=models.Value(2)), models.When(priority_tier='dormant', then=models.Value(1)), default=models.Value(0), output_field=models.SmallIntegerField()), descending=True), models.OrderBy(django.db.models.functions.comparison.Coalesce('overall_score', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_status'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.F('assigned_to'), models.OrderBy(models.Case(models.When(priority_tier='hot', then=models.Value(4)), models.When(priority_tier='warm', then=models.Value(3)), models.When(priority_tier='cold', then=models.Value(2)), models.When(priority_tier='dormant', then=models.Value(1)), default=models.Value(0), output_field=models.SmallIntegerField()), descending=True), models.OrderBy(django.db.models.functions.comparison.Coalesce('overall_score', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_assigned_to'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.F('insurance_type'), models.OrderBy(models.Case(models.When(priority_tier='hot', then=models.Value(4)), models.When(priority_tier='warm', then=models.Value(3)), models.When(priority_tier='cold', then=models.Value(2)), models.When(priority_tier='dormant', then=models.Value(1)), default=models.Value(0), output_field=models.SmallIntegerField()), descending=True), models.OrderBy(django.db.models.functions.comparison.Coalesce('overall_score', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_line'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.F('status'), models.F('rank'), models.F('id'), condition=models.Q(('closed_at__isnull', True), ('deleted_at__isnull', True)), name='leads_board'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(condition=models.Q(('closed_at__isnull', True), ('deleted_at__isnull', True)), fields=['status'], include=('assigned_to', 'estimated_value', 'predicted_close_probability'), name='leads_pipeline'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.F('awaiting_reply'), models.F('last_contact_at'), condition=models.Q(('deleted_at__isnull', True), ('awaiting_reply', True)), name='leads_awaiting'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(models.F('next_look_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('closed_at__isnull', True), ('deleted_at__isnull', True)), name='leads_to_look_at'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('last_contact_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_last_heard'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('estimated_value', models.Value(-1), output_field=models.DecimalField()), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='leads_value'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(models.F('closed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('closed_at__isnull', False)), name='leads_closed'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(models.OrderBy(models.F('deleted_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), _negated=True), name='leads_deleted'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=django.contrib.postgres.indexes.GinIndex(models.F('tags'), condition=models.Q(('deleted_at__isnull', True)), name='leads_tags'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('custom_fields', name='jsonb_path_ops'), condition=models.Q(('deleted_at__isnull', True)), name='leads_custom_fields'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('auto_data', name='jsonb_path_ops'), condition=models.Q(('deleted_at__isnull', True)), name='leads_auto_data'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('home_data', name='jsonb_path_ops'), condition=models.Q(('deleted_at__isnull', True)), name='leads_home_data'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(django.db.models.functions.text.Upper(django.db.models.fields.json.KeyTextTransform('vin', 'auto_data')), condition=models.Q(('deleted_at__isnull', True)), name='leads_vin'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('search_text', name='gin_trgm_ops'), condition=models.Q(('deleted_at__isnull', True)), name='leads_search'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('contact_name', ''), _negated=True), name='leads_contact_name_not_blank', violation_error_message='The contact name must not be empty.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('client_type__in', ['Individual', 'Business'])), name='leads_client_type_valid', violation_error_message='The client type must be one of: Individual, Business.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('source_type__in', ['REFERRAL', 'WEBSITE', 'EVENT', 'IMPORT', 'EMAIL', 'OTHER'])), name='leads_source_type_valid', violation_error_message='The source type must be one of: REFERRAL, WEBSITE, EVENT, IMPORT, EMAIL, OTHER.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('priority_tier__in', ['hot', 'warm', 'cold', 'dormant']), ('priority_tier__isnull', True), _connector='OR'), name='leads_priority_tier_valid', violation_error_message='The priority tier must be one of: hot, warm, cold, dormant.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('tier_override__in', ['hot', 'warm', 'cold', 'dormant']), ('tier_override__isnull', True), _connector='OR'), name='leads_tier_override_valid', violation_error_message='The tier override must be one of: hot, warm, cold, dormant.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('tier_override__isnull', True), ('priority_tier', models.F('tier_override')), _connector='OR'), name='leads_override_is_tier', violation_error_message="A tier that a person has set is the lead's tier."),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('loss_reason__in', ['', 'BUDGET', 'TIMING', 'COMPETITOR', 'FIT', 'GHOSTED', 'OTHER'])), name='leads_loss_reason_valid', violation_error_message='The loss reason must be one of: BUDGET, TIMING, COMPETITOR, FIT, GHOSTED, OTHER.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('overall_score__gte', 0), ('overall_score__lte', 1)), ('overall_score__isnull', True), _connector='OR'), name='leads_overall_score_range', violation_error_message='The overall score must lie between 0 and 1.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('predicted_close_probability__gte', 0), ('predicted_close_probability__lte', 1)), ('predicted_close_probability__isnull', True), _connector='OR'), name='leads_predicted_close_probability_range', violation_error_message='The predicted close probability must lie between 0 and 1.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('estimated_value__isnull', True), ('estimated_value__gte', 0), _connector='OR'), name='leads_value_not_negative', violation_error_message='The value must not be negative.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('converted_at__isnull', True), ('converted_to_client__isnull', True)), models.Q(('converted_at__isnull', False), ('converted_to_client__isnull', False)), _connector='OR'), name='leads_converted_together', violation_error_message='The date of conversion and the client are set together or not at all.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('signals'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='leads_signals_array', violation_error_message='The signals must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Func(models.F('signals'), output_field=models.BooleanField(), template='jsonb_path_exists(%(expressions)s, \'$[*] ? ((@.type() <> "object") || (!exists(@.type ? (@.type() == "string" && @ <> ""))) || (!exists(@.timestamp ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"))) || (!exists(@.weight ? (@.type() == "number" && @ >= -1 && @ <= 1))))\'::jsonpath)'), _negated=True), models.Q(models.Func(models.F('signals'), output_field=models.BooleanField(), template='jsonb_path_exists(%(expressions)s, \'strict $[*] ? (@.type() <> "object")\'::jsonpath)'), _negated=True)), name='leads_signals_well_formed', violation_error_message='A signal has a type, an ISO timestamp and a weight from -1 to 1.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('auto_data'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='leads_auto_data_object', violation_error_message='The auto data must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('home_data'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='leads_home_data_object', violation_error_message='The home data must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('line_data'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='leads_line_data_object', violation_error_message='The line data must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('additional_insureds'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='leads_additional_insureds_array', violation_error_message='The additional insureds must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('communications'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='leads_communications_object', violation_error_message='The communications must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('custom_fields'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='leads_custom_fields_object', violation_error_message='The custom fields must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(('tags__contains', ['']), _negated=True), name='leads_tags_not_empty', violation_error_message='A tag must not be empty.'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('contact_email'), condition=models.Q(('closed_at__isnull', True), ('deleted_at__isnull', True), models.Q(('contact_email', ''), _negated=True)), name='leads_email_unique', violation_error_message='Another open lead already has this address.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lead',
            trigger=pgtrigger.compiler.Trigger(name='closed_follows_stage', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    SELECT CASE WHEN category IN ('open', 'paused') THEN NULL ELSE COALESCE(NEW.closed_at, now()) END\n      INTO NEW.closed_at FROM lead_statuses WHERE code = NEW.status_id;\n    RETURN NEW;\n", hash='28dc46e7e3a70fdcdc2dd9c9eb3f1c105e75ba85', operation='INSERT OR UPDATE OF "status_id"', pgid='pgtrigger_closed_follows_stage_21862', table='leads', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lead',
            trigger=pgtrigger.compiler.Trigger(name='signals_have_moments', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.signals <> '[]' AND jsonb_typeof(NEW.signals) = 'array')", func="\n    PERFORM (signal ->> 'timestamp')::timestamptz FROM jsonb_array_elements(NEW.signals) AS signal;\n    RETURN NEW;\nEXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN\n    RAISE check_violation USING CONSTRAINT = 'leads_signals_well_formed', TABLE = 'leads',\n        MESSAGE = 'A signal names a moment that no calendar has.';\n", hash='74d516040780c96070f11e30addb635718ebb216', operation='INSERT OR UPDATE OF "signals"', pgid='pgtrigger_signals_have_moments_1af12', table='leads', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lead',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."additional_insureds" IS DISTINCT FROM (NEW."additional_insureds") OR OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."auto_data" IS DISTINCT FROM (NEW."auto_data") OR OLD."client_type" IS DISTINCT FROM (NEW."client_type") OR OLD."closed_at" IS DISTINCT FROM (NEW."closed_at") OR OLD."communications" IS DISTINCT FROM (NEW."communications") OR OLD."company_name" IS DISTINCT FROM (NEW."company_name") OR OLD."company_website" IS DISTINCT FROM (NEW."company_website") OR OLD."contact_email" IS DISTINCT FROM (NEW."contact_email") OR OLD."contact_name" IS DISTINCT FROM (NEW."contact_name") OR OLD."contact_phone" IS DISTINCT FROM (NEW."contact_phone") OR OLD."converted_at" IS DISTINCT FROM (NEW."converted_at") OR OLD."converted_to_client_id" IS DISTINCT FROM (NEW."converted_to_client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."custom_fields" IS DISTINCT FROM (NEW."custom_fields") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."estimated_value" IS DISTINCT FROM (NEW."estimated_value") OR OLD."expected_close_date" IS DISTINCT FROM (NEW."expected_close_date") OR OLD."home_data" IS DISTINCT FROM (NEW."home_data") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."insurance_type_id" IS DISTINCT FROM (NEW."insurance_type_id") OR OLD."line_data" IS DISTINCT FROM (NEW."line_data") OR OLD."loss_notes" IS DISTINCT FROM (NEW."loss_notes") OR OLD."loss_reason" IS DISTINCT FROM (NEW."loss_reason") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."source_detail" IS DISTINCT FROM (NEW."source_detail") OR OLD."source_type" IS DISTINCT FROM (NEW."source_type") OR OLD."status_id" IS DISTINCT FROM (NEW."status_id") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."tier_override" IS DISTINCT FROM (NEW."tier_override"))', func='INSERT INTO "leads_history" ("additional_insureds", "assigned_to_id", "auto_data", "client_type", "closed_at", "communications", "company_name", "company_website", "contact_email", "contact_name", "contact_phone", "converted_at", "converted_to_client_id", "created_at", "custom_fields", "deleted_at", "estimated_value", "expected_close_date", "home_data", "id", "insurance_type_id", "line_data", "loss_notes", "loss_reason", "notes", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "source_detail", "source_type", "status_id", "tags", "tier_override", "updated_at") VALUES (OLD."additional_insureds", OLD."assigned_to_id", OLD."auto_data", OLD."client_type", OLD."closed_at", OLD."communications", OLD."company_name", OLD."company_website", OLD."contact_email", OLD."contact_name", OLD."contact_phone", OLD."converted_at", OLD."converted_to_client_id", OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."estimated_value", OLD."expected_close_date", OLD."home_data", OLD."id", OLD."insurance_type_id", OLD."line_data", OLD."loss_notes", OLD."loss_reason", OLD."notes", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."source_detail", OLD."source_type", OLD."status_id", OLD."tags", OLD."tier_override", OLD."updated_at"); RETURN NULL;', hash='92ff601cb136f1461d164b8ec4da66c642f83c4f', operation='UPDATE', pgid='pgtrigger_update_update_17f2d', table='leads', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lead',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "leads_history" ("additional_insureds", "assigned_to_id", "auto_data", "client_type", "closed_at", "communications", "company_name", "company_website", "contact_email", "contact_name", "contact_phone", "converted_at", "converted_to_client_id", "created_at", "custom_fields", "deleted_at", "estimated_value", "expected_close_date", "home_data", "id", "insurance_type_id", "line_data", "loss_notes", "loss_reason", "notes", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "source_detail", "source_type", "status_id", "tags", "tier_override", "updated_at") VALUES (OLD."additional_insureds", OLD."assigned_to_id", OLD."auto_data", OLD."client_type", OLD."closed_at", OLD."communications", OLD."company_name", OLD."company_website", OLD."contact_email", OLD."contact_name", OLD."contact_phone", OLD."converted_at", OLD."converted_to_client_id", OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."estimated_value", OLD."expected_close_date", OLD."home_data", OLD."id", OLD."insurance_type_id", OLD."line_data", OLD."loss_notes", OLD."loss_reason", OLD."notes", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."source_detail", OLD."source_type", OLD."status_id", OLD."tags", OLD."tier_override", OLD."updated_at"); RETURN NULL;', hash='0c4faf742e55413c8b9aead8fe3d78ed577a35b8', operation='DELETE', pgid='pgtrigger_delete_delete_9ddd5', table='leads', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('note', ''), _negated=True), name='scoring_policies_note_not_blank', violation_error_message='The note must not be empty.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('weights'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='scoring_policies_weights_object', violation_error_message='The weights must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(models.Func(models.F('weights'), output_field=models.BooleanField(), template='jsonb_path_exists(%(expressions)s, \'$.* ? ((@.type() <> "object") || (!exists(@.weight ? (@.type() == "number" && @ >= -1 && @ <= 1))) || (!exists(@.half_life_days ? (@.type() == "number" && @ > 0 && @ <= 3650))))\'::jsonpath)'), _negated=True), name='scoring_policies_weights_well_formed', violation_error_message='Each weight is from -1 to 1, and its half-life from above 0 to 3,650 days.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('half_life_days__gte', Decimal('0.1')), ('half_life_days__lte', 3650)), ('half_life_days__isnull', True), _connector='OR'), name='scoring_policies_half_life_days_range', violation_error_message='The half life days must lie between 0.1 and 3650.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('hot_from__lte', 1), ('warm_from__gt', 0), ('warm_from__lt', models.F('hot_from'))), name='scoring_policies_tiers_in_order', violation_error_message='Warm begins above 0 and below hot, and hot at 1 at most.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('dormant_after_days__gte', 1), ('dormant_after_days__lte', 3650)), ('dormant_after_days__isnull', True), _connector='OR'), name='scoring_policies_dormant_after_days_range', violation_error_message='The dormant after days must lie between 1 and 3650.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.UniqueConstraint(models.F('is_active'), condition=models.Q(('is_active', True)), name='scoring_policies_one_active', violation_error_message='Another policy is in use.'),
        ),
        migrations.AddConstraint(
            model_name='scoringpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('is_active', False), ('activated_at__isnull', False), _connector='OR'), name='scoring_policies_active_since', violation_error_message='A policy in use says since when.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='scoringpolicy',
            trigger=pgtrigger.compiler.Trigger(name='kept_to_the_letter', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."dormant_after_days" IS DISTINCT FROM (NEW."dormant_after_days") OR OLD."half_life_days" IS DISTINCT FROM (NEW."half_life_days") OR OLD."hot_from" IS DISTINCT FROM (NEW."hot_from") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."version" IS DISTINCT FROM (NEW."version") OR OLD."warm_from" IS DISTINCT FROM (NEW."warm_from") OR OLD."weights" IS DISTINCT FROM (NEW."weights"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='2c6cf0ef9512049e2103ba6c92eabb2b1d5be05a', operation='UPDATE', pgid='pgtrigger_kept_to_the_letter_f0be8', table='scoring_policies', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='scoringpolicy',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='28ec99880a2537ea19035fa03181becbc1de108d', operation='DELETE', pgid='pgtrigger_no_delete_2466e', table='scoring_policies', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='scoringpolicy',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."activated_at" IS DISTINCT FROM (NEW."activated_at") OR OLD."activated_by_id" IS DISTINCT FROM (NEW."activated_by_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."dormant_after_days" IS DISTINCT FROM (NEW."dormant_after_days") OR OLD."half_life_days" IS DISTINCT FROM (NEW."half_life_days") OR OLD."hot_from" IS DISTINCT FROM (NEW."hot_from") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."version" IS DISTINCT FROM (NEW."version") OR OLD."warm_from" IS DISTINCT FROM (NEW."warm_from") OR OLD."weights" IS DISTINCT FROM (NEW."weights"))', func='INSERT INTO "scoring_policies_history" ("activated_at", "activated_by_id", "created_at", "deleted_at", "dormant_after_days", "half_life_days", "hot_from", "id", "is_active", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "updated_at", "version", "warm_from", "weights") VALUES (OLD."activated_at", OLD."activated_by_id", OLD."created_at", OLD."deleted_at", OLD."dormant_after_days", OLD."half_life_days", OLD."hot_from", OLD."id", OLD."is_active", OLD."note", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."updated_at", OLD."version", OLD."warm_from", OLD."weights"); RETURN NULL;', hash='80b130e35ed98b5f8d6ed5ef027e400f2bea120a', operation='UPDATE', pgid='pgtrigger_update_update_60c9e', table='scoring_policies', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='scoringpolicy',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "scoring_policies_history" ("activated_at", "activated_by_id", "created_at", "deleted_at", "dormant_after_days", "half_life_days", "hot_from", "id", "is_active", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "updated_at", "version", "warm_from", "weights") VALUES (OLD."activated_at", OLD."activated_by_id", OLD."created_at", OLD."deleted_at", OLD."dormant_after_days", OLD."half_life_days", OLD."hot_from", OLD."id", OLD."is_active", OLD."note", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."updated_at", OLD."version", OLD."warm_from", OLD."weights"); RETURN NULL;', hash='ff9998ab849738c610c53de5c15acd85a0a662f0', operation='DELETE', pgid='pgtrigger_delete_delete_e1ef5', table='scoring_policies', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('due_on'), models.F('id'), condition=models.Q(('deleted_at__isnull', True), ('status__in', ('ON_DECK', 'IN_PROGRESS', 'BLOCKED'))), name='tasks_unfinished_by_due'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(models.F('status'), models.F('id'), condition=models.Q(('deleted_at__isnull', True)), name='tasks_by_status'),
        ),
        migrations.AddConstraint(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['ON_DECK', 'IN_PROGRESS', 'BLOCKED', 'DONE', 'ARCHIVED'])), name='tasks_status_valid', violation_error_message='The status must be one of: ON_DECK, IN_PROGRESS, BLOCKED, DONE, ARCHIVED.'),
        ),
        migrations.AddConstraint(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('title', ''), _negated=True), name='tasks_title_not_blank', violation_error_message='The title must not be empty.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='task',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."assignee_id" IS DISTINCT FROM (NEW."assignee_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."due_on" IS DISTINCT FROM (NEW."due_on") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."title" IS DISTINCT FROM (NEW."title"))', func='INSERT INTO "tasks_history" ("assignee_id", "client_id", "created_at", "deleted_at", "description", "due_on", "id", "lead_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "status", "title", "updated_at") VALUES (OLD."assignee_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."description", OLD."due_on", OLD."id", OLD."lead_id", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."project_id", OLD."status", OLD."title", OLD."updated_at"); RETURN NULL;', hash='e3935f1c07053308d9c98187db331f868ae577a9', operation='UPDATE', pgid='pgtrigger_update_update_ad7ac', table='tasks', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='task',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "tasks_history" ("assignee_id", "client_id", "created_at", "deleted_at", "description", "due_on", "id", "lead_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "status", "title", "updated_at") VALUES (OLD."assignee_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."description", OLD."due_on", OLD."id", OLD."lead_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."project_id", OLD."status", OLD."title", OLD."updated_at"); RETURN NULL;', hash='5c729c958b6e94825684be3e64894a08c8a88c46', operation='DELETE', pgid='pgtrigger_delete_delete_e4ed1', table='tasks', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='tierchange',
            index=models.Index(models.F('lead'), models.OrderBy(models.F('at'), descending=True), name='tier_changes_of_lead'),
        ),
        migrations.AddIndex(
            model_name='tierchange',
            index=models.Index(models.F('at'), name='tier_changes_at'),
        ),
        migrations.AddConstraint(
            model_name='tierchange',
            constraint=models.CheckConstraint(condition=models.Q(('was__in', ['hot', 'warm', 'cold', 'dormant']), ('was__isnull', True), _connector='OR'), name='tier_changes_was_valid', violation_error_message='The was must be one of: hot, warm, cold, dormant.'),
        ),
        migrations.AddConstraint(
            model_name='tierchange',
            constraint=models.CheckConstraint(condition=models.Q(('now__in', ['hot', 'warm', 'cold', 'dormant']), ('now__isnull', True), _connector='OR'), name='tier_changes_now_valid', violation_error_message='The now must be one of: hot, warm, cold, dormant.'),
        ),
        migrations.AddConstraint(
            model_name='tierchange',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('score__gte', 0), ('score__lte', 1)), ('score__isnull', True), _connector='OR'), name='tier_changes_score_range', violation_error_message='The score must lie between 0 and 1.'),
        ),
    ]
