"""How what somebody wrote sounds, and why; a conversation sounds like the newest that they wrote."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.text.english.sentiment import detect_sentiment
from inbox.models import Direction, Message, Nature, Sentiment
from inbox.transitions import add_to_thread
from tests.cast import make_thread
from tests.growth import assert_grows_linearly

POSITIVE, NEUTRAL, NEGATIVE, URGENT = Sentiment.POSITIVE, Sentiment.NEUTRAL, Sentiment.NEGATIVE, Sentiment.URGENT
SENTIMENT_EXAMPLES = [
    (POSITIVE, "Thank you so much, the new certificate arrived and it is exactly what we needed."),
    (POSITIVE, "The quote looks good to me, let's go ahead."),
    (POSITIVE, "We are very happy with how the renewal went this year."),
    (POSITIVE, "Perfect, that works for us. Please send the papers."),
    (POSITIVE, "You have been really helpful and I would recommend you to my neighbours."),
    (POSITIVE, "Great news, the lender accepted the declaration page."),
    (POSITIVE, "I'm glad we moved our trucks to you, it was quick and smooth."),
    (POSITIVE, "It was not bad at all, thank you for the call."),
    (NEUTRAL, "Please send me the certificate of insurance for the warehouse."),
    (NEUTRAL, "Could you tell me what the liability limit on our policy is?"),
    (NEUTRAL, "Attached is the list of vehicles for the fleet policy."),
    (NEUTRAL, "The policy number is 4471 and the security code of the gate is with the guard."),
    (NEUTRAL, "We need an agreement on the share of each owner and the value of the building."),
    (NEUTRAL, "Best regards to your support team, the trust holds the deed to the house."),
    (NEUTRAL, "There was a fire in the store next door, how do we report a claim for the damage?"),
    (NEUTRAL, "My father died in March and I would like to know whether his life policy has a benefit."),
    (NEUTRAL, "Can we meet on Thursday at ten to go over the general liability form?"),
    (NEUTRAL, "Our address has changed to 12 Mill Lane and the phone number will follow."),
    (NEGATIVE, "I want to cancel the policy and get a refund."),
    (NEGATIVE, "Unfortunately we have decided to go with another provider."),
    (NEGATIVE, "This is too expensive for what we get."),
    (NEGATIVE, "Nobody called me back and I am still waiting for an answer."),
    (NEGATIVE, "I am very disappointed, you charged us twice and it was your mistake."),
    (NEGATIVE, "We are not happy with the service and will look elsewhere."),
    (NEGATIVE, "This is the third time that I have to ask for the same paper."),
    (NEGATIVE, "Thank you for the quote, but the premium is too high and we went with someone else."),
    (NEGATIVE, "Please take me off your list, we are not interested in this."),
    (URGENT, "We need the certificate by tomorrow or the site stays closed."),
    (URGENT, "Please call me as soon as possible, the truck was stolen."),
    (URGENT, "URGENT: the lender closes the loan today and has no binder."),
    (URGENT, "This is an emergency, our basement is under water."),
    (URGENT, "Your cover note must be here before noon, please reply immediately."),
    (NEUTRAL, "There is no rush, this is not urgent, send the form when you can."),
    (NEUTRAL, "We will send you the signed form as soon as possible."),
    (None, "Vielen Dank für das Angebot, wir sind sehr zufrieden und würden gern abschließen."),
    (None, "Je ne suis pas satisfait de votre service et je voudrais résilier mon contrat."),
    (None, "Quiero cancelar la póliza porque el precio es demasiado alto para nosotros."),
    (None, "Grazie mille per la vostra offerta, il prezzo è ottimo."),
    (None, "Ok."),
    (None, ""),
    (
        NEUTRAL,
        "Here is the form.\n\nOn Mon, 5 Jan 2026 Dana <dana@example.com> wrote:\n> This is a terrible delay.",
    ),
]
REASONS = [
    ("I want to cancel the policy and get a refund.", "says “cancel”, “refund”"),
    ("We are not happy with the service.", "says “not happy”"),
    ("Please call me as soon as possible, it is about the truck.", "says “as soon as possible”"),
    ("Please send me the certificate for the warehouse.", "no positive or negative words"),
    ("Nobody called me and this is the third time.", "says “nobody called”, “third time”"),
]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNHAPPY, HAPPY, HASTY = (
    "I am very disappointed and want to cancel the policy.",
    "Thank you so much, this is perfect for us.",
    "Please call me as soon as possible about the truck.",
)


@pytest.mark.parametrize(("sentiment", "text"), SENTIMENT_EXAMPLES)
def test_sentences_get_expected_sentiment(sentiment, text):
    judged = detect_sentiment(text)
    assert (judged and judged.sentiment) == sentiment


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_reason_quotes_the_deciding_words(text, reason):
    assert detect_sentiment(text).reason == reason


@given(st.text(max_size=3_000))
def test_any_text_can_be_judged(text):
    found = detect_sentiment(text)
    assert found is None or (found.sentiment in Sentiment and found.reason)


@pytest.mark.parametrize("piece", ["please ", "not ", "need ", "you are late" + " " * 500, "a.b"])
def test_time_grows_linearly_with_a_hostile_text(piece):
    assert_grows_linearly(detect_sentiment, lambda size: piece * (size // len(piece)), 400_000)


def add_message(thread, body: str, hours: int, **kw) -> Message:
    kw = {"direction": Direction.IN, "body_text": body, "sent_at": NOON + timedelta(hours=hours), **kw}
    return add_to_thread(Message(thread=thread, message_id=f"<{hours}.{thread.pk}@example.com>", **kw))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_thread_sentiment_follows_newest_inbound_message(seed):
    thread = make_thread()
    news = [(UNHAPPY, 1), (HAPPY, 2), (HASTY, 3)]
    random.Random(seed).shuffle(news)
    for body, hours in news:
        add_message(thread, body, hours)
    thread.refresh_from_db()
    newest = thread.messages.get(body_text=HASTY)
    assert thread.sentiment == URGENT
    reason = {"reason": "says “as soon as possible”", "message": str(newest.pk), "judged": "urgent"}
    assert thread.metadata["sentiment"] == reason


@pytest.mark.django_db
def test_outbound_and_automatic_messages_are_ignored():
    thread = make_thread(metadata={"apart_from": ["x"]})
    add_message(thread, UNHAPPY, 1)
    add_message(thread, HAPPY, 2, direction=Direction.OUT, state="SENT")
    add_message(thread, HAPPY, 3, nature=Nature.AUTO_REPLY)
    thread.refresh_from_db()
    assert thread.sentiment == NEGATIVE
    assert thread.metadata["apart_from"] == ["x"], "what else is kept there stays"


@pytest.mark.django_db
def test_call_notes_are_ignored():
    thread = make_thread(source="CALL")
    add_message(thread, UNHAPPY, 1)
    thread.refresh_from_db()
    assert thread.sentiment is None


@pytest.mark.django_db
def test_unrated_newest_message_clears_sentiment():
    thread = make_thread()
    add_message(thread, UNHAPPY, 1)
    add_message(thread, "Vielen Dank, jetzt ist alles gut.", 2)
    thread.refresh_from_db()
    assert thread.sentiment is None


@pytest.mark.django_db
def test_manual_sentiment_stays_until_next_inbound_message(as_max):
    thread = make_thread()
    add_message(thread, UNHAPPY, 2)
    page = f"/inbox/thread/{thread.pk}/change/"
    assert "says “disappointed”, “cancel”" in as_max.get(page).content.decode()
    as_max.post(page, {"subject": thread.subject, "sentiment": "neutral"})
    add_message(thread, HASTY, 1)
    thread.refresh_from_db()
    assert thread.sentiment == NEUTRAL
    assert "set by hand" in as_max.get(page).content.decode()
    add_message(thread, HAPPY, 3)
    thread.refresh_from_db()
    assert thread.sentiment == POSITIVE
