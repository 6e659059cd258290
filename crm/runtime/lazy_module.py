"""Modules that are heavy to import and seldom used."""

from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for the module `name`, which is imported when something of it is first used, in any thread."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # inspectors ask every object for such names, and would load the module
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
