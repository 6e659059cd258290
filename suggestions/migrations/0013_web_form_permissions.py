"""Managers and administrators look after web forms. Their addresses are no business of the other roles."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

MANAGE = ("view_webform", "add_webform", "change_webform", "delete_webform", "restore_webform")
ROLES = {"manager": MANAGE, "administrator": (*MANAGE, "purge_webform")}


def grant(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("inbox")
    config.models_module = True  # permissions are otherwise made after all migrations
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    known = {row.codename: row for row in web_form_permissions(apps)}
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.add(*(known[codename] for codename in ROLES[role.name]))


def revoke(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for role in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        role.permissions.remove(*web_form_permissions(apps))


def web_form_permissions(apps: StateApps) -> list:
    rows = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="inbox", content_type__model="webform"
    )
    return list(rows)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0012_conversions"),
        ("inbox", "0018_web_forms"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
