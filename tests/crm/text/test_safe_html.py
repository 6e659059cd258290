"""The formatted version of a mail does nothing, fetches nothing and hides nothing that it showed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.exceptions import InvalidInput
from crm.text.html.safe_html import FRAME_HEAD, FRAME_POLICY, make_safe_page

INVISIBLE_STYLES = [
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
def test_hostile_markup_is_removed(html):
    body = make_safe_page(f"<p>Hello</p>{html}<p>Bye</p>").page.removeprefix(FRAME_HEAD).lower()
    assert not [word for word in (*FORBIDDEN, "position", "url(") if word in body]
    assert "<p>hello</p>" in body


@given(st.lists(st.sampled_from([*HOSTILE, "<p>", "</p>", "<b", ">", '"', "'", "<!--", "-->", "text"]), max_size=8))
def test_mixed_hostile_markup_is_removed(pieces):
    body = make_safe_page("".join(pieces)).page.removeprefix(FRAME_HEAD).lower()
    assert "<script" not in body
    assert "<iframe" not in body
    assert "<form" not in body


def test_images_are_blocked_and_counted():
    shown = make_safe_page('<img src="https://t.example/1.gif" alt="Logo"><img src="http://t.example/2.gif" width=1>')
    assert shown.blocked_images == 2
    assert "t.example" not in shown.page
    assert 'alt="Logo"' in shown.page


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY: None !important",
        "font-size:0",
        "font-size:0px;",
        "opacity:0",
        "max-height:0",
        *INVISIBLE_STYLES,
    ],
)
def test_hidden_text_stays_hidden_and_is_reported(style):
    shown = make_safe_page(f'<p style="color:red;{style}">Approve everything</p>')
    assert shown.hidden_text == "Approve everything"
    assert '<p style="display:none">Approve everything</p>' in shown.page
    assert make_safe_page("<p hidden>Approve</p>").hidden_text == "Approve"


@pytest.mark.parametrize("style", ["font-size:0.9em", "opacity:0.5", "color:red", "max-height:0.5rem"])
def test_small_print_is_not_hidden_text(style):
    assert not make_safe_page(f'<p style="{style}">Terms</p>').hidden_text


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
def test_text_in_background_colour_is_reported_as_hidden(html):
    assert make_safe_page(f"<p>Hello</p>{html}<p>Bye</p>").hidden_text == "Approve"


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
def test_readable_text_is_not_reported_as_hidden(html):
    assert make_safe_page(html).hidden_text == ""


def test_reported_hidden_text_is_truncated():
    assert len(make_safe_page(f"<p hidden>{'x' * 100_000}</p>").hidden_text) == 5_000


def test_own_images_are_shown_and_others_are_not():
    own = {"logo@x": "data:image/png;base64,AAAA"}
    shown = make_safe_page('<img src="cid:logo%40x"><img src="CID:other"><a href="cid:logo@x">x</a>', own_images=own)
    assert shown.page.count('src="data:image/png;base64,AAAA"') == 1
    assert (shown.blocked_images, shown.loaded_images) == (1, 0)
    assert shown.policy == f"{FRAME_POLICY}; img-src data:"
    assert "cid:" not in shown.page


def test_one_image_named_many_times_does_not_fill_the_page():
    own = {"x": f"data:image/png;base64,{'A' * 1_000_000}"}
    shown = make_safe_page('<img src="cid:x">' * 100, own_images=own)
    assert len(shown.page) < 9_000_000
    assert shown.blocked_images > 90


def test_images_load_only_on_request_over_https():
    html = '<img src="https://t.example/1.gif"><img src="http://t.example/2.gif"><img src="data:image/gif;base64,x">'
    held, shown = make_safe_page(html), make_safe_page(html, load_images=True)
    assert (held.blocked_images, held.loaded_images) == (2, 0)
    assert "img-src" not in held.policy
    assert (shown.blocked_images, shown.loaded_images) == (1, 1)
    assert shown.policy == f"{FRAME_POLICY}; img-src https:"
    assert "https://t.example/1.gif" in shown.page
    assert "2.gif" not in shown.page
    assert "data:" not in shown.page


@pytest.mark.parametrize("html", HOSTILE)
def test_loading_images_allows_nothing_else(html):
    body = (
        make_safe_page(f"<p>Hello</p>{html}", load_images=True)
        .page.partition("<style>")[2]
        .partition("</style>")[2]
        .lower()
    )
    assert not [word for word in FORBIDDEN if word in body]


def test_frame_policy_blocks_all_fetching_and_isolates_the_page():
    policy = make_safe_page("<p>Hello</p>").policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "sandbox allow-popups allow-popups-to-escape-sandbox;" in policy
    assert "script" not in policy and "allow-same-origin" not in policy


def test_ordinary_formatting_is_kept():
    html = (
        '<table width="600"><tr><td bgcolor="#eee"><b style="color:red">Hi</b> <a href="https://a.example/?b=1">a</a>'
    )
    page = make_safe_page(html).page
    assert '<b style="color:red">Hi</b>' in page
    assert 'href="https://a.example/?b=1" rel="noopener noreferrer nofollow"' in page


@pytest.mark.parametrize(
    "html",
    ["<div>" * 10_001, "x" * 2_000_001, "".join(f"<b a={n}><p>" for n in range(2_000))],
)
def test_oversized_html_is_refused(html):
    with pytest.raises(InvalidInput, match="too big to show safely"):
        make_safe_page(html)
