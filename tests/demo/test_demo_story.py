"""The demo's rows tell one story: what one table says, the others bear out."""

import re
from collections import Counter
from datetime import date, datetime, timedelta

from django.apps import apps
from django.db import models
from django.http import QueryDict
from django.test import RequestFactory, TestCase
from django.utils import timezone
from jsonschema import Draft202012Validator
from pghistory.models import Event

from agents.assistant.chats import ASSISTANT_AGENT
from ai_log.gateway.otel_names import CHAT_TURN, UNTRUSTED_SPANS
from ai_log.models import AIInteraction, Feedback, InteractionSource, InteractionType
from crm.models import ActivityLog, Client, Contact, ContactClient, Project, ProjectStatus, SavedView
from demo import agency
from inbox.models import Direction, Message, Sentiment, Thread, ThreadSource, ThreadStatus
from inbox.thread_state import CONTACT_SOURCES, DELIVERED_STATES
from leads.filters import LeadFilter
from leads.models import (
    ContactLead,
    InsuranceType,
    Lead,
    LeadStageHistory,
    LeadStatus,
    ScoringPolicy,
    Source,
    Task,
    TaskStatus,
    Tier,
)
from leads.scoring.explanation import break_down_score, scored_as_of, source_link
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions import content_digest
from support.models import SupportTicket, TicketPriority, TicketStatus
from support.service_levels.levels import load_service_levels

SILENT = timedelta(days=30)
ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")
PLANNED = {
    "due_on",
    "expected_close_date",
    "snoozed_until",
    "expires_at",
    "first_response_due_at",
    "resolve_due_at",
    "next_look_at",
}
VIN_DIGITS = str.maketrans("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789")
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def midnight():
    return timezone.make_aware(datetime.combine(timezone.localdate(), datetime.min.time()))


def texts(value):
    """Every text in a tree of JSON."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


class TestStory(TestCase):
    """These tests only read: Django's own class loads the demo once for all of them."""

    @classmethod
    def setUpTestData(cls):
        agency.load_demo(timezone.localdate())

    def test_all_past_dates_are_before_today(self):
        for table in {row["model"] for row in agency.fixture_rows()}:
            model = apps.get_model(table)
            for field in model._meta.get_fields():
                if isinstance(field, models.DateTimeField) and field.name not in PLANNED:
                    late = model._base_manager.filter(**{f"{field.name}__gte": midnight()})
                    assert not late.exists(), (field, late.first())

    def test_addresses_and_phone_numbers_are_reserved_examples(self):
        for row in agency.fixture_rows():
            whole = {name: value for name, value in row["fields"].items() if name != "snippet"}
            for text in texts(whole):
                for address in ADDRESS.findall(text):
                    assert re.search(r"[@.]example\.(com|org|net)$", address), address
                for number in re.findall(r"\(\d{3}\) \d{3}-\d{4}", text):
                    assert re.search(r"555-01\d\d$", number), number

    def test_demo_covers_every_choice(self):
        def present(model, field):
            return set(model.objects.values_list(field, flat=True)) - {None, ""}

        assert present(Lead, "status") == set(LeadStatus.objects.values_list("pk", flat=True))
        assert present(Lead, "insurance_type__code") == set(InsuranceType.objects.values_list("code", flat=True))
        for model, field, choices in [
            (Lead, "priority_tier", Tier),
            (Lead, "source_type", Source),
            (Project, "status", ProjectStatus),
            (Task, "status", TaskStatus),
            (Thread, "source", ThreadSource),
            (Thread, "status", ThreadStatus),
            (Thread, "sentiment", Sentiment),
            (SupportTicket, "status", TicketStatus),
            (SupportTicket, "priority", TicketPriority),
            (AIInteraction, "type", InteractionType),
            (AIInteraction, "source", InteractionSource),
            (AIInteraction, "feedback", Feedback),
        ]:
            assert present(model, field) == set(choices.values)
        assert present(Suggestion, "status") == set(SuggestionStatus.values) - {SuggestionStatus.DRAFT}
        assert len(present(Lead, "loss_reason")) >= 4
        assert Lead.objects.filter(assigned_to=None).exists()
        assert len(present(Lead, "assigned_to")) == 3

    def test_thread_fields_match_its_messages(self):
        for thread in Thread.objects.prefetch_related("messages"):
            messages = sorted(thread.messages.all(), key=lambda message: message.sent_at)
            newest = [message for message in messages if message.state in DELIVERED_STATES][-1]
            contact = thread.source in CONTACT_SOURCES
            assert thread.message_count == len(messages)
            assert thread.last_message_at == newest.sent_at
            assert thread.last_direction == (newest.direction if contact else "")
            assert thread.awaiting_reply == (contact and newest.direction == Direction.OUT)
            said = {a for m in messages for a in [m.from_email, *m.to_emails, *m.cc_emails] if a}
            assert said == set(thread.participant_emails)
            assert thread.created_at <= messages[0].sent_at

    def test_emails_answer_emails_of_their_own_thread(self):
        for thread in Thread.objects.filter(source=ThreadSource.EMAIL).prefetch_related("messages"):
            known = set()
            for message in sorted(thread.messages.all(), key=lambda message: message.sent_at):
                assert message.in_reply_to in known | {""}
                assert message.in_reply_to or not known, message.subject
                assert message.message_id not in known
                known.add(message.message_id)
                assert " ".join((message.summary or message.body_text).split()).startswith(
                    message.snippet.removesuffix("…")
                )
                assert message.snippet

    def test_lead_contact_dates_match_their_threads(self):
        for lead in Lead.objects.all():
            said = Message.objects.filter(
                thread__lead=lead, thread__source__in=CONTACT_SOURCES, state__in=DELIVERED_STATES
            )
            newest = said.order_by("-sent_at").first()
            assert lead.last_contact_at == (newest and newest.sent_at), lead
            assert lead.awaiting_reply == bool(newest and newest.direction == Direction.OUT), lead

    def test_last_activity_is_the_newest_timeline_entry(self):
        for lead in Lead.objects.all():
            seen = [line.occurred_at for line in ActivityLog.objects.on_timeline_of(lead)]
            seen += Message.objects.filter(thread__lead=lead).values_list("sent_at", flat=True)
            assert lead.last_activity_at >= max(seen), lead

    def test_score_is_the_sum_of_its_signals(self):
        policy = ScoringPolicy.objects.active()
        for lead in Lead.objects.all():
            if not lead.is_open and lead.overall_score is None:
                continue
            found = break_down_score(lead.signals, policy, scored_as_of(lead, policy))
            assert len(found.contributions) == len(lead.signals), lead
            if lead.is_open:
                assert found.score == lead.overall_score, lead

    def test_tier_matches_score_silence_and_override(self):
        policy = ScoringPolicy.objects.active()
        for lead in Lead.objects.open():
            silent = (lead.last_contact_at or lead.created_at) < policy.ran_at - SILENT
            expected = lead.tier_override or (Tier.DORMANT if silent else policy.tier_for_score(lead.overall_score))
            assert lead.priority_tier == expected, lead
        assert Lead.objects.exclude(tier_override=None).exists()

    def test_signals_name_their_source_message(self):
        weights = {}
        for lead in Lead.objects.all():
            messages = {str(m.pk): m for m in Message.objects.filter(thread__lead=lead)}
            for signal in lead.signals:
                assert weights.setdefault(signal["type"], signal["weight"]) == signal["weight"]
                if "source" not in signal or source_link(signal["source"]):
                    continue
                source, at = messages[signal["source"]], datetime.fromisoformat(signal["timestamp"])
                assert at == (source.opened_at if signal["type"] == "email_opened" else source.sent_at)
                if signal["type"] == "replied_quickly":
                    ours = source.thread.messages.filter(direction=Direction.OUT, sent_at__lt=at)
                    assert at - ours.latest("sent_at").sent_at <= timedelta(hours=24)
                if signal["type"] == "multiple_stakeholders":
                    assert signal["count"] == lead.contact_links.count()

    def test_line_data_matches_its_schema(self):
        forms = {line.code: line.form_schema for line in InsuranceType.objects.all()}
        for lead in Lead.objects.select_related("insurance_type"):
            data = {**lead.line_data, "auto": lead.auto_data, "home": lead.home_data}
            data = {code: values for code, values in data.items() if values}
            assert set(data) <= {lead.insurance_type and lead.insurance_type.code}
            for code, values in data.items():
                Draft202012Validator(forms[code], format_checker=Draft202012Validator.FORMAT_CHECKER).validate(values)
                assert set(values) <= {*forms[code]["properties"], "schema_version"}, lead

    def test_vins_have_valid_check_digits(self):
        found = [text for lead in Lead.objects.all() for text in texts([lead.auto_data, lead.line_data])]
        vins = [text for text in found if re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", text)]
        assert len(vins) == len(set(vins)) >= 10
        for vin in vins:
            rest = sum(int(c) * weight for c, weight in zip(vin.translate(VIN_DIGITS), VIN_WEIGHTS, strict=True)) % 11
            assert vin[8] == ("X" if rest == 10 else str(rest)), vin

    def test_custom_fields_of_one_name_have_one_type(self):
        for model in (Lead, Client, Contact):
            kinds = {}
            for record in model.objects.all():
                for key, value in record.custom_fields.items():
                    assert kinds.setdefault(key, type(value)) is type(value), key
            assert kinds

    def test_lead_stage_is_the_end_of_its_history(self):
        for lead in Lead.objects.select_related("status"):
            history = list(LeadStageHistory.objects.filter(lead=lead).order_by("at"))
            assert [step.from_status_id for step in history] == [None, *(step.to_status_id for step in history[:-1])]
            assert (history[0].at, history[-1].to_status_id) == (lead.created_at, lead.status_id)
            assert lead.closed_at == (None if lead.status.is_open else history[-1].at)
            assert bool(lead.loss_reason) == (lead.status.category == "lost")
            moves = ActivityLog.objects.for_target(lead).filter(verb="moved")
            assert sorted(moves.values_list("occurred_at", flat=True)) == [step.at for step in history[1:]]

    def test_each_lead_has_one_primary_contact(self):
        links = ContactLead.objects.select_related("contact", "lead")
        for lead in Lead.objects.filter(contact_links__isnull=False).distinct():
            primary = [link.contact for link in links if link.lead_id == lead.pk and link.is_primary]
            assert [contact.email for contact in primary] == [lead.contact_email]
        assert max(Counter(link.lead_id for link in links).values()) == 3

    def test_converted_lead_has_a_client_with_its_contacts(self):
        converted = Lead.objects.exclude(converted_at=None)
        assert len(converted) == 4
        for lead in converted:
            client = lead.converted_to_client
            assert lead.status_id == "CLOSED_WON"
            assert lead.closed_at <= lead.converted_at == client.created_at
            people = set(ContactClient.objects.filter(client=client).values_list("contact", flat=True))
            assert set(lead.contact_links.values_list("contact", flat=True)) <= people
            assert set(lead.threads.values_list("client", flat=True)) <= {client.pk}

    def test_tasks_are_overdue_due_today_upcoming_and_done(self):
        today = timezone.localdate()
        unfinished = Task.objects.unfinished()
        assert unfinished.filter(due_on__lt=today).count() >= 4
        assert unfinished.filter(due_on=today).count() >= 4
        assert unfinished.filter(due_on__gt=today).count() >= 4
        assert not Task.objects.filter(status=TaskStatus.DONE, due_on__gte=today).exists()

    def test_ticket_due_times_match_priority(self):
        levels = load_service_levels()
        for ticket in SupportTicket.objects.all():
            if ticket.status != TicketStatus.RESOLVED:
                due = levels.due_times(ticket)
                assert ticket.resolve_due_at == due.resolution
                assert ticket.first_responded_at or ticket.first_response_due_at == due.first_response
            assert ticket.thread is None or ticket.thread.client_id == ticket.client_id
        tomorrow, unresolved = midnight() + timedelta(days=1), SupportTicket.objects.unresolved()
        assert unresolved.filter(resolve_due_at__lt=midnight()).count() >= 2
        assert unresolved.filter(resolve_due_at__range=(midnight(), tomorrow)).count() >= 1
        assert unresolved.filter(resolve_due_at__gte=tomorrow).count() >= 3

    def test_ticket_fields_match_its_status(self):
        for ticket in SupportTicket.objects.all():
            resolved = ticket.status == TicketStatus.RESOLVED
            assert resolved == (ticket.resolved_at is not None) == bool(ticket.resolution_summary)
            assert (ticket.status == TicketStatus.ESCALATED) == (ticket.escalated_at is not None)
            assert (ticket.status == TicketStatus.OPEN) == (ticket.first_responded_at is None)
            assert resolved or ticket.satisfaction is None
            for note in ticket.notes:
                assert set(note) == {"at", "by", "body", "internal"}
                assert ticket.created_at < datetime.fromisoformat(note["at"]) <= ticket.updated_at
        numbers = SupportTicket.objects.order_by("created_at").values_list("number", flat=True)
        assert list(numbers) == sorted(numbers)

    def test_evidence_quotes_its_message_verbatim(self):
        for suggestion in Suggestion.objects.all():
            assert suggestion.evidence
            for piece in suggestion.evidence:
                message = Message.objects.get(pk=piece["id"], thread=suggestion.thread)
                assert piece["quote"] in message.body_text
                assert (piece["source"], datetime.fromisoformat(piece["at"])) == ("message", message.sent_at)
            outsiders = Message.objects.filter(pk__in=[p["id"] for p in suggestion.evidence], direction=Direction.IN)
            assert suggestion.tainted == outsiders.exists()

    def test_suggestion_content_is_valid_for_its_kind(self):
        for suggestion in Suggestion.objects.all():
            kind = KINDS[suggestion.type]
            payload = kind.parse_content(suggestion.suggested_content)
            assert payload.model_dump(mode="json") == suggestion.suggested_content
            if suggestion.status == SuggestionStatus.PENDING:
                kind.guard(payload, suggestion)
                assert suggestion.reviewed_by is None
            else:
                assert suggestion.reviewed_by.has_perm("suggestions.decide_suggestion")
            if suggestion.approved_content is not None:
                assert suggestion.content_hash == content_digest(suggestion.approved_content)
                changed = suggestion.approved_content != suggestion.suggested_content
                assert changed == (suggestion.status == SuggestionStatus.MODIFIED)

    def test_approved_suggestions_were_executed(self):
        done = Suggestion.objects.filter(status__in=["APPROVED", "MODIFIED"])
        assert len(done) == 3
        for suggestion in done:
            if suggestion.type == "TASK":
                task = Task.objects.get(pk=suggestion.result["task"])
                content = suggestion.approved_content
                assert (task.title, task.due_on) == (content["title"], date.fromisoformat(content["dueOn"]))
                assert (task.lead, task.created_at) == (suggestion.lead, suggestion.executed_at)
            else:
                assert LeadStageHistory.objects.filter(
                    lead_id=suggestion.result["lead"],
                    from_status=suggestion.result["was"],
                    to_status=suggestion.result["now"],
                    at=suggestion.executed_at,
                    by=suggestion.reviewed_by,
                ).exists()

    def test_pending_suggestions_include_snoozed_and_expired(self):
        pending = Suggestion.objects.filter(status=SuggestionStatus.PENDING)
        now = timezone.now()
        assert Suggestion.objects.awaiting_decision(now).count() == 13
        assert pending.filter(snoozed_until__gt=now).count() == 1
        assert pending.filter(expires_at__lt=now).count() == 1
        assert not Suggestion.objects.filter(status="REJECTED", review_note="").exists()

    def test_interaction_columns_match_metadata(self):
        assert AIInteraction.objects.filter(model_used="").exists()
        for call in AIInteraction.objects.filter(model_used=""):
            assert (set(call.metadata), call.agent, call.cost_usd) == ({CHAT_TURN}, ASSISTANT_AGENT, None)
        for call in AIInteraction.objects.exclude(model_used=""):
            said = call.metadata
            assert all(key.startswith("gen_ai.") or key in {"error.type", UNTRUSTED_SPANS} for key in said)
            assert (said["gen_ai.request.model"], said["gen_ai.agent.name"]) == (call.model_used, call.agent)
            tokens = (said.get("gen_ai.usage.input_tokens"), said.get("gen_ai.usage.output_tokens"))
            assert tokens == (call.prompt_tokens, call.completion_tokens)
            assert ("error.type" in said) == bool(call.error_message)
            assert call.ai_response or call.error_message
            assert bool(call.feedback) == (call.feedback_by is not None) == (call.feedback_at is not None)
        assert AIInteraction.objects.filter(cost_usd=None, error_message="").exists()
        assert AIInteraction.objects.exclude(error_message="").count() >= 3

    def test_suggestion_matches_its_interaction(self):
        linked = Suggestion.objects.exclude(interaction=None).select_related("interaction")
        assert len(linked) >= 6
        for suggestion in linked:
            call = suggestion.interaction
            assert (call.lead_id, call.client_id) in {(suggestion.lead_id, suggestion.client_id), (None, None)}
            assert call.created_at <= suggestion.created_at
            assert (call.model_used, call.prompt_tokens, call.completion_tokens) == (
                suggestion.ai_model_version,
                suggestion.prompt_tokens,
                suggestion.completion_tokens,
            )

    def test_log_entries_point_to_existing_records(self):
        for line in ActivityLog.objects.select_related("actor"):
            for label, pk in [(line.target_type, line.target_id), (line.about_type, line.about_id)]:
                assert apps.get_model(label)._base_manager.filter(pk=pk).exists(), line
            assert (line.actor_type == "user") == (line.actor is not None)
            assert line.metadata["name"] == (str(line.actor) if line.actor else line.metadata["name"])
        assert set(ActivityLog.objects.values_list("actor_type", flat=True)) == {"user", "system", "ai", "external"}

    def test_saved_views_find_something_for_their_owner(self):
        for view in SavedView.objects.select_related("owner"):
            request = RequestFactory().get("/")
            request.user = view.owner
            found = LeadFilter(QueryDict(view.query), Lead.objects.visible_to(view.owner), request=request)
            assert found.is_valid(), found.errors
            assert view.table == "leads.lead"
            assert found.qs.exists(), view

    def test_demo_has_long_names_and_html_emails(self):
        assert Lead.objects.filter(contact_name="Hans-Joachim Schlotterbeck-Wannenmacher").exists()
        assert max(len(name) for name in Client.objects.values_list("name", flat=True)) == 60
        assert max(len(thread.subject) for thread in Thread.objects.all()) > 300
        assert Message.objects.exclude(body_html="").count() >= 3
        assert Message.objects.filter(body_text__contains="\n> ").count() >= 20
        assert Message.objects.filter(state="FAILED").count() == 1

    def test_row_audit_is_empty(self):
        audits = [model for model in apps.get_models() if issubclass(model, Event)]
        assert audits
        assert not any(model.objects.exists() for model in audits)
