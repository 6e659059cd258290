"""The words by which messages are found, kept by the database."""

import pytest
from django.contrib.postgres.search import SearchQuery
from django.utils import timezone

from inbox.models import Message, MessageWords, Thread
from tests.cast import make_thread

pytestmark = pytest.mark.django_db


def say(thread=None, **kw) -> Message:
    kw = {"direction": "in", "sent_at": timezone.now(), **kw}
    return Message.objects.create(thread=thread or make_thread(subject="About the boat"), **kw)


def found(text: str) -> list[Message]:
    query = SearchQuery(text, config="inbox_words", search_type="websearch")
    return [row.message for row in MessageWords.objects.filter(words=query)]


SAID = [
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


@pytest.mark.parametrize(("kw", "words"), SAID, ids=[words for _, words in SAID])
def test_a_message_is_found_by_what_it_says_and_by_its_people(kw, words):
    message = say(**kw)
    say(make_thread(subject="Another"), body_text="Something else")
    assert found(words) == [message]


def test_what_a_mail_quotes_is_not_its_own():
    say(body_text="Yes.\n> Is the windmill insured?\n  > Really?")
    assert found("windmill") == found("really") == []


def test_a_subject_of_its_own_comes_before_that_of_the_conversation():
    say(subject="The car")
    assert found("boat") == []


def test_words_follow_what_is_changed_moved_deleted_and_restored():
    message, other = say(body_text="giraffe"), make_thread()
    Message.objects.filter(pk=message.pk).update(body_text="zebra")
    assert (found("giraffe"), found("zebra")) == ([], [message])
    Message.objects.filter(pk=message.pk).update(thread=other)
    assert MessageWords.objects.get().thread == other
    Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    assert found("zebra") == []
    Message.everything.filter(pk=message.pk).update(deleted_at=None)
    assert found("zebra") == [message]
    Thread.everything.all().delete()
    assert not MessageWords.objects.exists()


@pytest.mark.parametrize(
    "text", ["x" * 3_000_000, "word " * 300_000, " ".join(map(str, range(400_000))), "\n>" * 50_000]
)
def test_the_longest_message_is_taken_in(text):
    say(body_text=text, summary=text, media={"transcript": text})
    assert MessageWords.objects.count() == 1
