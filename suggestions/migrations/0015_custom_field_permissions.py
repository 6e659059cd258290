"""Everyone may read the definitions of custom fields; managers, schema admins and administrators change them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

READ = ("view_customfield",)
CHANGE = (
    *READ,
    "add_customfield",
    "change_customfield",
    "delete_customfield",
    "restore_customfield",
    "retire_customfield",
)
ROLES = {
    "viewer": READ,
    "agent": READ,
    "manager": CHANGE,
    "schema admin": CHANGE,
    "administrator": CHANGE,
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
        content_type__app_label="crm", codename__in=CHANGE
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0014_privacy_permissions"),
        ("crm", "0012_custom_fields"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
