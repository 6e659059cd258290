"""The rows that a user may see, as a queryset for each reason to see them: own, unassigned, and what else there is.

An index that begins with an owner serves each of these. PostgreSQL cannot read one index in order for all of them: it
would read the rows of every owner and drop most.
"""

from collections.abc import Sequence

from django.conf import settings
from django.db import models
from django.db.models.lookups import Exact, IsNull
from django.db.models.sql.where import AND, OR, WhereNode


def owner_branches(rows: models.QuerySet) -> list[models.QuerySet]:
    """Return the querysets that together are `rows`; only `rows` if they are not limited to what a user may see."""
    place = find_owner_condition(rows)
    if place is None:
        return [rows]
    return [with_condition(rows, place, one) for one in rows.query.where.children[place].children]


def disjoint_branches(rows: models.QuerySet) -> list[models.QuerySet]:
    """Return the same if no row is in two of them, else only `rows`."""
    place = find_owner_condition(rows)
    return (
        owner_branches(rows)
        if place is not None and is_mine_or_unassigned(rows.query.where.children[place])
        else [rows]
    )


def union_all(branches: Sequence[models.QuerySet]) -> models.QuerySet:
    """Return the rows of all `branches`, of which no row may be in two."""
    return branches[0].union(*branches[1:], all=True) if len(branches) > 1 else branches[0]


def find_owner_condition(rows: models.QuerySet) -> int | None:
    """Return the place, among the conditions of `rows`, of alternatives of which each names an owner."""
    for place, node in enumerate(rows.query.where.children):
        is_choice = isinstance(node, WhereNode) and node.connector == OR and not node.negated
        if is_choice and all(names_owner(child) for child in node.children):
            return place
    return None


def is_mine_or_unassigned(node: WhereNode) -> bool:
    """Return whether no row fits two of the alternatives: its owner is the user, or there is none.

    A `record_owner` is another user than the `owner`, and there is none without an owner (`crm/records/owners`).
    """
    own = [child.lhs for child in node.children if isinstance(child, Exact)]
    others = [child for child in node.children if not isinstance(child, Exact)]
    unassigned = null_column(others[0]) if len(others) == 1 else None
    return unassigned is not None and all(
        one == unassigned or (one.target.name, unassigned.target.name) == ("record_owner", "owner") for one in own
    )


def null_column(condition: object) -> object | None:
    """Return the column with a user that `condition` says is null, alone or among other things."""
    if isinstance(condition, WhereNode):
        return next(filter(None, map(null_column, condition.children)), None) if is_and(condition) else None
    return condition.lhs if isinstance(condition, IsNull) and condition.rhs is True and names_owner(condition) else None


def is_and(node: WhereNode) -> bool:
    return node.connector == AND and not node.negated


def names_owner(condition: object) -> bool:
    """Return whether `condition` says that a column with a user equals one or is null, alone or among other things."""
    if isinstance(condition, WhereNode):
        return is_and(condition) and any(map(names_owner, condition.children))
    if not isinstance(condition, Exact) and not (isinstance(condition, IsNull) and condition.rhs is True):
        return False
    column = getattr(condition.lhs, "target", None)
    return isinstance(column, models.ForeignKey) and column.remote_field.model._meta.label == settings.AUTH_USER_MODEL


def with_condition(rows: models.QuerySet, place: int, condition: object) -> models.QuerySet:
    """Return `rows` with another condition at `place`."""
    branch = rows.all()
    branch.query.where.children[place] = condition
    return branch


def first_keys(rows: models.QuerySet, limit: int) -> models.QuerySet:
    """Return the keys of the first `limit` rows of each branch, each key once."""
    branches = [branch.values("pk")[:limit] for branch in owner_branches(rows)]
    if len(branches) == 1:
        return branches[0]
    return branches[0].union(*branches[1:], all=len(disjoint_branches(rows)) > 1)


def first_rows(rows: models.QuerySet, limit: int) -> models.QuerySet:
    """Return the first `limit` of `rows`, which have an order."""
    if len(owner_branches(rows)) == 1 or rows.query.distinct:
        return rows[:limit]
    found = rows.all()
    # The keys have been found by all conditions.
    found.query.where = WhereNode()
    return found.filter(pk__in=first_keys(rows, limit))[:limit]
