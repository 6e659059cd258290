"""A contact whose only client or lead was purged is not visible to everyone."""

from django.db import migrations

from crm.records.owners import restriction_field


class Migration(migrations.Migration):
    dependencies = [("crm", "0018_second_factors")]
    operations = [migrations.AddField("contact", "restriction", restriction_field())]
