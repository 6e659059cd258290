"""Load templates without their indentation, which no browser shows and which made half of every page."""

import re
from pathlib import Path

from django.template import Origin
from django.template.loaders.app_directories import Loader as AppDirectoriesLoader

OWN_TEMPLATES = Path(__file__).parents[1] / "templates"
INDENTATION = re.compile(r"\n[ \t]+")


def strip_indentation(source: str) -> str:
    """Return `source` with every line flush left. The number of lines stays, because errors name one."""
    # In a <pre> the indentation shows.
    return source if "<pre" in source else INDENTATION.sub("\n", source)


class Loader(AppDirectoriesLoader):
    """Django's loader of the templates of apps; it strips the indentation of HTML once, when a template is loaded.

    Our templates come first, so that they can replace those of the theme, which is installed before our apps.
    """

    def get_dirs(self) -> list[Path]:
        return [OWN_TEMPLATES, *(folder for folder in super().get_dirs() if folder != OWN_TEMPLATES)]

    def get_contents(self, origin: Origin) -> str:
        source = super().get_contents(origin)
        return strip_indentation(source) if origin.template_name.endswith(".html") else source
