"""The composer: its form, initial values and templates."""

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

from crm.exceptions import InvalidInput
from crm.models import Client, Contact, User
from crm.screens.record_forms import LaterForm
from crm.text.cleaning import clean_form_text
from inbox.drafts.replies import ReplyDefaults, load_reply_defaults
from inbox.drafts.reply_conflicts import concurrent_drafts, describe_newer_message, find_newer_message
from inbox.drafts.transitions import MAX_RECIPIENTS_LENGTH, DraftContent, DraftDestination
from inbox.email_templates import for_composer
from inbox.email_templates.signatures import load_signature
from inbox.models import Draft, Message, Thread
from inbox.outgoing import tracking
from inbox.outgoing.outbox import MAX_EMAIL_LENGTH, SEND_PERMISSION
from leads.models import Lead

MAX_DRAFT_SUBJECT_LENGTH = 500
BODY_WIDGET = forms.Textarea(attrs={"rows": 8, "aria-label": "Text"})


class MultipleFileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ComposeForm(forms.Form):
    """An email as typed, and the thread or record it belongs to."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    thread = forms.UUIDField(required=False, widget=forms.HiddenInput)
    lead = forms.UUIDField(required=False, widget=forms.HiddenInput)
    client = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reply_to = forms.UUIDField(required=False, widget=forms.HiddenInput)
    # The newer message that the author has been warned about.
    seen = forms.UUIDField(required=False, widget=forms.HiddenInput)
    to = forms.CharField(required=False, max_length=MAX_RECIPIENTS_LENGTH, label="To")
    cc = forms.CharField(required=False, max_length=MAX_RECIPIENTS_LENGTH, label="Cc")
    subject = forms.CharField(required=False, max_length=MAX_DRAFT_SUBJECT_LENGTH, label="Subject")
    body = forms.CharField(required=False, max_length=MAX_EMAIL_LENGTH, strip=False, widget=BODY_WIDGET, label="Text")
    quotes = forms.BooleanField(required=False, label="Include quoted text")
    signs = forms.BooleanField(required=False, initial=True, label="Add your signature")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="compose_%s", **kwargs)
        for name in ("to", "cc"):
            self.fields[name].widget.attrs.update(autocomplete="off", inputmode="email", spellcheck="false")

    def content(self) -> DraftContent:
        data = self.cleaned_data
        texts = {name: clean_form_text(data[name]) for name in ("to", "cc", "subject", "body")}
        return DraftContent(**texts, quotes=data["quotes"], signs=data["signs"])

    def destination(self, user: User) -> DraftDestination:
        """Return the thread, lead or client that the email belongs to.

        Raises:
            InvalidInput: it does not exist, or `user` may not see it.
        """
        data = self.cleaned_data
        if data["thread"]:
            thread = get_visible_record(Thread, data["thread"], user)
            replied_message = Message.objects.filter(pk=data["reply_to"], thread=thread).first()
            return DraftDestination(thread=thread, reply_to=replied_message)
        lead = get_visible_record(Lead, data["lead"], user) if data["lead"] else None
        client = get_visible_record(Client, data["client"], user) if data["client"] else None
        return DraftDestination(lead=lead, client=client)


@dataclass
class Composer:
    """The compose form with its context: the stored draft, its destination, and the recipients of "Reply all"."""

    form: ComposeForm
    draft: Draft | None = None
    destination: DraftDestination = DraftDestination()
    other_recipients: list[str] | None = None
    templates: list[tuple[str, str]] | None = None
    # The user who is writing.
    author: User | None = None
    # Unknown addresses that the author must confirm.
    unconfirmed_addresses: tuple[str, ...] = ()
    error: str = ""
    # The newer message that caused the refusal, if any.
    newest_message_id: UUID | None = None

    @cached_property
    def newer_message(self) -> Message | None:
        """The newest message since the one being replied to; None if there is none or the author was warned before."""
        return find_newer_message(self.draft) if self.draft and not self.form["seen"].value() else None

    @property
    def newer_message_notice(self) -> str:
        """A sentence that says who wrote the newer message, and when."""
        return describe_newer_message(self.draft, self.newer_message) if self.draft and self.newer_message else ""

    @property
    def concurrent_drafts(self) -> list[Draft]:
        """The drafts of colleagues in the same thread."""
        return (
            list(concurrent_drafts(self.destination.thread, exclude_author=self.author.pk))
            if self.destination.thread and self.author
            else []
        )

    @property
    def tracking_notice(self) -> str:
        """A notice that the email will be tracked; empty if it will not."""
        thread = self.destination.thread
        return (
            tracking.TRACKING_NOTICE if tracking.should_track(thread.lead if thread else self.destination.lead) else ""
        )

    @cached_property
    def signature(self) -> str:
        """The signature of the author, filled in."""
        return load_signature(self.author)

    @property
    def later(self) -> LaterForm:
        """The form of "Send later", whose fields stand among those of the composer."""
        return LaterForm(auto_id="compose_later_%s")

    @property
    def url(self) -> str:
        return reverse("admin:inbox_draft_add")

    @property
    def replied_message(self) -> Message | None:
        return self.destination.reply_to


def get_visible_record(model: type[Model], pk: UUID | str, user: User) -> Any:
    """Return the live row `pk` if `user` may see it.

    Raises:
        InvalidInput: there is no such row.
    """
    meta = model._meta
    try:
        is_permitted = user.has_perm(f"{meta.app_label}.view_{meta.model_name}")
        row = model.objects.visible_to(user).filter(pk=pk).first() if is_permitted else None
    except ValidationError:  # `pk` is not a UUID
        row = None
    if row is None:
        raise InvalidInput(
            f"This {model._meta.verbose_name} does not exist, was deleted, or you do not have access to it."
        )
    return row


def composer_for_thread(request: HttpRequest, thread: Thread) -> Composer | None:
    """Return the composer on the page of `thread`: the user's draft or a new reply; None if a reply is not possible."""
    user = request.user
    if not thread.accepts_email or thread.is_deleted or not user.has_perm(SEND_PERMISSION):
        return None
    answer = load_reply_defaults(thread)
    draft = Draft.objects.visible_to(user).filter(thread=thread).select_related("reply_to").first()
    if draft is not None:
        draft.thread, draft.author = thread, user
        return composer_for_draft(draft, answer)
    initial = {"thread": thread.pk, "to": ", ".join(answer.to), "subject": answer.subject}
    if answer.message is not None:
        initial |= {"reply_to": answer.message.pk, "quotes": True}
    composer = new_composer(DraftDestination(thread=thread, reply_to=answer.message), initial, answer.other_recipients)
    composer.author = user
    return composer


def composer_for_new_email(request: HttpRequest) -> Composer:
    """Return a composer for a new email to the lead, client or contact in the URL."""
    data, user = request.GET, request.user
    try:
        destination, to = resolve_recipient(data, user)
    except InvalidInput as error:
        composer = new_composer(DraftDestination(), {})
        composer.error, composer.author = str(error), user
        return composer
    linked_ids = {name: getattr(destination, name).pk for name in ("lead", "client") if getattr(destination, name)}
    composer = new_composer(destination, {"to": to, **linked_ids})
    composer.author = user
    return composer


def resolve_recipient(data: Mapping[str, str], user: User) -> tuple[DraftDestination, str]:
    """Return the destination of a new email, and the recipient's address.

    Raises:
        InvalidInput: the recipient does not exist, or `user` may not see it.
    """
    if "lead" in data:
        lead = get_visible_record(Lead, data["lead"], user)
        return DraftDestination(lead=lead), lead.contact_email
    if "client" in data:
        client = get_visible_record(Client, data["client"], user)
        return DraftDestination(client=client), client.email
    if "contact" in data:
        contact = get_visible_record(Contact, data["contact"], user)
        clients = list(Client.objects.visible_to(user).filter(contact_links__contact=contact).distinct()[:2])
        leads = list(Lead.objects.visible_to(user).open().filter(contact_links__contact=contact).distinct()[:2])
        # Link the email only if the contact belongs to exactly one lead or client.
        is_unambiguous = len(clients) + len(leads) == 1
        return DraftDestination(
            lead=leads[0] if is_unambiguous and leads else None,
            client=clients[0] if is_unambiguous and clients else None,
        ), contact.email
    return DraftDestination(), ""


def new_composer(
    destination: DraftDestination, initial: dict[str, Any], other_recipients: list[str] | None = None
) -> Composer:
    """Return an empty composer. Its key ensures that submitting twice sends one email."""
    return Composer(
        ComposeForm(initial={"key": uuid7(), "version": 0, **initial}),
        destination=destination,
        other_recipients=other_recipients,
        templates=template_choices(),
    )


def composer_for_draft(draft: Draft, answer: ReplyDefaults | None = None) -> Composer:
    """Return a composer filled with `draft`."""
    initial = {name: getattr(draft, name) for name in ("version", "to", "cc", "subject", "body", "quotes", "signs")}
    linked_ids = {f"{name}": getattr(draft, f"{name}_id") for name in ("thread", "lead", "client", "reply_to")}
    destination = DraftDestination(draft.thread, draft.lead, draft.client, draft.reply_to)
    entered_addresses = f"{draft.to},{draft.cc}".lower()
    other_recipients = [
        one for one in (answer.other_recipients if answer else []) if one.lower() not in entered_addresses
    ]
    form = ComposeForm(initial={"key": draft.pk, **initial, **linked_ids})
    return Composer(form, draft, destination, other_recipients, template_choices(), draft.author)


# Templates


def template_choices() -> list[tuple[str, str]]:
    """Return the active templates as (key, name)."""
    return for_composer.composer_template_choices()


def apply_template(key: str, content: DraftContent, destination: DraftDestination, user: User) -> DraftContent:
    """Insert a template before the text of `content`, with its placeholders filled in where a value is known.

    Raises:
        InvalidInput: the template does not exist or is not active.
    """
    linked = destination.thread or destination
    subject, body = for_composer.fill_template(key, linked.lead or linked.client, user)
    keeps_subject = bool(content.subject.strip())
    return DraftContent(
        to=content.to,
        cc=content.cc,
        subject=content.subject if keeps_subject else subject,
        body=f"{body}\n\n{content.body.strip()}".strip() if content.body.strip() else body,
        quotes=content.quotes,
        signs=content.signs,
    )


def add_other_recipients(content: DraftContent, destination: DraftDestination) -> DraftContent:
    """Add the other participants of the thread to the Cc of `content`."""
    if destination.thread is None:
        raise InvalidInput("A new conversation has no other participants to add.")
    entered_addresses = f"{content.to},{content.cc}".lower()
    missing = [
        one for one in load_reply_defaults(destination.thread).other_recipients if one.lower() not in entered_addresses
    ]
    return DraftContent(
        content.to,
        ", ".join(filter(None, [content.cc.strip(" ,"), *missing])),
        content.subject,
        content.body,
        content.quotes,
        content.signs,
    )
