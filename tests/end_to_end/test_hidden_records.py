"""No page, file or fragment shows a word of a record that its reader may not open."""

import io
import logging
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import models, transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from pydantic_ai import models as pydantic_ai_models

from agents.drafting.load_briefs import load_brief
from ai_log.models import AIInteraction
from crm.models import Client, Contact, CustomField, User
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.duplicates.matching import COLUMNS
from crm.screens.duplicates.warning import DuplicateWarningMixin
from crm.screens.filters import ListedRecordFilter, RelatedRecordFilter
from crm.screens.record_admin import RecordAdmin
from crm.screens.search.recent import COOKIE_NAME, MAX_RECENT
from inbox.models import Draft, EmailTemplate, Thread
from leads.importing.screens.views import EXAMPLE_KINDS
from leads.models import ImportBatch, Lead
from suggestions.models import Suggestion
from suggestions.screens.action_forms import Approve
from support.models import SupportTicket
from tests.ai_log.provider import fake_provider
from tests.cast import browser, make_user
from tests.end_to_end.addresses import ANY_KEY, OPEN_TO_ALL, Address, addresses, make_world, recalled
from tests.end_to_end.hidden_records import make_hidden_records, make_rows_of_nobody
from tests.end_to_end.planting import (
    PLANTED,
    PLANTED_PART,
    Place,
    columns_without_words,
    place_of,
    places_not_for,
    planted_places,
)
from tests.end_to_end.referring_records import CHART_KINDS, make_referring_records

pytestmark = pytest.mark.django_db
# What a form may hold.
FORM_DATA = {"name": "x", "title": "x", "body": "x", "summary": "x", "reason": "x", "stage": "ACTIVE", "tier": "hot"}
# Pages that show something when a form is sent, though nothing is saved.
POSTED_PAGES = {
    *("do", "add", "merge", "convert", "unmerge", "preview", "instead", "use"),
    *("move", "policy", "outgoing", "mapping", "conversation"),
}
# The key of a record in the path of a link.
LINKED_KEY = re.compile(r'href="[^"?#]*/([0-9a-f]{8}-[0-9a-f-]{27})/')
QUESTION = "Which tasks, tickets, emails and suggestions are open? Who is the client?"


@pytest.fixture(autouse=True)
def quiet_refusals(caplog) -> None:
    """Leave out Django's log of refused requests, each with a traceback."""
    caplog.set_level(logging.CRITICAL, logger="django.request")


@dataclass
class Scene:
    """A world that everyone sees, records of `owner`, and records of `reader` that refer to those."""

    reader: User
    owner: User
    world: dict[Any, Any]
    hidden: dict[Any, Any]
    referring: list[Any]
    # Rows that no agent sees.
    restricted: list[Any]
    columns_without_words: list[str]


@pytest.fixture(scope="module")
def scene(module_transaction) -> Scene:
    """Return records of two agents. The reader has every permission but that to see the records of every owner."""
    reader, owner = make_user("reader", "agent"), make_user("owner-of-all", "agent")
    reader.user_permissions.set(Permission.objects.exclude(codename="see_everyone"))
    world, hidden = make_world(), make_hidden_records(owner)
    restricted, missing = make_rows_of_nobody(owner), columns_without_words()
    return Scene(reader, owner, world, hidden, make_referring_records(reader, owner, hidden), restricted, missing)


def test_every_column_of_a_colleagues_records_has_a_planted_word(scene):
    """A new table needs a row in `make_hidden_records`, or is named as one of everyone."""
    assert scene.columns_without_words == []


def test_agent_reads_nothing_of_a_colleagues_records(scene):
    """The agent has nearly every permission, so that every page opens."""
    world, hidden, referring = scene.world, scene.hidden, scene.referring
    search = WordSearch(scene.reader, set(planted_places.values()))
    with recalled(scene.reader):
        for address in every_address({**world, **hidden, User: scene.owner}, [*referring, *scene.restricted]):
            if address.page != "do":  # a refused action shows the same page
                search.get(address.url, address.name)
            if is_posted(address, referring):
                url = address.url.replace(str(ANY_KEY), str(hidden[Lead].pk))
                data = {**FORM_DATA, **hidden_keys(hidden, address), "question": QUESTION, "key": str(ANY_KEY)}
                search.post(url, data, address.name, follow=address.page == "conversation")
        # As if the agent had opened each of the records while they were unassigned.
        search.page.cookies[COOKIE_NAME] = recent_cookie(scene.reader, hidden.values())
        search.get(reverse("admin:search"), "recent records")
        for url in (*probing_urls(hidden, referring), *chart_urls()):
            search.get(url, url)
        for url, data in files_and_previews(hidden, referring):
            search.post(url, data, f"{url} {data.get('action', '')}")
    owners_page = page_url(Lead, "change", hidden[Lead].pk)
    assert words_in(browser(scene.owner).get(owners_page)), "the words are planted"
    assert not search.leaks, "\n".join(sorted(search.leaks))


@pytest.mark.parametrize("role", ["owner", "viewer", "manager", "schema admin", "administrator", "stranger"])
def test_role_reads_only_words_of_records_that_it_may_open(scene, role):
    """The owner does not read what is restricted, a manager no draft of a colleague, a user without a role nothing."""
    user = scene.owner if role == "owner" else make_user(f"{role}-walker", None if role == "stranger" else role)
    search = WordSearch(user, {place_of(row) for row in scene.restricted} if role == "owner" else places_not_for(user))
    assert search.words
    with recalled(user):
        for address in every_address({**scene.world, **scene.hidden, User: scene.owner}, scene.restricted):
            if address.page != "do":
                search.get(address.url, address.name)
        for draft_list in ("", f"?q={PLANTED_PART}"):
            search.get(f"{page_url(Draft, 'changelist')}{draft_list}", "drafts")
    assert not search.leaks, "\n".join(sorted(search.leaks))


def test_no_word_of_a_hidden_record_reaches_a_model(scene, settings, monkeypatch):
    """The assistant is asked about a lead with hidden records around it; drafts about it are improved."""
    monkeypatch.setattr(pydantic_ai_models, "ALLOW_MODEL_REQUESTS", True)
    lead = next(row for row in scene.referring if isinstance(row, Lead))
    AIInteraction.objects.create(lead=lead, type="Chat", asked_by=scene.owner, summary="zorq_colleagues_answer")
    with fake_provider(settings) as provider:
        url = reverse("admin:leads_lead_ask_conversation", args=[lead.pk, UUID(int=7)])
        browser(scene.reader).post(url, {"question": QUESTION, "key": str(UUID(int=8))})
        assert provider.sent_texts, "the model was asked"
        for suggestion in Suggestion.objects.visible_to(scene.reader).filter(lead=lead):
            provider.requests.append({"messages": [{"content": repr(load_brief(suggestion, timezone.now()))}]})
    assert not {word for text in provider.sent_texts for word in PLANTED.findall(text)}


class WordSearch:
    """Requests of one user, and what the answers show of records that the user may not open: words, and links."""

    def __init__(self, user: User, hidden: set[Place]) -> None:
        self.page, self.leaks = browser(user), set()
        self.words = {word for word, place in planted_places.items() if place in hidden}
        self.keys = {str(key) for _, key in hidden}
        # A planted word of no certain row is one of the owner's records.
        self.hides_loose_words = hidden == set(planted_places.values())

    def get(self, url: str, name: str) -> None:
        self.read(self.page.get(url), name)

    def post(self, url: str, data: dict[str, Any], name: str, *, follow: bool = False) -> None:
        with transaction.atomic():
            self.read(self.page.post(url, data, follow=follow), f"POST {name}")
            transaction.set_rollback(True)

    def read(self, answer: HttpResponse, name: str) -> None:
        assert answer.status_code < 500, name
        self.leaks |= {f"{name}: {word}" for word in words_in(answer) if self.is_hidden(word)}
        links = set(LINKED_KEY.findall(answer.content.decode())) if is_page(answer) else set()
        self.leaks |= {f"{name}: a link to {key}" for key in links & self.keys}

    def is_hidden(self, word: str) -> bool:
        """Whether `word` belongs to a hidden row."""
        return self.hides_loose_words if word.lower() not in planted_places else word.lower() in self.words


def recent_cookie(user: User, rows: Iterable[models.Model]) -> str:
    """Return what a browser keeps of the records that `user` opened, at most as many as there are searched tables."""
    searched = [row for row in rows if row._meta.label_lower in settings.SEARCHED_TABLES]
    assert len(searched) == len(settings.SEARCHED_TABLES) <= MAX_RECENT
    return "|".join([user.pk.hex, *(f"{row._meta.label_lower}:{row.pk.hex}" for row in searched)])


def words_in(answer: HttpResponse) -> set[str]:
    """Return the planted words that a page or file shows."""
    content = answer.getvalue() if answer.streaming else answer.content
    if content.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        content = b" ".join(archive.read(name) for name in archive.namelist())
    return set(PLANTED.findall(content.decode(errors="replace")))


def is_page(answer: HttpResponse) -> bool:
    return not answer.streaming and answer.get("Content-Type", "").startswith("text/html")


def every_address(world: dict[Any, Any], rows: list[Any]) -> Iterator[Address]:
    """Yield every address with the records of `world` as keys, and with `rows`."""
    yield from (address for address in addresses(world) if address.name not in OPEN_TO_ALL)
    for row in rows:
        yield from (address for address in addresses({**world, type(row): row}) if str(row.pk) in address.url)


def is_posted(address: Address, rows: list[Any]) -> bool:
    """Whether a form is sent to `address`: of suggestions, each but that which approves only for one of `rows`."""
    if not isinstance(address.row, Suggestion) or address.page != "do" or address.verb == Approve.verb:
        return address.page in POSTED_PAGES
    return address.row == next(row for row in rows if isinstance(row, Suggestion))


def hidden_keys(hidden: dict[Any, Any], address: Address) -> dict[str, Any]:
    """Return the keys of hidden records under the names that forms have for them."""
    keys = {model._meta.model_name: row.pk for model, row in hidden.items()}
    other = hidden.get(type(address.row))
    return {**keys, "other": other.pk} if other is not None else keys


def probing_urls(hidden: dict[Any, Any], rows: list[Any]) -> Iterator[str]:
    """Yield addresses that ask for hidden words and hidden records."""
    yield from search_probes(hidden)
    for model, screen in admin.site._registry.items():
        if isinstance(screen, RecordAdmin):
            yield from list_probes(model, screen, hidden)
            yield from form_probes(model, screen, hidden)
    for row in rows:
        yield from record_probes(row, rows, hidden)
    for model in (Lead, Client, Contact, Thread):
        yield f"{page_url(Draft, 'add')}?{model._meta.model_name}={hidden[model].pk}"
        yield f"{page_url(Suggestion, 'add')}?type=TASK&{model._meta.model_name}={hidden[model].pk}"
    template = EmailTemplate.objects.first()
    yield f"{page_url(EmailTemplate, 'change', template.pk)}?lead={hidden[Lead].pk}"
    yield from reference_probes(rows, hidden)


def search_probes(hidden: dict[Any, Any]) -> Iterator[str]:
    """Yield the search over everything for hidden words, and for a number: a page shows what was searched for."""
    for text in (PLANTED_PART, f"#{hidden[SupportTicket].number}"):
        yield from (f"{reverse('admin:search')}?{urlencode({'q': text})}{part}" for part in ("", "&part=results"))


def reference_probes(rows: list[Any], hidden: dict[Any, Any]) -> Iterator[str]:
    """Yield what asks for hidden records by custom fields that refer to them: pickers, filters, placeholders, kinds."""
    for label in REFERENCE_TABLES.values():
        yield f"{reverse('admin:reference_picker', args=[label])}?term={PLANTED_PART}"
        yield reverse("admin:reference_picker", args=[label])
    for field in CustomField.objects.filter(kind__in=list(REFERENCE_TABLES)):
        query = f"?{urlencode({f'cf.{field.key}': hidden[apps.get_model(field.refers_to)].pk})}"
        list_url = page_url(apps.get_model(field.table), "changelist")
        yield from (f"{list_url}{query}", f"{list_url}filters/{query}&field=cf.{field.key}")
        yield f"{reverse('admin:crm_customfield_kind', args=[field.pk])}?kind=text"
    lead = next(row for row in rows if isinstance(row, Lead))
    template = EmailTemplate.objects.order_by("name").first()
    yield f"{page_url(EmailTemplate, 'change', template.pk)}?lead={lead.pk}"


def list_probes(model: type[models.Model], screen: RecordAdmin, hidden: dict[Any, Any]) -> Iterator[str]:
    """Yield the list with each tab, with a search for hidden words, and filtered by hidden records."""
    queries = [*(tab.params for tab in screen.tabs), {"q": PLANTED_PART}]
    for field, each in screen.filterset_class.base_filters.items():
        if isinstance(each, RelatedRecordFilter):
            queries.append({field: hidden[each.related_model].pk})
        if isinstance(each, ListedRecordFilter):
            queries.append({field: hidden[apps.get_model(each.listing_model)].pk})
    yield from (f"{page_url(model, 'changelist')}?{urlencode(query)}" for query in queries)


def form_probes(model: type[models.Model], screen: RecordAdmin, hidden: dict[Any, Any]) -> Iterator[str]:
    """Yield the form filled with hidden records, its pickers, and what it asks while a hidden name is typed."""
    keys = {other._meta.model_name: row.pk for other, row in hidden.items()}
    yield f"{page_url(model, 'add')}?{urlencode(keys)}"
    for field in screen.autocomplete_fields:
        picker = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field}
        yield f"{reverse('admin:autocomplete')}?{urlencode({**picker, 'term': PLANTED_PART})}"
    for other in COLUMNS if isinstance(screen, DuplicateWarningMixin) else ():
        pairs = zip(COLUMNS[model], COLUMNS[other], strict=True)
        typed = {own: getattr(hidden[other], name) for own, name in pairs if own and name}
        yield f"{page_url(model, 'duplicates')}?{urlencode(typed)}"


def page_url(model: type[models.Model], page: str, *keys: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=keys)


def record_probes(row: Any, rows: list[Any], hidden: dict[Any, Any]) -> Iterator[str]:
    """Yield the pages of `row` that take a search or the key of another record."""
    if isinstance(row, ImportBatch):
        yield from (f"{page_url(ImportBatch, 'change', row.pk)}?show={kind}" for kind in EXAMPLE_KINDS)
        return
    yield f"{page_url(type(row), 'change', row.pk)}?edit"
    if type(row) in COLUMNS:
        yield f"{page_url(type(row), 'merge', row.pk)}?q={PLANTED_PART}"
        others = [one for one in rows if type(one) is type(row) and one.pk != row.pk]
        for other in (hidden[type(row)], *others[:1]):
            yield f"{page_url(type(row), 'merge', row.pk)}?other={other.pk}"
    if isinstance(row, Lead):
        yield f"{page_url(Lead, 'convert', row.pk)}?q={PLANTED_PART}"
        yield f"{page_url(Lead, 'convert', row.pk)}?client={hidden[Client].pk}"
    if isinstance(row, Thread):
        yield from (f"{page_url(Thread, 'do', row.pk, verb)}?q={PLANTED_PART}" for verb in ("link", "join"))


def chart_urls() -> Iterator[str]:
    """Yield the charts of every list by each of its groupings."""
    for screen in admin.site._registry.values():
        if isinstance(screen, RecordAdmin) and screen.list_chart:
            shared = [f"cf.shared_{kind}" for kind in CHART_KINDS]
            groupings = [*screen.list_chart.filters, *(["tags"] if screen.list_chart.has_tags else []), *shared]
            for name in groupings:
                yield f"{screen.list_url()}chart/?{urlencode({'by': name})}"


def files_and_previews(hidden: dict[Any, Any], rows: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what asks for exports, charts as files, and the form of each action on hidden records and on `rows`."""
    for url in export_urls():
        yield from ((url, {"format": extension}) for extension in ("csv", "xlsx"))
    yield from ((url, {}) for url in chart_urls())
    for model, screen in admin.site._registry.items():
        if isinstance(screen, RecordAdmin):
            chosen = [one.pk for one in (*rows, *filter(None, [hidden.get(model)])) if type(one) is model]
            for form in screen.bulk_actions:
                yield screen.list_url(), {"action": form.verb, "_selected_action": chosen}


def export_urls() -> list[str]:
    screens = [screen for screen in admin.site._registry.values() if getattr(screen, "list_export", None)]
    return [f"{screen.list_url()}export/" for screen in screens]
