"""Managers and administrators change the service levels; roles that read tickets read them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import QuerySet

ROLES = ("manager", "administrator")


def permissions(apps: StateApps, *codenames: str) -> QuerySet:
    rows = apps.get_model("auth", "Permission").objects
    return rows.filter(content_type__app_label="support", codename__in=codenames)


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("support")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    roles = apps.get_model("auth", "Group").objects
    for role in roles.filter(permissions__in=permissions(apps, "view_supportticket")).distinct():
        role.permissions.add(*permissions(apps, "view_servicelevel"))
    for role in roles.filter(name__in=ROLES):
        role.permissions.add(*permissions(apps, "view_servicelevel", "change_servicelevel"))


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for role in apps.get_model("auth", "Group").objects.all():
        role.permissions.remove(*permissions(apps, "view_servicelevel", "change_servicelevel"))


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0012_decided_index"),
        ("support", "0010_service_level_indexes"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
