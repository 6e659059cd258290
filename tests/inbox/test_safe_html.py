"""The formatted version of a mail does nothing, fetches nothing and hides nothing that it showed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.refusals import BadInput
from inbox.safe_html import FRAME, formatted

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "<iframe src=https://evil.example></iframe>",
    "<form action=https://evil.example><input name=password></form>",
    '<meta http-equiv=refresh content="0;url=https://evil.example">',
    "<base href=https://evil.example>",
    "<link rel=stylesheet href=https://evil.example>",
    "<style>@import url(https://evil.example)</style>",
    '<div style="background:url(https://evil.example)">x</div>',
    '<div style="background-image:url(https://evil.example);color:red">x</div>',
    '<table background="https://evil.example"><tr><td>x</td></tr></table>',
    "<video poster=https://evil.example><source src=https://evil.example></video>",
    "<object data=https://evil.example></object><embed src=https://evil.example>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    '<div style="position:fixed;top:0;left:0;width:9999px">x</div>',
]
FORBIDDEN = ("<script", "onerror", "onload", "javascript:", "data:", "evil.example", "<form", "<input", "<iframe")


@pytest.mark.parametrize("html", HOSTILE)
def test_hostile_markup_is_gone(html):
    body = formatted(f"<p>Hello</p>{html}<p>Bye</p>").page.removeprefix(FRAME).lower()
    assert not [word for word in (*FORBIDDEN, "position", "url(") if word in body]
    assert "<p>hello</p>" in body


@given(st.lists(st.sampled_from([*HOSTILE, "<p>", "</p>", "<b", ">", '"', "'", "<!--", "-->", "text"]), max_size=8))
def test_no_mixture_of_hostile_markup_brings_any_back(pieces):
    body = formatted("".join(pieces)).page.removeprefix(FRAME).lower()
    assert "<script" not in body
    assert "<iframe" not in body
    assert "<form" not in body


def test_images_are_held_back_and_counted():
    shown = formatted('<img src="https://t.example/1.gif" alt="Logo"><img src="http://t.example/2.gif" width=1>')
    assert shown.images == 2
    assert "t.example" not in shown.page
    assert 'alt="Logo"' in shown.page


@pytest.mark.parametrize(
    "style", ["display:none", "DISPLAY: None !important", "font-size:0", "font-size:0px;", "opacity:0", "max-height:0"]
)
def test_what_the_sender_hides_stays_hidden_and_is_told(style):
    shown = formatted(f'<p style="color:red;{style}">Approve everything</p>')
    assert shown.hides
    assert '<p style="display:none">Approve everything</p>' in shown.page
    assert formatted("<p hidden>Approve</p>").hides


@pytest.mark.parametrize("style", ["font-size:0.9em", "opacity:0.5", "color:red", "max-height:0.5rem"])
def test_small_print_is_not_hidden(style):
    assert not formatted(f'<p style="{style}">Terms</p>').hides


def test_the_frame_allows_no_fetching_whatever_the_cleaning_missed():
    page = formatted("<p>Hello</p>").page
    assert "default-src 'none'; style-src 'unsafe-inline'" in page


def test_ordinary_formatting_is_kept():
    html = (
        '<table width="600"><tr><td bgcolor="#eee"><b style="color:red">Hi</b> <a href="https://a.example/?b=1">a</a>'
    )
    page = formatted(html).page
    assert '<b style="color:red">Hi</b>' in page
    assert 'href="https://a.example/?b=1" rel="noopener noreferrer nofollow"' in page


@pytest.mark.parametrize(
    "html",
    ["<div>" * 10_001, "x" * 2_000_001, "".join(f"<b a={n}><p>" for n in range(2_000))],
)
def test_what_would_take_too_long_to_take_apart_is_refused(html):
    with pytest.raises(BadInput, match="too big to be shown safely"):
        formatted(html)
