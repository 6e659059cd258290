"""What tables of people share: their search, and the keys by which two of them are compared."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from crm.records.base import RecordQuerySet, search_field
from crm.text.phones import PHONE_EXTENSION_PATTERN, PHONE_TAIL_LENGTH, national_digits

PHONE_EXTENSION_OR_SIGN_REGEX = r"(?:ext|x|#|;).*$|\D"
PHONE_TAIL_SQL = f"right(regexp_replace({{column}}, '{PHONE_EXTENSION_OR_SIGN_REGEX}', '', 'gi'), {PHONE_TAIL_LENGTH})"


class PeopleQuerySet(RecordQuerySet):
    """The QuerySet of tables of people, which hold one email address and one phone number each."""

    email_field: ClassVar[str] = "email"
    phone_field: ClassVar[str] = "phone"

    def with_addresses(self, addresses: Iterable[str]) -> "PeopleQuerySet":
        """Return the rows with one of `addresses`, in upper or lower case. An empty address belongs to no one.

        The indexes leave empty addresses out. So does the query, or it would read the whole table.
        """
        keys = {address.lower() for address in addresses if address}
        rows = self.alias(address_key=Lower(self.email_field)).filter(address_key__in=keys)
        return rows.exclude(**{self.email_field: ""})

    def identified_by(self, text: str) -> "PeopleQuerySet":
        """Return the rows with `text` as email address, or as phone number in any notation."""
        if "@" in text:
            return self.with_addresses([text])
        number = PHONE_EXTENSION_PATTERN.sub("", text)
        digits = "" if any(map(str.isalpha, number)) else national_digits(number, settings.PHONE_REGION)
        if not digits:
            return self.none()
        rows = self.alias(_phone_tail=phone_tail(self.phone_field)).exclude(**{self.phone_field: ""})
        return rows.filter(_phone_tail=digits[-PHONE_TAIL_LENGTH:], search_text__contains=digits)


def people_search_field(*parts: Any) -> models.GeneratedField:
    """Return a `search_field` that also finds names without their accents, and with either apostrophe.

    `search_letters` is a function of the database; `crm.text.letters.plain_letters` does the same to a search.
    """
    plain = search_field(*parts)
    (text,) = plain.expression.get_source_expressions()
    return models.GeneratedField(
        expression=models.Func(text, function="search_letters", output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
    )


def digits_only(field: str) -> models.Func:
    """Return the digits of a phone number, so that any spelling of it is found."""
    return models.Func(
        models.F(field),
        models.Value(r"\D"),
        models.Value(""),
        models.Value("g"),
        function="regexp_replace",
        output_field=models.TextField(),
    )


def phone_tail(field: str) -> models.Func:
    """Return the last digits of a phone number, without an extension."""
    return models.Func(
        models.F(field), template=PHONE_TAIL_SQL.format(column="%(expressions)s"), output_field=models.TextField()
    )


def name_key(field: str) -> models.Func:
    """Return the key of a name, as `crm.records.duplicates.spelling.name_key` does, by a function of the database."""
    return models.Func(models.F(field), function="name_key", output_field=models.TextField())
