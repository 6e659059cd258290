"""The page that searches everything, and the part of it that the box on every page fetches."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from crm.screens.search.commands import Command, matching_commands
from crm.screens.search.recent import recent_records
from crm.screens.search.records import FoundRecords, Hit, HitGroup, find_records, load_recent
from crm.text.cleaning import searchable, shorten

# With this parameter the answer is only the results.
PART_PARAM = "part"
MAX_TEXT_LENGTH, MAX_ECHOED_LENGTH, MAX_COMMANDS_FOUND = 200, 60, 5
TOO_LONG = f"Type at most {MAX_TEXT_LENGTH} characters."


@require_safe
def search_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the records and the commands that the text in `q` asks for; without a text the recent ones and all."""
    text = " ".join(searchable(request.GET.get("q", "")).split())
    results = search_everything(site, request, text) if text else show_start(site, request)
    context = {"text": text, **results}
    if PART_PARAM in request.GET:
        return TemplateResponse(request, "crm/search/results.html", context)
    return TemplateResponse(
        request, "crm/search/page.html", {**site.each_context(request), "title": "Search", **context}
    )


def search_everything(site: AdminSite, request: HttpRequest, text: str) -> dict[str, Any]:
    """Return the groups for `text`: exact matches, commands, other records."""
    if len(text) > MAX_TEXT_LENGTH:
        return {"groups": [], "count": describe_count([]), "notice": TOO_LONG}
    found = find_records(site, request, text)
    commands = matching_commands(site, request, text)[:MAX_COMMANDS_FOUND]
    exact, others = ([group for group in found.groups if group.is_exact is wanted] for wanted in (True, False))
    groups = [*exact, *command_groups("Commands", commands), *others]
    return {"groups": groups, "count": describe_count(groups), "notice": describe_result(found, groups, text)}


def show_start(site: AdminSite, request: HttpRequest) -> dict[str, Any]:
    """Return what is shown before anything is typed: the records opened last, and all commands."""
    recent = load_recent(site, request, recent_records(request))
    commands = matching_commands(site, request, "")
    groups = [HitGroup("Opened last", recent)] if recent else []
    return {"groups": [*groups, *command_groups("Commands", commands)], "count": "", "notice": ""}


def command_groups(title: str, commands: list[Command]) -> list[HitGroup]:
    hits = [Hit(command.label, "", command.url, command.icon, command.is_post) for command in commands]
    return [HitGroup(title, hits)] if hits else []


def describe_count(groups: list[HitGroup]) -> str:
    """Return the number of lines in words, which a screen reader says."""
    number = sum(len(group.hits) for group in groups)
    return {0: "No results", 1: "1 result"}.get(number, f"{number} results")


def describe_result(found: FoundRecords, groups: list[HitGroup], text: str) -> str:
    """Return what to tell about the results in a sentence; empty if they speak for themselves."""
    if found.notice or groups:
        return found.notice
    return f"Nothing found for “{shorten(text, MAX_ECHOED_LENGTH)}”. Try another spelling, an address or a number."
