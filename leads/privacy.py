"""What the tables of leads say about people."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction

from crm.records.local_time import agency_today
from crm.records.privacy.erasure_rules import CLEANERS, KEEPERS, OBSTACLES, KeptRows, identifying_texts
from crm.records.privacy.footprint import Footprint
from crm.records.privacy.person import Person
from crm.records.privacy.tables import NAMED_ROWS, SAME_PERSON_KEYS, WITHOUT_PERSONS, NamedRow
from crm.text.cleaning import redact
from leads.importing.batches.files import delete_stored_files
from leads.models import ImportBatch, Lead, Policy, PolicyStatus
from leads.models.import_batch import BUSY_STATES, ImportedRecord
from leads.models.policy import RUNNING_STATUSES

ENDED_STATUSES = (PolicyStatus.LAPSED, PolicyStatus.CANCELLED, PolicyStatus.RENEWED)
MAX_NAMED_POLICIES = 20


def register_lead_tables() -> None:
    """Register the tables; called once at start."""
    NAMED_ROWS.append(NamedRow(ImportedRecord, "record_type", "record_id"))
    SAME_PERSON_KEYS.append((Lead, "converted_to_client"))
    WITHOUT_PERSONS.update(
        {
            "leads.insurancetype": "Lines of insurance.",
            "leads.leadstatus": "Stages.",
            "leads.importbatch": "A file of many people, deleted after 30 days. A lead names its import.",
            "leads.importmapping": "Mappings of columns that staff saved.",
            "leads.predictionmodel": "Counts over all leads.",
            "leads.predictionfeature": "Counts over all leads.",
            "leads.scoringpolicy": "Weights of signals.",
        }
    )
    KEEPERS.append(kept_policies)
    OBSTACLES.extend([running_policies, running_imports])
    CLEANERS.append(clean_imports)


def running_policies(footprint: Footprint) -> Iterable[str]:
    """Yield a sentence for each policy in force: the contract needs the person."""
    running = Policy.everything.filter(pk__in=footprint.get(Policy, ()), status__in=RUNNING_STATUSES, deleted_at=None)
    for policy in running.select_related("insurance_type")[:MAX_NAMED_POLICIES]:
        yield f"The policy “{policy}” is {policy.state}. Cancel it, or wait until it has ended."


def kept_policies(footprint: Footprint) -> KeptRows | None:
    """Return the policies that ended less than `POLICY_RETENTION_YEARS` ago, with the day on which all are over it."""
    ended = Policy.everything.filter(pk__in=footprint.get(Policy, ()), status__in=ENDED_STATUSES, deleted_at=None)
    kept = {
        (key, client): until
        for key, client, expires_on in ended.values_list("pk", "client", "expires_on")
        if (until := retention_end(expires_on)) >= agency_today()
    }
    if not kept:
        return None
    keys, clients = ({pair[place] for pair in kept} for place in (0, 1))
    reason = "Contracts are kept by law: carrier, number, dates and premium stay, all other answers go."
    return KeptRows(Policy, keys, clients, max(kept.values()), reason, clear_policies)


def retention_end(expires_on: date | None) -> date:
    """Return the last day of the year in which the retention of a policy ends."""
    return date((expires_on or agency_today()).year + settings.POLICY_RETENTION_YEARS, 12, 31)


def clear_policies(keys: set[Any]) -> None:
    Policy.everything.filter(pk__in=keys).update(data={}, custom_fields={}, lead=None, renewal_lead=None)


def imports_of(footprint: Footprint) -> Iterable[ImportBatch]:
    leads = Lead.everything.filter(pk__in=footprint.get(Lead, ()), import_batch__isnull=False)
    return ImportBatch.objects.filter(pk__in=list(leads.values_list("import_batch", flat=True)))


def running_imports(footprint: Footprint) -> Iterable[str]:
    for batch in imports_of(footprint):
        if batch.state in BUSY_STATES:
            yield f"The import of “{batch.file_name}” is running. Wait until it has ended."


def clean_imports(person: Person, footprint: Footprint) -> None:
    """Remove the person from what imports say about their rows, and delete the files of the person's own imports."""
    texts = identifying_texts(person)
    for batch in ImportBatch.objects.select_for_update().order_by("pk"):
        values = {
            name: redact(getattr(batch, name), texts) for name in ("reading", "options", "outcome", "error_message")
        }
        changed = {name: value for name, value in values.items() if value != getattr(batch, name)}
        if changed and batch.file_path:
            transaction.on_commit(lambda path=batch.file_path: delete_stored_files(path))
            changed["file_path"] = ""
        if changed:
            ImportBatch.objects.filter(pk=batch.pk).update(**changed)
