"""A template for the first email to a new client."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NAME, CATEGORY = "Welcome", "WELCOME"
SUBJECT = "Welcome to {{agency_name}}"
BODY = """Hello {{first_name}},

Thank you for your trust. From now on I am your contact for everything about your insurance: changes, questions, claims.

Your documents follow by separate email. Please look through them, and tell me if anything is not as you expect it.

You reach me by answering this email.

Kind regards,
{{sender_name}}
{{agency_name}}"""


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    templates = apps.get_model("inbox", "EmailTemplate").objects
    if not templates.filter(name__iexact=NAME, deleted_at=None).exists():
        templates.create(name=NAME, category=CATEGORY, subject=SUBJECT, body=BODY)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the template as it was added; one that was changed becomes an ordinary one."""
    templates = apps.get_model("inbox", "EmailTemplate").objects.filter(category=CATEGORY)
    templates.filter(name=NAME, subject=SUBJECT, body=BODY).delete()
    templates.update(category="OTHER")


class Migration(migrations.Migration):
    dependencies = [("inbox", "0016_welcome_category")]

    operations = [migrations.RunPython(add, remove)]
