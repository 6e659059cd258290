"""Demo logins work while DEBUG is on, and nowhere else."""

import pytest
from django.test import Client as Browser

from crm.models import User
from demo.checks import check_demo_logins
from tests.cast import make_user, page_text

pytestmark = pytest.mark.django_db


@pytest.fixture
def june(db):
    user = make_user("june", "administrator")
    user.set_password("demo")
    user.save()
    return user


def log_in(username):
    return Browser().post("/login/", {"username": username, "password": "demo"})


def test_demo_login_works_in_development(june, settings):
    settings.DEBUG = True
    assert log_in("june").status_code == 302


def test_demo_password_is_refused_with_debug_off_whatever_the_account(june, settings):
    settings.DEBUG = False
    User.objects.filter(pk=june.pk).update(username="renamed")
    response = log_in("renamed")
    assert response.status_code == 200
    assert "Demo logins do not work here." in page_text(response)
    assert "_auth_user_id" not in response.client.session


def test_deploy_check_names_demo_logins(june, settings):
    settings.DEBUG = False
    [error] = check_demo_logins(None)
    assert error.msg == "The database has demo logins with a public password: june."
    june.set_password("a password of her own")
    june.save()
    assert check_demo_logins(None) == []


def test_deploy_check_ignores_demo_logins_in_development_and_inactive_ones(june, settings):
    settings.DEBUG = True
    assert check_demo_logins(None) == []
    settings.DEBUG = False
    User.objects.update(is_active=False)
    assert check_demo_logins(None) == []
