"""Load templates without their indentation, which no browser shows and which made half of every page."""

import re
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.template import Engine, Origin
from django.template.loaders.app_directories import Loader as AppDirectoriesLoader

OWN_TEMPLATES = Path(__file__).parents[1] / "templates"
INDENTATION = re.compile(r"\n[ \t]+")


def strip_indentation(source: str) -> str:
    """Return `source` with every line flush left. The number of lines stays, because errors name one."""
    # In a <pre> the indentation shows.
    return source if "<pre" in source else INDENTATION.sub("\n", source)


class Loader(AppDirectoriesLoader):
    """Django's loader of the templates of apps; it strips the indentation of HTML once, when a template is loaded.

    Our templates come first, so that they can replace those of the theme, which is installed before our apps. Where a
    few words of a template of the theme are to be others, `changes` has them: for each template the texts to replace,
    without indentation, and what replaces them.
    """

    def __init__(self, engine: Engine, changes: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(engine)
        self.changes = changes

    def get_dirs(self) -> list[Path]:
        return [OWN_TEMPLATES, *(folder for folder in super().get_dirs() if folder != OWN_TEMPLATES)]

    def get_contents(self, origin: Origin) -> str:
        source = super().get_contents(origin)
        if origin.template_name.endswith(".html"):
            source = strip_indentation(source)
        for old, new in self.changes.get(origin.template_name, {}).items():
            if source.count(old) != 1:
                raise ImproperlyConfigured(f"{origin.template_name} does not have this text once: {old}")
            source = source.replace(old, new)
        return source
