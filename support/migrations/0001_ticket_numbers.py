"""Short numbers for tickets, given by the database so that no two are alike."""

from django.db import migrations


class Migration(migrations.Migration):
    initial = True

    operations = [migrations.RunSQL("CREATE SEQUENCE support_ticket_number START 1001")]
