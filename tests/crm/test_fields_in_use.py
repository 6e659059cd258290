"""The screens of fields in use: who sees them, what they show, what can be pressed."""

from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import (
    ActivityLog,
    CustomField,
    FieldStatistic,
    FieldUsage,
    IndexUsage,
    SchemaThresholds,
)
from crm.records.local_time import agency_today
from crm.schema.usage import screen, statements
from crm.schema.usage.dashboard import conflicting_fields_figure
from crm.schema.usage.sparkline import draw
from tests.cast import browser, figure_value, make_client, make_user, page_text
from tests.query_plans import has_seq_scan, plan_nodes
from tests.queued_jobs import queued_jobs

pytestmark = pytest.mark.django_db
LIST, ADVICE = "/crm/fieldstatistic/", "/crm/fieldstatistic/advice/"
SECRET = "a value of a record"


def make_statistic(key="size", **kw):
    defaults = {"table": "crm.client", "column": "custom_fields", "row_count": 50_000, "filled_count": 40_000}
    counts = {"kinds": {"number": 40_000}, "distinct_count": 900, "margin": 250, "sample_size": 10_000}
    return FieldStatistic.objects.create(key=key, **{**defaults, **counts, **kw})


def use(key, count=30, days_ago=0, people=(), **kw):
    day = agency_today() - timedelta(days=days_ago)
    keys = [make_user(name).pk for name in people]
    FieldUsage.objects.create(
        table="crm.client", column="custom_fields", key=key, day=day, people=keys, **(kw or {"filtered": count})
    )


@pytest.fixture
def theo():
    return browser(make_user("theo", "schema admin"))


def keys_listed(page, query=""):
    response = page.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [row.key for row in response.context["cl"].page.rows]


def test_list_shows_figures_uses_and_advice_of_each_key(theo):
    make_client(custom_fields={"size": SECRET})
    make_statistic("size", has_conflict=True)
    make_statistic("Zip", near_keys=["zip_code"], margin=0)
    make_statistic("quiet", filled_count=45_000)
    use("size", people=["ann", "bob"])
    use("Zip", shown=3, days_ago=29)
    use("quiet", days_ago=31)
    assert keys_listed(theo) == ["size", "Zip", "quiet"]
    assert keys_listed(theo, "order=filled") == ["quiet", "Zip", "size"]
    assert keys_listed(theo, "finding=conflict") == ["size"]
    assert keys_listed(theo, "finding=near") == ["Zip"]
    assert keys_listed(theo, "finding=unused") == ["quiet"]
    assert keys_listed(theo, "table=leads.lead") == []
    assert keys_listed(theo, "q=zi") == ["Zip"]
    text = page_text(theo.get(LIST))
    assert "80.0 %" in text and "± 0.5" in text
    assert "30 in 30 days, at most 30 a day" in text and text.count('class="sparkline"') == 2
    assert text.count('<span class="small quiet under">Custom fields</span>') == 3
    assert "Expression index" in text and "kinds conflict" in text and "like zip_code" in text
    assert SECRET not in text


def test_page_of_a_key_shows_kinds_uses_advice_and_near_keys(theo):
    make_client(custom_fields={"size": SECRET})
    CustomField.objects.create(table="crm.client", key="size", label="Size", kind="number")
    row = make_statistic(
        "size", kinds={"number": 39_000, "numeric_text": 1_000}, has_conflict=True, near_keys=["sizes"]
    )
    other = make_statistic("sizes")
    use("size", people=["ann", "bob"])
    text = page_text(theo.get(f"{LIST}{row.pk}/change/"))
    assert "40,000 of 50,000" in text and "± 250" in text and "about 900" in text
    assert "The field “Size” is of the kind number." in text
    assert "Text that reads as a number conflict" in " ".join(text.split()) or "conflict" in text
    assert f"/crm/fieldstatistic/{other.pk}/change/" in text
    assert text.count('class="sparkline"') == 1 and "Custom fields <code" in text
    assert "By 2 people." in text and "Measure cost and gain" in text
    assert "/crm/schemachange/request/?table=crm.client&amp;column=custom_fields&amp;key=size" in text
    assert SECRET not in text
    assert "Measure cost and gain" not in page_text(theo.get(f"{LIST}{other.pk}/change/"))


def test_undefined_key_can_be_defined_and_requested(theo):
    row = make_statistic('"a.b"')
    page = theo.get(f"{LIST}{row.pk}/change/")
    assert "/crm/customfield/add/?table=crm.client&amp;key=a.b" in page_text(page)
    request, index = page.wsgi_request, screen.Decision.INDEX
    assert [screen.request_url(request, row, decision) for decision in ("stay", "gin", "retire")] == [""] * 3
    assert screen.request_url(request, make_statistic(column="address"), index) == ""
    wanted = "/crm/schemachange/request/?table=crm.client&column=custom_fields&key=a.b&decision=index"
    assert screen.request_url(request, row, index) == wanted
    request.user = make_user("plain")
    assert screen.request_url(request, row, index) == screen.definition_url(request, row) == ""


def test_measuring_from_the_page_keeps_the_outcome(theo):
    SchemaThresholds.objects.update(min_rows=1)
    for number in range(20):
        make_client(custom_fields={"size": number})
    row = make_statistic("size", row_count=20, filled_count=20, margin=0)
    use("size", people=["ann", "bob"])
    response = theo.post(f"{LIST}{row.pk}/do/measure/", follow=True)
    assert "Measured on a sample: expression index." in page_text(response)
    assert "Tried" in page_text(theo.get(f"{LIST}{row.pk}/change/"))
    assert "→" in page_text(theo.get(ADVICE))


def test_advice_lists_decisions_unused_indexes_and_statements(theo):
    make_statistic("size")
    make_statistic("stays")
    use("size", people=["ann", "bob"])
    old = timezone.now() - timedelta(days=120)
    IndexUsage.objects.create(name="leads_unread", table="leads", scan_count=0, size=9_000, watched_since=old)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM clients AS raw_sql WHERE custom_fields ->> 'size' = %s", [SECRET])
    with CaptureQueriesContext(connection) as queries:
        response = theo.get(ADVICE)
    assert len(queries) <= 16
    assert [row.key for row in response.context["advised"]] == ["size"]
    text = page_text(response)
    assert "leads_unread" in text and "1 other key should stay." in text
    assert "AS raw_sql WHERE custom_fields -&gt;&gt; $" in text
    assert SECRET not in text


def test_advice_says_where_there_are_no_statistics_of_statements(theo):
    with mock.patch.object(statements, "STATEMENTS_SQL", "SELECT %s, %s, %s FROM no_such_view"):
        assert "keeps no statistics of statements" in page_text(theo.get(ADVICE))
    assert "No key needs a decision." in page_text(theo.get(ADVICE))


def test_list_costs_the_same_for_one_key_and_for_thirty(theo):
    make_statistic("first")
    theo.get(LIST)
    with CaptureQueriesContext(connection) as one:
        theo.get(LIST)
    for number in range(29):
        make_statistic(f"key_{number}")
        use(f"key_{number}")
    with CaptureQueriesContext(connection) as thirty:
        assert len(theo.get(LIST).context["cl"].page.rows) == 30
    assert len(thirty) == len(one) <= 15


def test_thresholds_are_changed_with_a_reason(theo):
    url = f"/crm/schemathresholds/{SchemaThresholds.objects.get().pk}/change/"
    assert url in page_text(theo.get("/crm/schemathresholds/"))
    form = theo.get(f"{url}?edit=1").context["adminform"].form
    data = {name: form.initial[name] for name in form.fields if name != "reason"}
    assert "Nothing was changed" in page_text(theo.post(f"{url}?edit=1", {**data, "reason": "None"}))
    refused = theo.post(f"{url}?edit=1", {**data, "index_uses": 500, "reason": "Fewer indexes"})
    assert "A column needs at least as many uses as an index." in page_text(refused)
    refused = theo.post(f"{url}?edit=1", {**data, "index_uses": 50})
    assert "This field is required." in page_text(refused)
    assert theo.post(f"{url}?edit=1", {**data, "index_uses": 50, "reason": "Fewer indexes"}).status_code == 302
    row = SchemaThresholds.objects.get()
    assert (row.index_uses, row.reason) == (50, "Fewer indexes")
    assert ActivityLog.objects.for_target(row).exists()
    assert "Fewer indexes" in page_text(theo.get(url))


@pytest.mark.parametrize("role", ["viewer", "agent", "manager"])
def test_other_roles_see_nothing_of_it(role):
    row = make_statistic("size")
    page = browser(make_user("x", role))
    for url in (LIST, ADVICE, f"{LIST}{row.pk}/change/", "/crm/schemathresholds/"):
        assert page.get(url).status_code == 403, url
    assert page.post(f"{LIST}scan/").status_code == 403
    assert page.post(f"{LIST}{row.pk}/do/measure/").status_code in {403, 404}
    assert "Fields in use" not in page_text(page.get("/crm/customfield/"))
    assert "Fields with conflicting values" not in page_text(page.get("/"))


def test_user_who_sees_only_their_own_records_reads_no_key():
    """The names of keys, their counts and the statements come from the records of every owner."""
    row, user = make_statistic("secret", has_conflict=True), make_user("ann", "agent")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_fieldstatistic", "measure_fieldstatistic"]))
    page = browser(user)
    assert keys_listed(page) == keys_listed(page, "q=secret") == []
    assert ADVICE not in page_text(page.get(LIST))
    for url in (f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/do/measure/"):
        assert page.get(url).status_code == 404, url
    assert page.get(ADVICE).status_code == 403
    assert "secret" not in page_text(page.get("/"))
    assert figure_value(conflicting_fields_figure(user, timezone.now())) == "0"


def test_schema_admin_reaches_the_list_from_home_and_custom_fields_and_scans(theo):
    make_statistic("size", has_conflict=True)
    assert f'href="{LIST}?finding=conflict"' in page_text(theo.get("/"))
    assert f'href="{LIST}"' in page_text(theo.get("/crm/customfield/"))
    theo.post(f"{LIST}scan/")
    theo.post(f"{LIST}scan/")
    assert len(queued_jobs("crm.scan_json")) == 1


def test_sparkline_reaches_from_the_first_day_to_today():
    line = draw([0, 5, 10])
    assert line.points == "2.0,18.0 45.0,10.0 88.0,2.0"
    assert draw([0] * 30).summary == "0 in 30 days, at most 0 a day"


def test_uses_are_read_from_the_index():
    """A column may have hundreds of keys with a row a day each."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO field_usages ("table", "column", key, day, filtered)
            SELECT 'crm.client', 'custom_fields', 'key_' || k, CURRENT_DATE - d, 1
              FROM generate_series(1, 300) k, generate_series(0, 30) d"""
        )
        cursor.execute("ANALYZE field_usages")
    keys = [make_statistic(f"key_{number}") for number in range(20)]
    (condition,) = {
        node["Index Cond"]
        for node in plan_nodes(FieldStatistic.objects.annotate(used=screen.uses_key()).values("used"))
        if node.get("Index Name") == "field_usages_once"
    }
    assert "md5(" in condition
    assert not has_seq_scan(FieldUsage.objects.of_keys(["crm.client"], [row.key for row in keys]))
