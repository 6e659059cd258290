"""Tickets that were solved and had the same trouble."""

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import Case, F, FloatField, Value, When

from crm.models import User
from support.models import SupportTicket, TicketStatus

SHOWN = 5
# How many of each way to be alike are compared, so that the cost does not grow with the table.
COMPARED = 100
SAME_KIND = ALIKE = 0.3


def similar_resolved(ticket: SupportTicket, user: User) -> list[SupportTicket]:
    """The resolved tickets most like `ticket`, as far as `user` sees them: of the same kind, or with a like subject."""
    resolved = SupportTicket.objects.visible_to(user).filter(status=TicketStatus.RESOLVED).exclude(pk=ticket.pk)
    newest = resolved.order_by("-created_at", "-id").values_list("pk", flat=True)
    alike = resolved.filter(search_text__trigram_word_similar=ticket.subject.lower()).order_by()
    found = set(alike.values_list("pk", flat=True)[:COMPARED])
    if ticket.issue_type:
        found.update(newest.filter(issue_type=ticket.issue_type)[:COMPARED])
    kind = Case(
        When(issue_type=ticket.issue_type or None, then=Value(SAME_KIND)), default=Value(0.0), output_field=FloatField()
    )
    likeness = TrigramWordSimilarity(ticket.subject.lower(), "search_text")
    return list(
        SupportTicket.objects.filter(pk__in=found)
        .annotate(likeness=likeness + kind)
        .filter(likeness__gte=ALIKE)
        .defer("notes", "search_text", "issue_description")
        .order_by(F("likeness").desc(), "-resolved_at", "-id")[:SHOWN]
    )
