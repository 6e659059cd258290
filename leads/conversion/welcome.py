"""The welcome email of a conversion.

Drafts belong to the inbox, on the right of this app, which registers its functions at start. A draft can be taken back
as long as its author has not changed it: its version tells.
"""

from collections.abc import Callable
from typing import Any

from django.db import models

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import Client, User
from crm.records.consent import closed_channels
from crm.runtime.lazy_module import LazyObject

WriteWelcome = Callable[[Client, str, User], models.Model]
LoadTemplates = Callable[[], list[tuple[str, str]]]


class WelcomeEmails:
    """The functions of the inbox: one saves a draft from a template, one returns keys and names of the templates."""

    write: WriteWelcome
    load_templates: LoadTemplates


def register_welcome_emails(write: str, load_templates: str) -> None:
    """Register the paths of the two functions, which are imported when they are called. Called once, at start."""
    WelcomeEmails.write = staticmethod(LazyObject(write))
    WelcomeEmails.load_templates = staticmethod(LazyObject(load_templates))


def welcome_template_choices() -> list[tuple[str, str]]:
    """Return the key and the name of the templates in use, those for new clients first."""
    return WelcomeEmails.load_templates()


def draft_welcome(client: Client, template: str, author: User | None) -> models.Model:
    """Save and return the draft of an email to a new `client`, written from `template` in the name of `author`.

    Raises:
        NotPermitted: `author` may not send messages.
        InvalidInput: the template is not in use, or the client has no address or wants no email.
        IllegalTransition: there is no author.
    """
    if author is None:
        raise IllegalTransition("A draft needs an author. Assign the lead first, or leave the welcome email out.")
    if not client.email:
        raise InvalidInput(f"{client} has no email address. Enter one, or leave the welcome email out.")
    if "email" in closed_channels(client.communications):
        raise InvalidInput(f"{client} does not want to be contacted by email. Leave the welcome email out.")
    return WelcomeEmails.write(client, template, author)


def describe_made(row: models.Model) -> dict[str, Any]:
    """Return how a conversion remembers a record that it added: with its version, if it has one."""
    version = {"version": row.version} if hasattr(row, "version") else {}
    return {"model": row._meta.label_lower, "id": str(row.pk), **version}


def was_edited(entry: dict[str, Any], row: models.Model) -> bool:
    """Whether the `row` of an `entry` of `describe_made` is still there, and was changed by its author since."""
    return "version" in entry and row.deleted_at is None and row.version != entry["version"]
