"""PR: open a pull request on the forge, once.

Its body has an invisible marker, made of the key of the execution, which is the same for every attempt at the same
content. Before anything is sent, and whenever the outcome is unconfirmed, the forge is asked for a pull request with
that marker. A forge has at most one open pull request for two branches, so even a late request makes no second one.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

from pydantic import Field, field_validator, model_validator

from crm.exceptions import IllegalTransition
from crm.runtime.delivery import Delivery, DeliveryOutcome
from suggestions.choices import LabelCache
from suggestions.forge import (
    ForgeResponse,
    RequestInterrupted,
    RequestNotSent,
    find_pull_request,
    is_forge_configured,
    open_pull_request,
    pull_request_url,
)
from suggestions.kinds.base import OutwardKind, Payload
from suggestions.models import Suggestion, SuggestionExecution, SuggestionType

NAME_REGEX = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
REPOSITORY_PATTERN = re.compile(f"{NAME_REGEX}/{NAME_REGEX}")
BRANCH_PATTERN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+-]{0,253}[A-Za-z0-9_+-])?")
FORK_PATTERN = re.compile(f"(?:{NAME_REGEX}:)?")
# What git allows in no branch name.
INVALID_BRANCH_PATTERN = re.compile(r"\.\.|//|/\.|\./|\.lock(?:/|$)")

FORGE_NOT_CONFIGURED = "There is no forge: set FORGE_URL and FORGE_TOKEN."
PULL_REQUEST_MISSING = "The pull request is not on the forge. It is tried again."
RETRY_STATUSES = (408, 425, 429)
# The answer if these branches have a pull request already, perhaps ours.
DUPLICATE_STATUSES = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class PullRequestPayload(Payload):
    repository: str = Field(max_length=201, description="Owner and name, such as agency/website.")
    title: str = Field(min_length=1, max_length=250)
    body: str = Field(default="", max_length=60_000, json_schema_extra={"widget": "textarea"})
    head: str = Field(max_length=355, title="From branch", description="A branch, or owner:branch of a fork.")
    base: str = Field(max_length=255, title="Into branch")

    @field_validator("repository")
    @classmethod
    def check_repository(cls, value: str) -> str:
        if not REPOSITORY_PATTERN.fullmatch(value) or ".." in value:
            raise ValueError("This must be owner/name.")
        return value

    @field_validator("title")
    @classmethod
    def check_one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("This must be one line.")
        return value

    @field_validator("base")
    @classmethod
    def check_branch(cls, value: str) -> str:
        if not BRANCH_PATTERN.fullmatch(value) or INVALID_BRANCH_PATTERN.search(value):
            raise ValueError("This is not a branch name.")
        return value

    @field_validator("head")
    @classmethod
    def check_head(cls, value: str) -> str:
        fork, colon, branch = value.rpartition(":")
        if not FORK_PATTERN.fullmatch(fork + colon) or ".." in fork:
            raise ValueError("This is not a branch name.")
        cls.check_branch(branch)
        return value

    @model_validator(mode="after")
    def check_branches_differ(self) -> "PullRequestPayload":
        if self.head == self.base:
            raise ValueError("The two branches must not be the same.")
        return self


class PullRequestKind(OutwardKind):
    type = SuggestionType.PR
    Payload = PullRequestPayload
    permission, action_phrase = "suggestions.open_pull_request", "open a pull request"
    summary_field = "title"
    irreversible_reason = "A pull request cannot be taken back from here: close it on the forge."

    @classmethod
    def is_offered(cls) -> bool:
        return is_forge_configured()

    @classmethod
    def guard(cls, payload: PullRequestPayload, suggestion: Suggestion) -> None:
        if not is_forge_configured():
            raise IllegalTransition(FORGE_NOT_CONFIGURED)

    @classmethod
    def sentence(cls, payload: PullRequestPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        where = f"{payload.repository}, from {payload.head} into {payload.base}"
        return f"Open the pull request “{payload.title}” in {where}."

    @classmethod
    def outgoing_text(cls, payload: PullRequestPayload, suggestion: Suggestion) -> str:
        return f"{payload.title}\n\n{payload.body}"

    @classmethod
    def deliver(cls, execution: SuggestionExecution, last_check: Callable[[], Delivery | None]) -> Delivery:
        if not is_forge_configured():
            return Delivery(DeliveryOutcome.REJECTED, FORGE_NOT_CONFIGURED)
        payload = cls.parse_content(execution.suggestion.approved_content)
        found = check_before_sending(payload, execution)
        stopped = found or last_check()
        return stopped or send_and_interpret(payload, execution)

    @classmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        if not is_forge_configured():
            return Delivery(
                DeliveryOutcome.UNCONFIRMED, f"It was interrupted while it was sent. {FORGE_NOT_CONFIGURED}"
            )
        payload = cls.parse_content(execution.suggestion.approved_content)
        return check_arrival(
            payload, execution, "It was interrupted while it was sent.", missing=delivery_later(PULL_REQUEST_MISSING)
        )


def body_marker(execution: SuggestionExecution) -> str:
    return f"<!-- suggestion {execution.idempotency_key} -->"


def find_existing(payload: PullRequestPayload, execution: SuggestionExecution) -> ForgeResponse | str | None:
    mark = body_marker(execution)
    return find_pull_request(payload.repository, head=payload.head, base=payload.base, marker=mark)


def check_before_sending(payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery | None:
    """Return the outcome if nothing must be sent: it exists already, or the forge rejects it; None to go on."""
    try:
        found = find_existing(payload, execution)
    except (RequestNotSent, RequestInterrupted) as error:  # asking changes nothing
        return delivery_later(str(error))
    if isinstance(found, str):
        return delivery_done(found)
    if not isinstance(found, ForgeResponse):
        return None
    if found.status in RETRY_STATUSES or found.retry_after or found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return delivery_later(f"{found.sentence}.")
    return Delivery(DeliveryOutcome.REJECTED, f"{found.sentence}. Nothing was sent.")


def send_and_interpret(payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """Send it, and find out the outcome."""
    content = payload.model_dump(include={"title", "head", "base"})
    content["body"] = f"{payload.body}\n\n{body_marker(execution)}"
    try:
        answer = open_pull_request(payload.repository, content)
    except RequestNotSent as error:
        return delivery_later(str(error))
    except RequestInterrupted as error:
        return check_arrival(payload, execution, str(error), missing=delivery_later(f"{error} {PULL_REQUEST_MISSING}"))
    return interpret_response(answer, payload, execution)


def interpret_response(answer: ForgeResponse, payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """Return the outcome that `answer` means.

    A forge that answers 429 has not processed it. A gateway that answers 5xx may have passed it on before, so the
    forge is asked, as it is after an answer that no forge gives.
    """
    reason = f"{answer.sentence}."
    if answer.status == HTTPStatus.CREATED:
        return delivery_of_created(answer, payload, execution)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or (answer.retry_after and answer.status == 403):
        return delivery_later(reason)
    if answer.status in RETRY_STATUSES or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return check_arrival(payload, execution, reason, missing=delivery_later(reason))
    rejected = Delivery(DeliveryOutcome.REJECTED, reason)
    if answer.status in DUPLICATE_STATUSES:
        return check_arrival(payload, execution, reason, missing=rejected, unclear=delivery_later(reason))
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return rejected
    return check_arrival(payload, execution, reason, missing=rejected)


def delivery_of_created(answer: ForgeResponse, payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """Return it as delivered, with its URL; the forge is asked for that if its answer is unreadable."""
    delivery = delivery_done(pull_request_url(answer.body))
    return delivery if answer.body else check_arrival(payload, execution, "", missing=delivery, unclear=delivery)


def check_arrival(
    payload: PullRequestPayload,
    execution: SuggestionExecution,
    why: str,
    *,
    missing: Delivery,
    unclear: Delivery | None = None,
) -> Delivery:
    """Ask the forge whether it exists: delivered, else `missing`; if it cannot tell, `unclear` or unconfirmed."""
    try:
        found = find_existing(payload, execution)
    except (RequestNotSent, RequestInterrupted) as error:
        return unclear or Delivery(DeliveryOutcome.UNCONFIRMED, f"{why} Asked whether it arrived: {error}")
    if isinstance(found, str):
        return delivery_done(found)
    if isinstance(found, ForgeResponse):
        return unclear or Delivery(DeliveryOutcome.UNCONFIRMED, f"{why} Asked whether it arrived: {found.sentence}.")
    return missing


def delivery_done(address: str) -> Delivery:
    return Delivery(DeliveryOutcome.DELIVERED, reference=address, result={"pull_request": address})


def delivery_later(said: str) -> Delivery:
    return Delivery(DeliveryOutcome.RETRY_LATER, said)
