"""The owner follows that of the lead or client from now on, and is filled in for what there is."""

from django.db import migrations

from leads.ownership import follow, leave, repair


class Migration(migrations.Migration):
    dependencies = [
        ("inbox", "0003_owner"),
        ("leads", "0004_stage_history_only_grows"),
        ("crm", "0003_log_is_never_emptied"),
    ]
    operations = [
        migrations.RunSQL(follow("threads"), leave("threads")),
        migrations.RunSQL(repair("threads"), migrations.RunSQL.noop),
    ]
