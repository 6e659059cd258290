"""Splitting a text into sentences, in any language that ends them with a mark."""

import re

# A sentence ends at a full stop or a blank line; a single line break is where the email program wrapped the text.
SENTENCE_PATTERN = re.compile(r"(?:[^.!?\n]|\.(?=\w)|\n(?!\s*\n))+[.!?]*")
# The same, and each item of a list is a sentence.
SENTENCE_OR_ITEM_PATTERN = re.compile(r"(?:[^.!?\n]|\.(?=\w)|\n(?!\s*[\n•*\-]))+[.!?]*")


def split_sentences(
    text: str, *, most: int | None = None, length: int | None = None, split_list_items: bool = False
) -> list[str]:
    """Return the sentences of `text`, each on one line: the first `most`, each cut at `length` characters."""
    pattern = SENTENCE_OR_ITEM_PATTERN if split_list_items else SENTENCE_PATTERN
    return [" ".join(sentence.split())[:length] for sentence in pattern.findall(text)[:most]]
