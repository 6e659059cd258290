"""How PostgreSQL means to answer what a list is asked: read from EXPLAIN on a table of some size."""

import json
from types import SimpleNamespace
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import QueryDict


def asked(model: type[models.Model], query: str, user: Any) -> models.QuerySet:
    """The rows of the list of `model` that `query`, a query string, shows to `user`."""
    own = admin.site.get_model_admin(model)
    request = SimpleNamespace(user=user, GET=QueryDict(query))
    return own.filterset_class(request.GET, own.get_queryset(request), request=request).qs


def first_page(model: type[models.Model], query: str, user: Any, order: str = "") -> models.QuerySet:
    own = admin.site.get_model_admin(model)
    chosen = own.orders[order or next(iter(own.orders))]
    return chosen.sorted(chosen.annotated(asked(model, query, user)))[: own.list_per_page]


def nodes(queryset: models.QuerySet) -> list[dict]:
    """Every step of the plan for `queryset`."""
    found = []

    def walk(node: dict) -> None:
        found.append(node)
        for child in node.get("Plans", ()):
            walk(child)

    walk(json.loads(queryset.explain(format="json"))[0]["Plan"])
    return found


def indexes_of(queryset: models.QuerySet) -> set[str]:
    """The names of the indexes that the plan for `queryset` reads."""
    return {node["Index Name"] for node in nodes(queryset) if "Index Name" in node}


def reads_whole(queryset: models.QuerySet) -> bool:
    """Whether the plan for `queryset` reads its whole table."""
    table = queryset.model._meta.db_table
    return any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == table for node in nodes(queryset))


def sorts(queryset: models.QuerySet) -> bool:
    return any("Sort" in node["Node Type"] for node in nodes(queryset))
