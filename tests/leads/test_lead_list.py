"""The list of leads: what it finds, counts, says and hides."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import SavedView
from crm.records.transitions import soft_delete
from leads.filters import LeadFilter
from leads.models import InsuranceType, Lead, LeadStatus
from tests.cast import browser, make_lead

pytestmark = pytest.mark.django_db
URL = "/leads/lead/"
SCRIPT = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def shown(page, **asked) -> list[str]:
    """The names on the list that `page` gets for what is asked, in its order."""
    answer = page.get(URL, asked)
    assert answer.status_code == 200
    return [row.contact_name for row in answer.context["cl"].page.rows]


def told(page, **asked) -> list[str]:
    return [str(message) for message in page.get(URL, asked).context["messages"]]


@pytest.fixture
def few(ann, bob):
    """Leads that differ in everything that can be asked."""
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


FOUND = [
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


def test_each_filter_finds_just_its_leads(subtests, few, as_max):
    for asked, found in FOUND:
        with subtests.test(str(asked)):
            assert set(shown(as_max, **asked)) == found


def test_the_owner_is_asked_by_key(few, as_max, ann, max):
    assert shown(as_max, owner=str(ann.pk)) == ["Anns"]
    Lead.objects.filter(contact_name="Won").update(assigned_to=max)
    assert shown(as_max, owner="me", state="all") == ["Won"]


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
ASKED = {
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


def test_a_custom_field_is_asked_as_text_number_and_truth(as_max):
    key = "Ke y.ü"
    Lead.objects.bulk_create(Lead(contact_name=name, custom_fields={key: value}) for name, value in CUSTOM.items())
    assert {value: set(shown(as_max, **{f"cf.{key}": value})) for value in ASKED} == ASKED
    assert shown(as_max, **{"cf.other": "10"}) == []


def test_custom_fields_are_asked_together_and_an_empty_one_is_not_asked(as_max):
    make_lead(contact_name="Both", custom_fields={"a": 1, "b": "x"})
    make_lead(contact_name="One", custom_fields={"a": 1})
    assert shown(as_max, **{"cf.a": "1", "cf.b": "x"}) == ["Both"]
    assert set(shown(as_max, **{"cf.a": "1", "cf.b": "", "cf.": "x"})) == {"Both", "One"}


def tab(page, label: str, **asked) -> dict:
    return next(tab for tab in page.get(URL, asked).context["cl"].tabs if tab["label"] == label)


def test_every_tab_shows_as_many_as_it_says(few, as_max, max):
    Lead.objects.filter(contact_name="Anns").update(priority_tier="dormant")
    soft_delete(make_lead(contact_name="Gone"), by=max)
    labels = [tab["label"] for tab in as_max.get(URL).context["cl"].tabs]
    assert labels == ["Open", "Hot", "Warm", "Cold", "Dormant", "Not scored", "Closed", "Deleted"]
    counts = {}
    for label in labels:
        here = tab(as_max, label)
        answer = as_max.get(URL + here["url"])
        assert [t["label"] for t in answer.context["cl"].tabs if t["current"]] == [label]
        assert answer.context["cl"].chips() == []
        counts[label] = (here["count"], len(answer.context["cl"].page.rows))
    assert {label: int(said) for label, (said, _) in counts.items()} == {k: n for k, (_, n) in counts.items()}
    assert [n for _, n in counts.values()] == [3, 1, 0, 0, 1, 1, 2, 1]


def test_a_tab_keeps_the_other_filters_and_leaves_the_page(few, as_max):
    first = as_max.get(URL, {"owner": "none", "tier": "cold", "after": "x", "order": "value"})
    assert next(t for t in first.context["cl"].tabs if t["label"] == "Hot")["url"] == "?tier=hot&owner=none&order=value"


def test_the_tabs_of_a_narrowed_list_bear_no_numbers_for_they_lead_to_fewer(few, as_max):
    for asked in ({"tags": "red"}, {"q": "plain"}, {"tier": "hot", "cf.a": "1"}):
        assert {tab["count"] for tab in as_max.get(URL, asked).context["cl"].tabs} == {""}, asked
    for asked in ({"tier": "hot"}, {"state": "all"}, {"order": "value"}, {"value_min": "x"}, {"foo": "1"}):
        assert tab(as_max, "Open", **asked)["count"] == "3", asked


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


def test_the_search_finds_name_mail_company_phone_and_vin_however_written(subtests, as_max):
    Lead.objects.bulk_create(Lead(contact_name=name, **kind) for name, kind in PEOPLE.items())
    for words, found in SEARCHES:
        with subtests.test(str(words)):
            assert sorted(shown(as_max, q=words)) == sorted(found)


def test_a_search_looks_beyond_the_tab_of_open_leads_and_no_tab_says_otherwise(few, as_max):
    def current(**asked) -> list[str]:
        return [tab["label"] for tab in as_max.get(URL, asked).context["cl"].tabs if tab["current"]]

    assert (current(), current(q="xy")) == (["Open"], ["Open"])  # two letters are no search
    assert (shown(as_max, q="lost"), current(q="lost")) == (["Lost"], [])
    assert (current(tier="hot", q="plain"), current(state="closed", q="lost")) == (["Hot"], ["Closed"])


def test_a_search_of_under_three_letters_is_refused_with_a_sentence_and_left_out(few, as_max):
    for words in ("a", "ab", " ab ", "5"):
        answer = as_max.get(URL, {"q": words})
        assert "at least 3 characters" in answer.content.decode(), words
        assert {row.contact_name for row in answer.context["cl"].page.rows} == OPEN, words
        assert answer.context["cl"].chips() == [], words


NOT_ASKED = [
    ("stage", "NOWHERE", "Stage"),
    ("owner", "0190aaaa-0000-7000-8000-000000000000", "Owner"),
    ("owner", "everybody", "Owner"),
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
    ("tags", "x" * 501, "Tags, separated by commas"),
]


def test_what_cannot_be_asked_is_named_in_a_message_and_left_out(subtests, few, as_max):
    for name, value, label in NOT_ASKED:
        with subtests.test(f"{name}={value[:20]}"):
            answer = as_max.get(URL, {name: value})
            said = [str(message) for message in answer.context["messages"]]
            assert any(text.startswith(f"{label}: ") and text.endswith("This filter was left out.") for text in said)
            assert {row.contact_name for row in answer.context["cl"].page.rows} == OPEN
            assert answer.context["cl"].chips() == []


def test_an_unknown_order_is_named_and_the_first_order_is_used(few, as_max):
    assert told(as_max, order="colour") == ["There is no order “colour”."]
    assert shown(as_max, order="colour") == shown(as_max)
    cl = as_max.get(URL, {"order": "colour", "tier": "none"}).context["cl"]
    links = [cl.query_to_save(), *(link["url"] for link in (*cl.tabs, *cl.chips()))]
    assert not [link for link in links if "colour" in link]


def test_parameters_that_nobody_reads_are_no_filters(few, as_max):
    answer = as_max.get(URL, {"foo": "bar", "p": "2", "all": "1", "assigned_to__username": "x", "status__exact": "x"})
    assert {row.contact_name for row in answer.context["cl"].page.rows} == OPEN
    assert answer.context["cl"].chips() == []
    assert "foo" not in answer.context["cl"].query_to_save()


def test_a_chip_names_each_filter_in_words_and_takes_just_it_away(few, as_max, ann):
    asked = {"owner": str(ann.pk), "tags": "red", "tags_mode": "all", "cf.Ke y": "1 & 2", "tier": "none"}
    cl = as_max.get(URL, {**asked, "order": "value", "after": ""}).context["cl"]
    chips = {chip["label"]: chip for chip in cl.chips()}
    assert {label: chip["value"] for label, chip in chips.items()} == {
        "Owner": "Ann",
        "Tags, separated by commas": "red",
        "Ke y": "1 & 2",
    }
    for label, key in (("Owner", "owner"), ("Ke y", "cf.Ke y")):
        now = as_max.get(URL + chips[label]["url"]).context["cl"]
        assert dict(now.kept()) == {k: v for k, v in asked.items() if k != key}
        assert now.order_name == "value"


SORTED = {
    "priority": ["hot high", "hot low", "cold", "quiet", "unscored"],
    "newest": ["unscored", "quiet", "cold", "hot low", "hot high"],
    "value": ["cold", "quiet", "hot low", "unscored", "hot high"],
    "heard": ["cold", "unscored", "hot low", "hot high", "quiet"],
    "quiet": ["quiet", "hot high", "hot low", "unscored", "cold"],
}


def test_each_order_sorts_as_it_says_and_hot_first_unless_asked(as_max):
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
    assert {order: shown(as_max, order=order) for order in SORTED} == SORTED
    assert shown(as_max) == SORTED["priority"]


def test_a_heading_with_an_order_is_a_link_that_keeps_the_filters(few, as_max):
    answer = as_max.get(URL, {"owner": "none", "order": "value"})
    links = {column["label"]: (column["url"], column["current"]) for column in answer.context["cl"].columns()}
    assert links["Tier"] == ("?owner=none&order=priority", False)
    assert links["Value × probability"] == ("?owner=none&order=value", True)
    assert links["Last contact"] == ("?owner=none&order=heard", False)
    assert links["Owner"] == ("", False)
    assert 'aria-sort="descending"' in answer.content.decode()


def test_the_links_to_other_pages_keep_filters_and_order(as_max):
    Lead.objects.bulk_create(Lead(contact_name=f"Lead {n}", tags=["t"]) for n in range(51))
    first = as_max.get(URL, {"tags": "t", "order": "newest"}).context["cl"]
    second = as_max.get(URL + first.next_url()).context["cl"]
    assert (dict(second.kept("order")), second.page.offset, second.last_shown()) == (
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
    "tags": ["t" * 60] * 20,
    "custom_fields": {"k" * 60: "v" * 5_000},
    "auto_data": {"make": "x" * 5_000},
    "signals": [{"type": "email_opened", "timestamp": "2024-01-01T00:00:00Z", "weight": 0.1}] * 100,
}


SHOWN = ["contact_name", "company_name", "contact_email", "contact_phone", "source_detail", "tags"]


def test_a_page_of_fifty_costs_as_many_queries_as_a_page_of_one_and_stays_small(as_max, max):
    line = InsuranceType.objects.get(code="auto")

    def fill(count: int) -> None:
        Lead.objects.bulk_create(
            Lead(**{**LONG, "contact_email": f"{n}@example.com"}, assigned_to=max, insurance_type=line)
            for n in range(count, count * 2)
        )

    def queries() -> tuple[int, bytes]:
        with CaptureQueriesContext(connection) as ran:
            answer = as_max.get(URL, {"owner": "me", "tags": "t" * 60, "q": "nnn"})
        read = next(query["sql"] for query in ran if '"leads"."contact_name"' in query["sql"]).split(" FROM ")[0]
        assert [name for name in (*LONG, "line_data", "search_text") if f'"leads"."{name}"' in read] == SHOWN
        return len(ran), answer.content

    fill(1)
    queries()
    for_one, _ = queries()
    fill(60)
    for_fifty, content = queries()
    assert content.count(b"action-select") == 50
    assert for_one == for_fifty <= 15
    assert len(content) < 300_000


@pytest.fixture
def private(ann, bob):
    """One lead of each agent, one of nobody, and a deleted one of each kind."""
    for name, owner in (("Anns", ann), ("Bobs", bob), ("Free", None)):
        make_lead(contact_name=name, assigned_to=owner)
        make_lead(contact_name=f"{name} deleted", assigned_to=owner)
    Lead.objects.filter(contact_name__endswith="deleted").update(deleted_at=timezone.now())


def test_an_agent_sees_only_her_own_leads_and_those_of_nobody(private, as_ann):
    assert set(shown(as_ann)) == {"Anns", "Free"}
    assert tab(as_ann, "Open")["count"] == "2"


def test_no_parameter_shows_an_agent_more(private, as_ann, bob):
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
    for asked in tries:
        assert set(shown(as_ann, **asked)) <= {"Anns", "Free"}, asked
    assert "Deleted" not in [tab["label"] for tab in as_ann.get(URL).context["cl"].tabs]


def test_a_picker_offers_an_agent_only_what_she_may_see(private, as_ann):
    asked = {"app_label": "leads", "model_name": "task", "field_name": "lead"}
    for term in ("", "deleted", "bobs", "free", "x", "\x00"):
        answer = as_ann.get("/autocomplete/", {**asked, "term": term})
        names = {result["text"] for result in answer.json()["results"] if result["id"]}
        assert names == {"": {"Anns", "Free"}, "free": {"Free"}}.get(term, set()), term
    assert [r["text"] for r in as_ann.get("/autocomplete/", {**asked, "term": "free"}).json()["results"]] == ["Free"]


@pytest.mark.parametrize("term", ["f", "fr", " fr "])
def test_a_picker_says_that_one_or_two_letters_are_no_search(private, as_ann, term):
    asked = {"app_label": "leads", "model_name": "task", "field_name": "lead", "term": term}
    answer = as_ann.get("/autocomplete/", asked).json()
    assert answer["results"] == [{"id": "", "text": "Type at least 3 characters.", "disabled": True}]
    assert as_ann.get("/autocomplete/", {**asked, "term": "nobody at all"}).json()["results"] == []


def test_the_deleted_are_for_whoever_may_restore(private, as_max):
    assert set(shown(as_max, deleted="true")) == {"Anns deleted", "Bobs deleted", "Free deleted"}
    assert set(shown(as_max)) == {"Anns", "Bobs", "Free"}


def test_the_list_asks_for_the_right_to_see_leads(stranger):
    assert browser(stranger).get(URL).status_code == 403
    assert browser(None).get(URL).status_code == 302


def spoil(row: models.Model) -> None:
    """Put a script into every text of `row` that is not a choice."""
    texts = {
        field.name: SCRIPT[: field.max_length]
        for field in row._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField) and not field.choices and not field.primary_key
        if not field.generated
    }
    type(row)._base_manager.filter(pk=row.pk).update(**texts)


def test_scripts_in_any_column_are_shown_as_text(max):
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
        spoil(row)
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
    for answer in answers:
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "&lt;script&gt;alert" in text, answer.request
        assert "<script>alert" not in text, answer.request
        assert "<img src=x" not in text, answer.request


def test_only_a_web_address_becomes_a_link(max):
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


def test_odd_texts_in_every_parameter_at_once_never_break_the_list(subtests, few, as_max):
    known = [*LeadFilter.base_filters, "after", "before", "order", "cf.key", "p", "e", "all", "_popup"]
    for value in ODD:
        with subtests.test(ascii(value)[:20]):
            assert as_max.get(URL, dict.fromkeys([*known, f"cf.{value}"], value)).status_code == 200
            assert as_max.get(f"{URL}board/", {"owner": value, "q": value, "cf.key": value}).status_code == 200
    assert as_max.get(URL, {"_to_field": "\x00"}).status_code == 400


def test_an_odd_text_in_one_parameter_never_breaks_the_list(few, as_max):
    for name in [*LeadFilter.base_filters, "after", "before", "order", "cf.key"]:
        assert as_max.get(URL, {name: "\x00"}).status_code == 200, name


def test_bytes_that_are_no_text_never_break_the_list(few, as_max):
    query = "?q=%ff%fe%fd&tags=%ff&cf.%ff=%c3%28&stage=%ed%a0%80&order=%ff&after=%ff&%00=%00&=&&;"
    assert as_max.get(URL + query).status_code == 200
    assert as_max.get(f"{URL}%ff%00/change/").status_code == 404
