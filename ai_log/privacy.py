"""What the AI log says about people: beside the calls about a lead or client, those that name an address."""

from collections.abc import Iterable
from typing import Any

from ai_log.models import AIInteraction
from ai_log.transitions import erase_batch
from crm.records.privacy.erasure_rules import ANONYMISED, Anonymising
from crm.records.privacy.footprint import chunks
from crm.records.privacy.person import Person
from crm.records.privacy.tables import FINDERS, WITHOUT_PERSONS, FoundRows


def register_call_finder() -> None:
    """Register the finder; called once at start."""
    FINDERS.append(find_calls)
    ANONYMISED[AIInteraction] = Anonymising(
        "Numbers, costs and ratings stay; the texts and links are removed.", clear_calls
    )
    WITHOUT_PERSONS["ai_log.callday"] = "Sums of a day."


def find_calls(person: Person) -> Iterable[FoundRows]:
    """Find the calls that have an address of `person` in a text. Reads the whole log."""
    for address in person.addresses:
        rows = AIInteraction.objects.about_person(address)
        yield FoundRows(AIInteraction, rows.values_list("pk", flat=True))


def clear_calls(keys: set[Any]) -> None:
    for chunk in chunks(keys):
        erase_batch(chunk, unlink=True)
