"""Managers, schema admins and administrators rename tags and give them colours."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = ("manager", "schema admin", "administrator")


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("crm")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(content_type__app_label="crm", codename="change_tag")
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.add(permission)


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="crm", codename="change_tag"
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0005_schema_request_permissions"),
        ("crm", "0007_tags"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
