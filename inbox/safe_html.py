"""The formatted version of a mail, made harmless for reading. Pure: no database, no network."""

import re
from dataclasses import dataclass

import nh3

from crm.refusals import BadInput

TEXT = "a abbr b big br cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup time tt u"
BLOCKS = "address article blockquote caption center details div figcaption figure footer header hr main p pre section"
LISTS = "dd dl dt h1 h2 h3 h4 h5 h6 img li ol summary ul"
TABLES = "col colgroup table tbody td tfoot th thead tr"
TAGS = {*TEXT.split(), *BLOCKS.split(), *LISTS.split(), *TABLES.split()}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align", "hidden"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "size", "face"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor"},
    "td": {"width", "height", "colspan", "rowspan", "valign", "bgcolor"},
    "th": {"width", "height", "colspan", "rowspan", "valign", "bgcolor"},
    "tr": {"bgcolor", "valign"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "col": {"width", "span"},
}
# None of these can fetch anything.
LETTERS = (
    "color font font-family font-size font-style font-weight letter-spacing line-height text-transform white-space"
)
LINES = "text-align text-decoration text-indent vertical-align word-break background-color display width max-width"
BOX = "min-width height padding padding-top padding-right padding-bottom padding-left margin margin-top margin-right"
EDGES = "margin-bottom margin-left border border-top border-right border-bottom border-left border-collapse"
REST = "color border-style border-color border-radius border-spacing border-width"
STYLES = {*LETTERS.split(), *LINES.split(), *BOX.split(), *EDGES.split(), *REST.split()}
NOUGHT = r"\s*:\s*0(\.0*)?(px|pt|em|rem|%)?\s*(!|;|$)"
HIDES = re.compile(
    rf"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|(opacity|font-size|max-height){NOUGHT}", re.IGNORECASE
)
# Parsing takes the square of the depth, and repeats an open <b class=x> in every block that follows: 25 kB made
# for it become half a gigabyte. What a mail program writes stays far below both limits.
OPENING = re.compile(r"<[a-z]", re.IGNORECASE)
REPEATED = re.compile(r"<(?:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
LONGEST, MOST_TAGS, MOST_REPEATS = 2_000_000, 10_000, 2_000_000
# Beside the sandbox: nothing is fetched and nothing runs, whatever the cleaning might have missed.
FRAME = (
    '<!doctype html><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="referrer" content="no-referrer"><base target="_blank">'
    "<style>body{margin:12px;font:15px/1.5 system-ui,sans-serif;color:#1b2330;background:#fff;overflow-wrap:anywhere}"
    "img,table{max-width:100%}</style>"
)


@dataclass(frozen=True)
class Formatted:
    """A page for a sandboxed frame; `images` were held back, and whether the sender `hides` some of the text."""

    page: str
    images: int
    hides: bool


def formatted(html: str) -> Formatted:
    """`html` as a page of its own without scripts, forms, or anything that is fetched from elsewhere.

    Raises:
        BadInput: too long, or made so that taking it apart takes very long.
    """
    html = html.replace("\x00", "")
    if too_much(html):
        raise BadInput("The formatted version is too big to be shown safely. Read the text.")
    images, hides = 0, False

    def judge(tag: str, name: str, value: str) -> str | None:
        nonlocal images, hides
        if tag == "img" and name == "src":
            images += 1
            return None
        # What the sender hid stays hidden: it must not appear because the style that hid it was dropped.
        if name == "style" and HIDES.search(value):
            hides = True
            return "display:none"
        hides = hides or name == "hidden"
        return value.lower() if name == "style" else value

    body = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=judge,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "tel"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style", "title", "template", "noscript", "textarea", "select", "svg", "math"},
    )
    return Formatted(FRAME + body, images, hides)


def too_much(html: str) -> bool:
    """Whether the parser could need more time or memory for `html` than a page should take."""
    if len(html) > LONGEST:
        return True
    tags = len(OPENING.findall(html))
    return tags > MOST_TAGS or tags * len(REPEATED.findall(html)) > MOST_REPEATS
