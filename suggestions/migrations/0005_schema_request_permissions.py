"""Everyone may read schema requests, all who work here may propose; schema admins and administrators decide."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

READ = ("view_schemachange",)
PROPOSE = (*READ, "add_schemachange")
DECIDE = (*PROPOSE, "decide_schemachange")
ROLES = {
    "viewer": READ,
    "agent": PROPOSE,
    "manager": PROPOSE,
    "schema admin": DECIDE,
    "administrator": DECIDE,
}


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("crm")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {one.codename: one for one in permission.objects.filter(content_type__app_label="crm")}
    for role in group.objects.filter(name__in=ROLES):
        role.permissions.add(*(known[codename] for codename in ROLES[role.name]))


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="crm", codename__in=DECIDE
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0004_field_usage_permissions"),
        ("crm", "0005_schema_changes"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
