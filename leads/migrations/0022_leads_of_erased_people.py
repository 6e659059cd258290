"""A new lead with the address or the number of an erased person must not be contacted."""

from django.db import migrations

from crm.records.privacy.suppression import stop_suppressing, suppress


class Migration(migrations.Migration):
    dependencies = [("leads", "0021_custom_fields_of_policies"), ("crm", "0011_privacy")]
    operations = [
        migrations.RunSQL(suppress("leads", "contact_email", "contact_phone"), stop_suppressing("leads")),
    ]
