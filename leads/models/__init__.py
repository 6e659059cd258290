"""The models of leads, stages, lines of insurance, stakeholders, tasks, policies, scoring and prediction."""

from leads.models.conversion import LeadConversion
from leads.models.import_batch import ImportBatch, ImportedRecord, ImportedTable, ImportMapping, ImportState
from leads.models.import_change import ImportChange
from leads.models.insurance_type import InsuranceType
from leads.models.lead import Lead
from leads.models.lead_choices import LossReason, Source, Tier
from leads.models.policy import BillingPeriod, CancellationReason, Policy, PolicyStatus
from leads.models.prediction import FeatureStanding, LeadSnapshot, PredictionFeature, PredictionModel, Rung
from leads.models.scoring_policy import ScoringPolicy, TierChange
from leads.models.stage import OPEN_CATEGORIES, LeadStageHistory, LeadStatus, StageCategory
from leads.models.stakeholder import ContactLead
from leads.models.task import Task, TaskStatus

__all__ = [
    "OPEN_CATEGORIES",
    "BillingPeriod",
    "CancellationReason",
    "StageCategory",
    "ContactLead",
    "FeatureStanding",
    "ImportBatch",
    "ImportChange",
    "ImportMapping",
    "ImportState",
    "ImportedRecord",
    "ImportedTable",
    "InsuranceType",
    "Lead",
    "LeadConversion",
    "LeadSnapshot",
    "LeadStageHistory",
    "LeadStatus",
    "LossReason",
    "Policy",
    "PolicyStatus",
    "PredictionFeature",
    "PredictionModel",
    "Rung",
    "ScoringPolicy",
    "Source",
    "Task",
    "TaskStatus",
    "Tier",
    "TierChange",
]
