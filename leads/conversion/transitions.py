"""Convert a lead to a client, and undo it."""

from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import Client, ClientType, Contact, ContactClient, Project, User
from crm.records.activity import Actor, record
from crm.records.consent import keep_refusals, unite_preferences
from crm.records.transitions import create, describe_record
from crm.text.cleaning import strip_nul
from crm.text.tags import unique_tags
from leads.conversion.linked_rows import LinkedRows, link_rows, unlink_all, unlink_rows
from leads.conversion.obstacles import find_obstacles
from leads.conversion.preview import line_data_of
from leads.conversion.welcome import describe_made, draft_welcome
from leads.evaluation_queue import queue_evaluation
from leads.models import Lead, LeadConversion, LeadStatus, Policy, StageCategory
from leads.models.conversion import UNDO_PERIOD
from leads.policies.transitions import create_policy
from leads.transitions import change_status, refresh_score_and_prediction

# What a client takes from its lead where it has nothing itself.
FILLED_FIELDS = {"email": "contact_email", "phone": "contact_phone"}
CONVERT_PERMISSION = "leads.change_lead"


@dataclass
class Changes:
    """What a conversion does, collected for its row."""

    lead_before: dict[str, Any]
    is_new_client: bool
    made: list[models.Model] = field(default_factory=list)
    linked: list[LinkedRows] = field(default_factory=list)
    client_before: dict[str, Any] = field(default_factory=dict)
    client_after: dict[str, Any] = field(default_factory=dict)


def client_from_lead(lead: Lead) -> Client:
    """Return an unsaved client with the details of `lead`."""
    is_business = lead.client_type == ClientType.BUSINESS or bool(lead.company_name)
    return Client(
        name=lead.company_name or lead.contact_name,
        client_type=ClientType.BUSINESS if is_business else ClientType.INDIVIDUAL,
        email=lead.contact_email,
        phone=lead.contact_phone,
        notes=lead.notes,
        assigned_to=lead.assigned_to,
        communications=lead.communications,
        tags=unique_tags(lead.tags),
        custom_fields=lead.custom_fields,
    )


def policy_from_lead(lead: Lead) -> Policy:
    """Return an unsaved policy with the line that was quoted to `lead`, and its data."""
    return Policy(insurance_type=lead.insurance_type, data=line_data_of(lead), premium=lead.estimated_value)


@transaction.atomic
def convert(
    lead: Lead,
    client: Client,
    *,
    by: Actor | User,
    project_name: str = "",
    policy: Policy | None = None,
    welcome_template: str = "",
) -> LeadConversion:
    """Convert `lead` to `client`, an existing client or a new one that is not saved yet, and set the lead to won.

    What belongs to the lead is linked to the client as well: stakeholders with their roles, conversations, tickets,
    tasks, suggestions. Tags, custom fields and contact preferences are united; where both have a value, that of the
    client stays, except that a refusal of either stays. A `project_name` adds a first project. `policy` is saved as a
    policy of the client. `welcome_template` is the key of a template from which an email to the client is drafted, for
    `by` or, without a person, for the owner of the lead.

    Raises:
        NotPermitted: `by` may not change leads, add or change clients, projects or policies, or send messages.
        IllegalTransition: the lead is deleted, converted already, or moved since it was read.
        InvalidInput: the client was deleted or `by` may not see it, or a field is invalid.
    """
    actor = Actor.of(by)
    actor.require_permission(CONVERT_PERMISSION, "convert a lead")
    locked = lock_lead(lead)
    changes = Changes(lead_before=lead_state(locked), is_new_client=client._state.adding)
    if changes.is_new_client:
        create(client, by=by, copied_fields=lead.custom_fields)
    else:
        client = take_over_details(lock_client(client, actor), locked, changes)
    if locked.status.category != StageCategory.WON:
        change_status(lead, won_stage(), by=by)
    Lead.everything.filter(pk=lead.pk).update(converted_at=timezone.now(), converted_to_client=client)
    lead.refresh_from_db()
    changes.made += link_contacts(lead, client, actor)
    changes.made += add_first_records(lead, client, project_name, policy, welcome_template, by=by)
    changes.linked = link_rows(lead, client)
    record_conversion(lead, client, by=by)
    # Last, with a later date than all that belongs to it: what comes after it is other work.
    return save_conversion(lead, client, changes, actor)


def record_conversion(lead: Lead, client: Client, *, by: Actor | User) -> None:
    """Record the conversion on both timelines, and let the agents look at the lead again."""
    queue_evaluation(lead.pk)
    record(lead, "converted", by=by, summary=f"Converted to the {describe_record(client)}", client=str(client.pk))
    record(lead, "converted", timeline_owner=client, by=by, summary=f"Converted from the {describe_record(lead)}")


def save_conversion(lead: Lead, client: Client, changes: Changes, actor: Actor) -> LeadConversion:
    return LeadConversion.objects.create(
        lead=lead,
        client=client,
        is_new_client=changes.is_new_client,
        converted_at=timezone.now(),
        converted_by=actor.user,
        made=[describe_made(row) for row in changes.made],
        linked=changes.linked,
        lead_before=changes.lead_before,
        lead_after=lead_state(lead),
        client_before=changes.client_before,
        client_after=changes.client_after,
    )


def lock_lead(lead: Lead) -> Lead:
    """Lock and return the row of `lead`, which can be converted.

    Raises:
        IllegalTransition: it is deleted, converted already, or moved since it was read.
    """
    locked = Lead.everything.select_for_update().filter(pk=lead.pk).first()
    if locked is None or locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(lead)} is deleted; restore it first.")
    if locked.converted_at is not None:
        raise IllegalTransition(f"The {describe_record(lead)} is already converted to a client.")
    if locked.status_id != lead.status_id:
        raise IllegalTransition(
            f"The {describe_record(lead)} has been moved to {locked.status.label} in the meantime. Reload the page."
        )
    return locked


def lock_client(client: Client, actor: Actor) -> Client:
    """Lock and return the row of an existing `client` as it is now.

    Raises:
        NotPermitted: `actor` may not change clients.
        InvalidInput: it was deleted, or `actor` may not see it.
    """
    actor.require_permission("crm.change_client", "convert a lead to an existing client")
    rows = Client.objects.select_for_update().filter(pk=client.pk)
    locked = (rows if actor.user is None else rows.visible_to(actor.user)).first()
    if locked is None:
        raise InvalidInput("This client does not exist, was deleted, or you do not have access to it.")
    return locked


def lead_state(lead: Lead) -> dict[str, Any]:
    """Return the columns of `lead` that closing changes, as JSON holds them."""
    return {
        "status": lead.status_id,
        "closed_at": lead.closed_at.isoformat() if lead.closed_at else None,
        "rank": lead.rank,
        "loss_reason": lead.loss_reason,
        "loss_notes": lead.loss_notes,
        "signals": lead.signals,
    }


def won_stage() -> LeadStatus:
    """Return the first stage for won leads.

    Raises:
        IllegalTransition: there is none.
    """
    stage = LeadStatus.objects.filter(category=StageCategory.WON).order_by("position").first()
    if stage is None:
        raise IllegalTransition("There is no stage for won leads. Add one before converting leads.")
    return stage


def take_over_details(client: Client, lead: Lead, changes: Changes) -> Client:
    """Unite tags, custom fields and preferences of `client` with those of `lead`, and fill blank contact details."""
    values = {
        "tags": unique_tags([*client.tags, *lead.tags]),
        "custom_fields": {**lead.custom_fields, **client.custom_fields},
        "communications": unite_preferences(client.communications, lead.communications),
        **{name: getattr(client, name) or getattr(lead, source) for name, source in FILLED_FIELDS.items()},
    }
    changes.client_after = {name: value for name, value in values.items() if value != getattr(client, name)}
    changes.client_before = {name: getattr(client, name) for name in changes.client_after}
    if changes.client_after:
        with errors_as_invalid_input():
            Client.objects.filter(pk=client.pk).update(**changes.client_after)
        client.refresh_from_db()
    return client


@transaction.atomic
def pass_on_refusals(lead: Lead, *, by: Actor | User) -> None:
    """Add what a converted `lead` refuses to the contact preferences of its client."""
    client = Client.everything.select_for_update().filter(pk=lead.converted_to_client_id).first()
    stricter = keep_refusals(client.communications, lead.communications) if client else None
    if client is None or stricter == client.communications:
        return
    Client.everything.filter(pk=client.pk).update(communications=stricter)
    summary = f"Contact preferences of the {describe_record(lead)} also hold for the client"
    record(lead, "refused contact", timeline_owner=client, by=by, summary=summary)


def link_contacts(lead: Lead, client: Client, actor: Actor) -> list[models.Model]:
    """Link the stakeholders of `lead` to `client` with their roles. Return the rows added.

    The client keeps its primary contact. A business without stakeholders gets the person of the lead as a contact.
    """
    linked = set(client.contact_links.filter(deleted_at=None).values_list("contact", flat=True))
    has_primary = client.contact_links.filter(deleted_at=None, is_primary=True).exists()
    stakeholders = lead.contact_links.filter(deleted_at=None, contact__deleted_at=None).order_by("-is_primary", "id")
    links = [
        ContactClient(
            contact_id=link.contact_id,
            client=client,
            role=link.role,
            is_primary=link.is_primary and not has_primary,
        )
        for link in stakeholders
        if link.contact_id not in linked
    ]
    made: list[models.Model] = [*ContactClient.objects.bulk_create(links)]
    if lead.company_name and not linked and not links:
        made += add_contact_person(lead, client, actor)
    return made


def add_contact_person(lead: Lead, client: Client, actor: Actor) -> list[models.Model]:
    """Link the person of `lead` to `client`, as a contact that exists or a new one. Return the rows added.

    A contact with the same address that the user may not see is left alone.
    """
    same = Contact.objects.with_addresses([lead.contact_email])
    contact = same.first()
    if contact and actor.user is not None and not same.visible_to(actor.user).exists():
        return []
    made: list[models.Model] = []
    if contact is None:
        contact = Contact.objects.create(name=lead.contact_name, email=lead.contact_email, phone=lead.contact_phone)
        made.append(contact)
    return [*made, ContactClient.objects.create(contact=contact, client=client, role="primary", is_primary=True)]


def add_first_records(
    lead: Lead, client: Client, project_name: str, policy: Policy | None, welcome_template: str, *, by: Actor | User
) -> list[models.Model]:
    """Add the first project and policy of `client`, and the draft of a welcome email, where they are wanted."""
    made: list[models.Model] = []
    if name := strip_nul(project_name).strip():
        project = Project(client=client, name=name)
        create(project, by=by, timeline_owner=client)
        made.append(project)
    if policy is not None:
        policy.client, policy.lead = client, lead
        create_policy(policy, by=by)
        made.append(policy)
    if welcome_template:
        made.append(draft_welcome(client, welcome_template, Actor.of(by).user or lead.assigned_to))
    return made


@transaction.atomic
def undo_conversion(conversion: LeadConversion, *, by: Actor | User) -> None:
    """Undo `conversion`: the lead, the client and what was linked are as before, and what was added is deleted.

    Raises:
        NotPermitted: `by` may not change leads and clients.
        IllegalTransition: it is undone already, more than a day old, or later work stands in the way.
    """
    actor = Actor.of(by)
    actor.require_permission(CONVERT_PERMISSION, "undo a conversion")
    actor.require_permission("crm.change_client", "undo a conversion")
    lead = Lead.everything.select_for_update().get(pk=conversion.lead_id)
    client = Client.everything.select_for_update().get(pk=conversion.client_id)
    conversion.refresh_from_db()
    check_undo(conversion, lead, client, actor.user)
    if conversion.is_new_client:
        unlink_all(lead, client)
    else:
        unlink_rows(conversion.linked, lead, client)
    delete_made(conversion)
    restore_client(conversion, client, by=by)
    restore_lead(conversion, lead, by=by)
    LeadConversion.objects.filter(pk=conversion.pk).update(undone_at=timezone.now(), undone_by=actor.user)
    conversion.refresh_from_db()


def check_undo(conversion: LeadConversion, lead: Lead, client: Client, user: User | None) -> None:
    """Refuse to undo a conversion that is undone, too old, or followed by other work.

    Raises:
        IllegalTransition: it cannot be undone.
    """
    if conversion.undone_at is not None:
        raise IllegalTransition("This conversion is already undone.")
    if timezone.now() - conversion.converted_at > UNDO_PERIOD:
        raise IllegalTransition("A conversion can be undone within a day. Delete or correct the records instead.")
    if lead.is_deleted or client.is_deleted:
        deleted = "lead" if lead.is_deleted else "client"
        raise IllegalTransition(f"The {deleted} is deleted; restore it first.")
    if lead.converted_to_client_id != client.pk:
        raise IllegalTransition(f"The {describe_record(lead)} belongs to another client by now.")
    if obstacles := find_obstacles(conversion, client, user):
        raise IllegalTransition(f"The conversion cannot be undone. Later work on the client: {'; '.join(obstacles)}.")


def delete_made(conversion: LeadConversion) -> None:
    """Delete what the conversion added, except the client."""
    now = timezone.now()
    for model in {apps.get_model(entry["model"]) for entry in conversion.made}:
        model._default_manager.filter(pk__in=conversion.made_keys(model)).update(deleted_at=now)


def restore_client(conversion: LeadConversion, client: Client, *, by: Actor | User) -> None:
    """Delete a client that the conversion added, or give an older one its former tags and details back."""
    if conversion.is_new_client:
        Client.objects.filter(pk=client.pk).update(deleted_at=timezone.now())
    elif conversion.client_before:
        Client.objects.filter(pk=client.pk).update(**conversion.client_before)
    summary = f"Conversion of the {describe_record(conversion.lead)} undone"
    record(conversion.lead, "conversion undone", timeline_owner=client, by=by, summary=summary)


def restore_lead(conversion: LeadConversion, lead: Lead, *, by: Actor | User) -> None:
    """Give `lead` back its former stage and what closing changed."""
    before, signals = conversion.lead_before, lead.signals
    Lead.everything.filter(pk=lead.pk).update(converted_at=None, converted_to_client=None)
    lead.refresh_from_db()
    if lead.status_id != before["status"]:
        stage = LeadStatus.objects.filter(pk=before["status"]).first()
        if stage is None:
            raise IllegalTransition("The former stage of the lead no longer exists.")
        reason = {"loss_reason": before["loss_reason"], "loss_notes": before["loss_notes"]}
        change_status(lead, stage, by=by, **reason)
    restored = {"rank": before["rank"], "closed_at": before["closed_at"]}
    if signals == conversion.lead_after["signals"]:
        restored["signals"] = before["signals"]
    Lead.everything.filter(pk=lead.pk).update(**restored)
    refresh_score_and_prediction(lead)
    queue_evaluation(lead.pk)
    client = conversion.client
    summary = f"Conversion to the {describe_record(client)} undone"
    record(lead, "conversion undone", by=by, summary=summary, client=str(client.pk))
