import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
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
from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        TrigramExtension(),
        UnaccentExtension(),
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'db_table': 'users',
                'abstract': False,
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=80)),
                ('table', models.CharField(max_length=60)),
                ('shared', models.BooleanField(db_default=False, default=False)),
                ('query', models.TextField(blank=True, db_default='', default='')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='saved_views', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'saved_views',
                'permissions': [('share_savedview', 'Can share a saved view with everyone')],
                'abstract': False,
                'base_manager_name': 'everything',
                'constraints': [models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='saved_views_name_not_blank', violation_error_message='The name must not be empty.'), models.UniqueConstraint(models.F('owner'), models.F('table'), models.F('name'), condition=models.Q(('deleted_at__isnull', True)), name='saved_views_name_once', violation_error_message='You already have a view with this name.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ActivityLog',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('actor_type', models.CharField(choices=[('user', 'User'), ('system', 'System'), ('ai', 'AI'), ('external', 'External')], max_length=10)),
                ('verb', models.CharField(max_length=60)),
                ('summary', models.TextField(blank=True, db_default='', default='')),
                ('target_type', models.CharField(max_length=60)),
                ('target_id', models.UUIDField()),
                ('about_type', models.CharField(max_length=60)),
                ('about_id', models.UUIDField()),
                ('metadata', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('actor', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'activity',
                'verbose_name_plural': 'activity',
                'db_table': 'activity_logs',
                'default_permissions': ('view',),
                'indexes': [models.Index(models.F('about_type'), models.F('about_id'), models.OrderBy(models.F('occurred_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='activity_logs_about'), models.Index(models.F('target_type'), models.F('target_id'), models.OrderBy(models.F('occurred_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='activity_logs_target')],
                'constraints': [models.CheckConstraint(condition=models.Q(('actor_type__in', ['user', 'system', 'ai', 'external'])), name='activity_logs_actor_type_valid', violation_error_message='The actor type must be one of: user, system, ai, external.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('metadata'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='activity_logs_metadata_object', violation_error_message='The metadata must be a JSON object.')],
            },
        ),
        migrations.CreateModel(
            name='Client',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('client_type', models.CharField(choices=[('Individual', 'Individual'), ('Business', 'Business')], db_default='Individual', default='Individual', max_length=20)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(blank=True, db_default='', default='', max_length=254)),
                ('phone', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('address', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('notes', models.TextField(blank=True, db_default='', default='')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('search_text', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce('name', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('email', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('phone', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce(models.Func(models.F('phone'), models.Value('\\D'), models.Value(''), models.Value('g'), function='regexp_replace', output_field=models.TextField()), models.Value(''), output_field=models.TextField()), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
                ('assigned_to', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='clients', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'db_table': 'clients',
                'permissions': [('see_everyone', 'Can see the records of every owner'), ('reassign_client', 'Can reassign a client to another owner'), ('restore_client', 'Can restore a deleted client'), ('purge_client', 'Can permanently delete a client')],
                'abstract': False,
                'base_manager_name': 'everything',
                'indexes': [models.Index(django.db.models.functions.text.Lower('email'), condition=models.Q(('deleted_at__isnull', True)), name='clients_email'), models.Index(models.F('name'), models.F('id'), condition=models.Q(('deleted_at__isnull', True)), name='clients_by_name'), django.contrib.postgres.indexes.GinIndex(models.F('tags'), condition=models.Q(('deleted_at__isnull', True)), name='clients_tags'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('custom_fields', name='jsonb_path_ops'), condition=models.Q(('deleted_at__isnull', True)), name='clients_custom_fields'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('search_text', name='gin_trgm_ops'), condition=models.Q(('deleted_at__isnull', True)), name='clients_search')],
                'constraints': [models.CheckConstraint(condition=models.Q(('client_type__in', ['Individual', 'Business'])), name='clients_client_type_valid', violation_error_message='The client type must be one of: Individual, Business.'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='clients_name_not_blank', violation_error_message='The name must not be empty.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('address'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='clients_address_object', violation_error_message='The address must be a JSON object.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('custom_fields'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='clients_custom_fields_object', violation_error_message='The custom fields must be a JSON object.'), models.CheckConstraint(condition=models.Q(('tags__contains', ['']), _negated=True), name='clients_tags_not_empty', violation_error_message='A tag must not be empty.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=200)),
                ('status', models.CharField(choices=[('ONBOARDING', 'Onboarding'), ('ACTIVE', 'Active'), ('ON_HOLD', 'On hold'), ('COMPLETED', 'Completed')], db_default='ONBOARDING', default='ONBOARDING', max_length=20)),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='projects', to='crm.client')),
            ],
            options={
                'db_table': 'projects',
                'permissions': [('restore_project', 'Can restore a deleted project'), ('purge_project', 'Can permanently delete a project')],
                'abstract': False,
                'base_manager_name': 'everything',
                'indexes': [models.Index(models.F('status'), models.F('id'), condition=models.Q(('deleted_at__isnull', True)), name='projects_by_status')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['ONBOARDING', 'ACTIVE', 'ON_HOLD', 'COMPLETED'])), name='projects_status_valid', violation_error_message='The status must be one of: ONBOARDING, ACTIVE, ON_HOLD, COMPLETED.'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='projects_name_not_blank', violation_error_message='The name must not be empty.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ProjectEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=200)),
                ('status', models.CharField(choices=[('ONBOARDING', 'Onboarding'), ('ACTIVE', 'Active'), ('ON_HOLD', 'On hold'), ('COMPLETED', 'Completed')], db_default='ONBOARDING', default='ONBOARDING', max_length=20)),
                ('client', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='crm.project')),
            ],
            options={
                'db_table': 'projects_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ClientEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('client_type', models.CharField(choices=[('Individual', 'Individual'), ('Business', 'Business')], db_default='Individual', default='Individual', max_length=20)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(blank=True, db_default='', default='', max_length=254)),
                ('phone', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('address', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('notes', models.TextField(blank=True, db_default='', default='')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('assigned_to', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='crm.client')),
            ],
            options={
                'db_table': 'clients_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(blank=True, db_default='', default='', max_length=254)),
                ('phone', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('title', models.CharField(blank=True, db_default='', default='', max_length=120)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('search_text', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce('name', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('email', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('phone', models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce(models.Func(models.F('phone'), models.Value('\\D'), models.Value(''), models.Value('g'), function='regexp_replace', output_field=models.TextField()), models.Value(''), output_field=models.TextField()), models.Value(' '), django.db.models.functions.comparison.Coalesce('title', models.Value(''), output_field=models.TextField()), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
            ],
            options={
                'db_table': 'contacts',
                'permissions': [('restore_contact', 'Can restore a deleted contact'), ('purge_contact', 'Can permanently delete a contact')],
                'abstract': False,
                'base_manager_name': 'everything',
                'indexes': [models.Index(models.F('name'), models.F('id'), condition=models.Q(('deleted_at__isnull', True)), name='contacts_by_name'), django.contrib.postgres.indexes.GinIndex(models.F('tags'), condition=models.Q(('deleted_at__isnull', True)), name='contacts_tags'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('custom_fields', name='jsonb_path_ops'), condition=models.Q(('deleted_at__isnull', True)), name='contacts_custom_fields'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('search_text', name='gin_trgm_ops'), condition=models.Q(('deleted_at__isnull', True)), name='contacts_search')],
                'constraints': [models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='contacts_name_not_blank', violation_error_message='The name must not be empty.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('custom_fields'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='contacts_custom_fields_object', violation_error_message='The custom fields must be a JSON object.'), models.CheckConstraint(condition=models.Q(('tags__contains', ['']), _negated=True), name='contacts_tags_not_empty', violation_error_message='A tag must not be empty.'), models.UniqueConstraint(django.db.models.functions.text.Lower('email'), condition=models.Q(('deleted_at__isnull', True), models.Q(('email', ''), _negated=True)), name='contacts_email_unique', violation_error_message='Another contact already has this address.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ContactClient',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('role', models.CharField(choices=[('primary', 'Primary'), ('decision_maker', 'Decision maker'), ('influencer', 'Influencer'), ('technical', 'Technical'), ('financial', 'Financial'), ('end_user', 'End user'), ('other', 'Other')], db_default='other', default='other', max_length=20)),
                ('is_primary', models.BooleanField(db_default=False, default=False)),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contact_links', to='crm.client')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='client_links', to='crm.contact')),
            ],
            options={
                'db_table': 'contact_clients',
                'abstract': False,
                'base_manager_name': 'everything',
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', ['primary', 'decision_maker', 'influencer', 'technical', 'financial', 'end_user', 'other'])), name='contact_clients_role_valid', violation_error_message='The role must be one of: primary, decision_maker, influencer, technical, financial, end_user, other.'), models.UniqueConstraint(models.F('contact'), models.F('client'), condition=models.Q(('deleted_at__isnull', True)), name='contact_clients_once', violation_error_message='This contact is already linked to this client.'), models.UniqueConstraint(models.F('client'), condition=models.Q(('deleted_at__isnull', True), ('is_primary', True)), name='contact_clients_one_primary', violation_error_message='This client already has a primary contact.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ContactClientEvent',
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
                ('client', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client')),
                ('contact', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.contact')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='crm.contactclient')),
            ],
            options={
                'db_table': 'contact_clients_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ContactEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=200)),
                ('email', models.EmailField(blank=True, db_default='', default='', max_length=254)),
                ('phone', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('title', models.CharField(blank=True, db_default='', default='', max_length=120)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)), default=list, size=None)),
                ('custom_fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='crm.contact')),
            ],
            options={
                'db_table': 'contacts_history',
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contact',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."custom_fields" IS DISTINCT FROM (NEW."custom_fields") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."phone" IS DISTINCT FROM (NEW."phone") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."title" IS DISTINCT FROM (NEW."title"))', func='INSERT INTO "contacts_history" ("created_at", "custom_fields", "deleted_at", "email", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "tags", "title", "updated_at") VALUES (OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."email", OLD."id", OLD."name", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."phone", OLD."tags", OLD."title", OLD."updated_at"); RETURN NULL;', hash='1049053f4eae8e1f36a341d7f65f54e76049b61d', operation='UPDATE', pgid='pgtrigger_update_update_eb23d', table='contacts', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contact',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "contacts_history" ("created_at", "custom_fields", "deleted_at", "email", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "tags", "title", "updated_at") VALUES (OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."email", OLD."id", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."phone", OLD."tags", OLD."title", OLD."updated_at"); RETURN NULL;', hash='4110964d4bee7d48ca97afb544d38a9046cca936', operation='DELETE', pgid='pgtrigger_delete_delete_c9be7', table='contacts', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='activitylog',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='eb5cd43c2d0023a5ed051aecd8afc4f6e1000b4b', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_7188d', table='activity_logs', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='activitylog',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot truncate table %', TG_TABLE_NAME;", hash='e3aa4975ac576e6569cba7e39cc32d503840472b', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_bd212', table='activity_logs', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='client',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."address" IS DISTINCT FROM (NEW."address") OR OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_type" IS DISTINCT FROM (NEW."client_type") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."custom_fields" IS DISTINCT FROM (NEW."custom_fields") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."phone" IS DISTINCT FROM (NEW."phone") OR OLD."tags" IS DISTINCT FROM (NEW."tags"))', func='INSERT INTO "clients_history" ("address", "assigned_to_id", "client_type", "created_at", "custom_fields", "deleted_at", "email", "id", "name", "notes", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "tags", "updated_at") VALUES (OLD."address", OLD."assigned_to_id", OLD."client_type", OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."email", OLD."id", OLD."name", OLD."notes", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."phone", OLD."tags", OLD."updated_at"); RETURN NULL;', hash='c56df5cb4e2cf78ecd65ec768e2a976fbc6aadef', operation='UPDATE', pgid='pgtrigger_update_update_3d780', table='clients', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='client',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "clients_history" ("address", "assigned_to_id", "client_type", "created_at", "custom_fields", "deleted_at", "email", "id", "name", "notes", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "tags", "updated_at") VALUES (OLD."address", OLD."assigned_to_id", OLD."client_type", OLD."created_at", OLD."custom_fields", OLD."deleted_at", OLD."email", OLD."id", OLD."name", OLD."notes", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."phone", OLD."tags", OLD."updated_at"); RETURN NULL;', hash='dce8f448037de3a575992ef30dd89a25a70afa3f', operation='DELETE', pgid='pgtrigger_delete_delete_03d6e', table='clients', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contactclient',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."contact_id" IS DISTINCT FROM (NEW."contact_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_primary" IS DISTINCT FROM (NEW."is_primary") OR OLD."role" IS DISTINCT FROM (NEW."role"))', func='INSERT INTO "contact_clients_history" ("client_id", "contact_id", "created_at", "deleted_at", "id", "is_primary", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "updated_at") VALUES (OLD."client_id", OLD."contact_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_primary", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."role", OLD."updated_at"); RETURN NULL;', hash='7cd28b3160d4b03bdd28c4dabb3dd24fad995370', operation='UPDATE', pgid='pgtrigger_update_update_693f4', table='contact_clients', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='contactclient',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "contact_clients_history" ("client_id", "contact_id", "created_at", "deleted_at", "id", "is_primary", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "updated_at") VALUES (OLD."client_id", OLD."contact_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_primary", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."role", OLD."updated_at"); RETURN NULL;', hash='d37881e164d7abea68c141504de782d18e51290b', operation='DELETE', pgid='pgtrigger_delete_delete_b07bd', table='contact_clients', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='project',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."status" IS DISTINCT FROM (NEW."status"))', func='INSERT INTO "projects_history" ("client_id", "created_at", "deleted_at", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status", "updated_at") VALUES (OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."name", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."status", OLD."updated_at"); RETURN NULL;', hash='2027eaf8cc766460afbe3cbce2ae8c809ec15975', operation='UPDATE', pgid='pgtrigger_update_update_95693', table='projects', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='project',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "projects_history" ("client_id", "created_at", "deleted_at", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status", "updated_at") VALUES (OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."status", OLD."updated_at"); RETURN NULL;', hash='ec0d96d0ba60025ff5fa95923da56ebe69473f45', operation='DELETE', pgid='pgtrigger_delete_delete_86467', table='projects', when='AFTER')),
        ),
    ]
