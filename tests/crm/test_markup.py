"""The light mark-up of emails as HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.text.html.markup import markup_to_html, strip_markup

CASES = [
    ("Hello\nLee\n\nBye", "<p>Hello<br>\nLee</p>\n<p>Bye</p>"),
    ("It is **very** good", "<p>It is <strong>very</strong> good</p>"),
    ("- one\n- **two**\nAfter", "<ul>\n<li>one</li>\n<li><strong>two</strong></li>\n</ul>\n<p>After</p>"),
    ("1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
    ("Bye\n- Dana", "<p>Bye</p>\n<p>- Dana</p>"),
    ("1986. A good year", "<p>1986. A good year</p>"),
    ("See [our page](https://x.example/a_b)", '<p>See <a href="https://x.example/a_b">our page</a></p>'),
    ("See https://x.example.", '<p>See <a href="https://x.example">https://x.example</a>.</p>'),
    ("Write to a@x.example", '<p>Write to <a href="mailto:a@x.example">a@x.example</a></p>'),
    ("5*3*2 and snake_case_name and _x_", "<p>5*3*2 and snake_case_name and _x_</p>"),
    ("<b>no</b> & <script>", "<p>&lt;b&gt;no&lt;/b&gt; &amp; &lt;script&gt;</p>"),
    ("# No heading\n> no quote\n`no code`", "<p># No heading<br>\n&gt; no quote<br>\n`no code`</p>"),
    ("    indented", "<p>indented</p>"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "html"), CASES, ids=[text[:20] for text, _ in CASES])
def test_markup_becomes_html(text, html):
    assert markup_to_html(text) == html


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "/inbox/", "//x.example", "JaVaScRiPt:x"]
)
def test_link_to_anything_but_an_address_stays_as_typed(target):
    assert "<a" not in markup_to_html(f"[click]({target})").replace("https", "")


def test_link_of_a_page_opens_in_a_new_tab_without_a_referrer():
    html = markup_to_html("[a](https://x.example)", opens_new_tab=True)
    assert 'target="_blank"' in html and 'rel="noopener noreferrer"' in html


def test_link_name_with_an_address_is_one_link():
    assert markup_to_html("[https://a.example](https://b.example)").count("<a ") == 1


def test_very_long_text_stays_as_typed():
    assert "**" in markup_to_html("**a** " * 10_000)


@given(st.text(alphabet="ab*_-[]()<>&\"' \n1.:/@", max_size=200))
def test_nothing_but_the_allowed_tags_gets_through(text):
    html = markup_to_html(text)
    rest = html
    for tag in ("p", "br", "strong", "ul", "ol", "li", "a"):
        rest = rest.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in rest.replace("<a href=", "").replace("<ol start=", "")


@pytest.mark.parametrize(
    ("text", "plain"),
    [("**Dear** Lee", "Dear Lee"), ("See [us](https://x.example).", "See us."), ("2 ** 3 ** 4", "2 ** 3 ** 4")],
)
def test_snippet_has_no_signs_of_mark_up(text, plain):
    assert strip_markup(text) == plain
