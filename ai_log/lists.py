"""The list of the log, with what the calls shown come to."""

from django.db.models import Count, Q, Sum
from django.utils.functional import cached_property

from ai_log.models import AIInteractionQuerySet
from ai_log.today import cost
from crm.lists import KeysetChangeList

MOST_SUMMED = 10_000
SUMMED = ("pk", "error_message", "prompt_tokens", "completion_tokens", "cost_usd")


class LogChangeList(KeysetChangeList):
    def remark(self) -> str:
        """What the narrowed list comes to; the whole log has a page of totals."""
        return self.sums if self.kept() else ""

    @cached_property
    def sums(self) -> str:
        return in_words(self.queryset)


def in_words(rows: AIInteractionQuerySet) -> str:
    """Calls, failures, tokens and dollars of `rows` in a sentence, as long as no more than 10,000 must be read."""
    found = (
        rows.order_by()
        .select_related(None)
        .values(*SUMMED)[: MOST_SUMMED + 1]
        .aggregate(
            calls=Count("pk"),
            failed=Count("pk", filter=~Q(error_message="")),
            asked=Sum("prompt_tokens", default=0),
            answered=Sum("completion_tokens", default=0),
            dollars=Sum("cost_usd"),
            unknown=Count("pk", filter=Q(cost_usd=None)),
        )
    )
    if found["calls"] > MOST_SUMMED:
        return f"More than {MOST_SUMMED:,} calls: narrow the list down, to a time for one, to see what they come to."
    if not found["calls"]:
        return ""
    known = cost(found["dollars"] or 0, found["calls"] - found["unknown"])
    parts = [
        f"{found['calls']:,} call{'s' if found['calls'] > 1 else ''}, {found['failed']:,} failed",
        f"{found['asked']:,} tokens asked and {found['answered']:,} answered",
        f"cost {known}"
        + (f" and {found['unknown']:,} of unknown cost" if 0 < found["unknown"] < found["calls"] else ""),
    ]
    return "; ".join(parts) + "."
