"""Modules that are heavy to import and seldom used."""

from importlib import import_module
from typing import Any

from django.utils.module_loading import import_string


class LazyModule:
    """Stands for the module `name`, which is imported when something of it is first used, in any thread."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # inspectors ask every object for such names, and would load the module
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


class LazyObject:
    """Stands for the function or class at `path`, such as "inbox.drafts.transitions.save", which is imported when it is
    first called or when something of it is used.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_string(self._path)(*arguments, **options)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(import_string(self._path), attribute)
