"""What the groups may do with predictions."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

VIEW = {"view_predictionmodel"}
LEAD = VIEW | {"activate_predictionmodel"}
MORE = {"viewer": VIEW, "agent": VIEW, "schema admin": LEAD, "manager": LEAD, "administrator": LEAD}


def wanted(apps: StateApps, names: set[str]) -> list:
    known = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="leads")
    return list(known.filter(codename__in=names))


def give(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("leads")  # permissions are otherwise made after all migrations
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    for group in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        group.permissions.add(*wanted(apps, MORE[group.name]))


def take(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for group in apps.get_model("auth", "Group").objects.filter(name__in=MORE):
        group.permissions.remove(*wanted(apps, MORE[group.name]))


class Migration(migrations.Migration):
    dependencies = [("leads", "0010_predictions")]
    operations = [migrations.RunPython(give, take)]
