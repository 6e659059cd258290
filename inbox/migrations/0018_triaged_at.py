"""When triage last looked whose a conversation could be."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inbox", "0017_sending")]
    operations = [
        migrations.AddField(
            model_name="thread",
            name="triaged_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
