"""The chart of a list counts what the list behind each group shows."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.http import QueryDict
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.text import capfirst

from crm.models import ActivityLog, CustomField, CustomFieldKind, FieldUsage, Project
from crm.models.custom_field import KINDS_WITH_CHOICES, REFERENCE_TABLES, CustomFieldTable
from crm.records.field_usage import buffer, write_counts
from crm.screens.charts import counting
from crm.screens.charts.counting import MAX_GROUPS
from crm.screens.charts.groupings import find_groupings
from crm.screens.charts.ranges import PARTS, roundest_between
from crm.screens.filters import valid_rows
from leads.models import InsuranceType, Lead, Policy
from tests.cast import (
    allow_export,
    browser,
    copy_record,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_ticket,
    page_text,
)

pytestmark = pytest.mark.django_db
LEADS = "/leads/lead/"
FIELDS = {
    "level": {"kind": "choice", "choices": [{"value": "gold", "label": "Gold"}, {"value": "basic", "label": "Basic"}]},
    "pets": {"kind": "choices", "choices": [{"value": "cat", "label": "Cat"}, {"value": "dog", "label": "Dog"}]},
    "member": {"kind": "yes_no"},
    "city": {"kind": "text"},
    "joined": {"kind": "date"},
    "seen": {"kind": "date_time"},
    "budget": {"kind": "money"},
    "notes": {"kind": "long_text"},
}
VALUES = [
    {"level": "gold", "pets": ["cat", "dog"], "member": True, "city": "Oslo", "joined": "2026-01-31", "budget": 100},
    {"level": "gold", "pets": ["cat"], "member": False, "city": "oslo", "joined": "2026-01-01", "budget": 50.5},
    {"level": "platinum", "pets": [], "member": "yes", "city": 10, "joined": "31.1.2026"},
    {"level": "", "pets": "cat", "member": None, "city": "10", "seen": "2026-02-28T23:30:00+00:00"},
    {"level": 5, "pets": ["cat", ""], "city": "", "joined": "2026-02-01", "seen": "2026-03-01T00:30:00+00:00"},
    {"city": ["Oslo"], "pets": [["cat"]], "budget": "many"},
    {},
]
PET_FORM = {
    "type": "object",
    "properties": {
        "species": {"type": "string", "enum": ["dog", "cat"], "title": "Species"},
        "chipped": {"type": "boolean", "title": "Chipped"},
    },
}


@pytest.fixture
def fields(db) -> None:
    for key, options in FIELDS.items():
        CustomField.objects.create(table="leads.lead", key=key, label=key.title(), **options)


@pytest.fixture
def leads(fields, ann) -> list[Lead]:
    """Leads with values of all kinds, also such as do not fit, and of two owners."""
    leads = [make_lead(estimated_value=100 * (number + 1)) for number, _ in enumerate(VALUES)]
    for number, (lead, values) in enumerate(zip(leads, VALUES, strict=True)):
        # As an import or raw SQL leaves them: forms refuse some of these values.
        Lead.objects.filter(pk=lead.pk).update(
            custom_fields=values,
            assigned_to=ann if number % 2 else None,
            tags=[["vip"], ["VIP", "new"], []][number % 3],
        )
    return leads


def load_chart(user, url: str = LEADS, **params: str):
    response = browser(user).get(f"{url}chart/", params)
    assert response.status_code == 200, response.headers
    return response.context["chart"]


def groups(chart) -> dict[str, int]:
    return {one.label: one.count for one in chart.groups}


def listed(user, query: str, url: str = LEADS) -> int:
    response = browser(user).get(f"{url}?{query}&count=all")
    assert "left out" not in page_text(response)
    return response.context["cl"].result_total.number


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("cf.level", {"Gold": 2, "No value": 3, "Values of another kind": 1, "platinum": 1}),
        ("cf.pets", {"Cat": 3, "No value": 2, "Values of another kind": 2, "Dog": 1}),
        ("cf.member", {"No value": 4, "No": 1, "Values of another kind": 1, "Yes": 1}),
        ("cf.city", {"10": 2, "No value": 2, "Oslo": 1, "Values of another kind": 1, "oslo": 1}),
        ("cf.joined", {"No value": 3, "Values of another kind": 1, "Jan 2026": 2, "Feb 2026": 1}),
        ("tags", {"VIP": 5, "new": 2, "No tags": 2}),
        ("owner", {"Unassigned": 4, "Ann": 3}),
    ],
)
def test_each_group_counts_the_rows_of_its_list(ada, leads, by, expected):
    chart = load_chart(ada, by=by)
    assert groups(chart) == expected
    assert chart.total.count == len(VALUES)
    for group in chart.groups:
        assert bool(group.query) == (group.label not in {"Values of another kind", "No tags"})
        if group.query:
            assert listed(ada, group.query) == group.count


def chart_of_values(user, kind: str, values: list, **options):
    """Return the chart by a field of leads that have `values`, after comparing each group with the list behind it."""
    CustomField.objects.create(table="leads.lead", key="it's {x} 100%", label="Anything", kind=kind, **options)
    for value in values:
        lead = make_lead()
        Lead.objects.filter(pk=lead.pk).update(custom_fields={"it's {x} 100%": value})
    chart = load_chart(user, by="cf.it's {x} 100%")
    for group in chart.groups:
        if group.query:
            assert (group.label, listed(user, group.query)) == (group.label, group.count)
    return chart


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3, 1, 2.0, 2, 1e4], ["1", "2", "3", "10,000"]),
        ([0.1 + 0.2, 0.3, 12345678901234567890, 5e-7], ["0.0000005", "0.3", "0.30000000000000004", "12,345,678,901,2"]),
        ([*range(1, 101)], ["Under 10", "10 to under 25", "25 to under 40", "40 to under 50", "50 to under 60"]),
        ([*range(1994, 2026)], ["Under 1997", "1997 to under 2000", "2000 to under 2005", "2005 to under 2010"]),
        ([number * 1_000.25 for number in range(40)], ["Under 5000", "5000 to under 10,000", "10,000 to under 15"]),
        ([number / 10 + 0.2 for number in range(-30, 30)], ["Under -2", "-2 to under -1.5", "-1.5 to under -0.5"]),
        ([0] * 90 + [*range(10)] + [1e300, -1e300], ["Under 0", "0 or more"]),
        (["many", None, "", True, [1], "12", 12], ["No value", "Values of another kind", "12"]),
    ],
)
def test_numbers_are_grouped_in_ranges_whose_links_find_their_rows(ada, values, labels):
    chart = chart_of_values(ada, "number", values)
    assert all(group.label.startswith(label) for group, label in zip(chart.groups, labels, strict=False))
    assert len(labels) <= len(chart.groups) <= PARTS + 2
    assert sum(group.count for group in chart.groups) == len(values)
    assert all(group.query for group in chart.groups if group.label != "Values of another kind")


def test_ranges_with_more_decimals_than_a_filter_reads_have_no_link(ada):
    chart = chart_of_values(ada, "number", [1e-200, *range(20)])
    assert [bool(group.query) for group in chart.groups] == [False] * (len(chart.groups) - 1) + [True]


def test_ranges_of_money_have_its_sign_and_follow_the_filters(ada):
    chart = chart_of_values(ada, "money", [number * 1_000 for number in range(40)])
    assert [group.label for group in chart.groups[:2]] == ["Under $5,000", "$5,000 to under $10,000"]
    assert chart.groups[-1].label == "$35,000 or more"
    narrow = load_chart(ada, by="cf.it's {x} 100%", **{"cf.it's {x} 100%~op": "to", "cf.it's {x} 100%": "3000"})
    assert [group.label for group in narrow.groups] == ["$0", "$1,000", "$2,000", "$3,000"]


@pytest.mark.parametrize(
    ("low", "high", "round_number"),
    [("0.9", "1.1", "1"), ("1994", "2003", "2000"), ("-17", "-14", "-15"), ("-1", "5", "0"), ("7.25", "7.25", "7.25")],
)
def test_border_is_the_roundest_number_of_its_stretch(low, high, round_number):
    assert roundest_between(Decimal(low), Decimal(high)) == Decimal(round_number)


REFERENCES = {
    "lead": make_lead,
    "client": make_client,
    "contact": make_contact,
    "policy": make_policy,
    "ticket": make_ticket,
    "project": lambda **kw: Project.objects.create(name="Move", **{"client": make_client(), **kw}),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_references_are_grouped_by_records_that_the_reader_may_open(ann, bob, kind):
    make, owner = REFERENCES[kind], {"assigned_to": ann}
    if kind in {"policy", "project"}:
        owner = {"client": make_client(assigned_to=ann)}
    hidden = {key: make_client(assigned_to=bob) if key == "client" else bob for key in owner}
    if kind == "contact":
        owner = hidden = {}
    own, other, deleted = make(**owner), make(**hidden), make(**owner)
    type(deleted).objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
    values = [str(own.pk), str(own.pk).upper(), str(other.pk), str(deleted.pk), str(uuid4()), "Olga", "", None]
    chart = chart_of_values(ann, kind, values)
    named = {group.label: group.count for group in chart.groups if group.query}
    hidden_label = f"{capfirst(type(own)._meta.verbose_name_plural)} that you may not open"
    # The leads that the field names are leads of the list themselves.
    expected = {str(own): 2, "No value": 3 if kind == "lead" else 2, **({} if hidden else {str(other): 1})}
    assert named == expected
    assert groups(chart) == {**expected, hidden_label: 3 if hidden else 2, "Values of another kind": 1}


def test_colleagues_are_named_in_charts_whoever_reads(bob, ann):
    chart = chart_of_values(bob, "staff", [str(ann.pk), str(ann.pk), str(bob.pk), str(uuid4())])
    assert groups(chart) == {"Ann": 2, "Bob": 1, "Users that you may not open": 1}


def test_names_of_references_are_read_at_once(ada):
    clients, counts = [make_client() for _ in range(12)], []
    chart_of_values(ada, "client", [str(clients[0].pk)])
    for client in clients[1:]:
        make_lead(custom_fields={"it's {x} 100%": str(client.pk)})
    for params in ({"cf.it's {x} 100%": str(clients[0].pk)}, {}):
        with CaptureQueriesContext(connection) as queries:
            chart = load_chart(ada, by="cf.it's {x} 100%", **params)
        counts.append((len(chart.groups), len(queries)))
    assert [groups for groups, _ in counts] == [1, 12]
    assert counts[0][1] == counts[1][1]


def test_texts_that_look_like_other_values_are_groups_of_their_own(ada):
    values = [
        "1",
        1,
        1.0,
        "1.0",
        "01",
        "1_000",
        1000,
        "١",
        "1e3",
        1e300,
        "true",
        True,
        "false",
        "A\tb",
        "none",
        "%s {x}",
    ]
    chart = chart_of_values(ada, "text", values)
    counts = groups(chart)
    assert (counts["1"], counts["1.0"], counts["true"], counts["1000"], counts["1_000"]) == (3, 1, 2, 1, 1)
    # Their filters find the numbers 1 and 1,000 as well.
    assert {group.label for group in chart.groups if not group.query} == {"1.0", "01", "1_000", "١", "1e3"}


def test_group_that_filters_cannot_name_has_no_link(ada):
    chart = chart_of_values(ada, "text", ["Oslo", " Oslo", "Oslo\u2028", "\t"])
    assert {group.label: bool(group.query) for group in chart.groups} == {
        "Oslo": True,
        " Oslo": False,
        "Oslo\u2028": False,
        "\t": False,
    }


def test_choice_that_a_record_has_twice_counts_once(ada):
    options = [{"value": "cat", "label": "Cat"}]
    assert groups(chart_of_values(ada, "choices", [["cat", "cat"], ["cat"]], choices=options)) == {"Cat": 2}


@pytest.mark.parametrize("kind", ["date", "date_time"])
def test_months_that_filters_do_not_compare_have_no_link(ada, kind):
    clock = "" if kind == "date" else "T12:00:00+00:00"
    days = ["0001-01-01", "1899-12-31", "1900-01-01", "2024-02-29", "2199-12-31", "2200-01-01", "9999-12-31"]
    chart = chart_of_values(ada, kind, [f"{day}{clock}" for day in days])
    assert [bool(group.query) for group in chart.groups] == [False, False, True, True, True, False, False]
    assert chart.groups[2].label == "Jan 1900"  # the months are in their order


def test_moment_beyond_the_last_year_of_the_reader_is_a_group(ada):
    ada.time_zone = "Asia/Tokyo"
    ada.save()
    chart = chart_of_values(ada, "date_time", ["9999-12-31T23:59:59+00:00", "2026-01-01T00:00:00+00:00"])
    assert [group.count for group in chart.groups] == [1, 1]


def test_spellings_of_a_carrier_are_one_group_as_its_filter_unites_them(ada):
    spellings = ["Harbor", "HARBOR", "ΣΊΣΥΦΟΣ", "Σίσυφος", "ſtone", "Stone", " Harbor"]
    for name in spellings:
        policy = make_policy()
        Policy.objects.filter(pk=policy.pk).update(carrier=name)
    chart = load_chart(ada, "/leads/policy/", by="carrier")
    assert sum(group.count for group in chart.groups) == len(spellings)
    for group in chart.groups:
        assert bool(group.query) == (group.label != " Harbor")
        if group.query:
            assert (group.label, listed(ada, group.query, "/leads/policy/")) == (group.label, group.count)


@pytest.mark.parametrize("by", ["stage", "tier", "line", "source", "cf.seen"])
def test_groups_of_every_filter_lead_to_their_rows(ada, leads, by):
    make_lead(line="auto", status_id="PROPOSAL_SENT", source_type="REFERRAL")
    chart = load_chart(ada, by=by)
    assert chart.groups
    for group in chart.groups:
        if group.query:
            assert listed(ada, group.query) == group.count


def test_months_are_those_of_the_reader(ada, leads):
    ada.time_zone = "Asia/Tokyo"
    ada.save()
    assert groups(load_chart(ada, by="cf.seen"))["Mar 2026"] == 2


@pytest.mark.parametrize(
    ("url", "make"),
    [
        ("/crm/client/", lambda: make_client(tags=["vip"])),
        ("/crm/contact/", lambda: make_contact(tags=["vip"])),
        ("/leads/policy/", make_policy),
        ("/support/supportticket/", lambda: make_ticket(issue_type="Billing")),
    ],
)
def test_every_list_with_custom_fields_has_charts(ada, url, make):
    make()
    page = browser(ada).get(url)
    assert "chart/?" in page_text(page)
    choice = browser(ada).get(f"{url}chart/").context["choice"]
    for by in choice.groupings:
        chart = load_chart(ada, url, by=by)
        assert chart.total.count == 1
        assert [listed(ada, one.query, url) for one in chart.groups if one.query] in ([1], [])


def test_amounts_are_added_up(ada, leads):
    chart = load_chart(ada, by="cf.level", sum="estimated_value")
    assert {one.label: one.amount for one in chart.groups}["Gold"] == 300
    assert chart.total.amount == 2_800
    assert [one.amount for one in chart.groups] == sorted((one.amount for one in chart.groups), reverse=True)
    budget = load_chart(ada, by="cf.level", sum="cf.budget")
    assert {one.label: one.amount and float(one.amount) for one in budget.groups} == {
        "Gold": 150.5,
        "No value": None,
        "Values of another kind": None,
        "platinum": None,
    }


def test_filters_of_the_list_narrow_the_chart_and_stay_in_its_links(ada, leads):
    chart = load_chart(ada, by="cf.level", tags="vip")
    assert chart.total.count == 5
    gold = next(one for one in chart.groups if one.label == "Gold")
    assert "tags=vip" in gold.query
    assert listed(ada, gold.query) == gold.count


def test_group_takes_the_place_of_the_filter_by_the_same_field(ada, leads):
    chart = load_chart(ada, by="cf.level", **{"cf.level": ["gold", "platinum"]})
    for group in chart.groups:
        assert listed(ada, group.query) == group.count


def test_chart_shows_only_rows_that_the_reader_may_see(bob, leads):
    make_lead(assigned_to=bob)
    assert groups(load_chart(bob, by="owner")) == {"Unassigned": 4, "Bob": 1}
    assert "Ann" not in groups(load_chart(bob, by="owner"))


def test_questions_of_the_chosen_line_group_its_leads(ada):
    InsuranceType.objects.create(code="pet", name="Pet", form_schema=PET_FORM)
    for species in ("dog", "dog", "cat"):
        make_lead(line="pet", line_data={"pet": {"species": species}})
    make_lead(line="pet")
    make_lead(line="auto")
    chart = load_chart(ada, by="answer.pet.species", line="pet")
    assert sorted(groups(chart).items()) == [("Cat", 1), ("Dog", 2), ("No value", 1)]
    assert chart.total.count == 4
    for group in chart.groups:
        assert listed(ada, group.query) == group.count
    everywhere = load_chart(ada, by="answer.pet.species", order="answer.pet.species")
    assert (groups(everywhere), everywhere.total.count) == (groups(chart), 4)  # leads of other lines have no group
    assert "answer.pet.species" not in browser(ada).get(f"{LEADS}chart/").context["choice"].groupings


def test_largest_groups_are_shown_and_the_rest_is_said(ada, fields):
    towns = [f"Town {number}" for number in range(MAX_GROUPS + 5)]
    copy_record(make_lead(), len(towns), lambda number: {"contact_email": "", "custom_fields": {"city": towns[number]}})
    make_lead(custom_fields={"city": "Town 1"})
    response = browser(ada).get(f"{LEADS}chart/", {"by": "cf.city"})
    assert len(response.context["chart"].groups) == MAX_GROUPS
    assert response.context["chart"].groups[0].label == "Town 1"
    assert f"The largest {MAX_GROUPS} groups." in page_text(response)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"by": "colour"}, "The list cannot be grouped by “colour”."),
        ({"sum": "colour"}, "The list cannot add up “colour”."),
        ({"by": "cf.notes"}, "The list cannot be grouped by “cf.notes”."),
        ({"colour": "red"}, "The filter “colour” is unknown or invalid. Correct it first."),
        ({"owner": "nonsense"}, "The filter “owner” is unknown or invalid. Correct it first."),
        ({"cf.budget": "many"}, "Budget: “many” is not a number. Correct this filter first."),
    ],
)
def test_unknown_parameters_lead_back_to_the_list_with_a_sentence(ada, fields, params, sentence):
    response = browser(ada).get(f"{LEADS}chart/", params, follow=True)
    assert response.redirect_chain[0][0].startswith(LEADS)
    assert f"There is no chart. {sentence}" in page_text(response)


def test_invalid_custom_filter_exports_nothing(ada, leads):
    response = browser(ada).post(f"{LEADS}export/?cf.budget=many", follow=True)
    assert "The list was not exported. Budget: “many” is not a number." in page_text(response)


def test_slow_chart_is_stopped_with_a_sentence(ada, leads, settings, monkeypatch):
    settings.LIST_TIMEOUT = 0.05
    slow = counting.GROUPS_SQL.replace("coalesce(sum(count), 0)::bigint", "pg_sleep(5)::text::bigint")
    monkeypatch.setattr(counting, "GROUPS_SQL", slow)
    response = browser(ada).get(f"{LEADS}chart/", {"by": "cf.level"}, follow=True)
    assert "The chart was stopped after 0.05 seconds" in page_text(response)


def test_chart_is_a_csv_file_for_users_who_may_export(ann, leads):
    assert browser(ann).post(f"{LEADS}chart/?by=cf.level").status_code == 403
    allow_export(ann)
    Lead.objects.filter(custom_fields__level="gold").update(custom_fields={"level": "=1+1"}, assigned_to=ann)
    file = browser(ann).post(f"{LEADS}chart/?by=cf.level&sum=estimated_value")
    lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "Level,Leads,Value"
    assert "'=1+1,2,300.00" in lines
    entry = ActivityLog.objects.for_target(ann).get(verb="exported")
    assert entry.summary == "Exported a chart of leads by Level as CSV (by=cf.level, sum=estimated_value)."


def test_chart_counts_a_use_of_its_key(ada, leads):
    buffer.take()
    load_chart(ada, by="cf.city")
    write_counts()
    assert FieldUsage.objects.filter(table="leads.lead", column="custom_fields", key="city").exists()


def test_reader_without_permission_has_no_chart(stranger):
    assert browser(stranger).get(f"{LEADS}chart/").status_code == 403


def test_chart_takes_few_queries(ada, leads, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        load_chart(ada, by="cf.level", sum="estimated_value")


VALUES_BY_KIND = {
    "number": [5, 1_000, 2.5, "x", None, 10**20],
    "money": [number * 100.5 for number in range(6)],
    "yes_no": [True, False, "yes", None, True, 1],
    "date": ["2026-01-31", "2026-02-01", "1.2.2026", "", "2026-01-01", 5],
    "date_time": ["2026-01-31T23:30:00+00:00", "2026-02-01", "soon", "", None, "2026-02-28T00:00:00Z"],
    "choice": ["gold", "basic", "old", "", 5, "gold"],
    "choices": [["gold"], ["gold", "basic"], [], "gold", ["old"], None],
}


def values_of_kind(kind: str) -> list:
    """Return values of a kind, some of which do not fit; references to leads, clients and so on of several owners."""
    if kind in REFERENCE_TABLES:
        keys = [str(pk) for pk in apps.get_model(REFERENCE_TABLES[kind])._base_manager.values_list("pk", flat=True)[:4]]
        return [*keys, *keys[:1], "Olga", str(uuid4())][:6]
    return VALUES_BY_KIND.get(kind, ["Oslo", "oslo", 10, "10", " Oslo", None])


@pytest.mark.parametrize("role", ["ada", "ann"])
def test_every_grouping_of_every_list_counts_the_rows_behind_its_links(request, ann, bob, role):
    reader, compared = request.getfixturevalue(role), 0
    for owner in (ann, bob):
        clients = [make_client(assigned_to=owner), make_client(assigned_to=owner)]
        for client in clients:
            make_lead(assigned_to=owner)
            make_policy(client=client)
            make_ticket(client=client)
            make_contact()
            Project.objects.create(name="Move", client=client)
    choices = [{"value": "gold", "label": "Gold"}, {"value": "basic", "label": "Basic"}]
    for table in CustomFieldTable.values:
        for kind in CustomFieldKind.values:
            offered = choices if kind in KINDS_WITH_CHOICES else []
            CustomField.objects.create(table=table, key=kind, label=kind, kind=kind, choices=offered)
        values = {kind: values_of_kind(kind) for kind in CustomFieldKind.values}
        rows = apps.get_model(table)._base_manager
        for number, pk in enumerate(rows.values_list("pk", flat=True)):
            rows.filter(pk=pk).update(
                custom_fields={kind: known[number % len(known)] for kind, known in values.items()}
            )
    for table in CustomFieldTable.values:
        compared += compare_groupings(admin.site.get_model_admin(apps.get_model(table)), reader)
    assert compared > 150


def compare_groupings(screen, reader) -> int:
    """Compare every group of every chart of a list with the rows that its link finds; return the number of groups."""
    asked, compared = RequestFactory().get("/"), 0
    asked.user = reader

    def rows_of(query: str):
        return valid_rows(screen.filterset_class(QueryDict(query), screen.get_queryset(asked), request=asked))

    filterset = screen.filterset_class(QueryDict(""), screen.get_queryset(asked), request=asked)
    visible = screen.visible_branches(asked)
    branches = [valid_rows(screen.filterset_class(QueryDict(""), rows, request=asked)) for rows in visible]
    for name, grouping in find_groupings(screen.list_chart, filterset).items():
        chart = counting.count_groups(branches, grouping, None, [])
        assert chart.total.count == rows_of("").count()
        for group in chart.groups:
            if group.query:
                compared += 1
                assert (name, group.label, group.count) == (name, group.label, rows_of(group.query).count())
    return compared
