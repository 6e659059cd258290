"""Actions that set one value of a record: taken in the place of the value, and undone by setting the earlier value."""

from django.db import models, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme

from crm.exceptions import IllegalTransition
from crm.screens.action_forms import ActionForm

# What a form in the place of a value sends besides: the value that its reader saw.
EXPECTED = "expected"
# A page asks for the form alone, to show it in the place of the value.
IN_PLACE_PARAM = "in_place"
MAX_NEXT_URL_LENGTH = 2_000


def is_in_place(request: HttpRequest, form_class: type[ActionForm]) -> bool:
    """Whether the request asks for the form in the place of the value that the action sets."""
    return request.method == "GET" and IN_PLACE_PARAM in request.GET and form_class.value is not None


def perform_action(request: HttpRequest, form: ActionForm, row: models.Model, url: str) -> str:
    """Perform a valid action and return its confirmation, with a button to undo it if its reader saw the value before.

    Raises:
        ActionRefused: the action is refused, or the value was changed since it was shown.
    """
    if form.value is None or EXPECTED not in request.POST:
        return form.perform(row, request.user)
    with transaction.atomic():
        locked = type(row).everything.select_for_update().get(pk=row.pk)
        before, (name, _) = form.saved_data(locked), form.value
        if before[name] != request.POST[EXPECTED]:
            raise IllegalTransition(f"The {name} of {row} was changed since you saw it. Nothing was changed.")
        if form.data.get(name, "") == request.POST[EXPECTED]:
            return f"The {name} of {row} is as before."
        confirmation = form.perform(row, request.user)
    undo = {**before, EXPECTED: form.saved_value(row), "next": request.POST.get("next", "")}
    button = render_to_string("crm/undo_action.html", {"action": url, "values": undo, "label": confirmation}, request)
    return format_html("{} {}", confirmation, button)


def safe_next_url(next_url: str | None, default: str) -> str:
    """Return `next_url` if it is a path of this site and not too long, else `default`.

    Backslashes and control characters, which browsers read as slashes or leave out, make it another site's.
    """
    is_plain = next_url and next_url.startswith("/") and next_url.isprintable() and "\\" not in next_url
    is_local = is_plain and url_has_allowed_host_and_scheme(next_url, allowed_hosts=None)
    return next_url if is_local and len(next_url) <= MAX_NEXT_URL_LENGTH else default
