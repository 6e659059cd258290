"""What an action that sets one value changes in many records: before it is done, and put back afterwards."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import models, transaction

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import User
from crm.screens.action_forms import ActionForm, attempt

UNDO_SALT = "crm.bulk_actions.undo"
UNDO_SECONDS = 24 * 60 * 60
# The offer travels in a message, so in the session: room for as many rows as an action takes.
MAX_OFFER_LENGTH = 80_000


@dataclass(frozen=True)
class PreviewedChange:
    """What would become of one record: its value now, and the confirmation, or why it is refused."""

    name: str
    before: str
    outcome: str
    is_refused: bool


@dataclass(frozen=True)
class Undo:
    """What puts the values of some records back: the data of the action for each earlier value, and their keys."""

    verb: str
    after: str
    groups: list[tuple[dict[str, str], list[str]]]

    def sign(self) -> str:
        """Return the offer as text; empty if it is too long to be carried."""
        text = signing.dumps(json.dumps([self.verb, self.after, self.groups]), salt=UNDO_SALT, compress=True)
        return text if self.groups and len(text) <= MAX_OFFER_LENGTH else ""

    @classmethod
    def read(cls, text: str) -> "Undo":
        """Return the offer that `sign` made.

        Raises:
            IllegalTransition: it is not ours, or older than a day.
        """
        try:
            verb, after, groups = json.loads(signing.loads(text, salt=UNDO_SALT, max_age=UNDO_SECONDS))
        except signing.BadSignature as error:
            raise IllegalTransition("This change can no longer be undone. Nothing was changed.") from error
        return cls(verb, after, groups)


def preview_changes(form: ActionForm, rows: Iterable[models.Model], by: User) -> list[PreviewedChange]:
    """Return what a valid form would do to each of `rows`: it is done, read, and rolled back."""
    labels = value_labels(form)
    with transaction.atomic():
        changes = [preview_change(form, row, by, labels) for row in rows]
        transaction.set_rollback(True)
    return changes


def preview_change(form: ActionForm, row: models.Model, by: User, labels: dict[str, str]) -> PreviewedChange:
    name, before = str(row), form.saved_value(row)
    outcome = attempt(form, row, by)
    return PreviewedChange(name, labels.get(before, before), str(outcome), isinstance(outcome, ActionRefused))


def value_labels(form: ActionForm) -> dict[str, str]:
    """Return the label of each value that the form offers, by the value as it is sent."""
    return {str(getattr(key, "value", key)): str(label) for key, label in form.fields[form.value[0]].choices}


def perform_on_each(form: ActionForm, rows: Iterable[models.Model], by: User) -> tuple[list[Any], Undo]:
    """Perform a valid form on each of `rows`; return the outcomes, and what undoes those that succeeded."""
    outcomes, groups = [], {}
    for row in rows:
        before = form.saved_data(row)
        outcome = attempt(form, row, by)
        outcomes.append(outcome)
        if not isinstance(outcome, ActionRefused):
            groups.setdefault(tuple(before.items()), []).append(str(row.pk))
    after = form.data.get(form.value[0], "")
    return outcomes, Undo(form.verb, after, [(dict(data), keys) for data, keys in groups.items()])
