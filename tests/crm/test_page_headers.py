"""What the headers of every page allow, and that no page needs more."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client as Browser
from unfold.settings import CONFIG_DEFAULTS

from crm.text.html.frame_style import FRAME_STYLE
from tests.cast import make_lead

pytestmark = pytest.mark.django_db
INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\son[a-z]+=|javascript:", re.IGNORECASE)


def directives(response):
    parts = [part.split() for part in response["Content-Security-Policy"].split(";")]
    return {name: {*sources} for name, *sources in parts}


def test_no_script_or_stylesheet_within_a_page_is_allowed(as_ann):
    for response in (as_ann.get("/"), Browser().get("/login/"), as_ann.get("/nowhere/"), as_ann.post("/jsi18n/")):
        policy = directives(response)
        assert policy["script-src"] == {"'self'", "'unsafe-eval'"}
        assert policy["script-src-attr"] == {"'none'"}
        assert "'unsafe-inline'" not in policy["style-src"]
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == {"'none'"}
        assert policy["default-src"] == policy["form-action"] == {"'self'"}
        assert policy["img-src"] == {"'self'", "data:", "https:"}
        assert response["Referrer-Policy"] == "same-origin"
        for permission in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb"):
            assert f"{permission}=()" in response["Permissions-Policy"]


def test_no_page_holds_a_script_or_a_style(ada, as_ann):
    lead = make_lead()
    for url in (
        "/",
        "/leads/lead/",
        f"/leads/lead/{lead.pk}/change/",
        "/leads/lead/add/",
        "/inbox/thread/",
        "/nowhere/",
    ):
        assert not INLINE.search(as_ann.get(url).content.decode()), url
    assert not INLINE.search(Browser().get("/login/").content.decode())


def test_page_with_a_policy_of_its_own_keeps_it():
    response = Browser().get("/in/" + "A" * 22 + "/")
    assert response.status_code == 404
    assert directives(response)["default-src"] == {"'none'"}


def test_stylesheet_has_every_colour_of_the_theme():
    with open(finders.find("crm/theme.css")) as sheet:
        text = sheet.read()
    wanted = [f"--color-{name}-{weight}:" for name, shades in CONFIG_DEFAULTS["COLORS"].items() for weight in shades]
    assert [name for name in wanted if name not in text] == []


def test_policy_allows_the_style_of_the_frame_of_an_email():
    assert settings.CONTENT_SECURITY_POLICY["style-src"].startswith("'self' 'sha256-")
    assert "<" not in FRAME_STYLE
