"""The body of an email is split into what was written, what was quoted, and the signature."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.text.email_bodies.quotes import BodyPart, PartKind, extract_signature, known_headings, own_text, split_body
from inbox.incoming.parsing import html_to_text, parse_email
from tests.growth import assert_grows_linearly

CORPUS = Path(__file__).parents[4] / "shared/data/mail/quotes_talon"
HEADINGS = [
    "On 2026-09-26 at 09:10, Dana Whitlock <dana@example.com> wrote:",
    "On Mon, 5 Jan 2026 at 10:00 a name that is so long that it fills the line\n<dana@example.com>\nwrote:",
    "Am 5. Januar 2026 um 10:00 schrieb Dana <dana@example.com>:",
    "Am 05.01.2026 um 10:00 schrieb Dana Whitlock:",
    "Le 5 janv. 2026 à 10:00, Dana <dana@example.com> a écrit :",
    "El lun, 5 ene 2026 a las 10:00, Dana (<dana@example.com>) escribió:",
    "Il giorno lun 5 gen 2026 alle ore 10:00 Dana <dana@example.com> ha scritto:",
    "Em seg., 5 de jan. de 2026 às 10:00, Dana <dana@example.com> escreveu:",
    "Op ma 5 jan 2026 om 10:00 schreef Dana <dana@example.com>:",
    "Op 5 januari 2026 om 10:00 heeft Dana <dana@example.com> het volgende geschreven:",
    "Den mån 5 jan. 2026 kl 10:00 skrev Dana <dana@example.com>:",
    "Dne 5. 1. 2026 v 10:00 napsal(a) Dana Whitlock:",
    "pon., 5 sty 2026 o 10:00 Dana <dana@example.com> napisał(a):",
    "пн, 5 янв. 2026 г. в 10:00, Dana <dana@example.com>:",
    "5 января 2026, 10:00 +03:00 от Dana <dana@example.com>:",
    "2026年1月5日(月) 10:00 Dana <dana@example.com>:",
    "2026年1月5日 10:00，Dana <dana@example.com> 写道：",
    "2026년 1월 5일 (월) 오전 10:00, Dana <dana@example.com>님이 작성:",
    "5 Oca 2026 Pzt, 10:00 tarihinde Dana <dana@example.com> şunu yazdı:",
    "---------------------- Forwarded by Dana Whitlock/NA/Agency on 01/05/2026 10:00 AM ---------------------------",
    "---------------------- Forwarded by Dana Whitlock/NA/Agency on 01/05/2026 10:00 \nAM ---------------------------",
    f"{'-' * 40} Original Message {'-' * 40}",
    "Dana Whitlock\n01/05/2026 10:00 AM\nTo:\tMia/NA/Agency@Agency\ncc:\t\nSubject:\tQuestion",
    '"Dana Whitlock" <dana@example.com> on 01/05/2026 10:00:00 AM\nPlease respond to dana\nTo: Mia\ncc: Bob',
    "Dana Whitlock@AGENCY\n05.01.2026 10:00\n\nAn: Mia\nKopie:\nThema: Frage",
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "---------- Forwarded message ---------",
    "Begin forwarded message:",
    "Anfang der weitergeleiteten Nachricht:",
    "From: Dana <dana@example.com>\nSent: Monday, 5 January 2026 10:00\nTo: Mia",
    "________________________________\n\nFrom: Dana <dana@example.com>\nSent: 5 January 2026 10:00\nTo: Mia",
    "*From:* Dana <dana@example.com>\n*Date:* Monday, 5 January 2026 10:00\n*To:* Mia",
    "Von: Dana <dana@example.com>\nGesendet: Montag, 5. Januar 2026 10:00\nAn: Mia\nBetreff: Frage",
    "De : Dana <dana@example.com>\nEnvoyé : lundi 5 janvier 2026 10:00\nÀ : Mia\nObjet : Question",
    "De: Dana <dana@example.com>\nEnviado el: lunes, 5 de enero de 2026 10:00\nPara: Mia\nAsunto: Pregunta",
    "Da: Dana <dana@example.com>\nInviato: lunedì 5 gennaio 2026 10:00\nA: Mia\nOggetto: Domanda",
    "Van: Dana <dana@example.com>\nVerzonden: maandag 5 januari 2026 10:00\nAan: Mia\nOnderwerp: Vraag",
    "От: Dana <dana@example.com>\nОтправлено: 5 января 2026 г. 10:00\nКому: Mia\nТема: Вопрос",
    "发件人: Dana <dana@example.com>\n发送时间: 2026年1月5日 10:00\n收件人: Mia\n主题: 问题",
    "Date: Mon, 5 Jan 2026 10:00:00 +0100\nSubject: Question\nFrom: dana@example.com\nTo: mia@example.com",
]
SIGNATURES = [
    "-- \nDana Whitlock\nAgency",
    "--\nDana Whitlock\n+1 555 010 0100",
    "Best regards,\nDana",
    "Kind regards\nDana Whitlock\nAgency Ltd\n+1 555 010 0100",
    "Thanks,\nDana",
    "Thank you, Dana",
    "Mit freundlichen Grüßen\n\nDana Whitlock\nMusterweg 1\n12345 Berlin",
    "Viele Grüße\nDana",
    "Cordialement,\nDana",
    "Un saludo,\nDana",
    "Met vriendelijke groet,\nDana",
    "С уважением,\nДана",
    "Sent from my iPhone",
    "Get Outlook for iOS",
    "Gesendet von meinem Telefon",
    "----------------\nDana Whitlock\ndana@example.com\n555-010-0100",
    "Dana Whitlock\ndana@example.com\n(555) 010-0100\nwww.example.com",
    "_______________________________________________\nA mailing list\nhttps://lists.example.com/info",
]
PIECES = ["", " ", "\r", "Hello", "> quoted", ">> twice", "-- ", "Thanks,", "Mia", "wrote:", "a\rb", "x" * 500]
lines = st.lists(st.sampled_from([*PIECES, *HEADINGS, *SIGNATURES]), max_size=10)
N = 50_000
# A piece of each body that was made to keep the program busy.
HOSTILE_PIECES = {
    "marks": ">",
    "lines of marks": ">\n",
    "on": "On ",
    "headings without end": "On a wrote\n",
    "almost headings": "On 1 Jan x <a@b.c> wrotee:\n",
    "long headings": "On 1 " + "wrote " * 48 + ":\n",
    "senders": "From: a\n",
    "headers": "a: b\n",
    "one header": "From:" + " " * 280 + "\nSent:\n",
    "almost notes": "A 1/1/2026 1:00\nTo: a\n",
    "notes names": "a" * 119 + " on\nTo:\ncc:\n",
    "rules": "-----" * 60 + "\n",
    "brackets": "20:20 " + "<" * 285 + "a@b:\n",
    "dates": "1.2 " * 70 + ":\n",
    "thanks": "Thanks\n",
    "blank": "\n",
    "digits": "1",
}


@pytest.mark.parametrize("heading", HEADINGS)
def test_text_after_a_heading_is_quoted(heading):
    assert split_body(f"Yes, please.\n\n{heading}\n\nShall I?\nDana") == [
        BodyPart("Yes, please.\n\n"),
        BodyPart(f"{heading}\n\nShall I?\nDana", PartKind.QUOTED),
    ]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_signatures_are_separated(signature):
    body = f"Please send the form.\nWe need it for the bank.\n\n{signature}"
    assert own_text(body) == "Please send the form.\nWe need it for the bank."
    assert extract_signature(body) == signature
    answered = f"{body}\n\n{HEADINGS[0]}\n> Which form?"
    assert (own_text(answered), extract_signature(answered)) == (own_text(body), signature)


def test_replies_between_quotes_stay_visible():
    body = "On Monday Dana wrote:\n> One?\nYes.\n> Two?\nNo."
    assert split_body(body) == [
        BodyPart("On Monday Dana wrote:\n> One?\n", PartKind.QUOTED),
        BodyPart("Yes.\n"),
        BodyPart("> Two?\n", PartKind.QUOTED),
        BodyPart("No."),
    ]


@pytest.mark.parametrize("heading", ["Dana Whitlock wrote:", "Once upon a time, Dana said:"])
def test_plain_heading_needs_quoted_lines_after_it(heading):
    assert own_text(f"{heading}\n> One?\nYes.") == "Yes."
    assert own_text(f"{heading}\nOne. And yes.") == f"{heading}\nOne. And yes."


@pytest.mark.parametrize(
    "body",
    [
        "On the roof he wrote: nothing",
        "I wrote:\nno heading, for it begins otherwise",
        "From: the garden\nwith love",
        "From: London\nTo: Paris\nDate: next week",
        "On Monday",
        "5 > 3",
        "Here is what we need by 12:30:\n- a form\n- a date",
        "Thanks,\nI will send you the signed form tomorrow morning.",
        "Hello\n\nThanks\nCan you call me?",
        "My details:\n\nDana Whitlock\ndana@example.com\n555-010-0100",
    ],
)
def test_ordinary_sentences_are_neither_heading_nor_signature(body):
    assert split_body(body) == [BodyPart(body)]


@pytest.mark.parametrize(
    "body",
    [
        "> all\n> quoted",
        "-----Original Message-----\nHello",
        "Best regards,\nDana",
        "Sent from my phone\n\n> Hello",
        "--",
    ],
)
def test_fully_quoted_text_stays_visible(body):
    assert split_body(body)[0].kind == PartKind.WRITTEN
    assert own_text(body)


def test_empty_text_has_no_parts():
    assert split_body("") == split_body(" \n\n") == []
    assert own_text(" \n") == extract_signature("") == ""


@given(st.one_of(lines.map("\n".join), lines.map("\r\n".join), st.text(max_size=300)))
def test_parts_joined_equal_the_body(body):
    assert "".join(part.text for part in split_body(body)) == (body if body.strip() else "")


@pytest.mark.parametrize("piece", HOSTILE_PIECES.values(), ids=HOSTILE_PIECES)
def test_time_grows_linearly_with_a_hostile_body(piece):
    def make_body(size: int) -> str:
        return piece * (size // len(piece)) + "On 1 Jan Ann wrote:"

    known_headings()
    body = make_body(N)
    assert "".join(part.text for part in split_body(body)) == body
    assert_grows_linearly(split_body, make_body, N)


needs_corpus = pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared/data/mail/quotes_talon")


def normalise_spaces(text: str) -> str:
    return " ".join(text.split())


def visible_text(body: str) -> str:
    return normalise_spaces("".join(part.text for part in split_body(body) if part.kind != PartKind.QUOTED))


@needs_corpus
def test_real_replies_are_split_correctly():
    wrong = []
    for path in sorted(CORPUS.glob("standard_replies/*.eml")):
        expected = path.with_name(f"{path.stem}_reply_text")
        wanted = expected.read_text() if expected.exists() else "Hello"
        if visible_text(parse_email(path.read_bytes()).text) != normalise_spaces(wanted):
            wrong.append(path.name)
    for path in sorted(CORPUS.glob("html_replies/*.html")):
        if visible_text(html_to_text(path.read_text(encoding="utf-8"))) != "Hi. I am fine. Thanks, Alex":
            wrong.append(path.name)
    assert wrong == []


@needs_corpus
def test_real_signatures_are_found():
    wrong = []
    for path in sorted(CORPUS.glob("signature/emails/stripped/*_body")):
        signature = path.with_name(path.name.replace("_body", "_signature"))
        body = path.read_text()
        wanted = body.replace(signature.read_text(), "") if signature.exists() else body
        if normalise_spaces(own_text(body)) != normalise_spaces(wanted):
            wrong.append(path.name)
    # One is a name and no more, the other was marked by hand where a sentence ends.
    assert wrong == ["jeff_body"]
