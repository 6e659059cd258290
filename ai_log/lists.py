"""The list of the AI log, with totals of the filtered calls."""

from django.db.models import Count, Q, Sum
from django.utils.functional import cached_property

from ai_log.dashboard import format_cost
from ai_log.models import AIInteractionQuerySet
from crm.screens.lists import KeysetChangeList

MAX_SUMMED_ROWS = 10_000
# A text search reads each row completely, so fewer rows are summed.
MAX_SEARCHED_ROWS = 1_000
SUMMED_COLUMNS = ("pk", "error_message", "prompt_tokens", "completion_tokens", "cost_usd")


class LogChangeList(KeysetChangeList):
    def notice(self) -> str:
        """Return the totals of a filtered list; the usage page has those of the whole log."""
        return self.totals_sentence if self.active_params() else ""

    @cached_property
    def totals_sentence(self) -> str:
        return describe_totals(self.queryset, MAX_SEARCHED_ROWS if self.get.get("q") else MAX_SUMMED_ROWS)


def describe_totals(rows: AIInteractionQuerySet, max_rows: int) -> str:
    """Return calls, failures, tokens and cost of `rows` as text, or a hint if there are more than `max_rows`."""
    totals = (
        rows.order_by()
        .select_related(None)
        .values(*SUMMED_COLUMNS)[: max_rows + 1]
        .aggregate(
            calls=Count("pk"),
            failed=Count("pk", filter=~Q(error_message="")),
            asked=Sum("prompt_tokens", default=0),
            answered=Sum("completion_tokens", default=0),
            dollars=Sum("cost_usd"),
            unknown=Count("pk", filter=Q(cost_usd=None)),
        )
    )
    if totals["calls"] > max_rows:
        return f"More than {max_rows:,} calls. Filter the list, for example by date, to see the totals."
    if not totals["calls"]:
        return ""
    cost_text = format_cost(totals["dollars"] or 0, totals["calls"] - totals["unknown"])
    parts = [
        f"{totals['calls']:,} call{'s' if totals['calls'] > 1 else ''}, {totals['failed']:,} failed",
        f"{totals['asked']:,} input and {totals['answered']:,} output tokens",
        f"cost {cost_text}"
        + (f", unknown for {totals['unknown']:,}" if 0 < totals["unknown"] < totals["calls"] else ""),
    ]
    return "; ".join(parts) + "."
