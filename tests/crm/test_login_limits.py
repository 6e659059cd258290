"""Failed logins: how many are possible, who is blocked, that the owner is not, and what is left behind."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from crm.accounts.login_limits import (
    FREE_TRIES,
    KNOWN_FOR,
    MEMORY,
    LoginBlocked,
    LoginTry,
    count_try,
    forget_old_limits,
    release,
)
from crm.accounts.transitions import unblock
from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog, LimitScope, LoginLimit
from crm.tasks import forget_failed_logins
from tests.cast import PASSWORD, browser, make_user, page_text

pytestmark = pytest.mark.django_db
HOME, OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.7"
ACCOUNT_TRIES, ADDRESS_TRIES = FREE_TRIES[LimitScope.ACCOUNT], FREE_TRIES[LimitScope.ADDRESS]


def log_in(username="ann", password=PASSWORD, address=HOME, page=None):
    page = page or Browser()
    return page.post("/login/", {"username": username, "password": password}, REMOTE_ADDR=address)


def guess(username="ann", address=ELSEWHERE, page=None):
    return log_in(username, "wrong", address, page).status_code


def is_logged_in(response):
    return response.status_code == 302


def wait(**duration):
    """Let time pass for every limit."""
    for limit in LoginLimit.objects.all():
        for name in ("blocked_until", "last_tried_at", "last_login_at"):
            if value := getattr(limit, name):
                setattr(limit, name, value - timedelta(**duration))
        limit.save()


def addresses(count):
    return [f"203.0.{number // 250}.{number % 250}" for number in range(count)]


def test_right_password_logs_in_and_is_logged(ann):
    assert log_in()["Location"] == "/"
    log_in()
    summaries = ActivityLog.objects.for_target(ann).values_list("summary", flat=True)
    assert [*summaries] == ["Logged in from 192.0.2.1.", "Logged in from 192.0.2.1, for the first time."]


def test_many_guesses_from_many_addresses_reach_the_password_only_as_often_as_the_limit_allows(ann):
    with mock.patch.object(MD5PasswordHasher, "verify", return_value=False) as verified:
        for address in addresses(100):
            guess(address=address)
    assert verified.call_count == ACCOUNT_TRIES
    assert LoginLimit.objects.get(scope="account").failures == ACCOUNT_TRIES


def test_refused_try_hashes_nothing_writes_nothing_and_costs_one_statement(ann, django_assert_num_queries):
    login = LoginTry("ann", ELSEWHERE)
    for _ in range(ACCOUNT_TRIES):
        count_try(login)
    with django_assert_num_queries(1), pytest.raises(LoginBlocked):
        count_try(login)
    before = [*LoginLimit.objects.values()]
    with mock.patch.object(MD5PasswordHasher, "encode") as encoded:
        assert guess() == 429
    assert encoded.call_count == 0
    assert [*LoginLimit.objects.values()] == before


def test_refusal_says_how_long_to_wait(ann):
    for _ in range(ACCOUNT_TRIES):
        assert guess() == 200
    response = log_in(address=ELSEWHERE)
    assert response.status_code == 429
    assert "Too many tries. Try again in a minute." in page_text(response)
    assert 1 <= int(response["Retry-After"]) <= 61


def test_wait_doubles_up_to_an_hour_and_then_the_right_password_works(ann):
    waits = []
    for _ in range(ACCOUNT_TRIES + 8):
        assert guess() == 200
        limit = LoginLimit.objects.get(scope="account")
        waits.append(round((limit.blocked_until - limit.last_tried_at).total_seconds() / 60) if limit.is_blocked else 0)
        LoginLimit.objects.filter(scope="address").delete()
        wait(seconds=waits[-1] * 60)
    assert waits == [0] * (ACCOUNT_TRIES - 1) + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert is_logged_in(log_in(address=ELSEWHERE))
    assert not LoginLimit.objects.with_failures().filter(scope="account").exists()


def test_attack_does_not_lock_out_the_owner_at_a_known_address(ann):
    log_in(address=HOME)
    for address in addresses(30):
        guess(address=address)
    assert log_in(address=ELSEWHERE).status_code == 429
    assert is_logged_in(log_in(address=HOME))
    assert LoginLimit.objects.get(scope="account").is_blocked


def test_attack_from_the_same_address_does_not_lock_out_the_owner_in_a_known_browser(ann):
    page = Browser()
    log_in(page=page)
    page.post("/logout/")
    for _ in range(30):
        guess(address=HOME)
    assert log_in(address=HOME).status_code == 429
    assert is_logged_in(log_in(address=HOME, page=page))


def test_known_browser_and_known_address_have_limits_too(ann):
    page = Browser()
    log_in(page=page)
    page.post("/logout/")
    assert [guess(address=ELSEWHERE, page=page) for _ in range(7)] == [200] * 5 + [429] * 2
    assert [guess(address=HOME) for _ in range(7)] == [200] * 5 + [429] * 2
    assert {*LoginLimit.objects.with_failures().values_list("scope", flat=True)} == {"known_browser", "known_address"}


def known_cookies(page):
    return [name for name in page.cookies if name.startswith("known_")]


def test_cookie_of_one_account_is_worth_nothing_for_another(ann, bob):
    of_ann, of_bob, forged = Browser(), Browser(), Browser()
    log_in(page=of_ann)
    log_in("bob", page=of_bob)
    for _ in range(ACCOUNT_TRIES):
        guess("bob")
    [name], [other] = known_cookies(of_bob), known_cookies(of_ann)
    forged.cookies[name] = of_ann.cookies[other].value
    assert guess("bob", page=forged) == 429


def test_browser_that_colleagues_share_is_known_to_each_of_them(ann, bob):
    page = Browser()
    for username in ("ann", "bob"):
        log_in(username, page=page)
        page.post("/logout/")
        for _ in range(ACCOUNT_TRIES):
            guess(username)
    for username in ("ann", "bob"):
        assert log_in(username, address=OFFICE).status_code == 429
        assert is_logged_in(log_in(username, address=OFFICE, page=page))
        page.post("/logout/")


def test_browser_is_known_for_half_a_year(ann):
    page, long_ago = Browser(), time.time() - KNOWN_FOR.total_seconds() - 1
    with mock.patch("django.core.signing.time.time", return_value=long_ago):
        log_in(page=page)
    page.post("/logout/")
    for _ in range(ACCOUNT_TRIES):
        guess()
    assert guess(page=page) == 429


def test_cookie_of_a_known_browser_is_hidden_from_scripts_other_sites_and_plain_http(ann, settings):
    settings.SESSION_COOKIE_SECURE = True
    log_in(page=(page := Browser()))
    [name] = known_cookies(page)
    cookie = page.cookies[name]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")


def test_one_address_cannot_try_many_accounts(ann):
    usernames = [f"user{number}" for number in range(ADDRESS_TRIES)]
    assert {guess(name) for name in usernames} == {200}
    assert guess("another") == 429
    assert log_in(address=ELSEWHERE).status_code == 429
    assert is_logged_in(log_in(address=OFFICE))


def test_own_login_does_not_help_an_attacker_at_the_same_address(ann):
    make_user("eve")
    for number in range(ADDRESS_TRIES - 1):
        guess(f"user{number}")
    assert is_logged_in(log_in("eve", address=ELSEWHERE))
    assert LoginLimit.objects.get(scope="address").failures == ADDRESS_TRIES - 1
    assert guess("user-a") == 200
    assert guess("user-b") == 429


def test_release_leaves_a_wait_that_another_try_began(ann):
    for number in range(ADDRESS_TRIES - 2):
        count_try(LoginTry(f"user{number}", ELSEWHERE))
    mine = count_try(LoginTry("ann", ELSEWHERE))
    count_try(LoginTry("other", ELSEWHERE))
    release(mine)
    limit = LoginLimit.objects.get(scope="address")
    assert (limit.failures, limit.is_blocked) == (ADDRESS_TRIES - 1, True)


def test_unknown_username_is_treated_like_a_known_one_and_not_stored(ann):
    known, unknown = ([guess(name, address) for _ in range(7)] for name, address in (("ann", HOME), ("my pin", OFFICE)))
    assert known == unknown
    stored = " ".join(str(row) for row in [*LoginLimit.objects.values(), *ActivityLog.objects.values()])
    assert "my pin" not in stored


def test_program_without_an_address_is_not_limited(ann):
    for _ in range(ACCOUNT_TRIES + 1):
        assert authenticate(username="ann", password="wrong") is None
    assert authenticate(username="ann", password=PASSWORD) == ann
    assert LoginLimit.objects.count() == 0


def test_other_spelling_of_a_username_is_the_same_account():
    digests = {LoginTry(name, HOME).digest(LimitScope.ACCOUNT) for name in ("ann", "ANN", "ａｎｎ")}
    assert len(digests) == 1


def test_each_limit_has_a_count_of_its_own():
    login = LoginTry("same", "same", "same")
    assert len({login.digest(scope) for scope in LimitScope}) == len(LimitScope)


def test_address_is_known_for_half_a_year(ann):
    log_in(address=HOME)
    wait(days=KNOWN_FOR.days)
    for _ in range(ACCOUNT_TRIES):
        guess()
    assert log_in(address=HOME).status_code == 429


def test_failed_login_is_allowed_again_by_administrators_and_once(ada, ann):
    guess()
    limit = LoginLimit.objects.get(scope="account")
    with pytest.raises(NotPermitted):
        unblock(limit, by=ann)
    unblock(limit, by=ada)
    with pytest.raises(IllegalTransition, match="Ann is not blocked any more"):
        unblock(limit, by=ada)
    assert ActivityLog.objects.filter(verb="login_unblocked").count() == 1


def test_failed_logins_are_visible_to_administrators_and_known_addresses_to_none(ada, ann):
    log_in()
    guess("bob")
    assert [*LoginLimit.objects.visible_to(ann)] == []
    assert {limit.scope for limit in LoginLimit.objects.visible_to(ada)} == {"account", "address"}


def test_counting_begins_anew_after_a_day(ann):
    for _ in range(ACCOUNT_TRIES - 1):
        guess()
    wait(days=1, seconds=1)
    assert [guess() for _ in range(ACCOUNT_TRIES + 1)] == [200] * ACCOUNT_TRIES + [429]


def test_failed_logins_are_logged_with_address_and_wait(ann):
    for _ in range(ACCOUNT_TRIES):
        guess()
    entries = ActivityLog.objects.for_target(ann)
    assert entries[0].summary == "Failed login from 198.51.100.7, 5 in a row. The next try is possible in a minute."
    assert entries[4].summary == "Failed login from 198.51.100.7, 1 in a row."
    assert (entries[0].actor_type, entries[0].actor_name) == ("external", ELSEWHERE)


def test_wait_of_an_address_is_logged_without_usernames(ann):
    for number in range(ADDRESS_TRIES + 5):
        guess(f"user{number}")
    [entry] = ActivityLog.objects.filter(verb="login_blocked")
    assert entry.summary == "20 failed logins from 198.51.100.7. The next try is possible in a minute."


def test_administrators_see_failed_logins_and_allow_logins_again(ada, ann, as_max):
    for address in addresses(ACCOUNT_TRIES):
        guess(address=address)
    assert as_max.get("/crm/loginlimit/").status_code == 403
    page = browser(ada)
    text = page_text(page.get("/crm/loginlimit/?blocked=true"))
    assert "Ann" in text and "New places" in text and "203.0.0.1" not in text
    limit = LoginLimit.objects.get(scope="account")
    post = {"action": "unblock", "_selected_action": [str(limit.pk)], "index": "0", "apply": "1"}
    page.post("/crm/loginlimit/", post)
    limit.refresh_from_db()
    assert (limit.failures, limit.blocked_until) == (0, None)
    assert is_logged_in(log_in(address=ELSEWHERE))
    assert ActivityLog.objects.filter(verb="login_unblocked").get().actor == ada


def test_old_limits_are_forgotten_and_known_addresses_kept(ann, bob):
    log_in()
    guess("bob")
    wait(seconds=MEMORY.total_seconds() + 1)
    forget_failed_logins(0)
    assert [*LoginLimit.objects.values_list("scope", flat=True)] == ["known_address"]
    wait(days=180)
    assert forget_old_limits(timezone.now()) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_do_not_pass_the_limit():
    ann = make_user("ann", None)

    def try_once(address):
        try:
            count_try(LoginTry(ann.username, address))
            return 1
        except LoginBlocked:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(try_once, addresses(200))) == ACCOUNT_TRIES
