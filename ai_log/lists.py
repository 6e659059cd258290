"""The list of the log, with what the calls shown come to."""

from django.db.models import Count, Q, Sum
from django.utils.functional import cached_property

from ai_log.dashboard import format_cost
from ai_log.models import AIInteractionQuerySet
from crm.screens.lists import KeysetChangeList

MAX_SUMMED_ROWS = 10_000
# Where words are looked for, each row is read whole to see whether it has them.
MAX_SEARCHED_ROWS = 1_000
SUMMED_COLUMNS = ("pk", "error_message", "prompt_tokens", "completion_tokens", "cost_usd")


class LogChangeList(KeysetChangeList):
    def notice(self) -> str:
        """What the narrowed list comes to; the whole log has a page of its own."""
        return self.totals_sentence if self.active_params() else ""

    @cached_property
    def totals_sentence(self) -> str:
        return describe_totals(self.queryset, MAX_SEARCHED_ROWS if self.get.get("q") else MAX_SUMMED_ROWS)


def describe_totals(rows: AIInteractionQuerySet, max_rows: int) -> str:
    """Calls, failures, tokens and dollars of `rows` in a sentence, as long as no more than `max_rows` must be read."""
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
        return f"More than {max_rows:,} calls: narrow the list down, to a time for one, to see what they come to."
    if not totals["calls"]:
        return ""
    cost_text = format_cost(totals["dollars"] or 0, totals["calls"] - totals["unknown"])
    parts = [
        f"{totals['calls']:,} call{'s' if totals['calls'] > 1 else ''}, {totals['failed']:,} failed",
        f"{totals['asked']:,} tokens asked and {totals['answered']:,} answered",
        f"cost {cost_text}"
        + (f" and {totals['unknown']:,} of unknown cost" if 0 < totals["unknown"] < totals["calls"] else ""),
    ]
    return "; ".join(parts) + "."
