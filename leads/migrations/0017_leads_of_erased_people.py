"""A new lead with the address or the number of an erased person must not be contacted.

Whoever creates it (a form, an import, an agent, plain SQL), its consent is not what the erased lead had. Staff may
allow contact again on the lead's page.
"""

from django.db import migrations

CREATE = """
    CREATE FUNCTION leads_of_erased_people() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.contact_email = OLD.contact_email AND NEW.contact_phone = OLD.contact_phone THEN
            RETURN NEW;
        END IF;
        IF EXISTS (SELECT FROM erased_people WHERE digests && ARRAY[
            encode(sha256(convert_to(lower(btrim(NEW.contact_email)), 'UTF8')), 'hex'),
            encode(sha256(convert_to(regexp_replace(NEW.contact_phone, '\\D', '', 'g'), 'UTF8')), 'hex')
        ]::varchar[]) THEN
            SELECT NEW.communications || jsonb_object_agg(channel, '{"do_not_contact": true}'::jsonb)
              INTO NEW.communications FROM unnest(ARRAY['email', 'phone', 'sms']) AS channel;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER leads_of_erased_people BEFORE INSERT OR UPDATE OF contact_email, contact_phone ON leads
        FOR EACH ROW WHEN (NEW.contact_email <> '' OR NEW.contact_phone <> '')
        EXECUTE FUNCTION leads_of_erased_people();
"""
DROP = """
    DROP TRIGGER leads_of_erased_people ON leads;
    DROP FUNCTION leads_of_erased_people();
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0016_imports_on_a_screen"), ("crm", "0008_privacy")]
    operations = [migrations.RunSQL(CREATE, DROP)]
