"""The composer: what it begins with, what is typed into it, and the templates it offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from uuid_utils.compat import uuid7

from crm.exceptions import BadInput
from crm.models import Client, Contact, User
from crm.text.cleaning import as_sent
from inbox.drafts.replies import Answer, answer_in
from inbox.drafts.reply_conflicts import newer_than, others_writing, told
from inbox.drafts.transitions import LONGEST_TYPED, Place, Words
from inbox.email_templates import for_composer
from inbox.models import Draft, Message, Thread, ThreadSource
from inbox.outgoing import tracking
from inbox.outgoing.outbox import LONGEST, SEND
from leads.models import Lead

LONGEST_SUBJECT = 500
LONG = forms.Textarea(attrs={"rows": 8, "aria-label": "Text"})


class Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class ComposeForm(forms.Form):
    """A mail as it is typed, and where it belongs."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    thread = forms.UUIDField(required=False, widget=forms.HiddenInput)
    lead = forms.UUIDField(required=False, widget=forms.HiddenInput)
    client = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reply_to = forms.UUIDField(required=False, widget=forms.HiddenInput)
    # The message of which whoever writes was told that it came meanwhile.
    seen = forms.UUIDField(required=False, widget=forms.HiddenInput)
    to = forms.CharField(required=False, max_length=LONGEST_TYPED, label="To")
    cc = forms.CharField(required=False, max_length=LONGEST_TYPED, label="Copy to")
    subject = forms.CharField(required=False, max_length=LONGEST_SUBJECT, label="Subject")
    body = forms.CharField(required=False, max_length=LONGEST, strip=False, widget=LONG, label="Text")
    quotes = forms.BooleanField(required=False, label="Repeat their message beneath it")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="compose_%s", **kwargs)
        for name in ("to", "cc"):
            self.fields[name].widget.attrs.update(autocomplete="off", inputmode="email", spellcheck="false")

    def words(self) -> Words:
        found = self.cleaned_data
        texts = {name: as_sent(found[name]) for name in ("to", "cc", "subject", "body")}
        return Words(**texts, quotes=found["quotes"])

    def place(self, user: User) -> Place:
        """Where it belongs, of what `user` may see.

        Raises:
            BadInput: there is no such place for them.
        """
        asked = self.cleaned_data
        if asked["thread"]:
            thread = visible(Thread, asked["thread"], user)
            answered = Message.objects.filter(pk=asked["reply_to"], thread=thread).first()
            return Place(thread=thread, reply_to=answered)
        lead = visible(Lead, asked["lead"], user) if asked["lead"] else None
        client = visible(Client, asked["client"], user) if asked["client"] else None
        return Place(lead=lead, client=client)


@dataclass
class Composer:
    """A form with what stands around it: the draft as it is kept, and whom answering all would add."""

    form: ComposeForm
    draft: Draft | None = None
    place: Place = Place()
    others: list[str] | None = None
    templates: list[tuple[str, str]] | None = None
    # Whose key it is that writes.
    writer: UUID | None = None
    # Addresses that nobody knows, each to be ticked.
    unconfirmed: tuple[str, ...] = ()
    refused: str = ""
    # The message that came meanwhile, where that is why it was refused.
    newest: UUID | None = None

    @cached_property
    def newer(self) -> Message | None:
        """What was said since what is answered; None where nothing was, or where this was told already."""
        return newer_than(self.draft) if self.draft and not self.form["seen"].value() else None

    @property
    def news(self) -> str:
        """Who has written meanwhile, and when."""
        return told(self.draft, self.newer) if self.draft and self.newer else ""

    @property
    def others_writing(self) -> list[Draft]:
        """What colleagues have begun in the same conversation."""
        return list(others_writing(self.place.thread, but=self.writer)) if self.place.thread and self.writer else []

    @property
    def carries(self) -> str:
        """What the mail carries beside what is written; empty where that is nothing."""
        thread = self.place.thread
        return tracking.PICTURE if tracking.is_wanted(thread.lead if thread else self.place.lead) else ""

    @property
    def url(self) -> str:
        return reverse("admin:inbox_draft_add")

    @property
    def answered(self) -> Message | None:
        return self.place.reply_to


def visible(model: type[Model], pk: UUID | str, user: User) -> Any:
    """The live row `pk` that `user` may see.

    Raises:
        BadInput: there is none.
    """
    meta = model._meta
    try:
        may = user.has_perm(f"{meta.app_label}.view_{meta.model_name}")
        found = model.objects.visible_to(user).filter(pk=pk).first() if may else None
    except ValidationError:  # what was asked for is no key
        found = None
    if found is None:
        raise BadInput(f"There is no such {model._meta.verbose_name}, or it is deleted or not yours to see.")
    return found


def composer_in(request: HttpRequest, thread: Thread) -> Composer | None:
    """What the page of `thread` offers: the draft begun there, or an answer; None where it cannot be answered."""
    user = request.user
    if thread.source != ThreadSource.EMAIL or thread.is_deleted or not user.has_perm(SEND):
        return None
    answer = answer_in(thread)
    draft = Draft.objects.visible_to(user).filter(thread=thread).select_related("reply_to").first()
    if draft is not None:
        draft.thread, draft.author = thread, user
        return of_draft(draft, answer)
    initial = {"thread": thread.pk, "to": ", ".join(answer.to), "subject": answer.subject}
    if answer.message is not None:
        initial |= {"reply_to": answer.message.pk, "quotes": True}
    composer = fresh(Place(thread=thread, reply_to=answer.message), initial, answer.others)
    composer.writer = user.pk
    return composer


def begin(request: HttpRequest) -> Composer:
    """A composer for a new mail, to the lead, client or contact that the address of the page names."""
    asked, user = request.GET, request.user
    try:
        place, to = addressed_to(asked, user)
    except BadInput as refusal:
        composer = fresh(Place(), {})
        composer.refused = str(refusal)
        return composer
    places = {name: getattr(place, name).pk for name in ("lead", "client") if getattr(place, name)}
    return fresh(place, {"to": to, **places})


def addressed_to(asked: Mapping[str, str], user: User) -> tuple[Place, str]:
    """Whom a new mail is for, and their address.

    Raises:
        BadInput: there is nobody like that whom `user` may see.
    """
    if "lead" in asked:
        lead = visible(Lead, asked["lead"], user)
        return Place(lead=lead), lead.contact_email
    if "client" in asked:
        client = visible(Client, asked["client"], user)
        return Place(client=client), client.email
    if "contact" in asked:
        contact = visible(Contact, asked["contact"], user)
        clients = list(Client.objects.visible_to(user).filter(contact_links__contact=contact).distinct()[:2])
        leads = list(Lead.objects.visible_to(user).open().filter(contact_links__contact=contact).distinct()[:2])
        # Theirs only where there is no doubt for whom they stand.
        only = len(clients) + len(leads) == 1
        return Place(
            lead=leads[0] if only and leads else None, client=clients[0] if only and clients else None
        ), contact.email
    return Place(), ""


def fresh(place: Place, initial: dict[str, Any], others: list[str] | None = None) -> Composer:
    """A composer in which nobody has written yet; its key makes one mail of it however often it is sent."""
    return Composer(
        ComposeForm(initial={"key": uuid7(), "version": 0, **initial}),
        place=place,
        others=others,
        templates=template_choices(),
    )


def of_draft(draft: Draft, answer: Answer | None = None) -> Composer:
    """A composer in which `draft` stands as it was kept."""
    initial = {name: getattr(draft, name) for name in ("version", "to", "cc", "subject", "body", "quotes")}
    places = {f"{name}": getattr(draft, f"{name}_id") for name in ("thread", "lead", "client", "reply_to")}
    place = Place(draft.thread, draft.lead, draft.client, draft.reply_to)
    typed = f"{draft.to},{draft.cc}".lower()
    others = [one for one in (answer.others if answer else []) if one.lower() not in typed]
    form = ComposeForm(initial={"key": draft.pk, **initial, **places})
    return Composer(form, draft, place, others, template_choices(), draft.author_id)


# Templates


def template_choices() -> list[tuple[str, str]]:
    """The templates in use, by key and name."""
    return for_composer.choices()


def from_template(key: str, words: Words, place: Place, user: User) -> Words:
    """`words` with a template before them, its gaps filled in as far as there is something to fill in.

    Raises:
        BadInput: there is no such template in use.
    """
    whose = place.thread or place
    subject, body = for_composer.filled_for(key, whose.lead or whose.client, user)
    keeps_subject = bool(words.subject.strip())
    return Words(
        to=words.to,
        cc=words.cc,
        subject=words.subject if keeps_subject else subject,
        body=f"{body}\n\n{words.body.strip()}".strip() if words.body.strip() else body,
        quotes=words.quotes,
    )


def answering_all(words: Words, place: Place) -> Words:
    """`words` with everybody who takes part among those who get a copy."""
    if place.thread is None:
        raise BadInput("There is nobody else to answer: this begins a conversation.")
    typed = f"{words.to},{words.cc}".lower()
    added = [one for one in answer_in(place.thread).others if one.lower() not in typed]
    return Words(
        words.to, ", ".join(filter(None, [words.cc.strip(" ,"), *added])), words.subject, words.body, words.quotes
    )
