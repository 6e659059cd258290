"""Texts as people send them and PostgreSQL keeps them."""


def without_nul(text: str) -> str:
    """`text` without the one character that PostgreSQL keeps in no text and in no JSON."""
    return text.replace("\x00", "")


def with_own_ends(text: str) -> str:
    """`text` with the line ends that it had before a browser sent it."""
    return text.replace("\r\n", "\n")


def as_sent(text: str) -> str:
    """`text` from a form, as it can be kept."""
    return with_own_ends(without_nul(text))


def with_full_stop(sentence: str) -> str:
    """`sentence` with a full stop, but where it ends with one: that of a company's "Inc."."""
    return sentence if sentence.endswith(".") else f"{sentence}."
