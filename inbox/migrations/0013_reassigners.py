"""Who may give a colleague's conversation to another: whoever may do so with leads."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

GROUPS = ["manager", "administrator"]


def give(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    config = apps.get_app_config("inbox")  # permissions are otherwise made after all migrations
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    reassign = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="inbox", codename="reassign_thread"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(reassign)


def take(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for permission in apps.get_model("auth", "Permission").objects.filter(codename="reassign_thread"):
        permission.group_set.clear()


class Migration(migrations.Migration):
    dependencies = [("inbox", "0012_words_found"), ("suggestions", "0005_roles")]
    operations = [migrations.RunPython(give, take)]
