"""Users, clients, contacts and projects."""

from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Lower
from uuid_utils.compat import uuid7

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    custom_fields_index,
    distinct_tags_check,
    json_field,
    json_type_check,
    jsonpath_exists,
    merged_into_field,
    merged_into_index,
    merged_is_deleted_check,
    no_empty_tag_check,
    not_blank_check,
    owned_by_or_unassigned,
    owned_tags_indexes,
    search_index,
    tags_field,
    tags_index,
    with_row_audit,
)
from crm.records.consent import closed_channel_path
from crm.records.owners import Restriction, restriction_field
from crm.records.people import PeopleQuerySet, digits_only, name_key, people_search_field, phone_tail
from crm.text.dates import DATE_FORMATS, TIME_FORMATS


class User(AbstractUser):
    """A member of staff. Permissions come from groups.

    Where the time zone and the formats are blank, the agency's apply.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)

    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")
    date_format = models.CharField(
        max_length=20, blank=True, default="", db_default="", choices=list(DATE_FORMATS.items())
    )
    time_format = models.CharField(
        max_length=20, blank=True, default="", db_default="", choices=list(TIME_FORMATS.items())
    )

    # Whether a role needs a second factor; the login backend reads it with the user.
    needs_second_factor = False

    objects = UserManager()

    class Meta(AbstractUser.Meta):
        db_table = "users"
        permissions = [
            ("export_records", "Can export lists as files"),
            ("export_person", "Can export everything about a person"),
            ("erase_person", "Can erase a person"),
        ]
        constraints = [
            models.CheckConstraint(
                name="users_time_zone_valid",
                # The database does not know which time zones exist, so it only refuses what cannot be a name.
                condition=models.Q(time_zone="") | models.Q(time_zone__regex=r"^[A-Za-z][A-Za-z0-9_+/-]*$"),
                violation_error_message="The time zone must be a name such as Europe/Berlin.",
            ),
            models.CheckConstraint(
                name="users_date_format_valid",
                condition=models.Q(date_format__in=["", *DATE_FORMATS]),
                violation_error_message=f"The date format must be one of: {'; '.join(DATE_FORMATS)}.",
            ),
            models.CheckConstraint(
                name="users_time_format_valid",
                condition=models.Q(time_format__in=["", *TIME_FORMATS]),
                violation_error_message=f"The time format must be one of: {'; '.join(TIME_FORMATS)}.",
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class ClientType(models.TextChoices):
    INDIVIDUAL = "Individual"
    BUSINESS = "Business"


class ClientQuerySet(PeopleQuerySet):
    owner_path = "assigned_to"

    def refusing(self, channel: str) -> "ClientQuerySet":
        """Return the clients who do not want to be contacted by `channel`."""
        has_preferences = ~models.Q(communications={})  # served by an index
        return self.filter(has_preferences, jsonpath_exists("communications", closed_channel_path(channel)))


@with_row_audit(exclude=["search_text"])
class Client(Record):
    """A person or business that has bought a policy."""

    client_type = models.CharField(
        max_length=20, choices=ClientType, default=ClientType.INDIVIDUAL, db_default=ClientType.INDIVIDUAL
    )
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="", db_default="")
    phone = models.CharField(max_length=40, blank=True, default="", db_default="")
    address = json_field(dict)
    notes = models.TextField(blank=True, default="", db_default="")
    assigned_to = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="clients",
        verbose_name="owner",
    )
    communications = json_field(dict, verbose_name="contact preferences")
    tags = tags_field()
    custom_fields = json_field(dict)
    merged_into = merged_into_field()
    search_text = people_search_field("name", "email", "phone", digits_only("phone"))

    objects = LiveManager.from_queryset(ClientQuerySet)()
    everything = models.Manager.from_queryset(ClientQuerySet)()

    class Meta(Record.Meta):
        db_table = "clients"
        permissions = [
            ("see_everyone", "Can see the records of every owner"),
            ("reassign_client", "Can reassign a client to another owner"),
            ("restore_client", "Can restore a deleted client"),
            ("merge_client", "Can merge clients and undo it"),
            ("purge_client", "Can permanently delete a client"),
        ]
        constraints = [
            choices_check("clients", "client_type", ClientType),
            not_blank_check("clients", "name"),
            json_type_check("clients", "address", "object"),
            json_type_check("clients", "communications", "object"),
            json_type_check("clients", "custom_fields", "object"),
            no_empty_tag_check("clients"),
            distinct_tags_check("clients"),
            merged_is_deleted_check("clients"),
        ]
        indexes = [
            models.Index(Lower("email"), condition=LIVE, name="clients_email"),
            models.Index("name", "id", condition=LIVE, name="clients_by_name"),
            models.Index(name_key("name"), condition=LIVE, name="clients_by_name_key"),
            models.Index(phone_tail("phone"), condition=LIVE & ~models.Q(phone=""), name="clients_by_phone"),
            models.Index("name", "id", condition=LIVE & ~models.Q(communications={}), name="clients_with_preferences"),
            merged_into_index("clients"),
            *owned_tags_indexes("clients"),
            custom_fields_index("clients"),
            search_index("clients"),
        ]

    def __str__(self) -> str:
        return self.name


class ContactQuerySet(PeopleQuerySet):
    def visible_to(self, user: Any) -> "ContactQuerySet":
        """Return contacts with a visible client or lead, and those that never had one.

        A contact that lost its only client or lead by a purge is restricted.
        """
        if can_see_everyone(user):
            return self
        # The second condition says nothing new. Without it the planner may read the links of all contacts first, though
        # a page needs those of few.
        of_this = {"contact": models.OuterRef("pk"), "contact__gte": models.OuterRef("pk")}
        clients = ContactClient.objects.filter(**of_this)
        leads = self.model._meta.get_field("lead_links").related_model.objects.filter(**of_this)
        visible_owners = {
            "client": owned_by_or_unassigned(user, "client__assigned_to"),
            "lead": owned_by_or_unassigned(user, "lead__assigned_to"),
        }
        return self.filter(
            (~models.Exists(clients) & ~models.Exists(leads) & models.Q(restriction=Restriction.NONE))
            | models.Exists(clients.filter(visible_owners["client"]))
            | models.Exists(leads.filter(visible_owners["lead"]))
        )

    def visible_branches(self, user: Any) -> list["ContactQuerySet"]:
        """Return two querysets that together are `visible_to(user)`: with links, and without any.

        They suit a reader of all rows, which `visible_to` would look up link by link.
        """
        if can_see_everyone(user):
            return [self]
        lead_links = self.model._meta.get_field("lead_links").related_model
        owners = [(ContactClient, "client__assigned_to"), (lead_links, "lead__assigned_to")]
        linked = [
            links.objects.filter(**condition).values("contact")
            for links, path in owners
            for condition in ({path: user}, {f"{path}__isnull": True})
        ]
        this = {"contact": models.OuterRef("pk")}
        has_links = [models.Exists(links.objects.filter(**this)) for links, _ in owners]
        return [
            self.filter(pk__in=linked[0].union(*linked[1:])),
            self.filter(*(~one for one in has_links), restriction=Restriction.NONE),
        ]


@with_row_audit(exclude=["search_text", "restriction"])
class Contact(Record):
    """A person linked to any number of clients and leads."""

    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="", db_default="")
    phone = models.CharField(max_length=40, blank=True, default="", db_default="")
    title = models.CharField(max_length=120, blank=True, default="", db_default="")
    tags = tags_field()
    custom_fields = json_field(dict)
    restriction = restriction_field()
    merged_into = merged_into_field()
    search_text = people_search_field("name", "email", "phone", digits_only("phone"), "title")

    objects = LiveManager.from_queryset(ContactQuerySet)()
    everything = models.Manager.from_queryset(ContactQuerySet)()

    class Meta(Record.Meta):
        db_table = "contacts"
        permissions = [
            ("restore_contact", "Can restore a deleted contact"),
            ("merge_contact", "Can merge contacts and undo it"),
            ("purge_contact", "Can permanently delete a contact"),
        ]
        constraints = [
            not_blank_check("contacts", "name"),
            json_type_check("contacts", "custom_fields", "object"),
            no_empty_tag_check("contacts"),
            distinct_tags_check("contacts"),
            merged_is_deleted_check("contacts"),
            models.UniqueConstraint(
                Lower("email"),
                condition=LIVE & ~models.Q(email=""),
                name="contacts_email_unique",
                violation_error_message="Another contact already has this address.",
            ),
        ]
        indexes = [
            models.Index("name", "id", condition=LIVE, name="contacts_by_name"),
            models.Index(name_key("name"), condition=LIVE, name="contacts_by_name_key"),
            models.Index(phone_tail("phone"), condition=LIVE & ~models.Q(phone=""), name="contacts_by_phone"),
            merged_into_index("contacts"),
            tags_index("contacts"),
            custom_fields_index("contacts"),
            search_index("contacts"),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """The role of a contact at a client or in a lead's decision."""

    PRIMARY = "primary"
    DECISION_MAKER = "decision_maker", "Decision maker"
    INFLUENCER = "influencer"
    TECHNICAL = "technical"
    FINANCIAL = "financial"
    END_USER = "end_user", "End user"
    OTHER = "other"


@with_row_audit()
class ContactClient(Record):
    """The link between a contact and a client."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="client_links")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="contact_links")
    role = models.CharField(max_length=20, choices=Role, default=Role.OTHER, db_default=Role.OTHER)
    is_primary = models.BooleanField(default=False, db_default=False)

    class Meta(Record.Meta):
        db_table = "contact_clients"
        constraints = [
            choices_check("contact_clients", "role", Role),
            models.UniqueConstraint(
                "contact",
                "client",
                condition=LIVE,
                name="contact_clients_once",
                violation_error_message="This contact is already linked to this client.",
            ),
            models.UniqueConstraint(
                "client",
                condition=LIVE & models.Q(is_primary=True),
                name="contact_clients_one_primary",
                violation_error_message="This client already has a primary contact.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} ({self.get_role_display()})"


class ProjectStatus(models.TextChoices):
    ONBOARDING = "ONBOARDING", "Onboarding"
    ACTIVE = "ACTIVE", "Active"
    ON_HOLD = "ON_HOLD", "On hold"
    COMPLETED = "COMPLETED", "Completed"


class ProjectQuerySet(RecordQuerySet):
    owner_path = "client__assigned_to"


@with_row_audit()
class Project(Record):
    """A project for a client."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=200)
    status = models.CharField(
        max_length=20,
        choices=ProjectStatus,
        default=ProjectStatus.ONBOARDING,
        db_default=ProjectStatus.ONBOARDING,
    )

    objects = LiveManager.from_queryset(ProjectQuerySet)()
    everything = models.Manager.from_queryset(ProjectQuerySet)()

    class Meta(Record.Meta):
        db_table = "projects"
        permissions = [
            ("restore_project", "Can restore a deleted project"),
            ("purge_project", "Can permanently delete a project"),
        ]
        constraints = [choices_check("projects", "status", ProjectStatus), not_blank_check("projects", "name")]
        indexes = [models.Index("status", "id", condition=LIVE, name="projects_by_status")]

    def __str__(self) -> str:
        return self.name
