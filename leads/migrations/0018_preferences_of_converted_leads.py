"""Clients keep the contact preferences that they gave as leads."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from crm.records.consent import unite_preferences

ROWS_PER_READ = 2_000


def copy_preferences(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Unite the preferences of converted leads with those of their clients; a refusal stays."""
    leads = apps.get_model("leads", "Lead").objects.filter(converted_to_client__isnull=False)
    clients = apps.get_model("crm", "Client").objects
    rows = leads.exclude(communications={}).order_by("converted_at", "id")
    for client, preferences in rows.values_list("converted_to_client", "communications").iterator(ROWS_PER_READ):
        known = clients.values_list("communications", flat=True).get(pk=client)
        clients.filter(pk=client).update(communications=unite_preferences(known, preferences))


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0009_contact_preferences_of_clients"),
        ("leads", "0017_leads_by_name_key"),
    ]

    operations = [migrations.RunPython(copy_preferences, migrations.RunPython.noop)]
