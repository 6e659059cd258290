"""Give the roles an agency starts with their permissions for policies."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

VIEW, WORK, MANAGE = {"view"}, {"view", "add", "change"}, {"view", "add", "change", "delete", "restore"}
VERBS = {
    "viewer": VIEW,
    "schema admin": VIEW,
    "agent": WORK,
    "manager": MANAGE,
    "administrator": {*MANAGE, "purge"},
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("leads")
    config.models_module = True  # permissions are otherwise made after all migrations
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permissions = policy_permissions(apps)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=VERBS):
        group.permissions.add(*(permissions[verb] for verb in VERBS[group.name]))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permissions = policy_permissions(apps)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=VERBS):
        group.permissions.remove(*permissions.values())


def policy_permissions(apps: StateApps) -> dict:
    rows = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="leads", content_type__model="policy"
    )
    return {row.codename.split("_")[0]: row for row in rows}


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0006_reject_code_labels"), ("leads", "0013_policies")]
    operations = [migrations.RunPython(add, remove)]
