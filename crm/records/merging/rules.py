"""How the records of a table are merged: what is chosen, what is united, what others recompute."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import models

from crm.exceptions import InvalidInput
from crm.models import Client, Contact
from crm.records.consent import is_refusal, keep_refusals
from crm.text.tags import unique_tags

WINNER, LOSER, BOTH = "winner", "loser", "both"
PATH_SEPARATOR = "/"
Pair = tuple[Any, Any]


class Difference(NamedTuple):
    """A value that the two records do not share; `path` is the field, and the keys within a JSON column."""

    path: tuple[str, ...]
    winner: Any
    loser: Any
    sides: tuple[str, ...]

    @property
    def name(self) -> str:
        return PATH_SEPARATOR.join(self.path)


@dataclass
class MergeRules:
    """The merge of the records of one table.

    `fields` are chosen one by one, `texts` may also be joined, `objects` are united key by key, `lists` entry by entry.
    In `preferences` a refusal of either record stays; only the rest is chosen.
    `derived` columns follow from other rows: `refreshers` compute them again. Rows of `excluded_tables` are the
    record's own past and stay with it.
    """

    fields: tuple[str, ...]
    texts: tuple[str, ...] = ()
    objects: tuple[str, ...] = ("custom_fields",)
    preferences: tuple[str, ...] = ()
    lists: tuple[str, ...] = ("tags",)
    derived: tuple[str, ...] = ()
    excluded_tables: tuple[str, ...] = ()
    guards: list[Callable[[Any, Any], None]] = field(default_factory=list)
    refreshers: list[Callable[[list[Any]], None]] = field(default_factory=list)


RULES: dict[type[models.Model], MergeRules] = {
    Client: MergeRules(
        fields=("name", "client_type", "email", "phone", "assigned_to"),
        texts=("notes",),
        objects=("address", "custom_fields"),
        preferences=("communications",),
    ),
    Contact: MergeRules(fields=("name", "title", "email", "phone")),
}


def rules_of(model: type[models.Model]) -> MergeRules:
    """Return the rules of a table.

    Raises:
        InvalidInput: records of this table cannot be merged.
    """
    if model not in RULES:
        raise InvalidInput(f"{model._meta.verbose_name_plural.capitalize()} cannot be merged.")
    return RULES[model]


def differences(winner: models.Model, loser: models.Model) -> list[Difference]:
    """Return what a person must choose: values that both records have, and that are not the same."""
    rules = rules_of(type(winner))
    found = []
    for name in (*rules.fields, *rules.texts):
        one, other = getattr(winner, name), getattr(loser, name)
        if not is_blank(one) and not is_blank(other) and one != other:
            sides = (WINNER, LOSER, BOTH) if name in rules.texts else (WINNER, LOSER)
            found.append(Difference((name,), one, other, sides))
    for name in rules.objects:
        found += object_differences((name,), getattr(winner, name), getattr(loser, name))
    for name in rules.preferences:
        pairs = object_differences((name,), getattr(winner, name), getattr(loser, name))
        found += [one for one in pairs if not decided_by_refusal(one)]
    return found


def decided_by_refusal(difference: Difference) -> bool:
    key = difference.path[-1]
    return is_refusal(key, difference.winner) or is_refusal(key, difference.loser)


def object_differences(path: tuple[str, ...], winner: dict, loser: dict) -> Iterator[Difference]:
    for key in winner:
        one, other = winner[key], loser.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from object_differences((*path, key), one, other)
        elif not is_blank(one) and not is_blank(other) and one != other:
            yield Difference((*path, key), one, other, (WINNER, LOSER))


def merged_values(winner: models.Model, loser: models.Model, choices: dict[str, str]) -> dict[str, Any]:
    """Return the values of the merged record. Where only one record has a value, that one is taken.

    Raises:
        InvalidInput: a choice names no difference of the two, or neither of them.
    """
    rules = rules_of(type(winner))
    sides = {one.name: one.sides for one in differences(winner, loser)}
    for name, side in choices.items():
        if side not in sides.get(name, ()):
            raise InvalidInput("The records have changed since they were compared. Compare them again.")
    values = {
        name: pick_value(getattr(winner, name), getattr(loser, name), choices.get(name))
        for name in (*rules.fields, *rules.texts)
    }
    for name in rules.objects:
        values[name] = united_object((name,), getattr(winner, name), getattr(loser, name), choices)
    for name in rules.preferences:
        chosen = united_object((name,), getattr(winner, name), getattr(loser, name), choices)
        values[name] = keep_refusals(keep_refusals(chosen, getattr(winner, name)), getattr(loser, name))
    for name in rules.lists:
        values[name] = united_list(name, getattr(winner, name), getattr(loser, name))
    return values


def pick_value(winner: Any, loser: Any, side: str | None) -> Any:
    """Return the value of `side`; without one the winner's, or the loser's where the winner's is blank."""
    if side == BOTH:
        return f"{winner}\n\n{loser}"
    if side == LOSER or is_blank(winner) and not is_blank(loser):
        return loser
    return winner


def united_object(path: tuple[str, ...], winner: dict, loser: dict, choices: dict[str, str]) -> dict:
    united = {**loser, **winner}
    for key in winner:
        one, other = winner[key], loser.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            united[key] = united_object((*path, key), one, other, choices)
        else:
            united[key] = pick_value(one, other, choices.get(PATH_SEPARATOR.join((*path, key))))
    return united


def united_list(name: str, winner: list, loser: list) -> list:
    if name == "tags":
        return unique_tags([*winner, *loser])
    return [*winner, *(entry for entry in loser if entry not in winner)]


def is_blank(value: Any) -> bool:
    return value is None or value in ("", [], {})
