"""The approvals list at 1,000,000 suggestions, compared with the stock admin and with itself at 100,000."""

from django.contrib import admin
from django.db import connection

from bench import lists
from bench.databases import prepare_database, use_database
from bench.lists import DEEP_PAGE, BenchSite, Listing, Question
from suggestions.models import Suggestion

QUESTIONS: dict[str, Question] = {
    "waiting": ({"order": "newest"}, {"status__exact": "PENDING"}),
    "all": ({"state": "all"}, {}),
    "failed": ({"state": "failed"}, {"status__exact": "FAILED"}),
    "rejected": ({"state": "rejected"}, {"status__exact": "REJECTED"}),
    "of a type": ({"state": "all", "type": "CHANGE_STATUS"}, {"type__exact": "CHANGE_STATUS"}),
    "of an agent": ({"state": "all", "agent": "silence"}, {"agent__exact": "silence"}),
    "search (name)": ({"state": "all", "q": "okafor"}, {"q": "okafor"}),
    "deep page (21st)": ({"state": "all", "after": "{21st}"}, {"p": str(DEEP_PAGE + 1)}),
    "deep page (half way)": ({"state": "all", "after": "{half}"}, {"p": "{half page}"}),
}
# Copies of the seeded suggestions, each a little earlier, until there are enough.
COPY_SUGGESTIONS_SQL = """
    INSERT INTO suggestions (created_at, updated_at, type, status, lead_id, confidence, reasoning, agent,
                             ai_model_version, suggested_content, approved_content, content_hash, reviewed_by_id,
                             reviewed_at, review_note, reject_code, executed_at, result, error_message)
    SELECT created_at - random() * interval '90 days', updated_at, type, status, lead_id, confidence, reasoning, agent,
           ai_model_version, suggested_content, approved_content, content_hash, reviewed_by_id,
           reviewed_at, review_note, reject_code, executed_at, result, error_message
      FROM suggestions WHERE deleted_at IS NULL LIMIT %s
"""


def fill_database(name: str, size: int) -> None:
    """Fill `name` up to at least `size` suggestions."""
    prepare_database(name, size)
    with use_database(name), connection.cursor() as cursor:
        grown = False
        while (missing := size - Suggestion.objects.count()) > 0:
            cursor.execute(COPY_SUGGESTIONS_SQL, [missing])
            grown = True
        if grown:
            cursor.execute("VACUUM (ANALYZE) suggestions")


def look_up_values(site: BenchSite) -> dict[str, str]:
    """Return the deep pages of this database."""
    return site.deep_page_values(admin.site.get_model_admin(Suggestion).orders["newest"])


LISTING = Listing(__doc__, Suggestion, QUESTIONS, look_up_values, fill_database)


def run(repeat: int) -> bool:
    return lists.run(LISTING, repeat)


def plans() -> None:
    lists.plans(LISTING)
