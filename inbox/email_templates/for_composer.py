"""Templates for what people write themselves: the composer of the inbox asks for them by name (settings)."""

from uuid import UUID

from crm.exceptions import BadInput
from crm.models import Client, User
from inbox.email_templates.placeholders import as_far_as_known, of_sender, values_for
from inbox.models.email_template import EmailTemplate
from leads.models import Lead

MOST_OFFERED = 100


def choices() -> list[tuple[str, str]]:
    """The templates in use, by key and name."""
    rows = EmailTemplate.objects.in_use().values_list("pk", "name")[:MOST_OFFERED]
    return [(str(key), name) for key, name in rows]


def filled_for(key: str, whom: Lead | Client | None, sender: User) -> tuple[str, str]:
    """Subject and body of the template `key` for `whom`; a gap with nothing to fill it stays, to be seen.

    Raises:
        BadInput: there is no such template in use.
    """
    try:
        found = EmailTemplate.objects.in_use().filter(pk=UUID(key)).first()
    except ValueError:
        found = None
    if found is None:
        raise BadInput("There is no such template, or it is no longer in use: choose another.")
    values = of_sender(sender) if whom is None else values_for(whom, sender)
    return as_far_as_known(found.subject, values), as_far_as_known(found.body, values)
