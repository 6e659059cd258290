"""When a lead is looked at again, leads of erased people, and figures for the planner."""

from django.db import migrations

from crm.records.privacy.suppression import suppress

PREFERENCES_CHANGED = """
    CREATE FUNCTION leads_preferences_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.next_look_at := statement_timestamp();
        RETURN NEW;
    END $$;
    CREATE TRIGGER leads_preferences_changed BEFORE UPDATE OF communications ON leads
        FOR EACH ROW WHEN (OLD.communications IS DISTINCT FROM NEW.communications)
        EXECUTE FUNCTION leads_preferences_changed();
"""
# The planner has no statistics on expressions unless they are declared; it must know how many leads each tier has.
STATISTICS = """
CREATE STATISTICS leads_urgency ON (
    CASE WHEN priority_tier::text = 'hot' THEN 4 WHEN priority_tier::text = 'warm' THEN 3
         WHEN priority_tier::text = 'cold' THEN 2 WHEN priority_tier::text = 'dormant' THEN 1 ELSE 0 END
) FROM leads;
CREATE STATISTICS leads_vin_values ON (upper(auto_data ->> 'vin')) FROM leads;
CREATE STATISTICS leads_name_key ON name_key(contact_name) FROM leads;
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_functions"), ("crm", "0003_triggers_and_statistics")]

    operations = [
        migrations.RunSQL(PREFERENCES_CHANGED),
        # A new lead with the address or the number of an erased person must not be contacted.
        migrations.RunSQL(suppress("leads", "contact_email", "contact_phone")),
        migrations.RunSQL(STATISTICS),
    ]
