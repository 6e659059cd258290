"""A template for each kind of reply that the rules draft. The gaps are filled in by a person."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SIGN_OFF = "Kind regards,\n{{sender_name}}\n{{agency_name}}"
TEMPLATES = [
    (
        "Reply: go ahead",
        "ACCEPTANCE",
        "Your go-ahead",
        "Thank you for your message. I am glad that you want to go ahead.\n\n[[next step, and what you need from them]]"
        "\n\n[[questions and answers]]",
    ),
    (
        "Reply: decline",
        "DECLINE",
        "Your decision",
        "Thank you for your message, and for telling me how you have decided.\n\n[[questions and answers]]",
    ),
    (
        "Reply: questions",
        "QUESTION",
        "Your questions",
        "Thank you for your message.\n\n[[questions and answers]]",
    ),
    (
        "Reply: document",
        "DOCUMENT",
        "The document you asked for",
        "Thank you for your message.\n\n[[questions and answers]]",
    ),
    (
        "Reply: objection",
        "OBJECTION",
        "Your concern",
        "Thank you for saying so openly.\n\n[[questions and answers]]\n\n[[what you can offer]]",
    ),
    (
        "Reply: call",
        "APPOINTMENT",
        "Our call",
        "Thank you for your message. I am happy to talk.\n\n[[day and time]]\n\n[[questions and answers]]",
    ),
]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    templates = apps.get_model("inbox", "EmailTemplate")
    for name, category, subject, text in TEMPLATES:
        if not templates.objects.filter(name__iexact=name).exists():
            body = f"Hello {{{{first_name}}}},\n\n{text}\n\n{SIGN_OFF}"
            templates.objects.create(name=name, category=category, subject=subject, body=body)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the templates of these categories, which the database no longer knows."""
    apps.get_model("inbox", "EmailTemplate").objects.filter(category__in={one[1] for one in TEMPLATES}).delete()


class Migration(migrations.Migration):
    dependencies = [("inbox", "0011_reply_templates")]
    operations = [migrations.RunPython(add, remove)]
