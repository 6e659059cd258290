"""Links to the form that requests a change of how a key is stored, such as an index for a filter."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from crm.screens.custom_fields.questions import QuestionField
from crm.screens.custom_fields.sort_keys import FilterField

REQUEST_PERMISSION = "crm.add_schemachange"


def request_address(user: Any, **given: str) -> str:
    """Return the address of the form, filled in with `table`, `column`, `key` and `decision`, as far as given.

    Empty if `user` may not request anything.
    """
    if not user.has_perm(REQUEST_PERMISSION):
        return ""
    return f"{reverse('admin:crm_schemachange_request')}?{urlencode(given)}"


def request_column(field: FilterField) -> dict[str, str]:
    """Return the JSON column of a request about `field`; that of custom fields is understood."""
    return {"column": field.column} if isinstance(field, QuestionField) else {}


def describe_slow_list(fields: list[FilterField], seconds: float, user: Any) -> str:
    """Return why a list filtered by `fields` was stopped after `seconds`, and what to do.

    It has a link to a request for each field without an index.
    """
    addresses = [
        (
            request_address(user, table=field.table, **request_column(field), key=field.key, decision="index"),
            field.label,
        )
        for field in fields
        if not field.promotion and not field.is_repeated
    ]
    return format_html(
        "This list was stopped after {}, because its filters read too many records. Remove a filter, or add one "
        "that narrows the list down.{}",
        f"{seconds:g} second{'' if seconds == 1 else 's'}",
        format_html_join("", ' <a href="{}">Request an index for “{}”</a>.', [one for one in addresses if one[0]]),
    )
