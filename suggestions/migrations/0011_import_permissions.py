"""Agents and managers may import leads and undo imports; viewers may read what imports did."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = {
    "viewer": ("view_importbatch",),
    "agent": ("view_importbatch", "add_importbatch", "undo_importbatch"),
    "manager": ("view_importbatch", "add_importbatch", "undo_importbatch"),
    "schema admin": ("view_importbatch",),
    "administrator": ("view_importbatch", "add_importbatch", "undo_importbatch"),
}


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("leads")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {one.codename: one for one in permission.objects.filter(content_type__app_label="leads")}
    for role in group.objects.filter(name__in=ROLES):
        role.permissions.add(*(known[codename] for codename in ROLES[role.name]))


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="leads", codename__in={name for names in ROLES.values() for name in names}
    )
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0010_policies_in_roles"),
        ("leads", "0016_imports_on_a_screen"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
