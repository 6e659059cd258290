"""Read consent to contact, and its refusal, from cells. Pure: no database."""

import re
from dataclasses import dataclass

from leads.importing.exceptions import InvalidCell
from leads.importing.synonyms import plain_name

# In the languages of the headers that the import knows. They are compared without accents and punctuation.
YES_WORDS = frozenset(
    {"true", "t", "yes", "y", "1", "x", "on", "checked", "enabled", "✓", "✔", "☑", "✅"}
    | {"ja", "oui", "si", "sim", "tak", "wahr", "vrai", "vero", "verdadero", "verdadeiro", "waar", "prawda"}
)
NO_WORDS = frozenset(
    {"false", "f", "no", "n", "0", "off", "unchecked", "disabled", "✗", "✘", "☐", "❌"}
    | {"nein", "non", "nao", "nie", "nee", "falsch", "faux", "falso", "onwaar", "falsz"}
)
REFUSED_WORDS = frozenset(
    {"optedout", "optout", "unsubscribe", "unsubscribed", "donotcontact", "donotcall", "donotemail", "donotallow"}
    | {"notallowed", "disallowed", "cleaned", "refused", "denied", "declined", "revoked", "withdrawn", "blocked"}
    | {"abgemeldet", "desabonne", "desinscrit", "baja", "disiscritto", "afgemeld", "descadastrado", "wypisany"}
)
CONSENTED_WORDS = frozenset(
    {"optedin", "optin", "doubleoptin", "subscribe", "subscribed", "allow", "allowed", "granted", "given"}
    | {"angemeldet", "abonne", "inscrit", "suscrito", "iscritto", "aangemeld", "inscrito", "zapisany"}
)
DATE_PATTERN = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|(?=.*\d)([^\W\d_]{3,10}\.? \d{1,2}|\d{1,2}[-. ]+[^\W\d_]{3,10}\.?),?[- ]\d{4}"
)


@dataclass(frozen=True)
class ConsentParser:
    """Parse whether a person refuses contact (`is_refusal`) or consents to it. A date says when it was said: yes."""

    is_refusal: bool

    def __call__(self, text: str) -> bool:
        word = plain_name(text.removesuffix(".0")) or text
        if word in YES_WORDS or DATE_PATTERN.match(text):
            return True
        if word in NO_WORDS:
            return False
        if word in REFUSED_WORDS | CONSENTED_WORDS:
            return (word in REFUSED_WORDS) == self.is_refusal
        raise InvalidCell("is neither yes nor no")
