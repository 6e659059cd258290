"""Which words only close a conversation, and near misses that ask, answer or tell something."""

import pytest

from crm.text.email_bodies.closing_words import only_closes, quotes_question

QUOTED = "\n\nOn Mon, 2 Mar 2026 at 10:00, Dana <dana@agency.example> wrote:\n> {}\n"


@pytest.mark.parametrize(
    "body",
    [
        "Thanks",
        "Thank you very much.",
        "Done",
        "Perfect, thank you!",
        "Ok great, thanks",
        "Hi Dana,\n\nThanks a lot!\n\nLee",
        "Thanks, Dana!",
        "Thanks Dana",
        "Noted with thanks",
        "Got it, thanks for the quick reply. Have a nice day!",
        "Thanks so much\n\n-- \nLee Park\n(419) 555-0188",
        "You’re welcome!",
        "👍",
        "¡Gracias!",
        "Thanks!\n\nLee\n\nSent from my phone",
        "Thanks." + QUOTED.format("Here it is."),
        *("Vielen Dank!", "Erledigt, danke", "Merci beaucoup", "Muchas gracias", "Grazie mille", "Bedankt!"),
        *("Obrigada", "Tack så mycket", "Tak for hjælpen", "Tusen takk", "Kiitos", "Děkuji", "Dziękuję bardzo"),
        *("Спасибо!", "Дякую", "Teşekkürler", "ありがとうございます。", "谢谢", "감사합니다"),
    ],
)
def test_thanks_and_acknowledgements_close(body):
    assert only_closes(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Thanks, but when will it arrive?",
        "Thanks, when will it arrive",
        "Thanks. Please send the certificate",
        "Hi Dana,\n\nPlease cancel.\n\nThanks,\nLee",
        "Perfect, thank you! One more thing",
        "Done, the VIN is 1HGCM82633A004352",
        "Done?",
        "Not done",
        "Yes, thanks",
        "No thanks",
        "OK",
        "Perfect!",
        "Works for me",
        "Will do",
        "Approved, thanks",
        "Cancel\nThanks",
        "Thanks\n\nCancel my policy",
        "Thanks, we accept",
        "Thanks for nothing",
        "Thanks. Interested",
        "Thanks. Expensive",
        "Thanks, Monday",
        "Understood. Too expensive.",
        "Thanks!!! I think",
        "Thanks for the delay",
        "Thanks for the quote, it is too high",
        "Thanks in advance",
        "Thanks, I will call you on Monday",
        "Danke, aber wann kommt es?",
        "Merci, pouvez-vous m'appeler",
        "Thanks " * 60,
    ],
)
def test_words_that_ask_answer_or_tell_do_not_close(body):
    assert not only_closes(body)


@pytest.mark.parametrize(
    ("quoted", "asks"),
    [
        ("Shall we renew it?", True),
        ("Here it is: https://portal.example/?file=7", False),
        ("Done.\n>\n> On Sun, 1 Mar 2026 at 9:00, Lee <lee@x.example> wrote:\n>> Can you send it?", False),
    ],
)
def test_only_the_answered_email_asks(quoted, asks):
    assert quotes_question("Ok, thanks" + QUOTED.format(quoted)) is asks
