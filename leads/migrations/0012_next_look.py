"""When the next best action of a lead was last looked for, and when it is to be again: of all that there are, now."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("leads", "0011_prediction_roles")]
    operations = [
        migrations.AddField(
            model_name="lead",
            name="considered_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="lead",
            name="next_look_at",
            field=models.DateTimeField(
                blank=True, db_default=Now(), default=django.utils.timezone.now, editable=False, null=True
            ),
        ),
    ]
