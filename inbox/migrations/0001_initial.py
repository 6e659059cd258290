import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.contrib.postgres.search
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

    initial = True

    dependencies = [
        ('ai_log', '0001_initial'),
        ('crm', '0001_initial'),
        ('leads', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('direction', models.CharField(choices=[('in', 'Received'), ('out', 'Sent')], max_length=3)),
                ('state', models.CharField(choices=[('RECEIVED', 'Received'), ('QUEUED', 'Queued'), ('SENDING', 'Sending'), ('SENT', 'Sent'), ('FAILED', 'Failed'), ('UNCERTAIN', 'Uncertain')], db_default='RECEIVED', default='RECEIVED', max_length=10)),
                ('message_id', models.CharField(blank=True, db_default='', default='', max_length=998, verbose_name='Message-ID')),
                ('in_reply_to', models.CharField(blank=True, db_default='', default='', max_length=998)),
                ('references', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=998), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=998), size=None)), default=list, size=None)),
                ('nature', models.CharField(choices=[('PERSON', 'From a person'), ('AUTO_REPLY', 'Automatic answer'), ('BOUNCE', 'Could not be delivered'), ('LIST', 'Mailing list'), ('SPAM', 'Spam')], db_default='PERSON', default='PERSON', max_length=10)),
                ('from_email', models.EmailField(blank=True, db_column='from', db_default='', default='', max_length=254, verbose_name='from')),
                ('from_name', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('reply_to', models.EmailField(blank=True, db_default='', default='', help_text='Where an answer goes, if elsewhere.', max_length=254)),
                ('to_emails', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), blank=True, db_column='to', db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), size=None)), default=list, size=None)),
                ('cc_emails', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), blank=True, db_column='cc', db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), size=None)), default=list, size=None)),
                ('subject', models.CharField(blank=True, db_default='', default='', max_length=998)),
                ('body_text', models.TextField(blank=True, db_default='', default='')),
                ('body_html', models.TextField(blank=True, db_default='', default='')),
                ('snippet', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('sent_at', models.DateTimeField()),
                ('is_read', models.BooleanField(db_default=False, default=False)),
                ('token', models.CharField(blank=True, db_default='', default='', editable=False, max_length=22)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('viewed_at', models.DateTimeField(blank=True, null=True, verbose_name='proposal looked at')),
                ('attachments', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('media', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('summary', models.TextField(blank=True, db_default='', default='')),
                ('error_message', models.TextField(blank=True, db_default='', default='', help_text='Why it did not go out, or why nobody knows whether it did.')),
            ],
            options={
                'db_table': 'messages',
                'permissions': [('send_message', 'Can send messages to people outside')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='EmailTemplateEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=100)),
                ('category', models.CharField(choices=[('INTRODUCTION', 'Introduction'), ('FOLLOW_UP', 'Follow-up'), ('MEETING', 'Meeting'), ('PROPOSAL', 'Proposal'), ('RENEWAL', 'Renewal'), ('SERVICE', 'Service'), ('OTHER', 'Other')], default='OTHER', max_length=12)),
                ('subject', models.CharField(max_length=200)),
                ('body', models.TextField(max_length=20000)),
                ('is_active', models.BooleanField(db_default=True, default=True, verbose_name='in use')),
            ],
            options={
                'db_table': 'email_templates_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='FolderMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folder', models.CharField(max_length=200)),
                ('uidvalidity', models.BigIntegerField()),
                ('uid', models.BigIntegerField()),
            ],
            options={
                'db_table': 'folder_mails',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Mailbox',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('address', models.EmailField(max_length=254)),
                ('provider', models.CharField(choices=[('IMAP', 'IMAP'), ('GMAIL', 'Gmail'), ('IMPORT', 'Files')], default='IMPORT', max_length=10)),
                ('status', models.CharField(choices=[('ACTIVE', 'Active'), ('EXPIRED', 'Password expired'), ('REVOKED', 'Disconnected'), ('PENDING_REAUTH', 'Password refused')], db_default='ACTIVE', default='ACTIVE', max_length=14)),
                ('host', models.CharField(blank=True, db_default='', default='', max_length=253, verbose_name='server')),
                ('port', models.PositiveIntegerField(blank=True, null=True)),
                ('security', models.CharField(choices=[('TLS', 'TLS from the start (usual)'), ('STARTTLS', 'STARTTLS'), ('NONE', 'Not encrypted (only on this machine)')], db_default='TLS', default='TLS', max_length=8, verbose_name='encryption')),
                ('username', models.CharField(blank=True, db_default='', default='', max_length=254, verbose_name='login')),
                ('credentials', models.TextField(blank=True, db_default='', default='', editable=False)),
                ('sent_folder', models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='folder of what was sent')),
                ('folders', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), size=None)), default=list, size=None, verbose_name='more folders')),
                ('fetch_since', models.DateField(blank=True, null=True, verbose_name='mail since')),
                ('sync_state', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, editable=False)),
                ('last_synced_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('next_sync_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failures', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('last_error', models.TextField(blank=True, db_default='', default='', editable=False)),
            ],
            options={
                'verbose_name_plural': 'mailboxes',
                'db_table': 'mailboxes',
                'permissions': [('restore_mailbox', 'Can restore a deleted mailbox'), ('purge_mailbox', 'Can purge a mailbox for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='MailboxEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('address', models.EmailField(max_length=254)),
                ('provider', models.CharField(choices=[('IMAP', 'IMAP'), ('GMAIL', 'Gmail'), ('IMPORT', 'Files')], default='IMPORT', max_length=10)),
                ('status', models.CharField(choices=[('ACTIVE', 'Active'), ('EXPIRED', 'Password expired'), ('REVOKED', 'Disconnected'), ('PENDING_REAUTH', 'Password refused')], db_default='ACTIVE', default='ACTIVE', max_length=14)),
                ('host', models.CharField(blank=True, db_default='', default='', max_length=253, verbose_name='server')),
                ('port', models.PositiveIntegerField(blank=True, null=True)),
                ('security', models.CharField(choices=[('TLS', 'TLS from the start (usual)'), ('STARTTLS', 'STARTTLS'), ('NONE', 'Not encrypted (only on this machine)')], db_default='TLS', default='TLS', max_length=8, verbose_name='encryption')),
                ('username', models.CharField(blank=True, db_default='', default='', max_length=254, verbose_name='login')),
                ('sent_folder', models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='folder of what was sent')),
                ('folders', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), size=None)), default=list, size=None, verbose_name='more folders')),
                ('fetch_since', models.DateField(blank=True, null=True, verbose_name='mail since')),
            ],
            options={
                'db_table': 'mailboxes_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='PurgedMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64)),
            ],
            options={
                'db_table': 'purged_mails',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SetAside',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('origin', models.CharField(max_length=500)),
                ('reason', models.TextField()),
                ('size', models.PositiveIntegerField()),
                ('raw', models.BinaryField(default=b'')),
            ],
            options={
                'verbose_name': 'mail set aside',
                'verbose_name_plural': 'mails set aside',
                'db_table': 'set_aside_mails',
                'permissions': [('restore_setaside', 'Can bring back a dismissed mail')],
                'abstract': False,
                'default_permissions': ('view', 'change', 'delete'),
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Thread',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('source', models.CharField(choices=[('EMAIL', 'Email'), ('CALL', 'Call'), ('SMS', 'SMS'), ('MEETING', 'Meeting'), ('CHAT', 'Chat'), ('FORM', 'Form'), ('NOTE', 'Note'), ('DOCUMENT', 'Document')], max_length=10)),
                ('subject', models.CharField(blank=True, db_default='', default='', max_length=500)),
                ('status', models.CharField(choices=[('OPEN', 'Open'), ('RESOLVED', 'Resolved'), ('ARCHIVED', 'Archived')], db_default='OPEN', default='OPEN', max_length=10)),
                ('participant_emails', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), size=None)), default=list, size=None)),
                ('last_message_at', models.DateTimeField(blank=True, null=True)),
                ('last_direction', models.CharField(blank=True, choices=[('in', 'Received'), ('out', 'Sent')], db_default='', default='', max_length=3)),
                ('message_count', models.PositiveIntegerField(db_default=0, default=0)),
                ('awaiting_reply', models.BooleanField(db_default=False, default=False)),
                ('sentiment', models.CharField(blank=True, choices=[('positive', 'Positive'), ('neutral', 'Neutral'), ('negative', 'Negative'), ('urgent', 'Urgent')], max_length=10, null=True)),
                ('processed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('metadata', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('search_text', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.comparison.Coalesce('subject', models.Value(''), output_field=models.TextField()), models.Value(' '), output_field=models.TextField())), output_field=models.TextField())),
            ],
            options={
                'verbose_name': 'conversation',
                'db_table': 'threads',
                'permissions': [('reassign_thread', "Can give a colleague's conversation to another"), ('restore_thread', 'Can restore a deleted conversation'), ('purge_thread', 'Can purge a conversation for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='ThreadEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('source', models.CharField(choices=[('EMAIL', 'Email'), ('CALL', 'Call'), ('SMS', 'SMS'), ('MEETING', 'Meeting'), ('CHAT', 'Chat'), ('FORM', 'Form'), ('NOTE', 'Note'), ('DOCUMENT', 'Document')], max_length=10)),
                ('subject', models.CharField(blank=True, db_default='', default='', max_length=500)),
                ('status', models.CharField(choices=[('OPEN', 'Open'), ('RESOLVED', 'Resolved'), ('ARCHIVED', 'Archived')], db_default='OPEN', default='OPEN', max_length=10)),
                ('participant_emails', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), blank=True, db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), size=None)), default=list, size=None)),
                ('sentiment', models.CharField(blank=True, choices=[('positive', 'Positive'), ('neutral', 'Neutral'), ('negative', 'Negative'), ('urgent', 'Urgent')], max_length=10, null=True)),
                ('metadata', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
            ],
            options={
                'db_table': 'threads_history',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ThreadKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=998)),
            ],
            options={
                'db_table': 'thread_keys',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Dispatch',
            fields=[
                ('message', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='dispatch', serialize=False, to='inbox.message')),
                ('run_after', models.DateTimeField()),
                ('put_off', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('claimed_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'dispatches',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='MessageWords',
            fields=[
                ('message', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='words', serialize=False, to='inbox.message')),
                ('sent_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('words', django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                'db_table': 'message_words',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Reading',
            fields=[
                ('message', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='reading', serialize=False, to='inbox.message')),
                ('signs', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
            ],
            options={
                'db_table': 'message_readings',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Draft',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('to', models.TextField(blank=True, db_default='', default='')),
                ('cc', models.TextField(blank=True, db_default='', default='')),
                ('subject', models.CharField(blank=True, db_default='', default='', max_length=998)),
                ('body', models.TextField(blank=True, db_default='', default='')),
                ('quotes', models.BooleanField(db_default=False, default=False)),
                ('attachments', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list)),
                ('version', models.PositiveIntegerField(db_default=0, default=0)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to=settings.AUTH_USER_MODEL)),
                ('client', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='drafts', to='crm.client')),
                ('lead', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='drafts', to='leads.lead')),
                ('message', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='inbox.message')),
                ('reply_to', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='inbox.message')),
            ],
            options={
                'db_table': 'drafts',
                'abstract': False,
                'default_permissions': (),
                'base_manager_name': 'everything',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='EmailTemplate',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=100)),
                ('category', models.CharField(choices=[('INTRODUCTION', 'Introduction'), ('FOLLOW_UP', 'Follow-up'), ('MEETING', 'Meeting'), ('PROPOSAL', 'Proposal'), ('RENEWAL', 'Renewal'), ('SERVICE', 'Service'), ('OTHER', 'Other')], default='OTHER', max_length=12)),
                ('subject', models.CharField(max_length=200)),
                ('body', models.TextField(max_length=20000)),
                ('is_active', models.BooleanField(db_default=True, default=True, verbose_name='in use')),
            ],
            options={
                'db_table': 'email_templates',
                'permissions': [('restore_emailtemplate', 'Can restore a deleted template'), ('purge_emailtemplate', 'Can purge a template for ever')],
                'abstract': False,
                'base_manager_name': 'everything',
                'constraints': [models.CheckConstraint(condition=models.Q(('category__in', ['INTRODUCTION', 'FOLLOW_UP', 'MEETING', 'PROPOSAL', 'RENEWAL', 'SERVICE', 'OTHER'])), name='email_templates_category_valid', violation_error_message='The category must be one of: INTRODUCTION, FOLLOW_UP, MEETING, PROPOSAL, RENEWAL, SERVICE, OTHER.'), models.UniqueConstraint(django.db.models.functions.text.Lower('name'), condition=models.Q(('deleted_at__isnull', True)), name='email_templates_name_once', violation_error_message='There is a template of this name already.')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='emailtemplate',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."body" IS DISTINCT FROM (NEW."body") OR OLD."category" IS DISTINCT FROM (NEW."category") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."subject" IS DISTINCT FROM (NEW."subject"))', func='INSERT INTO "email_templates_history" ("body", "category", "created_at", "deleted_at", "id", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "subject", "updated_at") VALUES (OLD."body", OLD."category", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_active", OLD."name", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."subject", OLD."updated_at"); RETURN NULL;', hash='78527e137060b2720624d6a048d22a2c28a397f9', operation='UPDATE', pgid='pgtrigger_update_update_cfe22', table='email_templates', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='emailtemplate',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "email_templates_history" ("body", "category", "created_at", "deleted_at", "id", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "subject", "updated_at") VALUES (OLD."body", OLD."category", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_active", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."subject", OLD."updated_at"); RETURN NULL;', hash='db9b9bab06dc1402ae9ed4ace4fe3c2fbd4c2c99', operation='DELETE', pgid='pgtrigger_delete_delete_2f36c', table='email_templates', when='AFTER')),
        ),
        migrations.AddField(
            model_name='emailtemplateevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='emailtemplateevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='inbox.emailtemplate'),
        ),
        migrations.AddField(
            model_name='message',
            name='mailbox',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='messages', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='mailboxes', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='foldermail',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='folder_mails', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='mailboxevent',
            name='owner',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='mailboxevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='mailboxevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='purgedmail',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='setaside',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='set_aside', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='thread',
            name='assigned_to',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='thread',
            name='client',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to='crm.client'),
        ),
        migrations.AddField(
            model_name='thread',
            name='lead',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='thread',
            name='mailbox',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='thread',
            name='owner',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='thread',
            name='project',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to='crm.project'),
        ),
        migrations.AddField(
            model_name='message',
            name='thread',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='inbox.thread'),
        ),
        migrations.AddField(
            model_name='draft',
            name='thread',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='drafts', to='inbox.thread'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='assigned_to',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='client',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.client'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='lead',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='leads.lead'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='mailbox',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='inbox.thread'),
        ),
        migrations.AddField(
            model_name='threadevent',
            name='project',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='crm.project'),
        ),
        migrations.AddField(
            model_name='threadkey',
            name='mailbox',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='inbox.mailbox'),
        ),
        migrations.AddField(
            model_name='threadkey',
            name='thread',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='inbox.thread'),
        ),
        migrations.AddField(
            model_name='dispatch',
            name='ordered_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='messagewords',
            name='thread',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='inbox.thread'),
        ),
        migrations.AddField(
            model_name='reading',
            name='interaction',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='readings', to='ai_log.aiinteraction'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(('provider__in', ['IMAP', 'GMAIL', 'IMPORT'])), name='mailboxes_provider_valid', violation_error_message='The provider must be one of: IMAP, GMAIL, IMPORT.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['ACTIVE', 'EXPIRED', 'REVOKED', 'PENDING_REAUTH'])), name='mailboxes_status_valid', violation_error_message='The status must be one of: ACTIVE, EXPIRED, REVOKED, PENDING_REAUTH.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(('security__in', ['TLS', 'STARTTLS', 'NONE'])), name='mailboxes_security_valid', violation_error_message='The security must be one of: TLS, STARTTLS, NONE.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('port__gte', 1), ('port__lte', 65535)), ('port__isnull', True), _connector='OR'), name='mailboxes_port_range', violation_error_message='The port must lie between 1 and 65535.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('sync_state'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='mailboxes_sync_state_object', violation_error_message='The sync state must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(('provider', 'IMPORT'), models.Q(('host', ''), _negated=True), _connector='OR'), name='mailboxes_server_named', violation_error_message='Name the server that the mail is fetched from.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('security', 'NONE'), _negated=True), ('host__in', ['', 'localhost', '127.0.0.1', '::1']), _connector='OR'), name='mailboxes_open_on_loopback_only', violation_error_message='Without encryption only a server on this machine can be used (localhost).'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'REVOKED'), _negated=True), ('credentials', ''), _connector='OR'), name='mailboxes_revoked_keeps_no_password', violation_error_message='A mailbox that is disconnected keeps no password.'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('address'), condition=models.Q(('deleted_at__isnull', True)), name='mailboxes_address_once', violation_error_message='There is a mailbox of this address already.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mailbox',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."address" IS DISTINCT FROM (NEW."address") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."fetch_since" IS DISTINCT FROM (NEW."fetch_since") OR OLD."folders" IS DISTINCT FROM (NEW."folders") OR OLD."host" IS DISTINCT FROM (NEW."host") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."owner_id" IS DISTINCT FROM (NEW."owner_id") OR OLD."port" IS DISTINCT FROM (NEW."port") OR OLD."provider" IS DISTINCT FROM (NEW."provider") OR OLD."security" IS DISTINCT FROM (NEW."security") OR OLD."sent_folder" IS DISTINCT FROM (NEW."sent_folder") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."username" IS DISTINCT FROM (NEW."username"))', func='INSERT INTO "mailboxes_history" ("address", "created_at", "deleted_at", "fetch_since", "folders", "host", "id", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "port", "provider", "security", "sent_folder", "status", "updated_at", "username") VALUES (OLD."address", OLD."created_at", OLD."deleted_at", OLD."fetch_since", OLD."folders", OLD."host", OLD."id", OLD."owner_id", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."port", OLD."provider", OLD."security", OLD."sent_folder", OLD."status", OLD."updated_at", OLD."username"); RETURN NULL;', hash='a3f0292443ff4ca716e433bdb41b7f1aebaa7475', operation='UPDATE', pgid='pgtrigger_update_update_00d29', table='mailboxes', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mailbox',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "mailboxes_history" ("address", "created_at", "deleted_at", "fetch_since", "folders", "host", "id", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "port", "provider", "security", "sent_folder", "status", "updated_at", "username") VALUES (OLD."address", OLD."created_at", OLD."deleted_at", OLD."fetch_since", OLD."folders", OLD."host", OLD."id", OLD."owner_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."port", OLD."provider", OLD."security", OLD."sent_folder", OLD."status", OLD."updated_at", OLD."username"); RETURN NULL;', hash='4952ab1cb97b1ad9d80ae43bc0e6005fd7ba652c', operation='DELETE', pgid='pgtrigger_delete_delete_52b32', table='mailboxes', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='foldermail',
            constraint=models.UniqueConstraint(models.F('mailbox'), models.F('folder'), models.F('uidvalidity'), models.F('uid'), name='folder_mails_once', violation_error_message='This mail has been looked at already.'),
        ),
        migrations.AddConstraint(
            model_name='purgedmail',
            constraint=models.UniqueConstraint(models.F('mailbox'), models.F('digest'), name='purged_mails_once', violation_error_message='This mail has been purged already.'),
        ),
        migrations.AddConstraint(
            model_name='setaside',
            constraint=models.UniqueConstraint(models.F('mailbox'), models.F('origin'), condition=models.Q(('deleted_at__isnull', True)), name='set_aside_mails_once', violation_error_message='This mail has been set aside already.'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='threads_newest'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.F('status'), models.OrderBy(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='threads_by_status'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), models.F('id'), condition=models.Q(('deleted_at__isnull', True), ('last_direction', 'in'), ('status', 'OPEN')), name='threads_we_owe'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), models.F('id'), condition=models.Q(('deleted_at__isnull', True), ('awaiting_reply', True), ('status', 'OPEN')), name='threads_they_owe'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), ('client__isnull', True), ('lead__isnull', True), ('status', 'OPEN')), name='threads_unlinked'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True), models.Q(('lead__isnull', False), models.Q(('client__isnull', True), ('lead__isnull', True), ('status', 'OPEN')), _connector='OR'), ('processed_at__isnull', True)), name='threads_unprocessed'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.OrderBy(django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', False)), name='threads_deleted'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(models.F('assigned_to'), models.F('status'), django.db.models.functions.comparison.Coalesce('last_message_at', 'created_at'), models.F('id'), condition=models.Q(('assigned_to__isnull', False)), name='threads_assigned'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=django.contrib.postgres.indexes.GinIndex(models.F('participant_emails'), condition=models.Q(('deleted_at__isnull', True)), name='threads_participants'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('search_text', name='gin_trgm_ops'), condition=models.Q(('deleted_at__isnull', True)), name='threads_search'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['EMAIL', 'CALL', 'SMS', 'MEETING', 'CHAT', 'FORM', 'NOTE', 'DOCUMENT'])), name='threads_source_valid', violation_error_message='The source must be one of: EMAIL, CALL, SMS, MEETING, CHAT, FORM, NOTE, DOCUMENT.'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['OPEN', 'RESOLVED', 'ARCHIVED'])), name='threads_status_valid', violation_error_message='The status must be one of: OPEN, RESOLVED, ARCHIVED.'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(('sentiment__in', ['positive', 'neutral', 'negative', 'urgent']), ('sentiment__isnull', True), _connector='OR'), name='threads_sentiment_valid', violation_error_message='The sentiment must be one of: positive, neutral, negative, urgent.'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(('last_direction__in', ['', 'in', 'out'])), name='threads_last_direction_valid', violation_error_message='The last direction is in, out or nothing.'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('metadata'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='threads_metadata_object', violation_error_message='The metadata must be a JSON object.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='thread',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."assigned_to_id" IS DISTINCT FROM (NEW."assigned_to_id") OR OLD."client_id" IS DISTINCT FROM (NEW."client_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."mailbox_id" IS DISTINCT FROM (NEW."mailbox_id") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."participant_emails" IS DISTINCT FROM (NEW."participant_emails") OR OLD."project_id" IS DISTINCT FROM (NEW."project_id") OR OLD."sentiment" IS DISTINCT FROM (NEW."sentiment") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."subject" IS DISTINCT FROM (NEW."subject"))', func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "sentiment", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'update\', OLD."id", OLD."project_id", OLD."sentiment", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;', hash='469fb22a9045ed4782466f9c92aa9ef9da75e36b', operation='UPDATE', pgid='pgtrigger_update_update_1ebe4', table='threads', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='thread',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "threads_history" ("assigned_to_id", "client_id", "created_at", "deleted_at", "id", "lead_id", "mailbox_id", "metadata", "participant_emails", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "project_id", "sentiment", "source", "status", "subject", "updated_at") VALUES (OLD."assigned_to_id", OLD."client_id", OLD."created_at", OLD."deleted_at", OLD."id", OLD."lead_id", OLD."mailbox_id", OLD."metadata", OLD."participant_emails", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."project_id", OLD."sentiment", OLD."source", OLD."status", OLD."subject", OLD."updated_at"); RETURN NULL;', hash='db56b7e590cdf29c9cd10dbdc61d4864bb39e945', operation='DELETE', pgid='pgtrigger_delete_delete_f3831', table='threads', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), models.Q(('token', ''), _negated=True)), fields=['token'], name='messages_by_token'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(models.F('thread'), models.F('sent_at'), models.F('id'), condition=models.Q(('deleted_at__isnull', True)), name='messages_of_thread'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(models.F('message_id'), condition=models.Q(('message_id', ''), _negated=True), name='messages_by_message_id'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(django.db.models.functions.text.Lower('from_email'), models.OrderBy(models.F('sent_at'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='messages_by_sender'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(models.F('thread'), models.F('state'), condition=models.Q(('deleted_at__isnull', True), ('state__in', ['FAILED', 'UNCERTAIN'])), name='messages_not_sent'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('direction__in', ['in', 'out'])), name='messages_direction_valid', violation_error_message='The direction must be one of: in, out.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['RECEIVED', 'QUEUED', 'SENDING', 'SENT', 'FAILED', 'UNCERTAIN'])), name='messages_state_valid', violation_error_message='The state must be one of: RECEIVED, QUEUED, SENDING, SENT, FAILED, UNCERTAIN.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('nature__in', ['PERSON', 'AUTO_REPLY', 'BOUNCE', 'LIST', 'SPAM'])), name='messages_nature_valid', violation_error_message='The nature must be one of: PERSON, AUTO_REPLY, BOUNCE, LIST, SPAM.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('direction', 'in'), ('state', 'RECEIVED')), models.Q(('direction', 'out'), models.Q(('state', 'RECEIVED'), _negated=True)), _connector='OR'), name='messages_received_is_in', violation_error_message='What came in is received; what goes out has a sending state.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['FAILED', 'UNCERTAIN']), _negated=True), models.Q(('error_message', ''), _negated=True), _connector='OR'), name='messages_failure_says_why', violation_error_message='A message that did not go out says why.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('attachments'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='messages_attachments_array', violation_error_message='The attachments must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('media'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='messages_media_object', violation_error_message='The media must be a JSON object.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(models.F('thread'), models.F('message_id'), condition=models.Q(('deleted_at__isnull', True), models.Q(('message_id', ''), _negated=True)), name='messages_id_once', violation_error_message='This message is already in the conversation.'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(models.F('mailbox'), models.F('message_id'), condition=models.Q(('deleted_at__isnull', True), ('mailbox__isnull', False), models.Q(('message_id', ''), _negated=True)), name='messages_once_in_mailbox', violation_error_message='This message is in the mailbox already.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='message',
            trigger=pgtrigger.compiler.Trigger(name='outgoing_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.direction = \'out\' AND (\n        OLD.message_id, OLD.in_reply_to, OLD."from", OLD."to", OLD."cc", OLD.subject, OLD.body_text, OLD.body_html,\n        OLD.attachments, OLD.from_name, OLD.reply_to\n    ) IS DISTINCT FROM (\n        NEW.message_id, NEW.in_reply_to, NEW."from", NEW."to", NEW."cc", NEW.subject, NEW.body_text, NEW.body_html,\n        NEW.attachments, NEW.from_name, NEW.reply_to\n    ))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='26a4cd8f44ef51ddbeb0931b0677f718c5e92961', operation='UPDATE', pgid='pgtrigger_outgoing_is_kept_33cb7', table='messages', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(models.F('author'), models.OrderBy(models.F('updated_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at__isnull', True)), name='drafts_newest'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('attachments'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='drafts_attachments_array', violation_error_message='The attachments must be a JSON array.'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('thread', None), models.Q(('client', None), ('lead', None)), _connector='OR'), name='drafts_one_place', violation_error_message='A draft in a conversation is for whoever the conversation is with.'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(models.F('author'), models.F('thread'), condition=models.Q(('deleted_at__isnull', True)), name='drafts_once_in_thread', violation_error_message='You have begun an answer in this conversation already.'),
        ),
        migrations.AddConstraint(
            model_name='threadkey',
            constraint=models.UniqueConstraint(models.F('mailbox'), models.F('key'), name='thread_keys_once', nulls_distinct=False, violation_error_message='This identifier belongs to a conversation already.'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(models.F('run_after'), condition=models.Q(('finished_at__isnull', True)), name='dispatches_open'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.CheckConstraint(condition=models.Q(('put_off__gte', 0), ('put_off__lte', 5)), name='dispatches_put_off_range', violation_error_message='The put off must lie between 0 and 5.'),
        ),
        migrations.AddIndex(
            model_name='messagewords',
            index=django.contrib.postgres.indexes.GinIndex(models.F('words'), gin_pending_list_limit=1024, name='message_words_found'),
        ),
        migrations.AddIndex(
            model_name='messagewords',
            index=models.Index(models.OrderBy(models.F('sent_at'), descending=True), models.OrderBy(models.F('message'), descending=True), name='message_words_newest'),
        ),
        migrations.AddConstraint(
            model_name='reading',
            constraint=models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('signs'), function='jsonb_typeof', output_field=models.TextField()), models.Value('array'))), name='message_readings_signs_array', violation_error_message='The signs must be a JSON array.'),
        ),
    ]
