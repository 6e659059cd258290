"""The list of the log, with what the calls shown come to."""

from django.db.models import Count, Q, Sum
from django.utils.functional import cached_property

from ai_log.dashboard import cost
from ai_log.models import AIInteractionQuerySet
from crm.screens.lists import KeysetChangeList

MOST_SUMMED = 10_000
# Where words are looked for, each row is read whole to see whether it has them.
MOST_SEARCHED = 1_000
SUMMED = ("pk", "error_message", "prompt_tokens", "completion_tokens", "cost_usd")


class LogChangeList(KeysetChangeList):
    def remark(self) -> str:
        """What the narrowed list comes to; the whole log has a page of its own."""
        return self.sums if self.kept() else ""

    @cached_property
    def sums(self) -> str:
        return in_words(self.queryset, MOST_SEARCHED if self.get.get("q") else MOST_SUMMED)


def in_words(rows: AIInteractionQuerySet, most: int) -> str:
    """Calls, failures, tokens and dollars of `rows` in a sentence, as long as no more than `most` must be read."""
    found = (
        rows.order_by()
        .select_related(None)
        .values(*SUMMED)[: most + 1]
        .aggregate(
            calls=Count("pk"),
            failed=Count("pk", filter=~Q(error_message="")),
            asked=Sum("prompt_tokens", default=0),
            answered=Sum("completion_tokens", default=0),
            dollars=Sum("cost_usd"),
            unknown=Count("pk", filter=Q(cost_usd=None)),
        )
    )
    if found["calls"] > most:
        return f"More than {most:,} calls: narrow the list down, to a time for one, to see what they come to."
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
