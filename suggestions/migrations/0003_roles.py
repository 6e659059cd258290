"""The groups every agency starts with. They are data: staff change them in the admin."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

APPS = ("crm", "leads", "ai_log", "inbox", "support", "suggestions", "auth", "procrastinate")
WORK = {  # what is worked with every day, by app
    "crm": ("client", "contact", "contactclient", "project"),
    "leads": ("lead", "contactlead", "task", "policy"),
    "inbox": ("thread",),
    "support": ("supportticket",),
}
RESTORABLE = {
    "crm": ("client", "contact", "project"),
    "leads": ("lead", "task", "policy"),
    "inbox": ("thread",),
    "support": ("supportticket",),
}
READ = {
    **WORK,
    "crm": (*WORK["crm"], "savedview", "activitylog", "user", "customfield"),
    "leads": (
        *WORK["leads"],
        "leadstatus",
        "insurancetype",
        "leadstagehistory",
        "importbatch",
        "scoringpolicy",
        "predictionmodel",
    ),
    "inbox": ("thread", "message", "mailbox", "emailtemplate"),
    "ai_log": ("aiinteraction",),
    "suggestions": ("suggestion", "suggestionexecution", "executionpause", "autonomysetting"),
}
SCORING = {
    ("leads", "add_scoringpolicy"),
    ("leads", "activate_scoringpolicy"),
    ("leads", "activate_predictionmodel"),
}
CUSTOM_FIELDS = {
    ("crm", "add_customfield"),
    ("crm", "change_customfield"),
    ("crm", "delete_customfield"),
    ("crm", "restore_customfield"),
    ("crm", "retire_customfield"),
}


def each(tables: dict[str, tuple[str, ...]], *verbs: str) -> set[tuple[str, str]]:
    return {(app, f"{verb}_{model}") for app, models in tables.items() for model in models for verb in verbs}


VIEWER = each(READ, "view") | {
    ("crm", "see_everyone"),
    ("crm", "add_savedview"),
    ("crm", "change_savedview"),
    ("crm", "delete_savedview"),
}
AGENT = (
    each(READ, "view")
    | each(WORK, "add", "change")
    | {
        ("crm", "add_savedview"),
        ("crm", "change_savedview"),
        ("crm", "delete_savedview"),
        ("crm", "delete_contactclient"),
        ("leads", "delete_contactlead"),
        ("leads", "delete_task"),
        ("leads", "add_importbatch"),
        ("leads", "undo_importbatch"),
        ("ai_log", "rate_aiinteraction"),
        ("support", "resolve_supportticket"),
        ("inbox", "send_message"),
        ("suggestions", "add_suggestion"),
        ("suggestions", "decide_suggestion"),
        ("suggestions", "change_autonomysetting"),
    }
)
MANAGER = (
    AGENT
    | SCORING
    | CUSTOM_FIELDS
    | each(WORK, "delete")
    | each(RESTORABLE, "restore")
    | each({"inbox": ("mailbox", "emailtemplate")}, "add", "change", "delete", "restore")
    # The addresses of web forms are no business of the other roles.
    | each({"inbox": ("webform",)}, "view", "add", "change", "delete", "restore")
    | each({"inbox": ("setaside",)}, "view", "change", "delete", "restore")
    | {
        ("crm", "see_everyone"),
        ("crm", "share_savedview"),
        ("crm", "reassign_client"),
        ("crm", "merge_client"),
        ("crm", "merge_contact"),
        ("crm", "export_records"),
        ("crm", "export_person"),
        ("leads", "reassign_lead"),
        ("leads", "merge_lead"),
        ("support", "reassign_supportticket"),
        ("inbox", "reassign_thread"),
        ("suggestions", "pause_execution"),
        ("suggestions", "open_pull_request"),
        ("suggestions", "change_everyones_autonomy"),
        ("suggestions", "delete_suggestion"),
        ("suggestions", "restore_suggestion"),
    }
)
SCHEMA_ADMIN = (
    VIEWER | SCORING | CUSTOM_FIELDS | each({"leads": ("leadstatus", "insurancetype")}, "add", "change", "delete")
)
ROLES = {"viewer": VIEWER, "agent": AGENT, "manager": MANAGER, "schema admin": SCHEMA_ADMIN}
EVERYTHING = "administrator"


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for label in APPS:  # permissions are otherwise made after all migrations
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {(p.content_type.app_label, p.codename): p for p in permission.objects.select_related("content_type")}
    for name, wanted in ROLES.items():
        group.objects.create(name=name).permissions.set(known[key] for key in wanted)
    group.objects.create(name=EVERYTHING).permissions.set(p for (app, _), p in known.items() if app in APPS)


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0002_owner"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]
    operations = [migrations.RunPython(create)]
