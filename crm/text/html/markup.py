"""Text as HTML: paragraphs and links, and the light mark-up of what people write: `**bold**`, lists, `[text](link)`.

The mark-up is the part of Markdown that reads well as plain text, because the plain text goes along with every email.
"""

import re
from functools import cache
from urllib.parse import quote

import nh3
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.token import Token

URL_OR_EMAIL = re.compile(
    r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])|(?<![\w.+-])([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", re.ASCII
)
LINK_TARGET = re.compile(r"(?:https?://|mailto:)\S+", re.IGNORECASE)
LIST_ITEM = re.compile(r"[ ]{0,3}(?:[-*+]|\d{1,9}[.)])[ ]+\S")
# Longer texts are shown as they were typed.
MAX_MARKUP_LENGTH = 50_000
MARKUP_TAGS = {"p", "br", "strong", "a", "ul", "ol", "li"}
MARKUP_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
LINK_SCHEMES = {"http", "https", "mailto"}
BOLD, NAMED_LINK = (
    re.compile(r"\*\*(\S(?:[^\n]*?\S)?)\*\*"),
    re.compile(r"\[([^\[\]\n]+)\]\((?:https?://|mailto:)\S*?\)"),
)


def plain_to_html(text: str) -> SafeString:
    """Return `text` as HTML: paragraphs, line breaks, and links for web and email addresses."""
    paragraphs = ([linkify(line) for line in block.split("\n")] for block in re.split(r"\n{2,}", text))
    lines = ((format_html_join(SafeString("<br>\n"), "{}", ((line,) for line in block)),) for block in paragraphs)
    return format_html_join("\n", "<p>{}</p>", lines)


def linkify(line: str) -> SafeString:
    """Return `line` escaped, with links for its web and email addresses."""
    parts, position = [], 0
    for match in URL_OR_EMAIL.finditer(line):
        page, mailbox = match.groups()
        target = page or f"mailto:{quote(mailbox, safe='@+')}"
        parts += [line[position : match.start()], format_html('<a href="{}">{}</a>', target, match[0])]
        position = match.end()
    return format_html_join("", "{}", ((part,) for part in [*parts, line[position:]]))


def markup_to_html(text: str, *, opens_new_tab: bool = False) -> SafeString:
    """Return `text` with its mark-up as HTML. All else is escaped; links lead to web and email addresses only."""
    if len(text) > MAX_MARKUP_LENGTH:
        return plain_to_html(text)
    tokens = unwrap_single_items(markup_parser().parse(end_lists(text)))
    html = markup_parser().renderer.render(tokens, markup_parser().options, {})
    return SafeString(
        nh3.clean(
            html,
            tags=MARKUP_TAGS,
            attributes=MARKUP_ATTRIBUTES,
            url_schemes=LINK_SCHEMES,
            link_rel="noopener noreferrer" if opens_new_tab else None,
            set_tag_attribute_values={"a": {"target": "_blank"}} if opens_new_tab else {},
        ).strip()
    )


def strip_markup(text: str) -> str:
    """Return `text` without the signs of bold text, and with the names of its links alone."""
    return NAMED_LINK.sub(r"\1", BOLD.sub(r"\1", text))


@cache
def markup_parser() -> MarkdownIt:
    """Return the parser of the mark-up: bold text, lists and links, and every line break as it was typed."""
    parser = MarkdownIt("zero", {"breaks": True, "html": False, "xhtmlOut": False})
    parser.enable(["emphasis", "link", "list", "newline"])
    parser.validateLink = lambda url: bool(LINK_TARGET.fullmatch(url))
    parser.add_render_rule("text", render_text)
    # One asterisk or underscore is no mark-up: "5*3*2" stays as it is.
    for name in ("em_open", "em_close"):
        parser.add_render_rule(name, render_as_typed)
    return parser


def render_text(renderer: object, tokens: list[Token], index: int, options: object, env: object) -> str:
    """Return a text escaped; its addresses become links, unless it is the name of a link already."""
    names = [token.type for token in tokens[:index]]
    is_link_name = names.count("link_open") > names.count("link_close")
    content = tokens[index].content
    return format_html("{}", content) if is_link_name else linkify(content)


def render_as_typed(renderer: object, tokens: list[Token], index: int, options: object, env: object) -> str:
    return tokens[index].markup


def end_lists(text: str) -> str:
    """Return `text` with a blank line after each list, which a text right below would otherwise belong to."""
    lines: list[str] = []
    for line in text.split("\n"):
        is_item = LIST_ITEM.match(line)
        if lines and LIST_ITEM.match(lines[-1]) and line.strip() and not is_item and not line.startswith(" "):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def unwrap_single_items(tokens: list[Token]) -> list[Token]:
    """Return `tokens` without lists of one item, which are dashes before a name or a number before a sentence."""
    kept: list[Token] = []
    markers: list[str | None] = []
    for index, token in enumerate(tokens):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            markers.append(single_item_marker(tokens, index))
        is_unwrapped = bool(markers and markers[-1] is not None)
        if token.type in ("bullet_list_close", "ordered_list_close"):
            markers.pop()
        if is_unwrapped and token.type.rsplit("_", 1)[0] in ("bullet_list", "ordered_list", "list_item"):
            continue
        if is_unwrapped and token.type.startswith("paragraph_"):
            token.hidden = False
        if is_unwrapped and token.type == "inline" and markers[-1]:
            token.children.insert(0, Token("text", "", 0, content=markers[-1]))
            markers[-1] = ""
        kept.append(token)
    return kept


def single_item_marker(tokens: list[Token], index: int) -> str | None:
    """Return what stands before the only item of the list that opens at `index`; None if there are more items."""
    level, items = tokens[index].level, []
    for token in tokens[index + 1 :]:
        if token.level == level:
            break
        if token.type == "list_item_open" and token.level == level + 1:
            items.append(token)
    return f"{items[0].info}{items[0].markup} " if len(items) == 1 else None
