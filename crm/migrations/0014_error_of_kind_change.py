"""A change of kind stores why its job stopped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0013_moments_of_years_with_four_digits")]

    operations = [
        migrations.AddField(
            model_name="kindchange",
            name="error_message",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
    ]
