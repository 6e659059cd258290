"""The shape of a rule: words to look for in an English text."""

import re
from dataclasses import dataclass

NEGATION = re.compile(r"\b(?:not|n['’]t|never|no|cannot|without|unless)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """Words to look for, and words that exclude a text which contains them.

    `reason` says what a match means and `weight` how much it counts, where that matters. The tests hold a rule to its
    `example`, which it must match, and its `counterexample`, which it must not.
    """

    pattern: re.Pattern[str]
    exclusions: re.Pattern[str] | None = None
    # Whether "not" anywhere before the words reverses them.
    is_negatable: bool = False
    reason: str = ""
    weight: float = 0.0
    example: str = ""
    counterexample: str = ""

    def matches(self, text: str) -> bool:
        """Return whether `text` contains the words of the rule and nothing that excludes it."""
        match = self.pattern.search(text)
        if match is None or (self.exclusions and self.exclusions.search(text)):
            return False
        return not (self.is_negatable and NEGATION.search(text[: match.start()]))


def text_rule(pattern: str, *, example: str, counterexample: str, reason: str = "", weight: float = 0.0) -> Rule:
    """Return a rule for `pattern`, in upper or lower case, with a text that it matches and one that it does not."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return Rule(compiled, reason=reason, weight=weight, example=example, counterexample=counterexample)


def phrase_pattern(*patterns: str) -> re.Pattern[str]:
    """Return one pattern that matches any of `patterns` from the beginning of a word."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})", re.IGNORECASE)
