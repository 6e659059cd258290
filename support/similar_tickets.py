"""Find resolved tickets that are similar to a ticket."""

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import Case, F, FloatField, Value, When

from crm.models import User
from support.models import SupportTicket, TicketStatus

MAX_SIMILAR_SHOWN = 5
# Limits the candidates by subject and by issue type, so that the cost does not grow with the table.
MAX_CANDIDATES = 100
SAME_TYPE_BONUS = MIN_SIMILARITY = 0.3


def find_similar_resolved(ticket: SupportTicket, user: User) -> list[SupportTicket]:
    """Return the resolved tickets most similar to `ticket` in issue type or subject that `user` may see."""
    resolved = SupportTicket.objects.visible_to(user).filter(status=TicketStatus.RESOLVED).exclude(pk=ticket.pk)
    newest = resolved.order_by("-created_at", "-id").values("pk")
    similar_subjects = resolved.filter(search_text__trigram_word_similar=ticket.subject.lower()).order_by()
    candidates = similar_subjects.values("pk")[:MAX_CANDIDATES]
    if ticket.issue_type:
        candidates = candidates.union(newest.filter(issue_type=ticket.issue_type)[:MAX_CANDIDATES])
    type_bonus = Case(
        When(issue_type=ticket.issue_type or None, then=Value(SAME_TYPE_BONUS)),
        default=Value(0.0),
        output_field=FloatField(),
    )
    similarity = TrigramWordSimilarity(ticket.subject.lower(), "search_text")
    return list(
        SupportTicket.objects.filter(pk__in=candidates)
        .annotate(similarity=similarity + type_bonus)
        .filter(similarity__gte=MIN_SIMILARITY)
        .defer("notes", "search_text", "issue_description")
        .order_by(F("similarity").desc(), "-resolved_at", "-id")[:MAX_SIMILAR_SHOWN]
    )
