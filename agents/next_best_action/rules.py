"""The next best actions for a lead: one pure function from its context to the proposals, best first.

Text from outside is read by rules and quoted as evidence. It never becomes a recipient or an amount: those come from
the records and from our own messages. The text of an email comes from templates; what the rules do not know is a gap.
Of their words a reply quotes the questions, and nothing else.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from agents.next_best_action.context import UNSENT_STATES, LeadContext, LeadMessage, NextAction
from crm.records.local_time import agency_style
from crm.text.addresses import is_no_reply_address
from crm.text.english.intents import (
    ACCEPTANCE,
    ACCEPTED,
    APPOINTMENT,
    DECLINE,
    DOCUMENT,
    MIN_CALL_NOTICE,
    OBJECTION,
    QUESTION,
    Intent,
    english_sentences,
    find_decision,
    quote_questions,
    recognize_intent,
    requested_call,
)
from crm.text.english.rules import phrase_pattern
from crm.text.english.signals import shorten_quote
from crm.text.links import extract_links
from crm.text.numbers import extract_amounts
from inbox.models import ThreadSource
from inbox.models.email_template import TemplateCategory
from leads.models import StageCategory, Tier
from suggestions.models import SuggestionType

MAX_ACTIONS = 3
MAX_ANSWERED_AGE = timedelta(days=30)
FOLLOW_UP_AFTER, PROPOSAL_FOLLOW_UP_AFTER, PAUSE_AFTER = timedelta(days=3), timedelta(days=5), timedelta(days=30)
# After so many unanswered messages the lead is left alone.
MAX_UNANSWERED = 3
OFFER_VALIDITY = timedelta(days=30)
RECHECK_AFTER = timedelta(days=1)
PRICE_WORDS = phrase_pattern("price", "premium", "quote", "cost", "offer", "proposal")
NON_PRICE_WORDS = phrase_pattern(
    "deductible", "limit", "liability", "claim", "worth", "save", "deposit", "instead of", "per occurrence"
)
SIGN_OFF = "Kind regards,\n{{sender_name}}"
GREETING = "Hello {{first_name}},"
INTENT_SENTENCES = {
    ACCEPTANCE: "They want to go ahead.",
    DECLINE: "They decline.",
    APPOINTMENT: "They want to talk.",
    DOCUMENT: "They ask for a document.",
    OBJECTION: "Something holds them back.",
    QUESTION: "They ask a question.",
}
NO_DRAFT_RULE = "no draft"
# In a template: where their questions go, each with a gap for its answer.
QUESTIONS_GAP = "[[questions and answers]]"
FIRST_NAME_PATTERN = re.compile(r"\{\{\s*first_name\s*\}\}")
BLANK_LINES_PATTERN = re.compile(r"\n{3,}")
READY_SIGNAL, READY_TIER = "clear_requirements", Tier.HOT


def next_actions(context: LeadContext) -> list[NextAction]:
    """Return at most three actions, most urgent first, without those decided before on the same grounds."""
    found = [*reply_actions(context), *decision_actions(context), *readiness_actions(context)]
    if not any(one.type == SuggestionType.REPLY for one in found):
        found += silence_actions(context)
    return [one for one in found if one.key not in context.decided_keys and not is_proposed_elsewhere(context, one)][
        :MAX_ACTIONS
    ]


def next_evaluation_at(context: LeadContext) -> datetime | None:
    """Return when silence alone is a reason to evaluate the lead again; None if only a change is."""
    if context.stage.category != StageCategory.OPEN:
        return None
    ahead = [
        context.last_contact_at + limit
        for limit in silence_limits(context)
        if context.last_contact_at + limit > context.now
    ]
    held = (context.has_upcoming_task or not may_act_on_silence(context)) and len(ahead) < len(silence_limits(context))
    return min([*ahead, context.now + RECHECK_AFTER] if held else ahead, default=None)


def may_act_on_silence(context: LeadContext) -> bool:
    """Return whether silence may lead to a proposal: nothing of the kind waits already."""
    return context.has_queue_room or any(one.key for one in context.pending)


def is_proposed_elsewhere(context: LeadContext, action: NextAction) -> bool:
    """Return whether another proposer already proposed the same type; for a reply, in the same thread."""
    others = [one for one in context.pending if not one.key]
    if action.type == SuggestionType.REPLY:
        return any(one.type == action.type and one.thread == action.thread for one in others)
    writing = {SuggestionType.REPLY, SuggestionType.SEND_EMAIL} if action.type == SuggestionType.FOLLOW_UP else set()
    return any(one.type == action.type or one.type in writing for one in others)


def action_dedupe_key(context: LeadContext, type: str, grounds: Any) -> str:
    return f"next:{context.lead}:{type}:{grounds}"


def quote_evidence(message: LeadMessage, *texts: str) -> list[dict[str, Any]]:
    at = message.at.isoformat()
    return [{"source": "message", "id": str(message.key), "quote": text, "at": at} for text in texts]


# After their message


def reply_actions(context: LeadContext) -> Iterator[NextAction]:
    """Propose a reply to each unanswered email or form, addressed to its sender."""
    if "email" in context.unanswerable_channels:
        return
    for message in context.unanswered_emails():
        if (
            context.now - message.at > MAX_ANSWERED_AGE
            or not message.sender
            or message.sender in context.own_addresses
            or is_no_reply_address(message.sender)
        ):
            continue
        intent = recognize_intent(message.body)
        body = reply_draft(context, message, intent)
        why = f"{INTENT_SENTENCES[intent.name] if intent else 'Needs your reply.'} "
        noun = "email" if message.source == ThreadSource.EMAIL else "message"
        yield NextAction(
            SuggestionType.REPLY,
            action_dedupe_key(context, SuggestionType.REPLY, message.key),
            {"body": body, "thread": str(message.thread)},
            intent.name if intent and body else NO_DRAFT_RULE,
            f"{why}Their {noun} of {format_long_date(message.at)} has not been answered.",
            quote_evidence(message, *quote_questions(message.body)),
            thread=message.thread,
            message=message.key,
        )


def reply_draft(context: LeadContext, message: LeadMessage, intent: Intent | None) -> str:
    """Return the template for `intent` with their questions quoted, and gaps for the answers; empty without one."""
    template = context.templates.get(intent.name.upper(), "") if intent else ""
    if not template:
        return ""
    knows_name = context.has_first_name and message.sender.lower() == context.email.lower()
    text = template if knows_name else FIRST_NAME_PATTERN.sub("[[first name]]", template)
    quoted = "\n\n".join(f"> {one}\n\n[[your answer]]" for one in intent.quotes if is_quotable(one))
    return BLANK_LINES_PATTERN.sub("\n\n", text.replace(QUESTIONS_GAP, quoted)).strip()


def is_quotable(sentence: str) -> bool:
    """Return whether `sentence`, which they wrote, may stand in our reply: plain text without links or addresses."""
    has_marks = any(mark in sentence for mark in ("{{", "}}", "[[", "]]", "@", "<", ">"))
    return sentence.isprintable() and not has_marks and not extract_links(sentence)


def decision_actions(context: LeadContext) -> Iterator[NextAction]:
    """Propose the stage that their newest message calls for, unless the lead has moved since."""
    message = context.latest_inbound
    if message is None or context.now - message.at > MAX_ANSWERED_AGE:
        return
    if context.stage_changed_at is not None and context.stage_changed_at >= message.at:
        return
    decision = find_decision(message.body)
    if decision is None:
        return
    if decision.outcome != ACCEPTED:
        stage, what = context.first_stage(StageCategory.LOST), "declines"
        details = {"lossReason": decision.reason, "lossNotes": f"In their words: {decision.quote}"}
    elif context.is_proposal_sent:
        stage, what, details = context.first_stage(StageCategory.WON), "accepts", {}
    else:
        stage, what, details = context.next_stage_before_proposal(), "wants to go ahead", {}
    if stage is None or stage.code == context.stage.code:
        return
    yield NextAction(
        SuggestionType.CHANGE_STATUS,
        action_dedupe_key(context, SuggestionType.CHANGE_STATUS, message.key),
        {"status": stage.code, "fromStatus": context.stage.code, **details},
        f"{decision.outcome} {decision.reason.lower()}".strip(),
        f"What they wrote on {format_long_date(message.at)} {what}.",
        quote_evidence(message, decision.quote),
        message=message.key,
    )


def readiness_actions(context: LeadContext) -> Iterator[NextAction]:
    """Propose the call they asked for, at the time they named, and the proposal whose price we named."""
    message = context.latest_inbound
    if message is None or context.now - message.at > MAX_ANSWERED_AGE:
        return
    if context.can_call and context.can_email and not context.is_answered(message):
        wanted = requested_call(message.body, message.at)
        if wanted is not None and wanted[0] > context.now + MIN_CALL_NOTICE:
            yield NextAction(
                SuggestionType.SCHEDULE_CALL,
                action_dedupe_key(context, SuggestionType.SCHEDULE_CALL, message.key),
                {"suggestedTimes": [wanted[0].isoformat()], "channel": "phone"},
                "requested time",
                f"On {format_long_date(message.at)} they asked to be called at that time.",
                quote_evidence(message, wanted[1]),
                message=message.key,
            )
    yield from proposal_actions(context, message)


def proposal_actions(context: LeadContext, message: LeadMessage) -> Iterator[NextAction]:
    """Propose a written proposal if their requirements are clear and we named exactly one price."""
    decision = find_decision(message.body)
    declined = decision is not None and decision.outcome != ACCEPTED
    wanted = (READY_SIGNAL in context.signals and context.tier == READY_TIER) or (decision is not None and not declined)
    if (
        not wanted
        or declined
        or context.is_proposal_sent
        or context.stage.category != StageCategory.OPEN
        or not context.can_email
    ):
        return
    named = quoted_price(context)
    if named is None:
        return
    amount, price_message, quote = named
    body = context.templates.get(TemplateCategory.PROPOSAL) or f"{GREETING}\n\nattached is our proposal.\n\n{SIGN_OFF}"
    until = max(price_message.at, message.at).date() + OFFER_VALIDITY
    if until <= context.now.date():
        return
    yield NextAction(
        SuggestionType.SEND_PROPOSAL,
        action_dedupe_key(context, SuggestionType.SEND_PROPOSAL, price_message.key),
        {
            "title": f"Proposal: {context.insurance_line}" if context.insurance_line else "Our proposal",
            "amount": f"{amount:.2f}",
            "validUntil": until.isoformat(),
            "body": body,
        },
        "named price",
        f"They know what they want, and on {format_long_date(price_message.at)} we named the price.",
        [*quote_evidence(price_message, quote), *quote_evidence(message, *quote_questions(message.body, 1))],
    )


def quoted_price(context: LeadContext) -> tuple[Decimal, LeadMessage, str] | None:
    """Return the one price in our newest email that names any, and its sentence."""
    for one in context.messages:
        if one.is_inbound or not one.is_answered_by_email:
            continue
        named: dict[Decimal, str] = {}
        for sentence in english_sentences(one.body):
            if PRICE_WORDS.search(sentence) and not NON_PRICE_WORDS.search(sentence):
                named.update(dict.fromkeys(extract_amounts(sentence), shorten_quote(sentence)))
        if named:
            amount = next(iter(named))
            return (amount, one, named[amount]) if len(named) == 1 and amount > 0 else None
    return None


# After a silence


def silence_limits(context: LeadContext) -> list[timedelta]:
    """Return the lengths of silence at which an action becomes due in the lead's stage."""
    found = []
    if context.is_awaiting_reply:
        found.append(PROPOSAL_FOLLOW_UP_AFTER if context.is_proposal_sent else FOLLOW_UP_AFTER)
    if context.stage.stale_days is not None:
        stale = timedelta(days=context.stage.stale_days)
        found += [stale, max(PAUSE_AFTER, stale)]
    return found


def silence_actions(context: LeadContext) -> Iterator[NextAction]:
    """Propose a follow-up, or after thirty days of silence the paused stage."""
    passed = [limit for limit in silence_limits(context) if context.silence >= limit]
    if (
        context.stage.category != StageCategory.OPEN
        or not passed
        or context.has_upcoming_task
        or not may_act_on_silence(context)
    ):
        return
    if context.stage.stale_days is not None and context.silence >= silence_limits(context)[-1]:
        yield from pause_actions(context)
    elif context.unanswered_count < MAX_UNANSWERED and (context.can_email or context.can_call):
        yield follow_up_action(context)


def pause_actions(context: LeadContext) -> Iterator[NextAction]:
    stage = context.first_stage(StageCategory.PAUSED)
    if stage is None:
        return
    since = format_long_date(context.last_contact_at)
    yield NextAction(
        SuggestionType.CHANGE_STATUS,
        action_dedupe_key(context, SuggestionType.CHANGE_STATUS, f"{context.last_contact_at:%Y%m%d%H%M%S}"),
        {"status": stage.code, "fromStatus": context.stage.code},
        "silence",
        f"No message since {since}." if context.has_been_contacted else f"Not contacted since {since}.",
    )


def follow_up_action(context: LeadContext) -> NextAction:
    """Return a follow-up task; a person or a model writes its next step."""
    newest = next((one for one in context.messages if one.state not in UNSENT_STATES), None)
    thread = next((one.thread for one in context.messages if one.is_answered_by_email and one.is_thread_open), None)
    since = format_long_date(context.last_contact_at)
    if not context.has_been_contacted:
        rule, reason = "new lead", f"New since {since}, and not contacted yet."
    elif context.is_awaiting_reply and context.is_proposal_sent:
        rule, reason = "unanswered proposal", f"Our last word was on {since}; the proposal is unanswered."
    elif context.is_awaiting_reply:
        rule, reason = "no answer", f"Our last word was on {since}, and they have not answered."
    else:
        rule, reason = "silence", f"No message since {since}."
    urgency = "high" if context.tier == Tier.HOT else "medium"
    return NextAction(
        SuggestionType.FOLLOW_UP,
        action_dedupe_key(context, SuggestionType.FOLLOW_UP, f"{context.last_contact_at:%Y%m%d%H%M%S}"),
        {"reason": reason, "suggestedAction": str(next_step(context, thread)), "urgency": urgency},
        rule,
        reason,
        quote_evidence(newest, *quote_questions(newest.body, 1)) if newest else [],
        thread=thread,
    )


def next_step(context: LeadContext, thread: UUID | None) -> SuggestionType:
    """Return the next step of a follow-up: an email in the thread that they wrote in, another one, or a task."""
    if not context.can_email:
        return SuggestionType.TASK
    wrote = any(one.is_inbound and one.thread == thread and one.sender for one in context.messages)
    return SuggestionType.REPLY if wrote else SuggestionType.SEND_EMAIL


def format_long_date(moment: datetime) -> str:
    return agency_style().long_day(moment)
