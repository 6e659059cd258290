"""What the groups may do with templates, executions and autonomy."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

VIEW = {
    ("suggestions", "view_emailtemplate"),
    ("suggestions", "view_suggestionexecution"),
    ("suggestions", "view_executionpause"),
    ("suggestions", "view_autonomysetting"),
}
WORK = VIEW | {
    ("inbox", "send_message"),
    ("suggestions", "add_suggestion"),
    ("suggestions", "change_autonomysetting"),
}
LEAD = WORK | {
    ("suggestions", "add_emailtemplate"),
    ("suggestions", "change_emailtemplate"),
    ("suggestions", "delete_emailtemplate"),
    ("suggestions", "restore_emailtemplate"),
    ("suggestions", "pause_execution"),
    ("suggestions", "open_pull_request"),
    ("suggestions", "change_everyones_autonomy"),
}
EVERYTHING = LEAD | {("suggestions", "purge_emailtemplate")}
MORE = {"viewer": VIEW, "schema admin": VIEW, "agent": WORK, "manager": LEAD, "administrator": EVERYTHING}


def wanted(apps: StateApps, names: set[tuple[str, str]]) -> list:
    known = apps.get_model("auth", "Permission").objects.select_related("content_type")
    return [p for p in known if (p.content_type.app_label, p.codename) in names]


def give(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for label in ("inbox", "suggestions"):  # permissions are otherwise made after all migrations
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    for group in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        group.permissions.add(*wanted(apps, MORE[group.name]))


def take(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for group in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        group.permissions.remove(*wanted(apps, MORE[group.name]))


class Migration(migrations.Migration):
    dependencies = [("suggestions", "0004_past_executions"), ("inbox", "0002_outgoing")]
    operations = [migrations.RunPython(give, take)]
