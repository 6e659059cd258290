"""“Mine or unassigned” as two conditions, each of which an index that begins with the owner serves.

PostgreSQL cannot read one index in order for both: it would read the rows of every owner and drop most of them.
"""

from django.db import models
from django.db.models.lookups import Exact, IsNull
from django.db.models.sql.where import OR, WhereNode


def owner_branches(rows: models.QuerySet) -> list[models.QuerySet]:
    """Return the querysets that together are `rows`, without a row in common; only `rows` if it names no owner."""
    for place, node in enumerate(rows.query.where.children):
        if is_owner_condition(node):
            return [with_condition(rows, place, one) for one in node.children]
    return [rows]


def is_owner_condition(node: object) -> bool:
    """Return whether `node` is what `owned_by_or_unassigned` becomes: a column equals a user, or is null."""
    if not isinstance(node, WhereNode) or node.connector != OR or node.negated or len(node.children) != 2:
        return False
    own, unassigned = node.children
    if not isinstance(own, Exact) or not isinstance(unassigned, IsNull) or unassigned.rhs is not True:
        return False
    return own.lhs == unassigned.lhs


def with_condition(rows: models.QuerySet, place: int, condition: object) -> models.QuerySet:
    """Return `rows` with another condition at `place`."""
    branch = rows.all()
    branch.query.where.children[place] = condition
    return branch


def first_keys(rows: models.QuerySet, limit: int) -> models.QuerySet:
    """Return the keys of the first `limit` of `rows`, or of each branch: more than `limit` then, without an order."""
    branches = [branch.values("pk")[:limit] for branch in owner_branches(rows)]
    return branches[0].union(*branches[1:], all=True) if len(branches) > 1 else branches[0]


def first_rows(rows: models.QuerySet, limit: int) -> models.QuerySet:
    """Return the first `limit` of `rows`, which have an order."""
    if len(owner_branches(rows)) == 1 or rows.query.distinct:
        return rows[:limit]
    found = rows.all()
    # The keys have been found by all conditions.
    found.query.where = WhereNode()
    return found.filter(pk__in=first_keys(rows, limit))[:limit]
