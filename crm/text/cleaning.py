"""Texts as people send them and PostgreSQL keeps them."""


def strip_nul(text: str) -> str:
    """`text` without the one character that PostgreSQL keeps in no text and in no JSON."""
    return text.replace("\x00", "")


def normalize_line_ends(text: str) -> str:
    """`text` with the line ends that it had before a browser sent it."""
    return text.replace("\r\n", "\n")


def clean_form_text(text: str) -> str:
    """`text` from a form, as it can be kept."""
    return normalize_line_ends(strip_nul(text))


def ensure_full_stop(sentence: str) -> str:
    """`sentence` with a full stop, but where it ends with one: that of a company's "Inc."."""
    return sentence if sentence.endswith(".") else f"{sentence}."
