"""The draft of a welcome email, which the conversion of a lead asks for."""

from uuid_utils.compat import uuid7

from crm.models import Client, User
from inbox.drafts.transitions import DraftContent, DraftDestination, save
from inbox.email_templates.for_composer import MAX_TEMPLATES_OFFERED, fill_template
from inbox.models import Draft
from inbox.models.email_template import EmailTemplate, TemplateCategory


def write_welcome_draft(client: Client, template: str, author: User) -> Draft:
    """Save and return a draft of `author` to `client`. A placeholder without a value stays, and blocks sending."""
    subject, body = fill_template(template, client, author)
    content = DraftContent(to=client.email, subject=subject, body=body)
    return save(uuid7(), 0, content, DraftDestination(client=client), by=author)


def welcome_templates() -> list[tuple[str, str]]:
    """Return key and name of the templates in use, those for new clients first."""
    rows = list(EmailTemplate.objects.in_use().only("name", "category")[:MAX_TEMPLATES_OFFERED])
    rows.sort(key=lambda template: template.category != TemplateCategory.WELCOME)
    return [(str(template.pk), template.name) for template in rows]
