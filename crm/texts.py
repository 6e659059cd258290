"""Texts as people send them and PostgreSQL keeps them."""


def without_nul(text: str) -> str:
    """`text` without the one character that PostgreSQL keeps in no text and in no JSON."""
    return text.replace("\x00", "")


def as_sent(text: str) -> str:
    """`text` from a form: with the line ends that it had before a browser sent it."""
    return without_nul(text).replace("\r\n", "\n")
