"""Users, people, projects, custom fields, their use and schema requests, saved views, merges, notifications, the
activity log."""

from crm.models.account import LimitScope, LoginLimit, RoleSecurity, SecondFactor, UserSession
from crm.models.activity import ActivityLog, ActorType
from crm.models.badge_colour import BadgeColour
from crm.models.custom_field import CustomField, CustomFieldKind, CustomFieldTable
from crm.models.duplicate_pair import DuplicatePair
from crm.models.erased_person import ErasedPerson
from crm.models.field_usage import FieldStatistic, FieldUsage, FieldUse, IndexUsage, ScannedTable, ValueKind
from crm.models.kind_change import KindChange, KindChangeState, KindChangeValue, MisfitRule
from crm.models.merge import Merge
from crm.models.notification import (
    Notification,
    NotificationDigest,
    NotificationKind,
    NotificationSetting,
    ReportFrequency,
    ReportSchedule,
)
from crm.models.people import Client, ClientType, Contact, ContactClient, Project, ProjectStatus, Role, User
from crm.models.saved_view import ListColumns, SavedView
from crm.models.schema_change import SchemaChange, SchemaChangeState, SchemaDecision
from crm.models.schema_thresholds import SchemaThresholds
from crm.models.tag import Tag
from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet

__all__ = [
    "LIVE",
    "ActivityLog",
    "ActorType",
    "BadgeColour",
    "Client",
    "ClientType",
    "Contact",
    "ContactClient",
    "CustomField",
    "CustomFieldKind",
    "CustomFieldTable",
    "DuplicatePair",
    "ErasedPerson",
    "FieldStatistic",
    "FieldUsage",
    "FieldUse",
    "IndexUsage",
    "KindChange",
    "KindChangeState",
    "KindChangeValue",
    "LimitScope",
    "ListColumns",
    "LiveManager",
    "LoginLimit",
    "Merge",
    "MisfitRule",
    "Notification",
    "NotificationDigest",
    "NotificationKind",
    "NotificationSetting",
    "Project",
    "ProjectStatus",
    "Record",
    "RecordQuerySet",
    "ReportFrequency",
    "ReportSchedule",
    "Role",
    "RoleSecurity",
    "SavedView",
    "ScannedTable",
    "SchemaChange",
    "SchemaChangeState",
    "SchemaDecision",
    "SchemaThresholds",
    "SecondFactor",
    "Tag",
    "User",
    "UserSession",
    "ValueKind",
]
