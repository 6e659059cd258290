"""What a change made of a row, and the row without that change. Pure: rows are values from JSON."""

from typing import Any

Row = dict[str, Any]


def without_change(before: Any, after: Any, current: Any) -> Any:
    """Return `current` without the change from `before` to `after`; what was changed since then stays.

    Objects are compared key by key, lists entry by entry, other values as a whole.
    """
    if current == after:
        return before
    if isinstance(before, dict) and isinstance(after, dict) and isinstance(current, dict):
        missing = object()
        values = {
            key: without_change(before.get(key, missing), after.get(key, missing), current.get(key, missing))
            for key in [*current, *before]
        }
        return {key: value for key, value in values.items() if value is not missing}
    if isinstance(before, list) and isinstance(after, list) and isinstance(current, list):
        removed_since = [entry for entry in after if entry not in current]
        return [
            *(entry for entry in before if entry not in removed_since),
            *(entry for entry in current if entry not in after and entry not in before),
        ]
    return current


def changed_columns(after: Row, current: Row) -> list[str]:
    """Return the columns that differ between two states of a row."""
    return [column for column in current if current[column] != after.get(column)]
