"""Email templates in the composer."""

from uuid import UUID

from crm.exceptions import InvalidInput
from crm.models import Client, User
from inbox.email_templates.placeholders import fill_known_placeholders, placeholder_values, sender_values
from inbox.models.email_template import EmailTemplate
from leads.models import Lead

MAX_TEMPLATES_OFFERED = 100


def composer_template_choices() -> list[tuple[str, str]]:
    """Return the key and the name of the templates in use."""
    rows = EmailTemplate.objects.in_use().values_list("pk", "name")[:MAX_TEMPLATES_OFFERED]
    return [(str(key), name) for key, name in rows]


def fill_template(key: str, recipient: Lead | Client | None, sender: User) -> tuple[str, str]:
    """Return subject and body of the template `key` for `recipient`; a placeholder without a value stays visible.

    Raises:
        InvalidInput: there is no such template in use.
    """
    try:
        template = EmailTemplate.objects.in_use().filter(pk=UUID(key)).first()
    except ValueError:
        template = None
    if template is None:
        raise InvalidInput("This template does not exist or is no longer in use. Choose another one.")
    values = sender_values(sender) if recipient is None else placeholder_values(recipient, sender)
    return fill_known_placeholders(template.subject, values), fill_known_placeholders(template.body, values)
