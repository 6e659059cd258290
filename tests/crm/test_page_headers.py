"""What the headers of every page allow, and that no page needs more."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client as Browser
from unfold.settings import CONFIG_DEFAULTS

from tests.cast import make_lead

pytestmark = pytest.mark.django_db
INLINE = re.compile(r"<style|\sstyle=|<script(?![^>]*\bsrc=)|\son[a-z]+=|javascript:", re.IGNORECASE)


def directives(response):
    parts = [part.split() for part in response["Content-Security-Policy"].split(";")]
    return {name: {*sources} for name, *sources in parts}


def test_no_script_or_style_within_a_page_is_allowed(as_ann):
    for response in (as_ann.get("/"), Browser().get("/login/"), as_ann.get("/nowhere/"), as_ann.post("/jsi18n/")):
        policy = directives(response)
        assert not [one for one in settings.CONTENT_SECURITY_POLICY.values() if "unsafe" in one]
        assert policy["script-src"] == policy["style-src"] == {"'self'"}
        assert policy["script-src-attr"] == policy["style-src-attr"] == {"'none'"}
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == {"'none'"}
        assert policy["default-src"] == policy["form-action"] == {"'self'"}
        assert policy["img-src"] == {"'self'", "data:"}
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


def test_pages_are_compressed_for_browsers_that_accept_it(as_ann):
    plain = as_ann.get("/leads/lead/")
    assert "Content-Encoding" not in plain
    packed = as_ann.get("/leads/lead/", headers={"Accept-Encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
    assert b"nav-sidebar" in gzip.decompress(packed.content)
    assert len(packed.content) < len(plain.content) / 3


def test_files_are_sent_as_they_are(as_max):
    make_lead()
    file = as_max.post("/leads/lead/export/", {"format": "csv"}, headers={"Accept-Encoding": "gzip"})
    assert file.status_code == 200 and "Content-Encoding" not in file


def test_page_with_a_policy_of_its_own_keeps_it():
    response = Browser().get("/in/" + "A" * 22 + "/")
    assert response.status_code == 404
    assert directives(response)["default-src"] == {"'none'"}
    assert directives(response)["style-src"] == {"'self'"}
    assert not INLINE.search(response.content.decode())


def test_stylesheet_has_every_colour_of_the_theme():
    with open(finders.find("crm/theme.css")) as sheet:
        text = sheet.read()
    wanted = [f"--color-{name}-{weight}:" for name, shades in CONFIG_DEFAULTS["COLORS"].items() for weight in shades]
    assert [name for name in wanted if name not in text] == []


def test_alpine_is_the_build_that_compiles_nothing():
    """The digest of dist/cdn.min.js in @alpinejs/csp 3.17.4; the licence beside it names the version."""
    with open(finders.find("crm/alpine/alpine-csp.min.js"), "rb") as script:
        content = script.read()
    assert sha256(content).hexdigest() == "0d18d7f8d7910e2e0212f0f056b12f50bebc3abb7d88d2f7c7cb4c336fe4519a"
    assert b"new Function" not in content and b"AsyncFunction" not in content
    assert "3.17.4" in Path(finders.find("crm/alpine/LICENSE")).read_text()
    assert "unfold/js/alpine/alpine.js" not in Browser().get("/login/").content.decode()
