"""Each ticket knows since when its time runs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("support", "0008_first_service_levels")]
    operations = [
        migrations.AlterField("supportticket", "opened_at", models.DateTimeField(blank=True, editable=False)),
    ]
