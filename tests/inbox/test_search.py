"""Looking for words in all that was said."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from inbox import search
from inbox.models import Message
from tests.cast import browser, make_lead, make_thread

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"
NOW = timezone.now()


def say(subject: str, text: str, *, days: int = 1, thread=None, **kw) -> Message:
    """A message of `days` ago in a conversation of its own."""
    at = NOW - timedelta(days=days)
    thread = thread or make_thread(subject=subject, last_message_at=at, last_direction="in", **kw)
    return Message.objects.create(thread=thread, direction="in", subject=subject, body_text=text, sent_at=at)


def found(page, q: str, **asked) -> list[str]:
    return [row.subject for row in page.get(LIST, {"q": q, **asked}).context["cl"].page.rows]


def test_words_are_found_wherever_they_were_said_and_the_best_comes_first(as_max):
    say("Boat", "We also have a windmill, a barn, a shed, a house, a garden, a pool and a dog.")
    say("The windmill", "Is the windmill insured?")
    say("Other things", "Nothing of the kind")
    assert found(as_max, "windmills") == ["The windmill", "Boat"]
    assert found(as_max, "windmill", order="newest") == ["The windmill", "Boat"]


@pytest.mark.parametrize(
    ("q", "subjects"),
    [
        ("flood cover", ["Two", "One"]),
        ('"flood cover"', ["One"]),
        ("flood -cover", ["Three"]),
        ("burglary or hail", ["Two", "Three"]),
        ("flo", []),
        ("thre", ["Three"]),  # the letters of a subject
    ],
)
def test_it_is_asked_as_people_ask_search_engines(as_max, q, subjects):
    say("One", "flood cover", days=1)
    say("Two", "Cover for the flood, and for hail and more that I will not name here", days=2)
    say("Three", "flood or burglary", days=3)
    assert sorted(found(as_max, q)) == sorted(subjects)


def test_a_conversation_is_found_once_with_the_message_that_fits_best(as_max):
    message = say(
        "Long", "A windmill, among very many other things that were said at great length about all and sundry"
    )
    say("Re: Long", "The windmill!", thread=message.thread)
    page = as_max.get(LIST, {"q": "windmill"})
    assert len(page.context["cl"].page.rows) == 1
    assert '<div class="small quiet wrap excerpt">The <mark>windmill</mark></div>' in page.content.decode()


def test_what_an_outsider_wrote_is_shown_as_text_and_marks_nothing_itself(as_max):
    say("Hostile", f"Cats & {search.MARK}dogs{search.UNMARK} < windmill > <img src=x onerror=alert(1)> <mark>x")
    page = as_max.get(LIST, {"q": "windmill"}).content.decode()
    assert "Cats &amp; dogs &lt; <mark>windmill</mark> &gt;" in page
    assert "<img src=x" not in page
    assert page.count("<mark>") == 1


def test_each_sees_only_what_is_theirs(as_ann, as_max, bob):
    say("Bob's", "windmill", lead=make_lead(assigned_to=bob))
    say("Nobody's", "windmill")
    assert found(as_ann, "windmill") == ["Nobody's"]
    assert len(found(as_max, "windmill")) == 2


def test_filters_narrow_what_is_found_and_the_bin_is_searched_for_itself(as_max):
    say("Done", "windmill", status="RESOLVED")
    say("Open", "windmill")
    soft_delete(say("Gone", "windmill").thread, by=SYSTEM)
    withdrawn = say("Withdrawn", "a zebra")
    Message.objects.filter(pk=withdrawn.pk).update(deleted_at=NOW)
    assert found(as_max, "windmill", status="RESOLVED") == ["Done"]
    assert found(as_max, "windmill", deleted="true") == ["Gone"]
    assert found(as_max, "zebra") == []


def test_a_search_for_what_there_should_not_be_needs_a_word(as_max):
    say("Boat", "windmill")
    answer = as_max.get(LIST, {"q": "-windmill"})
    assert "Write a word to look for, too." in answer.content.decode()


@pytest.mark.parametrize(
    "q", ["???", "'''", '"""', "(((", "a & | ! b", "<->", ":*", "\\\\\\", "\x00abc", "-- or --", "%%%"]
)
def test_no_search_breaks_the_list(as_max, q):
    say("Boat", "windmill")
    assert as_max.get(LIST, {"q": q}).status_code == 200


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=3, max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_text_can_be_looked_for(django_db_blocker, django_db_setup, text):
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"SELECT querytree({search.QUERY})", [text.replace("\x00", "")])
        assert cursor.fetchone()[0] is not None


# More than can be looked through


@pytest.fixture
def little(monkeypatch) -> None:
    """A search that looks through next to nothing."""
    for name, value in {"MOST": 3, "NEWEST": 4, "FEW": 3, "LISTED": 4}.items():
        monkeypatch.setattr(search, name, value)


def test_of_very_many_the_newest_are_looked_through_and_it_says_so(little, as_max):
    for days in range(12, 0, -1):
        say(f"{days} ago", "windmill", days=days)
    answer = as_max.get(LIST, {"q": "windmill", "order": "newest"})
    subjects = [row.subject for row in answer.context["cl"].page.rows]
    assert subjects[:3] == ["1 ago", "2 ago", "3 ago"]
    assert len(subjects) == 4
    assert "Very many messages hold these words" in answer.content.decode()
    assert "conversations are listed" in answer.content.decode()


def test_where_few_are_asked_about_all_of_them_are_looked_through(little, as_max):
    lead = make_lead()
    for days in range(40, 30, -1):
        say("Old", "windmill", days=days, lead=lead if days == 38 else None)
    for days in range(12, 0, -1):
        say(f"{days} ago", "windmill", days=days)
    answer = as_max.get(LIST, {"q": "windmill", "lead": str(lead.pk)})
    assert [row.subject for row in answer.context["cl"].page.rows] == ["Old"]
    assert "Very many" not in answer.content.decode()


def test_pages_of_what_was_found_follow_each_other(as_max, monkeypatch):
    monkeypatch.setattr("inbox.admin.ThreadAdmin.list_per_page", 3)
    for number in range(8):
        say(str(number), f"windmill {'and more ' * number}", days=number + 1)
    seen, cursor = [], {}
    while True:
        page = as_max.get(LIST, {"q": "windmill", **cursor}).context["cl"].page
        seen += [row.subject for row in page.rows]
        if not page.next:
            break
        cursor = {"after": page.next}
    assert seen == [str(number) for number in range(8)]
    back = as_max.get(LIST, {"q": "windmill", "before": page.previous}).context["cl"].page
    assert [row.subject for row in back.rows] == ["3", "4", "5"]


def test_a_search_costs_the_same_for_one_row_and_for_fifty(as_ann):
    def one():
        say("Boat", "windmill", lead=make_lead())

    one()
    as_ann.get(LIST, {"q": "windmill"})
    with CaptureQueriesContext(connection) as few:
        as_ann.get(LIST, {"q": "windmill"})
    for _ in range(49):
        one()
    with CaptureQueriesContext(connection) as many:
        answer = as_ann.get(LIST, {"q": "windmill"})
    assert len(answer.context["cl"].page.rows) == 50
    assert len(few) == len(many) <= 15
    assert len(answer.content) < 300_000


def test_a_viewer_finds_too(vera):
    say("Boat", "windmill")
    assert found(browser(vera), "windmill") == ["Boat"]
