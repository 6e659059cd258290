"""The commands of the search box: what a user may do and the pages that the user may open."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse

from crm.screens.theme import allows
from crm.text.letters import plain_letters


@dataclass(frozen=True)
class Command:
    """Something to do or a page to open. `words` are further words by which it is found.

    A command that changes something at once has no page: `is_post` says that its address takes an empty form.
    """

    label: str
    icon: str
    url: str
    words: str = ""
    is_post: bool = False

    def matches(self, text: str) -> bool:
        """Whether every word of `text` begins a word of the command."""
        own_words = plain_letters(f"{self.label} {self.words}").split()
        return all(any(own.startswith(word) for own in own_words) for word in plain_letters(text).split())


def record_commands(site: AdminSite, request: HttpRequest) -> Iterator[Command]:
    """Yield what the admin classes of the tables offer to the user, those of the searched tables first."""
    places = {label: place for place, label in enumerate(settings.SEARCHED_TABLES)}
    screens = sorted(site._registry.values(), key=lambda screen: places.get(screen.opts.label_lower, len(places)))
    for screen in screens:
        if hasattr(screen, "get_commands"):
            yield from screen.get_commands(request)


def page_commands(request: HttpRequest) -> Iterator[Command]:
    """Yield the entries of the navigation that the user may open."""
    for group in settings.UNFOLD["SIDEBAR"]["navigation"]:
        for entry in group["items"]:
            if allows(request, entry):
                yield Command(f"Go to {entry['title']}", entry["icon"], str(entry["link"]), "open show")


def account_commands() -> Iterator[Command]:
    """Yield the pages about the user, and the logout."""
    for entry in settings.UNFOLD["ACCOUNT"]["navigation"]:
        yield Command(entry["title"], "person", str(entry["link"]), "account profile")
    yield Command("Log out", "logout", reverse("admin:logout"), "sign", is_post=True)


def matching_commands(site: AdminSite, request: HttpRequest, text: str) -> list[Command]:
    """Return the commands that `text` asks for; labels that begin with it come first."""
    commands = [*record_commands(site, request), *page_commands(request), *account_commands()]
    begins = plain_letters(text)
    found = [command for command in commands if command.matches(text)]
    return sorted(found, key=lambda command: not plain_letters(command.label).startswith(begins))
