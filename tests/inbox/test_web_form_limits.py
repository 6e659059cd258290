"""Who may send a web form, and how often: rate limits, the trap for programs, other websites (CORS)."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.test import RequestFactory
from django.utils import timezone

from crm.accounts.client_address import network_address
from inbox.models import RefusalReason, WebForm, WebFormRate, WebFormRefusal
from inbox.tasks import forget_web_form_counts
from leads.models import Lead
from tests.inbox.web_forms import PERSON, WEBSITE, make_web_form, post_form, post_json, post_raw

pytestmark = pytest.mark.django_db


def send(web_form, number=0, address="192.0.2.1"):
    return post_json(web_form, {**PERSON, "email": f"nora{number}@example.com"}, REMOTE_ADDR=address)


# How often


def test_sender_reaches_its_limit_and_others_do_not():
    web_form = make_web_form(hourly_limit_per_sender=2)
    assert [send(web_form, number).status_code for number in range(3)] == [201, 201, 429]
    assert send(web_form, 4, address="192.0.2.2").status_code == 201
    WebFormRate.objects.update(window_start=timezone.now() - timedelta(hours=1))
    assert send(web_form, 5).status_code == 201


def test_refusal_says_when_to_try_again():
    web_form = make_web_form(hourly_limit_per_sender=1)
    send(web_form)
    WebFormRate.objects.update(window_start=timezone.now() - timedelta(minutes=50))
    response = send(web_form, 1)
    assert response.json()["message"] in ("Too many messages were sent. Try again in 10 minutes.",)
    assert 590 <= int(response["Retry-After"]) <= 601
    assert WebFormRefusal.objects.get().reason == RefusalReason.RATE


def test_limit_of_the_form_counts_all_senders_but_not_what_their_own_limit_refused():
    web_form = make_web_form(hourly_limit=3, hourly_limit_per_sender=1)
    for _ in range(5):
        send(web_form)
    addresses = [f"192.0.2.{number}" for number in range(2, 6)]
    assert [send(web_form, address, address).status_code for address in addresses] == [201, 201, 429, 429]


def test_address_is_stored_as_a_digest_and_forgotten():
    send(make_web_form())
    assert not any("192.0.2" in row.sender for row in WebFormRate.objects.all())
    forget_web_form_counts(0)
    assert WebFormRate.objects.count() == 2
    WebFormRate.objects.update(window_start=timezone.now() - timedelta(hours=1))
    WebFormRefusal.objects.create(
        web_form=WebForm.objects.get(), reason="RATE", day=timezone.now() - timedelta(days=92)
    )
    forget_web_form_counts(0)
    assert (WebFormRate.objects.count(), WebFormRefusal.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("header", "sent", "address"),
    [
        ("", "198.51.100.7", "192.0.2.1"),
        ("X-Forwarded-For", "198.51.100.7", "198.51.100.7"),
        ("X-Forwarded-For", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("X-Forwarded-For", "rubbish", "192.0.2.1"),
        ("X-Real-IP", "198.51.100.7", "192.0.2.1"),
        ("X-Forwarded-For", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("X-Forwarded-For", "::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_address_is_what_the_trusted_header_says_last(settings, header, sent, address):
    settings.CLIENT_ADDRESS_HEADER = header
    request = RequestFactory().get("/", headers={"X-Forwarded-For": sent}, REMOTE_ADDR="192.0.2.1")
    assert network_address(request) == address


# Programs


def test_program_that_fills_in_the_hidden_field_is_refused():
    web_form = make_web_form()
    response = post_form(web_form, {**PERSON, "leave_this_empty": "https://spam.example"})
    assert response.status_code == 400 and "trap for programs" in response.content.decode()
    # A person whose browser filled it in sends the form again.
    assert 'value="Nora New"' in response.content.decode() and "spam.example" not in response.content.decode()
    assert (Lead.objects.count(), WebFormRefusal.objects.get().reason) == (0, RefusalReason.TRAP)


def test_refusals_of_a_day_are_counted_by_reason():
    web_form = make_web_form()
    for _ in range(3):
        post_json(web_form, {"name": "Nora"})
    row = WebFormRefusal.objects.get()
    assert (row.reason, row.count) == (RefusalReason.FIELDS, 3)
    assert row.last_message == "Some fields need your attention. Fields: email."


# Other websites


def preflight(web_form, origin):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return Browser().options(f"/in/{web_form.token}", headers=headers)


def test_allowed_website_may_send_and_read_the_answer():
    web_form = make_web_form()
    response = preflight(web_form, WEBSITE)
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (204, WEBSITE)
    assert response["Access-Control-Allow-Headers"] == "Content-Type, Idempotency-Key"
    sent = post_json(web_form, headers={"Origin": WEBSITE})
    assert (sent.status_code, sent["Access-Control-Allow-Origin"], "Origin" in sent["Vary"]) == (201, WEBSITE, True)
    refused = post_json(web_form, {}, headers={"Origin": WEBSITE})
    assert (refused.status_code, refused["Access-Control-Allow-Origin"]) == (400, WEBSITE)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://www.harbor.example", "https://harbor.example", "null"]
)
def test_other_websites_are_refused(origin):
    web_form = make_web_form()
    assert preflight(web_form, origin).status_code == 403
    response = post_form(web_form, headers={"Origin": origin})
    assert (response.status_code, "Access-Control-Allow-Origin" in response) == (403, False)
    assert "may not send this form" in response.content.decode()
    assert (Lead.objects.count(), WebFormRefusal.objects.get().reason) == (0, RefusalReason.ORIGIN)


def test_own_page_and_programs_need_no_entry():
    web_form = make_web_form(allowed_origins=[])
    assert post_form(web_form, headers={"Origin": "http://testserver"}).status_code == 201
    assert post_json(web_form, {**PERSON, "email": "b@example.com"}).status_code == 201
    assert post_form(web_form, headers={"Origin": WEBSITE}).status_code == 403


def test_star_allows_every_website():
    web_form = make_web_form(allowed_origins=["*"])
    response = post_json(web_form, headers={"Origin": "https://anywhere.example"})
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (201, "https://anywhere.example")


def test_unknown_address_allows_no_website():
    unknown = WebForm(token="A" * 22)
    assert preflight(unknown, WEBSITE).status_code == 404
    assert post_raw(unknown, b"x", "text/plain").status_code == 404
    assert Browser().put(f"/in/{make_web_form().token}").status_code == 405
