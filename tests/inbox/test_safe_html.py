"""The formatted version of a mail does nothing, fetches nothing and hides nothing that it showed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.exceptions import BadInput
from crm.text.safe_html import FRAME, formatted

UNSEEN = [
    "font-size:1px",
    "font-size: 0.5pt",
    "text-indent:-9999px",
    "position:absolute;left:-9999px",
    "margin-left:-500em",
    "color:transparent",
    "mso-hide:all",
    "clip:rect(0,0,0,0)",
    "transform:scale(0)",
]
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
    "style",
    ["display:none", "DISPLAY: None !important", "font-size:0", "font-size:0px;", "opacity:0", "max-height:0", *UNSEEN],
)
def test_what_the_sender_hides_stays_hidden_and_is_told(style):
    shown = formatted(f'<p style="color:red;{style}">Approve everything</p>')
    assert shown.hidden == "Approve everything"
    assert '<p style="display:none">Approve everything</p>' in shown.page
    assert formatted("<p hidden>Approve</p>").hidden == "Approve"


@pytest.mark.parametrize("style", ["font-size:0.9em", "opacity:0.5", "color:red", "max-height:0.5rem"])
def test_small_print_is_not_hidden(style):
    assert not formatted(f'<p style="{style}">Terms</p>').hidden


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color:#fff">Approve</p>',
        '<p style="color:#FEFEFE;background:#ffffff">Approve</p>',
        '<font color="white">Approve</font>',
        '<table><tr><td bgcolor="#123456"><span style="color: rgb(18, 52, 86)">Approve</span></td></tr></table>',
        '<div style="background:black"><p style="color:#000000">Approve</p></div>',
        '<div style="display:none"><b>Approve</b></div>',
    ],
)
def test_what_is_written_in_the_colour_of_its_ground_is_told(html):
    assert formatted(f"<p>Hello</p>{html}<p>Bye</p>").hidden == "Approve"


@pytest.mark.parametrize(
    "html",
    [
        '<table><tr><td bgcolor="#000000"><span style="color:#fff">Button</span></td></tr></table>',
        '<div style="background: #336699 !important"><b style="color:white">Button</b></div>',
        '<p style="color:grey">Terms</p>',
        '<p style="color:var(--x)">Terms</p>',
        '<p style="display:none"> &nbsp; </p>',
    ],
)
def test_what_can_be_read_is_not_hidden(html):
    assert formatted(html).hidden == ""


def test_what_is_told_of_hidden_text_is_bounded():
    assert len(formatted(f"<p hidden>{'x' * 100_000}</p>").hidden) == 5_000


def test_images_are_fetched_only_where_somebody_says_so_and_only_safely():
    html = '<img src="https://t.example/1.gif"><img src="http://t.example/2.gif"><img src="data:image/gif;base64,x">'
    held, shown = formatted(html), formatted(html, fetch=True)
    assert (held.images, held.fetched) == (2, 0)
    assert "img-src" not in held.page
    assert (shown.images, shown.fetched) == (1, 1)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src https:" in shown.page
    assert "https://t.example/1.gif" in shown.page
    assert "2.gif" not in shown.page
    assert "data:" not in shown.page


@pytest.mark.parametrize("html", HOSTILE)
def test_fetching_images_lets_nothing_else_in(html):
    body = formatted(f"<p>Hello</p>{html}", fetch=True).page.partition("<style>")[2].partition("</style>")[2].lower()
    assert not [word for word in FORBIDDEN if word in body]


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
