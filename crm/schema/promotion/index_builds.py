"""Build and remove indexes while everyone works; a build that was stopped leaves an invalid one, which goes first."""

from collections.abc import Iterable

from crm.schema.promotion.indexes import KeyIndex
from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.patience import run_patiently

# How often to look at a build that a killed worker left running in the database.
ORPHAN_PAUSE_SECONDS = 2.0


def build_indexes(indexes: Iterable[KeyIndex], monitor: ChangeMonitor) -> None:
    """Build each of `indexes` that is missing or invalid."""
    for index in indexes:
        monitor.step = f"Building the index of {index.label}"
        build_index(index, monitor)


def build_index(index: KeyIndex, monitor: ChangeMonitor) -> None:
    while not index.is_valid():
        if index.is_built_elsewhere():
            monitor.wait(ORPHAN_PAUSE_SECONDS)
            continue
        run_patiently(index.drop, monitor)
        run_patiently(index.create, monitor, clean_up=lambda: run_patiently(index.drop, monitor))


def remove_indexes(indexes: Iterable[KeyIndex], monitor: ChangeMonitor) -> None:
    for index in indexes:
        monitor.step = f"Removing the index of {index.label}"
        run_patiently(index.drop, monitor)


def remove_invalid_indexes(indexes: Iterable[KeyIndex], monitor: ChangeMonitor) -> None:
    """Remove what a stopped build left: it costs every write and serves no query."""
    for index in indexes:
        if index.is_valid() is False:
            run_patiently(index.drop, monitor)


def index_problems(indexes: Iterable[KeyIndex]) -> list[str]:
    """Return which of `indexes` queries cannot use, as parts of sentences."""
    states = ((index.name, index.is_valid()) for index in indexes)
    return [
        f"the index {name} is {'missing' if is_valid is None else 'invalid'}"
        for name, is_valid in states
        if not is_valid
    ]
