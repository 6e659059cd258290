"""The email templates that every agency starts with. Staff change them as rows.

What stands in double brackets is filled in by a person: the rules that draft a reply do not know it.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

GREETING = "Hello {{first_name}},"
SIGN_OFF = "Kind regards,\n{{sender_name}}\n{{agency_name}}"
TEMPLATES = [
    # name, category, subject, what stands between greeting and sign-off
    (
        "Introduction",
        "INTRODUCTION",
        "Your insurance, {{first_name}}",
        """Thank you for getting in touch with {{agency_name}}. My name is {{sender_name}}, and I look after your request from here on.

To find the cover that fits you, I would like to ask you a few questions. It takes about fifteen minutes by phone. When would suit you this week?

If you already have a policy, please send me its declarations page: it tells me most of what I need to compare.""",
    ),
    (
        "Quote follow-up",
        "FOLLOW_UP",
        "Any questions about your quote?",
        """I sent you our quote a few days ago and would like to know what you think of it. Is there anything I can explain, or a cover you would like to see added or left out?

If the price is the sticking point, tell me: a different deductible often makes more of a difference than one expects.

Just answer this mail, and I will take care of the rest.""",
    ),
    (
        "Renewal reminder",
        "RENEWAL",
        "Your policy is up for renewal",
        """Your policy will soon be up for renewal. Before it renews, I would like to make sure that it still fits.

Has anything changed over the past year: a new driver or vehicle, work on the house, a new address, new valuables? Each of these can change what you need, and what you pay.

Reply with what has changed, or with "no changes", and I will review the renewal for you.""",
    ),
    (
        "Meeting proposal",
        "MEETING",
        "Shall we talk?",
        """Some things are settled faster in a conversation than by email. Could we talk for twenty minutes, by phone or here at our office, about where you stand and what you would like covered?

Please send me two or three times that suit you, and I will confirm one of them.""",
    ),
    (
        "Proposal cover",
        "PROPOSAL",
        "Our proposal for {{lead_name}}",
        """Attached is our proposal. On one page it says what is covered, what it costs, and until when the offer holds.

Please read the limits and deductibles first: they matter more than the price. If you would like to go ahead, answer this mail and I will prepare the application.""",
    ),
    (
        "Documents needed",
        "SERVICE",
        "What we still need from you",
        """To finish your application I still need a few documents:

- the declarations page of your current policy
- a copy of your driving licence or business registration
- the date from which you would like to be covered

You can answer this mail and attach them; photographs are fine as long as everything can be read.""",
    ),
    (
        "Win-back",
        "OTHER",
        "May we quote for you again?",
        """Some time ago we talked about your insurance, and you decided otherwise. I hope it has worked out well for you.

Prices and conditions have moved since then. If you like, I will compare your present policy with what we can offer today. It costs you nothing but a copy of the declarations page.

And if you would rather not hear from us any more, tell me, and I will see to it.""",
    ),
    (
        "Claim check-in",
        "SERVICE",
        "How is your claim coming along?",
        """I wanted to ask how your claim is coming along. Has the adjuster been in touch, and do you know what happens next?

If anything is unclear or takes too long, tell me. I cannot decide the claim, but I can make sure that somebody looks at it.""",
    ),
    (
        "Reply: go ahead",
        "ACCEPTANCE",
        "Your go-ahead",
        """Thank you for your message. I am glad that you want to go ahead.

[[next step, and what you need from them]]

[[questions and answers]]""",
    ),
    (
        "Reply: decline",
        "DECLINE",
        "Your decision",
        """Thank you for your message, and for telling me how you have decided.

[[questions and answers]]""",
    ),
    (
        "Reply: questions",
        "QUESTION",
        "Your questions",
        """Thank you for your message.

[[questions and answers]]""",
    ),
    (
        "Reply: document",
        "DOCUMENT",
        "The document you asked for",
        """Thank you for your message.

[[questions and answers]]""",
    ),
    (
        "Reply: objection",
        "OBJECTION",
        "Your concern",
        """Thank you for saying so openly.

[[questions and answers]]

[[what you can offer]]""",
    ),
    (
        "Reply: call",
        "APPOINTMENT",
        "Our call",
        """Thank you for your message. I am happy to talk.

[[day and time]]

[[questions and answers]]""",
    ),
    (
        "Welcome",
        "WELCOME",
        "Welcome to {{agency_name}}",
        """Thank you for your trust. From now on I am your contact for everything about your insurance: changes, questions, claims.

Your documents follow by separate email. Please look through them, and tell me if anything is not as you expect it.

You reach me by answering this email.""",
    ),
]


def seed(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    templates = apps.get_model("inbox", "EmailTemplate").objects
    for name, category, subject, text in TEMPLATES:
        body = f"{GREETING}\n\n{text}\n\n{SIGN_OFF}"
        templates.create(name=name, category=category, subject=subject, body=body)


class Migration(migrations.Migration):
    dependencies = [("inbox", "0003_triggers")]
    operations = [migrations.RunPython(seed)]
