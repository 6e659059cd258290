import crm.records.migration_operations
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
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
        ('leads', '0001_tables'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        crm.records.migration_operations.InOneStep(
            operations=[
                migrations.CreateModel(
                    name='AIInteraction',
                    fields=[
                        ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                        ('lead', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ai_interactions', to='leads.lead')),
                        ('client', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='ai_interactions', to='crm.client')),
                        ('type', models.CharField(blank=True, choices=[('Chat', 'Chat'), ('Follow-Up', 'Follow-up'), ('Summary', 'Summary'), ('Prediction', 'Prediction'), ('PromptResponse', 'Prompt and response')], max_length=20, null=True)),
                        ('source', models.CharField(blank=True, choices=[('Agent UI', 'Agent UI'), ('Marketing Automation', 'Marketing automation'), ('AI Assistant', 'AI assistant'), ('Backend Middleware', 'Backend')], max_length=30, null=True)),
                        ('content', models.TextField(blank=True, db_default='', default='', verbose_name='question')),
                        ('ai_response', models.TextField(blank=True, db_default='', default='', verbose_name='answer')),
                        ('summary', models.TextField(blank=True, db_default='', default='')),
                        ('model_used', models.CharField(blank=True, db_default='', default='', max_length=100, verbose_name='model')),
                        ('temperature', models.FloatField(blank=True, null=True)),
                        ('metadata', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                        ('agent', models.CharField(blank=True, db_default='', default='', max_length=60)),
                        ('prompt_tokens', models.PositiveIntegerField(blank=True, null=True)),
                        ('completion_tokens', models.PositiveIntegerField(blank=True, null=True)),
                        ('cost_usd', models.DecimalField(blank=True, decimal_places=6, max_digits=10, null=True, verbose_name='cost')),
                        ('latency_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='latency')),
                        ('error_message', models.TextField(blank=True, db_default='', default='')),
                        ('conversation_id', models.CharField(blank=True, db_default='', default='', max_length=100)),
                        ('asked_by', models.ForeignKey(blank=True, db_index=False, help_text='The user who asked, if any.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('feedback', models.CharField(blank=True, choices=[('up', 'Helpful'), ('down', 'Not helpful')], db_default='', default='', max_length=4)),
                        ('feedback_comment', models.TextField(blank=True, db_default='', default='')),
                        ('feedback_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('feedback_at', models.DateTimeField(blank=True, null=True)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        'verbose_name': 'AI interaction',
                        'db_table': 'ai_interactions',
                        'permissions': [('rate_aiinteraction', 'Can rate AI answers')],
                        'default_permissions': ('view',),
                        'indexes': [models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='ai_interactions_newest'), models.Index(models.F('agent'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='ai_interactions_agent'), models.Index(models.F('model_used'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='ai_interactions_model'), models.Index(models.F('conversation_id'), condition=models.Q(('conversation_id', ''), _negated=True), name='ai_interactions_conversation'), models.Index(models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('error_message', ''), _negated=True), name='ai_interactions_failed'), models.Index(models.F('asked_by'), models.OrderBy(models.F('created_at'), descending=True), name='ai_interactions_asked_by'), models.Index(models.F('feedback'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('feedback', ''), _negated=True), name='ai_interactions_rated'), django.contrib.postgres.indexes.BrinIndex(models.F('created_at'), name='ai_interactions_brin'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('summary', 'content', config='english'), name='ai_interactions_text')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('type__in', ['Chat', 'Follow-Up', 'Summary', 'Prediction', 'PromptResponse']), ('type__isnull', True), _connector='OR'), name='ai_interactions_type_valid', violation_error_message='The type must be one of: Chat, Follow-Up, Summary, Prediction, PromptResponse.'), models.CheckConstraint(condition=models.Q(('source__in', ['Agent UI', 'Marketing Automation', 'AI Assistant', 'Backend Middleware']), ('source__isnull', True), _connector='OR'), name='ai_interactions_source_valid', violation_error_message='The source must be one of: Agent UI, Marketing Automation, AI Assistant, Backend Middleware.'), models.CheckConstraint(condition=models.Q(('feedback__in', ['', 'up', 'down'])), name='ai_interactions_feedback_valid', violation_error_message='Feedback must be up, down or empty.'), models.CheckConstraint(condition=models.Q(models.Q(('temperature__gte', 0), ('temperature__lte', 2)), ('temperature__isnull', True), _connector='OR'), name='ai_interactions_temperature_range', violation_error_message='The temperature must lie between 0 and 2.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('metadata'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='ai_interactions_metadata_object', violation_error_message='The metadata must be a JSON object.')],
                        'triggers': [pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='f07f6c93bd3dc123e4d504ab562a1e2242c0be91', operation='DELETE', pgid='pgtrigger_no_delete_b6e77', table='ai_interactions', when='BEFORE')), pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."agent" IS DISTINCT FROM (NEW."agent") OR OLD."completion_tokens" IS DISTINCT FROM (NEW."completion_tokens") OR OLD."conversation_id" IS DISTINCT FROM (NEW."conversation_id") OR OLD."cost_usd" IS DISTINCT FROM (NEW."cost_usd") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."latency_ms" IS DISTINCT FROM (NEW."latency_ms") OR OLD."model_used" IS DISTINCT FROM (NEW."model_used") OR OLD."prompt_tokens" IS DISTINCT FROM (NEW."prompt_tokens") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."temperature" IS DISTINCT FROM (NEW."temperature") OR OLD."type" IS DISTINCT FROM (NEW."type"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='a9f1a41ba537a84e47106166095d6f19faa979e2', operation='UPDATE', pgid='pgtrigger_append_only_ad9e5', table='ai_interactions', when='BEFORE')), pgtrigger.compiler.Trigger(name='texts_only_erased', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."ai_response" IS DISTINCT FROM (NEW."ai_response") OR OLD."content" IS DISTINCT FROM (NEW."content") OR OLD."error_message" IS DISTINCT FROM (NEW."error_message") OR OLD."metadata" IS DISTINCT FROM (NEW."metadata") OR OLD."summary" IS DISTINCT FROM (NEW."summary"))', func="\nIF current_setting('ai_log.erasing', true) IS DISTINCT FROM 'yes'\n   OR NEW.content <> '' OR NEW.ai_response <> '' OR NEW.summary <> ''\n   OR NEW.error_message <> (CASE OLD.error_message WHEN '' THEN '' ELSE 'Erased.' END)\n   OR NOT NEW.metadata <@ OLD.metadata\n   OR EXISTS (SELECT FROM jsonb_object_keys(NEW.metadata) AS name\n               WHERE name NOT IN ('otel.schema_url', 'gen_ai.operation.name', 'gen_ai.provider.name', 'gen_ai.agent.name', 'gen_ai.output.type', 'gen_ai.request.model', 'gen_ai.request.temperature', 'gen_ai.request.max_tokens', 'gen_ai.response.model', 'gen_ai.response.finish_reasons', 'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'error.type'))\nTHEN\n  RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;\nEND IF;\nRETURN NEW;\n", hash='06f20af02f042b2890a2aaa7c2b6d23168c2e111', operation='UPDATE', pgid='pgtrigger_texts_only_erased_765bb', table='ai_interactions', when='BEFORE')), pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot truncate table %', TG_TABLE_NAME;", hash='e323625e8e959cd8ed1416f208a8c2ee5ddc6512', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_3510e', table='ai_interactions', when='BEFORE')), pgtrigger.compiler.Trigger(name='empty_for_null', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW.content IS NULL OR NEW.ai_response IS NULL OR NEW.summary IS NULL OR NEW.model_used IS NULL OR NEW.agent IS NULL OR NEW.error_message IS NULL OR NEW.metadata IS NULL)', func="NEW.content := coalesce(NEW.content, ''); NEW.ai_response := coalesce(NEW.ai_response, ''); NEW.summary := coalesce(NEW.summary, ''); NEW.model_used := coalesce(NEW.model_used, ''); NEW.agent := coalesce(NEW.agent, ''); NEW.error_message := coalesce(NEW.error_message, ''); NEW.metadata := coalesce(NEW.metadata, '{}'); RETURN NEW;", hash='3af2bd1cffef48e5c0d8c74e8204dfdbb6052f4c', operation='INSERT', pgid='pgtrigger_empty_for_null_d3c42', table='ai_interactions', when='BEFORE'))],
                    },
                ),
                migrations.CreateModel(
                    name='CallDay',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('day', models.DateField()),
                        ('agent', models.CharField(blank=True, max_length=60, null=True)),
                        ('model_used', models.CharField(blank=True, max_length=100, null=True)),
                        ('calls', models.PositiveIntegerField()),
                        ('failed', models.PositiveIntegerField()),
                        ('priced', models.PositiveIntegerField()),
                        ('prompt_tokens', models.PositiveBigIntegerField()),
                        ('completion_tokens', models.PositiveBigIntegerField()),
                        ('cost_usd', models.DecimalField(decimal_places=6, max_digits=14, null=True)),
                        ('latencies', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                        ('decided', models.PositiveIntegerField(db_default=0, default=0)),
                        ('approved', models.PositiveIntegerField(db_default=0, default=0)),
                        ('edited', models.PositiveIntegerField(db_default=0, default=0)),
                    ],
                    options={
                        'db_table': 'ai_call_days',
                        'default_permissions': (),
                        'constraints': [models.UniqueConstraint(fields=('day', 'agent', 'model_used'), name='ai_call_days_once', nulls_distinct=False, violation_error_message='There are already sums for this day, agent and model.'), models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(models.Func(models.F('latencies'), function='jsonb_typeof', output_field=models.TextField()), models.Value('object'))), name='ai_call_days_latencies_object', violation_error_message='The latencies must be a JSON object.')],
                    },
                ),
            ],
        ),
    ]
