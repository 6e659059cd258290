"""Managers and administrators may merge records."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ROLES = ("manager", "administrator")
PERMISSIONS = {"crm": ("merge_client", "merge_contact"), "leads": ("merge_lead",)}


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for label in PERMISSIONS:  # permissions are otherwise made after all migrations
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for label, names in PERMISSIONS.items():
        found = permission.objects.filter(content_type__app_label=label, codename__in=names)
        for role in group.objects.filter(name__in=ROLES):
            role.permissions.add(*found)


def withdraw(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    names = [name for group_of_names in PERMISSIONS.values() for name in group_of_names]
    for role in group.objects.filter(name__in=ROLES):
        role.permissions.remove(*permission.objects.filter(codename__in=names))


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0007_export_permission"),
        ("crm", "0007_merges"),
        ("leads", "0013_merged_leads"),
    ]
    operations = [migrations.RunPython(grant, withdraw)]
