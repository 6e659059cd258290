from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inbox", "0023_purged_mails")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="token",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=22),
        ),
        migrations.AddField(
            model_name="message",
            name="viewed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="proposal looked at"),
        ),
    ]
