"""The search words of messages, maintained by the database."""

import pytest
from django.contrib.postgres.search import SearchQuery
from django.utils import timezone

from inbox.models import Message, MessageWords, Thread
from tests.cast import make_thread

pytestmark = pytest.mark.django_db


def add_message(thread=None, **kw) -> Message:
    kw = {"direction": "in", "sent_at": timezone.now(), **kw}
    return Message.objects.create(thread=thread or make_thread(subject="About the boat"), **kw)


def found_messages(text: str) -> list[Message]:
    query = SearchQuery(text, config="inbox_words", search_type="websearch")
    return [row.message for row in MessageWords.objects.filter(words=query)]


SEARCHABLE_MESSAGES = [
    ({"subject": "Your renewal"}, "renewals"),
    ({"body_text": "The policies were cancelled."}, "policy cancel"),
    ({"body_text": "Die Versicherung läuft aus"}, "die versicherung lauft"),
    ({"body_text": "Réclamation déposée"}, "reclamation"),
    ({"body_text": "to be or not to be"}, '"to be or not"'),
    ({"from_name": "Jane O'Doe"}, "doe"),
    ({"from_email": "jane.fairfax@highbury.example"}, "fairfax"),
    ({"from_email": "jane.fairfax@highbury.example"}, "highbury"),
    ({"to_emails": ["emma@hartfield.example"]}, "hartfield"),
    ({"cc_emails": ["knightley@donwell.example"]}, "donwell"),
    ({"summary": "She wants flood cover"}, "flood"),
    ({"media": {"transcript": "the basement was dry"}}, "basement"),
    ({"attachments": [{"name": "loss_run-2026.pdf"}]}, "loss run"),
    ({}, "boat"),
]


@pytest.mark.parametrize(("kw", "words"), SEARCHABLE_MESSAGES, ids=[words for _, words in SEARCHABLE_MESSAGES])
def test_message_is_found_by_text_and_people(kw, words):
    message = add_message(**kw)
    add_message(make_thread(subject="Another"), body_text="Something else")
    assert found_messages(words) == [message]


def test_search_finds_words_of_quotes_and_of_the_end_of_a_long_text():
    message = add_message(body_text=f"Yes.\n> Is the windmill insured?\n{'So we said. ' * 5_000}\nThe haystack burned.")
    assert found_messages("windmill") == found_messages("haystack") == [message]


def test_message_subject_replaces_thread_subject():
    add_message(subject="The car")
    assert found_messages("boat") == []


def test_search_words_follow_edits_moves_and_deletion():
    message, other = add_message(body_text="giraffe"), make_thread()
    Message.objects.filter(pk=message.pk).update(body_text="zebra")
    assert (found_messages("giraffe"), found_messages("zebra")) == ([], [message])
    Message.objects.filter(pk=message.pk).update(thread=other)
    assert MessageWords.objects.get().thread == other
    Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    assert found_messages("zebra") == []
    Message.everything.filter(pk=message.pk).update(deleted_at=None)
    assert found_messages("zebra") == [message]
    Thread.everything.all().delete()
    assert not MessageWords.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "x" * 3_000_000,
        "word " * 300_000,
        " ".join(map(str, range(400_000))),
        "\n>" * 50_000,
        " ".join(f"{n}ü" for n in range(200_000)),
    ],
)
def test_longest_message_is_indexed(text):
    add_message(body_text=text, summary=text, media={"transcript": text})
    assert MessageWords.objects.count() == 1
