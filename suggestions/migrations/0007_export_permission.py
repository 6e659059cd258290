"""Managers and administrators may export lists as files; staff grant it to other roles in the admin."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = ("manager", "administrator")


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("crm")  # permissions are otherwise made after all migrations
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(
        codename="export_records", content_type__app_label="crm"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0006_reject_code_labels"), ("crm", "0006_export_permission")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
