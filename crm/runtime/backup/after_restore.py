"""What apps change in a restored database before it is used. They register it at start."""

from django.utils.module_loading import import_string

CHANGES: list[str] = []


def register_change(function: str) -> None:
    """Register the path of a function that is called in the transaction of each restore."""
    if function not in CHANGES:
        CHANGES.append(function)


def apply_changes() -> None:
    for function in CHANGES:
        import_string(function)()
