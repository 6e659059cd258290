"""What models were asked and what it cost: by agent, by model, by day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db.models import Avg, Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from ai_log.models import AIInteractionQuerySet
from ai_log.today import dollars

PERIODS = (7, 30, 90)
MOST_NAMES = 50


@dataclass(frozen=True)
class Total:
    """Sums over the calls of one name or day; `asked` is the query string of the list that holds them.

    `unknown` counts calls of unknown cost: their tokens and dollars are in no sum, not even as nothing.
    """

    name: str
    asked: str
    calls: int
    failed: int
    tokens_in: int
    tokens_out: int
    cost: str
    unknown: int
    seconds: str


def since(days: int, now: datetime) -> date:
    """The first of the last `days` days, today among them."""
    return timezone.localdate(now) - timedelta(days=days - 1)


def totals(rows: AIInteractionQuerySet, first: date) -> dict[str, list[Total]]:
    """Sums of `rows`, which lie on or after `first`: by agent and by model the most called first, by day the newest."""
    named = {"agent": "agent", "model": "model_used"}
    found = {
        label: [
            total(row, row["name"] or "not named", {**({label: row["name"]} if row["name"] else {}), "since": first})
            for row in summed(rows.values(name=F(column))).order_by("-calls", "name")[:MOST_NAMES]
        ]
        for label, column in named.items()
    }
    days = summed(rows.annotate(name=TruncDate("created_at")).values("name")).order_by("-name")
    found["day"] = [
        total(row, f"{row['name']:%a, %d %b %Y}", {"since": row["name"], "until": row["name"]}) for row in days
    ]
    return found


def summed(groups: QuerySet) -> QuerySet:
    return groups.annotate(
        calls=Count("pk"),
        failed=Count("pk", filter=~Q(error_message="")),
        tokens_in=Sum("prompt_tokens"),
        tokens_out=Sum("completion_tokens"),
        cost=Sum("cost_usd"),
        unknown=Count("pk", filter=Q(cost_usd__isnull=True)),
        latency=Avg("latency_ms"),
    )


def total(row: dict[str, Any], name: str, asked: dict[str, Any]) -> Total:
    return Total(
        name=name,
        asked=urlencode(asked),
        calls=row["calls"],
        failed=row["failed"],
        tokens_in=row["tokens_in"] or 0,
        tokens_out=row["tokens_out"] or 0,
        cost=cost(row["cost"], row["calls"] - row["unknown"]),
        unknown=row["unknown"],
        seconds="" if row["latency"] is None else f"{row['latency'] / 1000:.1f} s",
    )


def cost(amount: Decimal | None, known: int) -> str:
    return dollars(amount) if known else "unknown"
