"""The next best actions for a lead: one pure function from what surrounds it to what is proposed, the best first.

What outsiders wrote is read by rules of wording and quoted as evidence. It fills in no recipient, no amount and no
text of a mail: those come from the records, from templates, from what we said ourselves, and from the sentences here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.next_best_action.context import UNDER_WAY, Action, Said, Surroundings
from crm.text import outgoing_checks
from crm.text.english.intents import ACCEPTED, SOONEST, asked, call_wanted, sentences, verdict
from crm.text.english.signals import quoted, words
from inbox.models.email_template import TemplateCategory
from leads.models import Category, LossReason, Tier
from suggestions.models import SuggestionType
from suggestions.policy.findings import UNREAD

MOST = 3
OLDEST_ANSWERED = timedelta(days=30)
SILENT, SILENT_AFTER_PROPOSAL, ON_ICE_AFTER = timedelta(days=3), timedelta(days=5), timedelta(days=30)
# Whoever leaves so many of our words unanswered is left in peace.
MOST_UNANSWERED = 3
OFFER_HOLDS = timedelta(days=30)
LOOK_AGAIN = timedelta(days=1)
PRICE = words("price", "premium", "quote", "cost", "offer", "proposal")
NO_PRICE = words(
    "deductible", "limit", "liability", "claim", "worth", "save", "deposit", "instead of", "per occurrence"
)
CLOSING = "Kind regards,\n{{sender_name}}"
GREETING = "Hello {{first_name}},"
READY, RIPE = "clear_requirements", Tier.HOT


def next_actions(about: Surroundings) -> list[Action]:
    """At most three, the most urgent first; what was proposed and decided on the same grounds is left out."""
    found = [*replies(about), *decided(about), *ready(about)]
    if not any(one.type == SuggestionType.REPLY for one in found):
        found += silent(about)
    return [one for one in found if one.key not in about.done and not waits_elsewhere(about, one)][:MOST]


def next_look(about: Surroundings) -> datetime | None:
    """When silence alone gives a reason to look again; None where only news does."""
    if about.stage.category != Category.OPEN:
        return None
    ahead = [about.last_heard + limit for limit in limits(about) if about.last_heard + limit > about.now]
    held = (about.busy or not has_room(about)) and len(ahead) < len(limits(about))
    return min([*ahead, about.now + LOOK_AGAIN] if held else ahead, default=None)


def has_room(about: Surroundings) -> bool:
    """Whether silence may lead to something; what waits already has its place."""
    return about.room or any(one.key for one in about.waiting)


def waits_elsewhere(about: Surroundings, action: Action) -> bool:
    """Whether somebody else has proposed the like already; of a reply, in the same conversation."""
    others = [one for one in about.waiting if not one.key]
    if action.type == SuggestionType.REPLY:
        return any(one.type == action.type and one.thread == action.thread for one in others)
    writing = {SuggestionType.REPLY, SuggestionType.SEND_EMAIL} if action.type == SuggestionType.FOLLOW_UP else set()
    return any(one.type == action.type or one.type in writing for one in others)


def key(about: Surroundings, type: str, grounds: Any) -> str:
    return f"next:{about.lead}:{type}:{grounds}"


def quotes(said: Said, *texts: str) -> list[dict[str, Any]]:
    at = said.at.isoformat()
    return [{"source": "message", "id": str(said.key), "quote": text, "at": at} for text in texts]


# They have written


def replies(about: Surroundings) -> Iterator[Action]:
    """That a mail of theirs is answered, to whoever wrote it."""
    for said in about.owed():
        if about.now - said.at > OLDEST_ANSWERED or said.sender in about.ours or UNREAD.match(said.sender):
            continue
        if not said.sender:
            continue
        yield Action(
            SuggestionType.REPLY,
            key(about, SuggestionType.REPLY, said.key),
            {"body": answer(about, said), "thread": str(said.thread)},
            Decimal("0.90"),
            f"Their mail of {day(said.at)} has not been answered.",
            quotes(said, *asked(said.body)),
            thread=said.thread,
            message=said.key,
        )


def answer(about: Surroundings, said: Said) -> str:
    """The beginning of an answer that promises nothing and claims nothing; whoever sends it adds what they asked."""
    greeting = GREETING if said.sender.lower() == about.email.lower() else "Hello,"
    found = verdict(said.body)
    if found is not None and found.decided != ACCEPTED:
        text = f"thank you for your mail of {day(said.at)}, and for telling us how you have decided."
    else:
        text = (
            f"thank you for your mail of {day(said.at)}. It has reached me.\n\n"
            "If there is a day by which you need an answer, please tell me."
        )
    return f"{greeting}\n\n{text}\n\n{CLOSING}"


def decided(about: Surroundings) -> Iterator[Action]:
    """That the lead moves where the newest words of theirs say, unless it has moved since."""
    said = about.their_newest
    if said is None or about.now - said.at > OLDEST_ANSWERED:
        return
    if about.moved_at is not None and about.moved_at >= said.at:
        return
    found = verdict(said.body)
    if found is None:
        return
    if found.decided != ACCEPTED:
        stage, what = about.first_stage(Category.LOST), "declines"
        more = {"lossReason": found.reason, "lossNotes": f"In their words: {found.quote}"}
    elif about.proposal_is_out:
        stage, what, more = about.first_stage(Category.WON), "accepts", {}
    else:
        stage, what, more = about.before_proposal(), "wants to go ahead", {}
    if stage is None or stage.code == about.stage.code:
        return
    yield Action(
        SuggestionType.CHANGE_STATUS,
        key(about, SuggestionType.CHANGE_STATUS, said.key),
        {"status": stage.code, "fromStatus": about.stage.code, **more},
        Decimal("0.75") if found.reason != LossReason.OTHER else Decimal("0.70"),
        f"What they wrote on {day(said.at)} {what}.",
        quotes(said, found.quote),
        message=said.key,
    )


def ready(about: Surroundings) -> Iterator[Action]:
    """The call that they asked for, at the hour they named, and the offer that we have named the price of."""
    said = about.their_newest
    if said is None or about.now - said.at > OLDEST_ANSWERED:
        return
    if about.phone and "phone" not in about.closed_channels and about.email and not about.answered(said):
        wanted = call_wanted(said.body, said.at)
        if wanted is not None and wanted[0] > about.now + SOONEST:
            yield Action(
                SuggestionType.SCHEDULE_CALL,
                key(about, SuggestionType.SCHEDULE_CALL, said.key),
                {"suggestedTimes": [wanted[0].isoformat()], "meetingType": "phone"},
                Decimal("0.75"),
                f"On {day(said.at)} they asked to be called at that time.",
                quotes(said, wanted[1]),
                message=said.key,
            )
    yield from offers(about, said)


def offers(about: Surroundings, said: Said) -> Iterator[Action]:
    """The proposal on paper, where they know what they want and we have named one price, and one only."""
    found = verdict(said.body)
    declined = found is not None and found.decided != ACCEPTED
    wanted = (READY in about.signals and about.tier == RIPE) or (found is not None and not declined)
    if not wanted or declined or about.proposal_is_out or about.stage.category != Category.OPEN or not about.email:
        return
    named = price(about)
    if named is None:
        return
    amount, ours, quote = named
    body = about.templates.get(TemplateCategory.PROPOSAL) or f"{GREETING}\n\nattached is our proposal.\n\n{CLOSING}"
    until = max(ours.at, said.at).date() + OFFER_HOLDS
    if until <= about.now.date():
        return
    yield Action(
        SuggestionType.SEND_PROPOSAL,
        key(about, SuggestionType.SEND_PROPOSAL, ours.key),
        {
            "title": f"Proposal: {about.line}" if about.line else "Our proposal",
            "amount": f"{amount:.2f}",
            "validUntil": until.isoformat(),
            "body": body,
        },
        Decimal("0.65"),
        f"They know what they want, and on {day(ours.at)} we named the price.",
        [*quotes(ours, quote), *quotes(said, *asked(said.body, 1))],
    )


def price(about: Surroundings) -> tuple[Decimal, Said, str] | None:
    """The one price in the newest of our mails that names any, and the sentence in which it stands."""
    for one in about.said:
        if one.theirs or not one.mail:
            continue
        named: dict[Decimal, str] = {}
        for sentence in sentences(one.body):
            if PRICE.search(sentence) and not NO_PRICE.search(sentence):
                named.update(dict.fromkeys(outgoing_checks.amounts(sentence), quoted(sentence)))
        if named:
            amount = next(iter(named))
            return (amount, one, named[amount]) if len(named) == 1 and amount > 0 else None
    return None


# Nobody has written


def limits(about: Surroundings) -> list[timedelta]:
    """The lengths of silence at which something becomes due in the stage of the lead."""
    found = []
    if about.awaiting:
        found.append(SILENT_AFTER_PROPOSAL if about.proposal_is_out else SILENT)
    if about.stage.stale_days is not None:
        stale = timedelta(days=about.stage.stale_days)
        found += [stale, max(ON_ICE_AFTER, stale)]
    return found


def silent(about: Surroundings) -> Iterator[Action]:
    """That silence is broken, or after thirty days taken as an answer."""
    passed = [limit for limit in limits(about) if about.silence >= limit]
    if about.stage.category != Category.OPEN or not passed or about.busy or not has_room(about):
        return
    if about.stage.stale_days is not None and about.silence >= limits(about)[-1]:
        yield from on_ice(about)
    elif about.unanswered < MOST_UNANSWERED and not ("email" in about.closed_channels and not about.phone):
        yield follow_up(about)


def on_ice(about: Surroundings) -> Iterator[Action]:
    stage = about.first_stage(Category.PAUSED)
    if stage is None:
        return
    since = day(about.last_heard)
    yield Action(
        SuggestionType.CHANGE_STATUS,
        key(about, SuggestionType.CHANGE_STATUS, f"{about.last_heard:%Y%m%d%H%M%S}"),
        {"status": stage.code, "fromStatus": about.stage.code},
        Decimal("0.80"),
        f"Nobody has said anything since {since}." if about.spoken else f"Nobody has spoken to them since {since}.",
    )


def follow_up(about: Surroundings) -> Action:
    """A task to ask again, with words to begin with."""
    newest = next((one for one in about.said if one.state not in UNDER_WAY), None)
    thread = next((one.thread for one in about.said if one.mail and one.thread_open), None)
    since, body = day(about.last_heard), ""
    if not about.spoken:
        reason, question = (
            f"They came on {since}, and nobody has spoken to them.",
            "May I ask what you are looking for?",
        )
        body = f"{GREETING}\n\n{question}\n\nMy name is {{{{sender_name}}}}, of {{{{agency_name}}}}.\n\n{CLOSING}"
    elif about.awaiting and about.proposal_is_out:
        reason, question = (
            f"Our last word was on {since}; the proposal is unanswered.",
            "What do you think of our proposal?",
        )
    elif about.awaiting:
        reason, question = f"Our last word was on {since}, and they have not answered.", "How do things stand?"
    else:
        reason, question = f"Nothing has been said since {since}.", "How do things stand?"
    if not body:
        body = f"{GREETING}\n\n{question}\n\nIf anything is unclear, an answer to this mail reaches me.\n\n{CLOSING}"
    return Action(
        SuggestionType.FOLLOW_UP,
        key(about, SuggestionType.FOLLOW_UP, f"{about.last_heard:%Y%m%d%H%M%S}"),
        {"reason": reason, "suggestedAction": body, "urgency": "high" if about.tier == Tier.HOT else "normal"},
        Decimal("0.80"),
        reason,
        quotes(newest, *asked(newest.body, 1)) if newest else [],
        thread=thread,
    )


def day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y}"
