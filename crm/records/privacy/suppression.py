"""Triggers that mark a new record of an erased person “Do not contact”, on every channel.

It does not matter who creates it: a form, an import, an agent, plain SQL. The consent that the person gave was erased.
Staff may allow contact again on the record's page. Migrations call `suppress`, so the SQL must not change.
"""

import hashlib
import re

# The last digits of a number are the same with and without a country code.
COMPARED_DIGITS, MIN_DIGITS = 9, 7
CREATE_SQL = """
    CREATE FUNCTION {table}_of_erased_people() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        digits text := right(regexp_replace(NEW.{phone}, '[^0-9]', '', 'g'), 9);
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.{email} = OLD.{email} AND NEW.{phone} = OLD.{phone} THEN
            RETURN NEW;
        END IF;
        IF EXISTS (SELECT FROM erased_people WHERE digests && ARRAY[
            encode(sha256(convert_to(lower(btrim(NEW.{email})), 'UTF8')), 'hex'),
            encode(sha256(convert_to(digits, 'UTF8')), 'hex')
        ]::varchar[]) THEN
            SELECT NEW.communications || jsonb_object_agg(channel, '{{"do_not_contact": true}}'::jsonb)
              INTO NEW.communications FROM unnest(ARRAY['email', 'phone', 'sms']) AS channel;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER {table}_of_erased_people BEFORE INSERT OR UPDATE OF {email}, {phone} ON {table}
        FOR EACH ROW WHEN (NEW.{email} <> '' OR NEW.{phone} <> '')
        EXECUTE FUNCTION {table}_of_erased_people();
"""


def suppress(table: str, email: str, phone: str) -> str:
    """Return the SQL for the trigger of a table with the columns `email`, `phone` and `communications`."""
    return CREATE_SQL.format(table=table, email=email, phone=phone)


def digests_of(addresses: list[str], phones: list[str]) -> list[str]:
    """Return the digests of lower-case addresses and of phone numbers, as the triggers compute them."""
    digits = {re.sub(r"[^0-9]", "", phone)[-COMPARED_DIGITS:] for phone in phones}
    texts = {*addresses, *(number for number in digits if len(number) >= MIN_DIGITS)}
    return sorted(hashlib.sha256(text.encode()).hexdigest() for text in texts)
