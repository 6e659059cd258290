"""Tests of the list of leads: filters, search, orders, counts and visibility."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import IntegrityError, connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import SavedView
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from leads.filters import LeadFilter
from leads.models import InsuranceType, Lead, LeadStatus
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
URL = "/leads/lead/"
SCRIPT = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def listed_names(page, **params) -> list[str]:
    """Return the names on the list for the query `params`, in order."""
    response = page.get(URL, params)
    assert response.status_code == 200
    return [row.contact_name for row in response.context["cl"].page.rows]


def shown_messages(page, **params) -> list[str]:
    return [str(message) for message in page.get(URL, params).context["messages"]]


@pytest.fixture
def varied_leads(ann, bob):
    """Create leads that differ in every filterable field."""
    old, auto = datetime(2020, 5, 17, 12, tzinfo=UTC), InsuranceType.objects.get(code="auto")
    kinds = {
        "Plain": {"estimated_value": 100, "source_type": "REFERRAL", "priority_tier": "hot", "tags": ["red"]},
        "Anns": {"assigned_to": ann, "insurance_type": auto, "tags": ["red", "blue"]},
        "Bobs": {"assigned_to": bob, "status_id": "ACTIVE", "estimated_value": 5_000, "awaiting_reply": True},
        "Lost": {"status_id": "CLOSED_LOST", "loss_reason": "BUDGET"},
        "Won": {"status_id": "CLOSED_WON"},
    }
    Lead.objects.bulk_create(Lead(contact_name=name, **kind) for name, kind in kinds.items())
    Lead.objects.filter(contact_name="Bobs").update(created_at=old, last_contact_at=old)


OPEN = {"Plain", "Anns", "Bobs"}


FILTER_CASES = [
    ({}, OPEN),
    ({"state": "open"}, OPEN),
    ({"state": "closed"}, {"Lost", "Won"}),
    ({"state": "all"}, OPEN | {"Lost", "Won"}),
    ({"tier": "hot"}, {"Plain"}),
    ({"tier": "none"}, {"Anns", "Bobs"}),
    ({"tier": "cold"}, set()),
    ({"stage": "ACTIVE"}, {"Bobs"}),
    ({"stage": "CLOSED_WON"}, set()),
    ({"stage": "CLOSED_WON", "state": "closed"}, {"Won"}),
    ({"owner": "none"}, {"Plain"}),
    ({"owner": "me"}, set()),
    ({"line": "auto"}, {"Anns"}),
    ({"source": "REFERRAL"}, {"Plain"}),
    ({"awaiting": "1"}, {"Bobs"}),
    ({"awaiting": "true"}, {"Bobs"}),
    ({"value_min": "100"}, {"Plain", "Bobs"}),
    ({"value_min": "100.01"}, {"Bobs"}),
    ({"value_max": "100"}, {"Plain"}),
    ({"value_min": "1", "value_max": "99"}, set()),
    ({"quiet_days": "30"}, {"Bobs"}),
    ({"created_from": "2020-05-17"}, OPEN),
    ({"created_from": "2020-05-18"}, {"Plain", "Anns"}),
    ({"created_to": "2020-05-17"}, {"Bobs"}),
    ({"created_to": "2020-05-16"}, set()),
    ({"created_from": "0001-01-01", "created_to": "9999-12-31"}, OPEN),
    ({"tags": "red"}, {"Plain", "Anns"}),
    ({"tags": "red, blue"}, {"Plain", "Anns"}),
    ({"tags": "red, blue", "tags_mode": "any"}, {"Plain", "Anns"}),
    ({"tags": "red,,blue,", "tags_mode": "all"}, {"Anns"}),
    ({"tags": "re"}, set()),
    ({"tags": " , "}, OPEN),
    ({"tier": "none", "tags": "red", "owner": "none"}, set()),
    ({"q": "lost"}, {"Lost"}),
    ({"q": "lost", "state": "open"}, set()),
]


def test_each_filter_finds_its_leads(subtests, varied_leads, as_max):
    for params, names in FILTER_CASES:
        with subtests.test(str(params)):
            assert set(listed_names(as_max, **params)) == names


def test_owner_filter(varied_leads, as_max, ann, max):
    assert listed_names(as_max, owner=str(ann.pk)) == ["Anns"]
    Lead.objects.filter(contact_name="Won").update(assigned_to=max)
    assert listed_names(as_max, owner="me", state="all") == ["Won"]


CUSTOM = {
    "number": 10,
    "text": "10",
    "decimal": 2.5,
    "negative": -3,
    "truth": True,
    "word": "true",
    "falsehood": False,
    "odd": "a%b_\\'\"",
    "list": ["gold"],
    "nothing": None,
}
CUSTOM_FIELD_CASES = {
    "10": {"number", "text"},
    "10.0": {"number"},
    "2.5": {"decimal"},
    "-3": {"negative"},
    "true": {"truth", "word"},
    "false": {"falsehood"},
    "True": set(),
    "None": set(),
    "a%b_\\'\"": {"odd"},
    "infinity": set(),
    "1" * 400: set(),
    "1" * 5000: set(),
}


def test_custom_field_filter_matches_text_number_and_boolean(as_max):
    key = "Ke y.ü"
    Lead.objects.bulk_create(Lead(contact_name=name, custom_fields={key: value}) for name, value in CUSTOM.items())
    assert {
        value: set(listed_names(as_max, **{f"cf.{key}": value})) for value in CUSTOM_FIELD_CASES
    } == CUSTOM_FIELD_CASES
    assert listed_names(as_max, **{"cf.other": "10"}) == []


def test_custom_field_filters_combine_and_empty_ones_are_ignored(as_max):
    make_lead(contact_name="Both", custom_fields={"a": 1, "b": "x"})
    make_lead(contact_name="One", custom_fields={"a": 1})
    assert listed_names(as_max, **{"cf.a": "1", "cf.b": "x"}) == ["Both"]
    assert set(listed_names(as_max, **{"cf.a": "1", "cf.b": "", "cf.": "x"})) == {"Both", "One"}


def tab(page, label: str, **params) -> dict:
    return next(tab for tab in page.get(URL, params).context["cl"].tabs if tab["label"] == label)


def test_tab_counts_match_their_lists(varied_leads, as_max, max):
    Lead.objects.filter(contact_name="Anns").update(priority_tier="dormant")
    soft_delete(make_lead(contact_name="Gone"), by=max)
    labels = [tab["label"] for tab in as_max.get(URL).context["cl"].tabs]
    assert labels == ["Open", "Hot", "Warm", "Cold", "Dormant", "Not scored", "Closed", "Deleted"]
    counts = {}
    for label in labels:
        tab_entry = tab(as_max, label)
        response = as_max.get(URL + tab_entry["url"])
        assert [t["label"] for t in response.context["cl"].tabs if t["current"]] == [label]
        assert response.context["cl"].chips() == []
        counts[label] = (tab_entry["count"], len(response.context["cl"].page.rows))
    assert {label: int(messages) for label, (messages, _) in counts.items()} == {k: n for k, (_, n) in counts.items()}
    assert [n for _, n in counts.values()] == [3, 1, 0, 0, 1, 1, 2, 1]


def test_tab_link_keeps_filters_and_drops_page(varied_leads, as_max):
    first = as_max.get(URL, {"owner": "none", "tier": "cold", "after": "x", "order": "value"})
    assert next(t for t in first.context["cl"].tabs if t["label"] == "Hot")["url"] == "?tier=hot&owner=none&order=value"


def test_tabs_of_filtered_list_have_no_counts(varied_leads, as_max):
    for params in ({"tags": "red"}, {"q": "plain"}, {"tier": "hot", "cf.a": "1"}):
        assert {tab["count"] for tab in as_max.get(URL, params).context["cl"].tabs} == {""}, params
    for params in ({"tier": "hot"}, {"state": "all"}, {"order": "value"}, {"value_min": "x"}, {"foo": "1"}):
        assert tab(as_max, "Open", **params)["count"] == "3", params


PEOPLE = {
    "Zoë Ødegård-O'Neil": {"contact_email": "zoe.o@Example.COM", "contact_phone": "(555) 010-2000"},
    "ŞAHİN ÖZGÜR": {"company_name": "100% Pure_Water \\ Sons"},
    "ΟΔΥΣΣΕΥΣ": {"contact_phone": "+1 555.777.8888"},
    "Al Wu": {"contact_email": "wonder@example.org", "company_name": "Pure Water"},
    "李小龙": {"auto_data": {"vin": "1hgCM82633A004352"}},
}


SEARCHES = [
    ("zoë", ["Zoë Ødegård-O'Neil"]),
    ("ZOË", ["Zoë Ødegård-O'Neil"]),
    ("ødegård-o'neil zoë", ["Zoë Ødegård-O'Neil"]),
    ("  Zoë   ØDEGÅRD ", ["Zoë Ødegård-O'Neil"]),
    ("ZOE.O@example.com", ["Zoë Ødegård-O'Neil"]),
    ("@example.org", ["Al Wu"]),
    ("şahin", ["ŞAHİN ÖZGÜR"]),
    ("ŞAHİN", ["ŞAHİN ÖZGÜR"]),
    ("ΟΔΥΣΣΕΥΣ", ["ΟΔΥΣΣΕΥΣ"]),
    ("al wu", ["Al Wu"]),
    ("wu al", []),
    ("pure", ["Al Wu", "ŞAHİN ÖZGÜR"]),
    ("PURE WATER", ["Al Wu", "ŞAHİN ÖZGÜR"]),
    ("water sons", ["ŞAHİN ÖZGÜR"]),
    ("100%", ["ŞAHİN ÖZGÜR"]),
    ("pure_", ["ŞAHİN ÖZGÜR"]),
    ("r \\ s", ["ŞAHİN ÖZGÜR"]),
    ("%%%", []),
    ("___", []),
    ("\\\\\\", []),
    ("pure%water", []),
    ("'; DROP TABLE leads; --", []),
    ("5550102000", ["Zoë Ødegård-O'Neil"]),
    ("555-010-2000", ["Zoë Ødegård-O'Neil"]),
    ("+1 (555) 010 2000", ["Zoë Ødegård-O'Neil"]),
    ("010.2000", ["Zoë Ødegård-O'Neil"]),
    ("1-555-777-8888", ["ΟΔΥΣΣΕΥΣ"]),
    ("(555) 777-8888", ["ΟΔΥΣΣΕΥΣ"]),
    ("001 555 7778888", ["ΟΔΥΣΣΕΥΣ"]),
    ("1HGCM82633A004352", ["李小龙"]),
    ("1hgcm82633a004352", ["李小龙"]),
    ("a004352", ["李小龙"]),
    ("李小龙", ["李小龙"]),
]


def test_search_finds_name_email_company_phone_and_vin(subtests, as_max):
    Lead.objects.bulk_create(Lead(contact_name=name, **kind) for name, kind in PEOPLE.items())
    for words, names in SEARCHES:
        with subtests.test(str(words)):
            assert sorted(listed_names(as_max, q=words)) == sorted(names)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("Jurgen", {"Jürgen Müller"}),
        ("JÜRGEN", {"Jürgen Müller"}),
        ("Mu\u0308ller", {"Jürgen Müller"}),
        ("Müller, Jürgen", {"Jürgen Müller"}),
        ("muller,jur", {"Jürgen Müller"}),
        ("O’Brien", {"Sean O'Brien", "Ann O’Brien"}),
        ("o'brien", {"Sean O'Brien", "Ann O’Brien"}),
        ("Łukasz", {"Łukasz Żak"}),
        ("lukasz zak", {"Łukasz Żak"}),
        ("strasse", {"Straße Bau"}),
        ("Stone, Ava", {"Stone, Ava"}),
        ("Ava Stone", {"Stone, Ava"}),
        ("Li, Bo", {"Bo Li"}),
        ("1HGCM82633A004352", {"Bo Li"}),
        ("2hgcm82633a004353", {"Bo Li"}),
        ("3HGCM82633A004354", {"Bo Li"}),
        ("4HGCM82633A004355", {"Bo Li"}),
    ],
)
def test_search_ignores_accents_apostrophes_and_order_of_names(as_max, words, names):
    vehicles = {"auto_data": {"vin": "1HGCM82633A004352", "other_vehicles": [{"vin": "2HGCM82633A004353"}]}}
    vehicles["auto_data"]["other_vehicles"].append({"vin": "3HGCM82633A004354"})
    fleet = {"line_data": {"vehicles": [{"vin": "4HGCM82633A004355"}]}}
    people = ("Jürgen Müller", "Sean O'Brien", "Ann O’Brien", "Łukasz Żak", "Straße Bau", "Stone, Ava")
    Lead.objects.bulk_create(Lead(contact_name=name) for name in people)
    Lead.objects.create(contact_name="Bo Li", **vehicles, **fleet)
    assert set(listed_names(as_max, q=words)) == names


def test_tags_are_found_in_any_case(as_max):
    make_lead(contact_name="Ann", tags=["VIP", "Fleet"])
    make_lead(contact_name="Bob", tags=["vip"])
    assert set(listed_names(as_max, tags="Vip")) == {"Ann", "Bob"}
    assert listed_names(as_max, tags="vip, FLEET", tags_mode="all") == ["Ann"]


def test_tags_that_differ_only_by_case_are_refused_by_the_database():
    with pytest.raises(IntegrityError, match="leads_tags_distinct"):
        Lead.objects.create(contact_name="Ann", tags=["VIP", "vip"])


def test_leads_of_user_who_left_can_be_filtered(as_max, bob):
    make_lead(contact_name="Bobs", assigned_to=bob)
    bob.is_active = False
    bob.save()
    response = as_max.get(URL, {"owner": str(bob.pk)})
    assert [row.contact_name for row in response.context["cl"].page.rows] == ["Bobs"]
    assert "Bob (inactive)" in response.content.decode()


def test_full_address_finds_the_lead_that_has_it_and_no_longer_one(as_max):
    for address in ("ann@example.com", "joann@example.com", "other@example.com"):
        make_lead(contact_name=address.partition("@")[0], contact_email=address)
    assert listed_names(as_max, q=" Ann@Example.com ") == ["ann"]
    assert listed_names(as_max, q="nn@example.com") == ["joann", "ann"], "no lead has this address, so it is a word"
    soft_delete(Lead.objects.get(contact_name="ann"), by=SYSTEM_ACTOR)
    assert listed_names(as_max, q="ann@example.com") == ["joann"]
    assert listed_names(as_max, q="ann@example.com", deleted="true") == ["ann"]


def test_search_includes_closed_leads_and_selects_no_tab(varied_leads, as_max):
    def current(**params) -> list[str]:
        return [tab["label"] for tab in as_max.get(URL, params).context["cl"].tabs if tab["current"]]

    assert (current(), current(q="xy")) == (["Open"], ["Open"])  # a search needs three letters
    assert (listed_names(as_max, q="lost"), current(q="lost")) == (["Lost"], [])
    assert (current(tier="hot", q="plain"), current(state="closed", q="lost")) == (["Hot"], ["Closed"])


def test_search_under_three_letters_is_ignored_with_message(varied_leads, as_max):
    for words in ("a", "ab", " ab ", "5"):
        response = as_max.get(URL, {"q": words})
        assert "at least 3 characters" in response.content.decode(), words
        assert {row.contact_name for row in response.context["cl"].page.rows} == OPEN, words
        assert response.context["cl"].chips() == [], words


INVALID_FILTERS = [
    ("stage", "NOWHERE", "Stage"),
    ("owner", "0190aaaa-0000-7000-8000-000000000000", "Owner"),
    ("owner", "everyone", "Owner"),
    ("tier", "tepid", "Tier"),
    ("line", "pets", "Line"),
    ("source", "referral", "Source"),
    ("state", "both", "Open or closed"),
    ("value_min", "1e999999999", "Value from"),
    ("value_min", "-1", "Value from"),
    ("value_max", "NaN", "Value to"),
    ("quiet_days", "2.5", "No contact for (days)"),
    ("created_from", "yesterday", "Created from"),
    ("created_to", "2020-02-30", "Created to"),
    ("tags_mode", "none", "Tags match"),
    ("q", "x" * 201, "Search"),
    ("tags", "x" * 501, "Tags (comma-separated)"),
]


def test_invalid_filter_is_ignored_with_message(subtests, varied_leads, as_max):
    for name, value, label in INVALID_FILTERS:
        with subtests.test(f"{name}={value[:20]}"):
            response = as_max.get(URL, {name: value})
            messages = [str(message) for message in response.context["messages"]]
            assert any(
                text.startswith(f"{label}: ") and text.endswith("This filter was left out.") for text in messages
            )
            assert {row.contact_name for row in response.context["cl"].page.rows} == OPEN
            assert response.context["cl"].chips() == []


def test_unknown_order_is_reported_and_default_is_used(varied_leads, as_max):
    assert shown_messages(as_max, order="colour") == ["Unknown sort order “colour”."]
    assert listed_names(as_max, order="colour") == listed_names(as_max)
    cl = as_max.get(URL, {"order": "colour", "tier": "none"}).context["cl"]
    links = [cl.query_to_save(), *(link["url"] for link in (*cl.tabs, *cl.chips()))]
    assert not [link for link in links if "colour" in link]


def test_unknown_parameters_are_ignored(varied_leads, as_max):
    response = as_max.get(URL, {"foo": "bar", "p": "2", "all": "1", "assigned_to__username": "x", "status__exact": "x"})
    assert {row.contact_name for row in response.context["cl"].page.rows} == OPEN
    assert response.context["cl"].chips() == []
    assert "foo" not in response.context["cl"].query_to_save()


def test_chip_names_its_filter_and_removes_it(varied_leads, as_max, ann):
    params = {"owner": str(ann.pk), "tags": "red", "tags_mode": "all", "cf.Ke y": "1 & 2", "tier": "none"}
    cl = as_max.get(URL, {**params, "order": "value", "after": ""}).context["cl"]
    chips = {chip["label"]: chip for chip in cl.chips()}
    assert {label: chip["value"] for label, chip in chips.items()} == {
        "Owner": "Ann",
        "Tags (comma-separated)": "red",
        "Ke y": "1 & 2",
    }
    for label, key in (("Owner", "owner"), ("Ke y", "cf.Ke y")):
        now = as_max.get(URL + chips[label]["url"]).context["cl"]
        assert dict(now.active_params()) == {k: v for k, v in params.items() if k != key}
        assert now.order_name == "value"


SORTED = {
    "priority": ["hot high", "hot low", "cold", "quiet", "unscored"],
    "newest": ["unscored", "quiet", "cold", "hot low", "hot high"],
    "value": ["cold", "quiet", "hot low", "unscored", "hot high"],
    "heard": ["cold", "unscored", "hot low", "hot high", "quiet"],
    "quiet": ["quiet", "hot high", "hot low", "unscored", "cold"],
}


def test_each_order_sorts_and_priority_is_default(as_max):
    now = timezone.now()
    kinds = {
        "hot high": ("hot", "0.95", None, None),
        "hot low": ("hot", "0.75", 5, None),
        "cold": ("cold", "0.99", 900, now),
        "quiet": ("dormant", None, 6, now - timedelta(days=400)),
        "unscored": (None, None, 0, None),
    }
    Lead.objects.bulk_create(
        Lead(
            contact_name=name,
            priority_tier=tier,
            overall_score=score,
            estimated_value=value,
            last_contact_at=heard,
            created_at=now - timedelta(days=30 - number),
        )
        for number, (name, (tier, score, value, heard)) in enumerate(kinds.items())
    )
    assert {order: listed_names(as_max, order=order) for order in SORTED} == SORTED
    assert listed_names(as_max) == SORTED["priority"]


def test_column_heading_links_keep_filters(varied_leads, as_max):
    response = as_max.get(URL, {"owner": "none", "order": "value"})
    links = {column["label"]: (column["url"], column["current"]) for column in response.context["cl"].columns()}
    assert links["Tier"] == ("?owner=none&order=priority", False)
    assert links["Weighted value"] == ("?owner=none&order=value", True)
    assert links["Last contact"] == ("?owner=none&order=heard", False)
    assert links["Owner"] == ("", False)
    assert 'aria-sort="descending"' in response.content.decode()


def test_page_links_keep_filters_and_order(as_max):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}", tags=["t"]) for n in range(51))
    first = as_max.get(URL, {"tags": "t", "order": "newest"}).context["cl"]
    second = as_max.get(URL + first.next_url()).context["cl"]
    assert (dict(second.active_params("order")), second.page.offset, second.last_row_number()) == (
        {"tags": "t", "order": "newest"},
        50,
        51,
    )
    assert as_max.get(URL + second.previous_url()).context["cl"].page.rows == first.page.rows


LONG = {
    "contact_name": "N" * 200,
    "company_name": "&" * 200,
    "contact_email": "m" * 60 + "{}@" + "example." * 20 + "com",
    "contact_phone": "5" * 40,
    "source_detail": "'" * 200,
    "notes": "<" * 10_000,
    "tags": ["t" * 60, *(f"{number:02}{'t' * 58}" for number in range(19))],
    "custom_fields": {"k" * 60: "v" * 5_000},
    "auto_data": {"make": "x" * 5_000},
    "signals": [{"type": "email_opened", "timestamp": "2024-01-01T00:00:00Z", "weight": 0.1}] * 100,
}


SHOWN = ["contact_name", "company_name", "contact_email", "contact_phone", "source_detail", "tags"]


def test_query_count_is_constant_for_1_and_50_leads(as_max, max):
    line = InsuranceType.objects.get(code="auto")

    def fill(count: int) -> None:
        Lead.objects.bulk_create(
            Lead(**{**LONG, "contact_email": f"{n}@example.com"}, assigned_to=max, insurance_type=line)
            for n in range(count, count * 2)
        )

    def queries() -> tuple[int, bytes]:
        with CaptureQueriesContext(connection) as ran:
            response = as_max.get(URL, {"owner": "me", "tags": "t" * 60, "q": "nnn"})
        selected_columns = next(query["sql"] for query in ran if '"leads"."contact_name"' in query["sql"]).split(
            " FROM "
        )[0]
        assert [
            name for name in (*LONG, "line_data", "search_text") if f'"leads"."{name}"' in selected_columns
        ] == SHOWN
        return len(ran), response.content

    fill(1)
    queries()
    for_one, _ = queries()
    fill(60)
    for_fifty, content = queries()
    assert content.count(b"action-select") == 50
    assert for_one == for_fifty <= 15
    assert len(content) < 300_000


@pytest.fixture
def private_leads(ann, bob):
    """Create one lead of each agent, an unassigned one, and a deleted one of each kind."""
    for name, owner in (("Anns", ann), ("Bobs", bob), ("Free", None)):
        make_lead(contact_name=name, assigned_to=owner)
        make_lead(contact_name=f"{name} deleted", assigned_to=owner)
    Lead.objects.filter(contact_name__endswith="deleted").update(deleted_at=timezone.now())


def test_agent_sees_own_and_unassigned_leads_only(private_leads, as_ann):
    assert set(listed_names(as_ann)) == {"Anns", "Free"}
    assert tab(as_ann, "Open")["count"] == "2"


def test_no_parameter_reveals_hidden_leads(private_leads, as_ann, bob):
    tries = [
        {"owner": str(bob.pk)},
        {"owner": str(bob.pk), "state": "all"},
        {"state": "all", "deleted": "false"},
        {"deleted": "true"},
        {"deleted": "true", "owner": str(bob.pk), "state": "all"},
        {"deleted": "1", "q": "deleted"},
        {"q": "bobs"},
        {"assigned_to": str(bob.pk)},
        {"assigned_to__id__exact": str(bob.pk), "all": ""},
        {"_popup": "1", "owner": str(bob.pk)},
        {"e": "1"},
    ]
    for params in tries:
        assert set(listed_names(as_ann, **params)) <= {"Anns", "Free"}, params
    assert "Deleted" not in [tab["label"] for tab in as_ann.get(URL).context["cl"].tabs]


def test_picker_offers_visible_leads_only(private_leads, as_ann):
    params = {"app_label": "leads", "model_name": "task", "field_name": "lead"}
    for term in ("", "deleted", "bobs", "free", "x", "\x00"):
        response = as_ann.get("/autocomplete/", {**params, "term": term})
        names = {result["text"] for result in response.json()["results"] if result["id"]}
        assert names == {"": {"Anns", "Free"}, "free": {"Free"}}.get(term, set()), term
    assert [r["text"] for r in as_ann.get("/autocomplete/", {**params, "term": "free"}).json()["results"]] == ["Free"]


@pytest.mark.parametrize("term", ["f", "fr", " fr "])
def test_picker_requires_three_letters(private_leads, as_ann, term):
    params = {"app_label": "leads", "model_name": "task", "field_name": "lead", "term": term}
    response = as_ann.get("/autocomplete/", params).json()
    assert response["results"] == [{"id": "", "text": "Type at least 3 characters.", "disabled": True}]
    assert as_ann.get("/autocomplete/", {**params, "term": "no such name"}).json()["results"] == []


def test_deleted_leads_need_restore_permission(private_leads, as_max):
    assert set(listed_names(as_max, deleted="true")) == {"Anns deleted", "Bobs deleted", "Free deleted"}
    assert set(listed_names(as_max)) == {"Anns", "Bobs", "Free"}


def test_list_needs_view_permission(stranger):
    assert browser(stranger).get(URL).status_code == 403
    assert browser(None).get(URL).status_code == 302


def fill_with_script(row: models.Model) -> None:
    """Write a script into every text column of `row` that has no choices."""
    texts = {
        field.name: SCRIPT[: field.max_length]
        for field in row._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField) and not field.choices and not field.primary_key
        if not field.generated
    }
    type(row)._base_manager.filter(pk=row.pk).update(**texts)


def test_scripts_in_any_column_are_escaped(max):
    data = {SCRIPT: SCRIPT, "list": [SCRIPT, {SCRIPT: SCRIPT}]}
    lead = make_lead(
        assigned_to=max,
        line="auto",
        custom_fields=data,
        auto_data=data,
        line_data=data,
        communications=data,
        additional_insureds=[data, SCRIPT],
        signals=[{"type": SCRIPT, "timestamp": "2024-01-01T00:00:00Z", "weight": 0.1, "source": SCRIPT}],
        tags=[SCRIPT],
        loss_reason="OTHER",
        status_id="CLOSED_LOST",
    )
    view = SavedView.objects.create(owner=max, table="leads.lead", name="v", query="tags=" + quote(SCRIPT))
    for row in (lead, view, LeadStatus.objects.get(pk="CLOSED_LOST"), InsuranceType.objects.get(code="auto")):
        fill_with_script(row)
    for field in ("first_name", "last_name"):
        setattr(max, field, SCRIPT[:30])
    max.save()
    page = browser(max)
    first = page.get(URL, {"state": "all", "q": SCRIPT, f"cf.{SCRIPT}": SCRIPT, "tags": SCRIPT, "stage": SCRIPT})
    assert [row.pk for row in first.context["cl"].page.rows] == [lead.pk]
    answers = [first, page.get(URL, {"order": SCRIPT, "after": SCRIPT, "tier": SCRIPT}), page.get(f"{URL}board/")]
    answers += [
        page.get(f"{URL}{lead.pk}/{rest}") for rest in ("change/", "change/?edit=1", "history/", "delete/", "do/stage/")
    ]
    answers.append(page.post(f"{URL}?state=all", {"action": "stage", "index": "0", "_selected_action": [lead.pk]}))
    for response in answers:
        text = response.content.decode()
        assert response.status_code == 200
        assert "&lt;script&gt;alert" in text, response.request
        assert "<script>alert" not in text, response.request
        assert "<img src=x" not in text, response.request


def test_only_web_addresses_become_links(max):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(company_website="javascript:alert(1)")
    assert 'href="javascript:' not in browser(max).get(f"{URL}{lead.pk}/change/").content.decode()


ODD = [
    "\x00",
    "a\x00b",
    "\ufffd\ufffe\uffff",
    "\U0001f600",
    "\u202e\u200d\u0301",
    "²³¼",
    "٣٤٥",
    "𝟙𝟚𝟛",
    "İıſΣς",
    "%",
    "\\",
    "'\";--",
    "$1 {} [] %s %(x)s",
    "1e999999999",
    "0e999999999",
    "1e-999999999",
    "-0",
    "NaN",
    "9" * 400,
    "0001-01-01",
    "9999-12-31",
    "a" * 4_000,
]


def test_odd_values_in_all_parameters_never_break_list(subtests, varied_leads, as_max):
    parameters = [*LeadFilter.base_filters, "after", "before", "order", "cf.key", "p", "e", "all", "_popup"]
    for value in ODD:
        with subtests.test(ascii(value)[:20]):
            assert as_max.get(URL, dict.fromkeys([*parameters, f"cf.{value}"], value)).status_code == 200
            assert as_max.get(f"{URL}board/", {"owner": value, "q": value, "cf.key": value}).status_code == 200
    assert as_max.get(URL, {"_to_field": "\x00"}).status_code == 400


def test_odd_value_in_one_parameter_never_breaks_list(varied_leads, as_max):
    for name in [*LeadFilter.base_filters, "after", "before", "order", "cf.key"]:
        assert as_max.get(URL, {name: "\x00"}).status_code == 200, name


def test_invalid_bytes_never_break_list(varied_leads, as_max):
    query = "?q=%ff%fe%fd&tags=%ff&cf.%ff=%c3%28&stage=%ed%a0%80&order=%ff&after=%ff&%00=%00&=&&;"
    assert as_max.get(URL + query).status_code == 200
    assert as_max.get(f"{URL}%ff%00/change/").status_code == 404
