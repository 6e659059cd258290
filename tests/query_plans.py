"""PostgreSQL's plans for list queries, read from EXPLAIN on a table of some size."""

import json
from types import SimpleNamespace
from typing import Any

from django.contrib import admin
from django.db import connection, models
from django.http import QueryDict


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
    collected = []

    def walk(node: dict) -> None:
        collected.append(node)
        for child in node.get("Plans", ()):
            walk(child)

    walk(json.loads(queryset.explain(format="json"))[0]["Plan"])
    return collected


def plan_indexes(queryset: models.QuerySet) -> set[str]:
    """Return the indexes that the plan for `queryset` reads."""
    return {node["Index Name"] for node in plan_nodes(queryset) if "Index Name" in node}


def has_seq_scan(queryset: models.QuerySet) -> bool:
    """Return whether the plan for `queryset` scans its whole table."""
    table = queryset.model._meta.db_table
    return any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == table for node in plan_nodes(queryset))


def has_sort(queryset: models.QuerySet) -> bool:
    return any("Sort" in node["Node Type"] for node in plan_nodes(queryset))
