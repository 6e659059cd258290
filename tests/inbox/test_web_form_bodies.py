"""What cannot be read is refused with a sentence, and changes nothing."""

import json

import pytest

from inbox.models import Message, Thread, WebFormRefusal
from inbox.web_forms.bodies import MAX_BODY_BYTES
from leads.models import InsuranceType, Lead
from tests.inbox.web_forms import PERSON, make_web_form, post_form, post_json, post_raw

pytestmark = pytest.mark.django_db
URLENCODED, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\nabc\r\n--x--\r\n'
RUBBISH = {
    "binary": (bytes(range(256)) * 4, URLENCODED, 400, "is sent twice, with different values"),
    "binary fields": (bytes(range(256)), URLENCODED, 400, "Enter your name"),
    "binary json": (b"\xff\xfe\x00\x01", JSON, 400, "not encoded as UTF-8"),
    "no json": (b"{name: Nora}", JSON, 400, "not valid JSON"),
    "deep json": (b'{"name": ' + b"[" * 100_000, JSON, 400, "not valid JSON"),
    "deep json that ends": (b"[" * 5_000 + b"]" * 5_000, JSON, 400, "not valid JSON"),
    "list": (b'["name"]', JSON, 400, "must be an object"),
    "text": (b'"name"', JSON, 400, "must be an object"),
    "nan": (b'{"name": NaN}', JSON, 400, "not valid JSON"),
    "nested": (b'{"name": {"first": "Nora"}}', JSON, 400, "must be a text"),
    "twice": (b'{"name": "Nora", "name": "Mallory"}', JSON, 400, "is sent twice"),
    "twice in a form": (b"name=Nora&name=Mallory", URLENCODED, 400, "is sent twice"),
    "100,000 fields": (b"a&" * 100_000, URLENCODED, 400, "too many fields"),
    "100 fields in json": (json.dumps({f"f{n}": "x" for n in range(100)}).encode(), JSON, 400, "too many fields"),
    "a file": (FILE, MULTIPART, 400, "takes no files"),
    "multipart without boundary": (b"x", "multipart/form-data", 400, "cannot be read"),
    "multipart cut off": (b'--x\r\nContent-Disposition: form-data; name="na', MULTIPART, 400, "Enter your name"),
    "xml": (b"<name/>", "text/xml", 415, "application/json"),
    "no type": (b"x", "", 415, "application/json"),
    "10 MB": (b"message=" + b"x" * 10_000_000, URLENCODED, 413, "too large"),
    "10 MB of json": (b'{"message": "' + b"x" * 10_000_000 + b'"}', JSON, 413, "too large"),
    "nothing": (b"", "", 415, "application/json"),
    "empty values": (b"name=&email=", URLENCODED, 400, "Enter your name"),
}


@pytest.mark.parametrize("case", RUBBISH)
def test_rubbish_gets_a_sentence_and_changes_nothing(case):
    body, content_type, status, sentence = RUBBISH[case]
    response = post_raw(make_web_form(), body, content_type)
    assert response.status_code == status
    assert sentence in response.content.decode()
    assert (Lead.objects.count(), Thread.objects.count(), WebFormRefusal.objects.count()) == (0, 0, 1)


def test_length_is_checked_before_the_body_is_read():
    web_form = make_web_form()
    assert post_raw(web_form, b"name=x", URLENCODED, CONTENT_LENGTH=str(MAX_BODY_BYTES + 1)).status_code == 413
    assert post_raw(web_form, b"name=x", URLENCODED, CONTENT_LENGTH="x").status_code == 413
    chunked = post_raw(web_form, b"x", URLENCODED, headers={"Transfer-Encoding": "chunked"})
    assert (chunked.status_code, "length" in chunked.content.decode()) == (411, True)
    assert post_raw(web_form, b"x", URLENCODED, headers={"Content-Encoding": "gzip"}).status_code == 415


def test_surrogates_and_nul_are_stored_readably():
    text = (
        rb'{"name": "No\u0000ra \ud800New", "email": "n@x.example", "message": "a\u0000b\ud83d", "\ud800\u0000": "x"}'
    )
    assert post_raw(make_web_form(), text, JSON).status_code == 201
    message = Message.objects.get()
    assert (message.from_name, message.body_text) == ("Nora ?New", "ab?")


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        (URLENCODED, "Zo%EB"),
        (f"{URLENCODED}; charset=iso-8859-1", "Zo%EB"),
        (URLENCODED, "Zo%C3%AB"),
        (URLENCODED, "Zo\xeb"),
    ],
)
def test_letters_are_decoded_whatever_the_charset(content_type, name):
    body = f"name={name}&email=zoe@example.com&message=Hello".encode("latin-1")
    assert post_raw(make_web_form(), body, content_type).status_code == 201
    assert Lead.objects.get().contact_name == "Zoë"


def test_multipart_and_byte_order_mark_are_read():
    assert post_form(make_web_form(), {**PERSON, "name": "Zoë"}).status_code == 201
    body = "\ufeff" + json.dumps({**PERSON, "email": "b@example.com", "phone": None, "age": 42})
    assert post_raw(make_web_form(), body.encode(), JSON).status_code == 201
    assert {row.contact_name for row in Lead.objects.all()} == {"Zoë", "Nora New"}


def test_too_long_texts_are_refused_by_field():
    sent = {"name": "x" * 201, "email": f"{'x' * 250}@example.com", "phone": "1" * 41, "message": "x" * 10_001}
    response = post_json(make_web_form(), {**sent, "extra": "x" * 10_001})
    assert (response.status_code, set(response.json()["errors"])) == (400, set(sent))
    assert "Shorten “extra”" in response.json()["message"]


def test_longest_message_of_emoji_is_accepted():
    assert post_json(make_web_form(), {**PERSON, "message": "🙂" * 10_000}).status_code == 201
    assert len(Message.objects.get().body_text) == 10_000


def test_words_that_no_reader_sees_are_no_answer():
    response = post_json(
        make_web_form(required_fields=["message"]), {**PERSON, "name": "\u200b", "message": "\u2060 \u200b"}
    )
    assert response.json()["errors"] == {"name": "Enter your name.", "message": "Enter a message."}


def test_answer_of_the_line_that_does_not_fit_is_refused():
    from_line = {"line_year": "next", "line_use": "racing", "line_vin": "123"}
    line = make_web_form(asks_line_questions=True, insurance_type=InsuranceType.objects.get(code="auto"))
    errors = post_json(line, {**PERSON, **from_line}).json()["errors"]
    assert set(errors) == set(from_line)
    assert errors["line_use"].startswith("Choose one of")
