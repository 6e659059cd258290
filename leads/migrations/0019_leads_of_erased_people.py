"""A new lead with the address or the number of an erased person must not be contacted."""

from django.db import migrations

from crm.records.privacy.suppression import stop_suppressing, suppress


class Migration(migrations.Migration):
    dependencies = [("leads", "0018_preferences_of_converted_leads"), ("crm", "0010_privacy")]
    operations = [
        migrations.RunSQL(suppress("leads", "contact_email", "contact_phone"), stop_suppressing("leads")),
    ]
