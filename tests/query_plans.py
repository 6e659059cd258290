"""PostgreSQL's plans for list queries, read from EXPLAIN on a table of some size."""

import json
from types import SimpleNamespace
from typing import Any

from django.contrib import admin
from django.db import connection, models
from django.http import QueryDict

from bench.measure import fetch_with_statements
from tests.cast import browser


def vacuum_analyze(*tables: str) -> None:
    """Analyze and vacuum `tables`, so that the planner knows their rows and the pages that all transactions see."""
    with connection.cursor() as cursor:
        # The tests' database commits asynchronously, and VACUUM passes over pages whose commits are not on disk yet.
        # A synchronous commit, here that of ANALYZE, writes all earlier ones too.
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"ANALYZE {', '.join(tables)}")
        cursor.execute("RESET synchronous_commit")
        cursor.execute(f"VACUUM {', '.join(tables)}")


def filtered_rows(model: type[models.Model], query: str, user: Any) -> models.QuerySet:
    """Return the rows that the list of `model` shows to `user` for the query string `query`."""
    model_admin = admin.site.get_model_admin(model)
    request = SimpleNamespace(user=user, GET=QueryDict(query))
    return model_admin.filterset_class(request.GET, model_admin.get_queryset(request), request=request).qs


def first_page(model: type[models.Model], query: str, user: Any, order: str = "") -> models.QuerySet:
    model_admin = admin.site.get_model_admin(model)
    ordering = model_admin.orders[order or next(iter(model_admin.orders))]
    return ordering.sort(ordering.annotate_keys(filtered_rows(model, query, user)))[: model_admin.list_per_page]


def plan_nodes(queryset: models.QuerySet) -> list[dict]:
    """Return every step of the plan for `queryset`."""
    return steps(json.loads(queryset.explain(format="json"))[0]["Plan"])


def steps(node: dict) -> list[dict]:
    """Return the step `node` of a plan and all below it."""
    return [node, *(one for child in node.get("Plans", ()) for one in steps(child))]


def screen_plans(user: Any, url: str, table: str) -> list[list[dict]]:
    """Return the steps of each statement that the page at `url` sends about `table`, as executed for `user`."""
    _, statements = fetch_with_statements(browser(user), url)
    plans = []
    with connection.cursor() as cursor:
        for sql, params in statements:
            if sql.lstrip("(").startswith("SELECT") and f'FROM "{table}"' in sql:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                (answer,) = cursor.fetchone()
                plans.append(steps((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]))
    return plans


def rows_read(plan: list[dict], table: str) -> float:
    """Return how many rows of `table` the steps of an executed plan read, those included that a filter dropped."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if node.get("Relation Name") == table
    )


def plan_indexes(queryset: models.QuerySet) -> set[str]:
    """Return the indexes that the plan for `queryset` reads."""
    return {node["Index Name"] for node in plan_nodes(queryset) if "Index Name" in node}


def has_seq_scan(queryset: models.QuerySet) -> bool:
    """Return whether the plan for `queryset` scans its whole table."""
    table = queryset.model._meta.db_table
    return any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == table for node in plan_nodes(queryset))


def has_sort(queryset: models.QuerySet) -> bool:
    return any("Sort" in node["Node Type"] for node in plan_nodes(queryset))
