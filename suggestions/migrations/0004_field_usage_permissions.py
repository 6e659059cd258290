"""Schema admins and administrators read how fields are used, measure, and change the thresholds of the advice."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = ("schema admin", "administrator")
PERMISSIONS = (
    "view_fieldstatistic",
    "measure_fieldstatistic",
    "view_schemathresholds",
    "change_schemathresholds",
)


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("crm")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    granted = permission.objects.filter(content_type__app_label="crm", codename__in=PERMISSIONS)
    for role in group.objects.filter(name__in=ROLES):
        role.permissions.add(*granted)


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="crm", codename__in=PERMISSIONS
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0003_roles"),
        ("crm", "0004_field_usage"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
