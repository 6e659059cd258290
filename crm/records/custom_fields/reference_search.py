"""Find the record that a text names: by its key, or by an exact name, email address or number that one record has.

A text that no record has, or several, is never guessed. The lookups are those that the indexes of the tables serve.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from django.apps import apps
from django.db import models
from django.db.models.functions import Concat, Lower, Trim
from django.db.models.lookups import Exact

from crm.models import CustomField, User
from crm.records.custom_fields.references import record_key, referable_records
from crm.records.people import name_key

# As an export writes a reference: "Olga Olsen (0190b2c4-…)".
NAME_WITH_RECORD_KEY = re.compile(r".*\(([0-9a-f-]{36})\)", re.DOTALL | re.IGNORECASE)
TICKET_NUMBER = re.compile(r"#?([0-9]{1,18})")


class FoundRecord(NamedTuple):
    """The key of the record that a text names, or why it names none; `reason` completes a sentence: “x” is …"""

    key: str
    reason: str = ""


def by_address(column: str) -> Callable[[str], models.Q]:
    """Return the condition for an email address; one without “@” is none."""
    return lambda text: lower_is(column, text) if "@" in text else models.Q(pk=None)


def lower_is(column: str, text: str) -> models.Q:
    return models.Q(Exact(Lower(column), Lower(models.Value(text))))


def by_name(column: str) -> Callable[[str], models.Q]:
    """Return the condition for a name in any case; an index of similar names finds the candidates."""

    def condition(text: str) -> models.Q:
        similar = models.Func(models.Value(text), function="name_key", output_field=models.TextField())
        return models.Q(Exact(name_key(column), similar)) & lower_is(column, text)

    return condition


def by_ticket_number(text: str) -> models.Q:
    match = TICKET_NUMBER.fullmatch(text)
    return models.Q(number=int(match[1])) if match else models.Q(pk=None)


# What a text may be, by table: the words for a reader, and the conditions.
Lookups = tuple[str, tuple[Callable[[str], models.Q], ...]]
LOOKUPS: dict[str, Lookups] = {
    "leads.lead": ("name or email address", (by_address("contact_email"), by_name("contact_name"))),
    "crm.client": ("name or email address", (by_address("email"), by_name("name"))),
    "crm.contact": ("name or email address", (by_address("email"), by_name("name"))),
    "leads.policy": ("number", (lambda text: models.Q(number=text),)),
    "support.supportticket": ("number", (by_ticket_number,)),
    "crm.project": ("name", (lambda text: models.Q(name__iexact=text),)),
    "crm.user": (
        "name, user name or email address",
        (
            lambda text: models.Q(username=text) | models.Q(email__iexact=text),
            lambda text: models.Q(pk__in=users_called(text)),
        ),
    ),
}


def users_called(text: str) -> models.QuerySet:
    full_name = Concat("first_name", models.Value(" "), "last_name")
    return User.objects.alias(full_name=Trim(full_name)).filter(full_name__iexact=text).values("pk")


class ReferenceSearch:
    """Finds records of `table` that `user` may refer to; without a user, any live record. It remembers its answers."""

    def __init__(self, table: str, user: User | None) -> None:
        self.rows = referable_records(table, user).select_related(None).order_by("pk")
        self.words, self.conditions = LOOKUPS[table]
        self.meta = apps.get_model(table)._meta
        self.remembered: dict[str, FoundRecord] = {}

    def find(self, text: str) -> FoundRecord:
        """Return the record that `text` names, or why there is none."""
        text = " ".join(text.split())
        if text not in self.remembered:
            self.remembered[text] = self.look_up(text)
        return self.remembered[text]

    def look_up(self, text: str) -> FoundRecord:
        noun, match = self.meta.verbose_name, NAME_WITH_RECORD_KEY.fullmatch(text)
        if key := record_key(text) or record_key(match[1] if match else ""):
            is_there = self.rows.filter(pk=key).exists()
            return FoundRecord(key) if is_there else FoundRecord("", f"names no {noun} that you have access to")
        condition = models.Q(*(one(text) for one in self.conditions), _connector=models.Q.OR)
        found = list(self.rows.filter(condition).values_list("pk", flat=True)[:2])
        if len(found) == 1:
            return FoundRecord(str(found[0]))
        if found:
            return FoundRecord("", f"is the {self.words} of several {self.meta.verbose_name_plural}")
        return FoundRecord("", f"is not the {self.words} of a {noun} that you have access to")


def record_finder(field: CustomField, user: User | None) -> Callable[[str], str] | None:
    """Return the function that gives the key of the record that a text names, or ""; None if `field` refers to none."""
    if not field.refers_to:
        return None
    search = ReferenceSearch(field.refers_to, user)
    return lambda text: search.find(text).key
