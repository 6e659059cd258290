"""Makes the formatted (HTML) version of an email safe to read."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import unquote

import nh3

from crm.exceptions import InvalidInput
from crm.text.html.hidden_html import extract_hidden_text

INLINE_TAGS = (
    "a abbr b big br cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup time tt u"
)
BLOCK_TAGS = (
    "address article blockquote caption center details div figcaption figure footer header hr main p pre section"
)
LIST_TAGS = "dd dl dt h1 h2 h3 h4 h5 h6 img li ol summary ul"
TABLE_TAGS = "col colgroup table tbody td tfoot th thead tr"
ALLOWED_TAGS = {*INLINE_TAGS.split(), *BLOCK_TAGS.split(), *LIST_TAGS.split(), *TABLE_TAGS.split()}
ALLOWED_SCHEMES = {"http", "https", "mailto", "tel"}
# The scheme under which an email names the files that came with it (RFC 2392), and the files where there are none.
OWN_IMAGE_SCHEME = "cid"
NO_IMAGES: Mapping[str, str] = {}
MAX_OWN_IMAGES_LENGTH = 8_000_000
# Tags that are dropped together with what they contain.
DROPPED_TAGS = {"script", "style", "title", "template", "noscript", "textarea", "select", "svg", "math"}
ALLOWED_ATTRIBUTES = {
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
# None of these styles can load anything.
FONT_STYLES = (
    "color font font-family font-size font-style font-weight letter-spacing line-height text-transform white-space"
)
LINE_STYLES = (
    "text-align text-decoration text-indent vertical-align word-break background-color display width max-width"
)
BOX_STYLES = (
    "min-width height padding padding-top padding-right padding-bottom padding-left margin margin-top margin-right"
)
BORDER_STYLES = "margin-bottom margin-left border border-top border-right border-bottom border-left border-collapse"
OTHER_STYLES = "color border-style border-color border-radius border-spacing border-width"
ALLOWED_STYLES = {
    *FONT_STYLES.split(),
    *LINE_STYLES.split(),
    *BOX_STYLES.split(),
    *BORDER_STYLES.split(),
    *OTHER_STYLES.split(),
}
ZERO_VALUE = r"\s*:\s*0(\.0*)?(px|pt|em|rem|%)?\s*(!|;|$)"
# Styles that hide an element: not displayed, no size, far outside the page, or transparent.
HIDING_STYLE = re.compile(
    rf"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|(opacity|font-size|max-height){ZERO_VALUE}|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*([01]?(\.\d+)?|2)(px|pt)|text-indent\s*:\s*-\d{3}"
    r"|(?<![\w-])(left|top|right|margin-left|margin-top|margin)\s*:\s*-\d{3}|(?<![\w-])color\s*:\s*transparent"
    r"|clip\s*:\s*rect\(\s*0|scale\(\s*0(\.0+)?\s*[,)]",
    re.IGNORECASE,
)
# The short form of background. Only a plain colour is kept: white text may need it.
BACKGROUND_SHORTHAND = re.compile(
    r"(?<![\w-])background\s*:\s*(#[0-9a-f]{3,8}|rgb\([^()]{5,20}\)|[a-z]{3,20})\s*(?=!|;|$)", re.IGNORECASE
)
# Parsing time grows with the square of the depth, and the parser repeats an open <b class=x> in every block that
# follows: 25 kB made for it become half a gigabyte. What an email program writes stays far below both limits.
OPENING_TAG = re.compile(r"<[a-z]", re.IGNORECASE)
REPEATED_TAG = re.compile(r"<(?:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
MAX_HTML_SOURCE, MAX_TAGS, MAX_TAG_REPEATS = 2_000_000, 10_000, 2_000_000
FRAME_STYLE = (
    "body{margin:12px;font:15px/1.5 system-ui,sans-serif;color:#1b2330;background:#fff;overflow-wrap:anywhere}"
    "img,table{max-width:100%}"
)
FRAME_HEAD = f'<!doctype html><meta charset="utf-8"><base target="_blank"><style>{FRAME_STYLE}</style>'
# A second line of defence: nothing is loaded and nothing runs, even if the cleaning missed it. An email says how it
# looks in attributes, so those may hold styles here, and only here.
FRAME_POLICY = (
    "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(FRAME_STYLE.encode()).digest()).decode()}'; style-src-attr 'unsafe-inline'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class SafePage:
    """A page for a sandboxed frame, its Content-Security-Policy, and what its reader does not see.

    `blocked_images` counts the images that were left out, `loaded_images` those that the browser loads from elsewhere;
    `hidden_text` is the text that the style of the page hides.
    """

    page: str
    policy: str
    blocked_images: int
    hidden_text: str = ""
    loaded_images: int = 0


def make_safe_page(html: str, *, load_images: bool = False, own_images: Mapping[str, str] = NO_IMAGES) -> SafePage:
    """Return `html` as a page of its own, without scripts and forms.

    Nothing is loaded from elsewhere. With `load_images`, images at https addresses are, and their owner learns of it.
    `own_images` maps the Content-IDs of images that came with the email to data URLs, which are part of the page.

    Raises:
        InvalidInput: `html` is too long, or made so that parsing it takes very long.
    """
    html = html.replace("\x00", "")
    if is_too_complex(html):
        raise InvalidInput("The formatted version is too big to show safely. Read the plain text instead.")
    attributes = AttributeFilter(load_images=load_images, own_images=own_images)
    body = nh3.clean(
        html,
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        attribute_filter=attributes,
        filter_style_properties=ALLOWED_STYLES,
        url_schemes={*ALLOWED_SCHEMES, OWN_IMAGE_SCHEME},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        clean_content_tags=DROPPED_TAGS,
    )
    sources = [*(["https:"] if attributes.loaded_images else []), *(["data:"] if attributes.own_image_count else [])]
    policy = f"{FRAME_POLICY}; img-src {' '.join(sources)}" if sources else FRAME_POLICY
    hidden_text = extract_hidden_text(body)
    return SafePage(FRAME_HEAD + body, policy, attributes.blocked_images, hidden_text, attributes.loaded_images)


class AttributeFilter:
    """Decides which attributes stay as nh3 asks for each, and counts the images."""

    def __init__(self, *, load_images: bool, own_images: Mapping[str, str]) -> None:
        self.load_images, self.own_images = load_images, own_images
        self.blocked_images = self.loaded_images = self.own_image_count = 0
        # A page may name one image many times.
        self.room_for_images = MAX_OWN_IMAGES_LENGTH

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        """Return what an attribute becomes; None drops it."""
        if tag == "img" and name == "src":
            return self.filter_image(value)
        if name == "href" and value.strip().lower().startswith(f"{OWN_IMAGE_SCHEME}:"):
            return None
        return filter_style(value) if name == "style" else value

    def filter_image(self, address: str) -> str | None:
        """Return `address` where the image may be loaded, and count the image."""
        scheme, _, content_id = address.strip().partition(":")
        image = self.own_images.get(unquote(content_id), "") if scheme.lower() == OWN_IMAGE_SCHEME else ""
        if image and len(image) <= self.room_for_images:
            self.own_image_count += 1
            self.room_for_images -= len(image)
            return image
        if self.load_images and address.lower().startswith("https://"):
            self.loaded_images += 1
            return address
        self.blocked_images += 1
        return None


def filter_style(style: str) -> str:
    """Return `style` so that what the sender hid stays hidden when nh3 drops the property that hid it."""
    if HIDING_STYLE.search(style):
        return "display:none"
    return BACKGROUND_SHORTHAND.sub(r"background-color:\1", style).lower()


def is_too_complex(html: str) -> bool:
    """Return whether the parser could need more time or memory for `html` than a page should take."""
    if len(html) > MAX_HTML_SOURCE:
        return True
    tags = len(OPENING_TAG.findall(html))
    return tags > MAX_TAGS or tags * len(REPEATED_TAG.findall(html)) > MAX_TAG_REPEATS
