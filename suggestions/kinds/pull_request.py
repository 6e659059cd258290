"""PR: open a pull request on the forge, once.

Its body carries a mark that nobody sees, made of the execution's key, which is the same for every attempt at the
same content. Before anything is sent, and whenever it is not known what became of it, the forge is asked whether a
pull request with that mark is there. A forge holds one open pull request for two branches at most, so that even a
request that arrives late makes no second one.
"""

import re
from collections.abc import Callable

import httpx
from pydantic import Field, field_validator, model_validator

from crm.exceptions import IllegalMove
from crm.records.activity import Actor
from crm.runtime.delivery import Delivery, Outcome
from suggestions.choices import Names
from suggestions.forge import Answer, CutOff, NotSent, address_of, find_pull_request, is_set_up, open_pull_request
from suggestions.kinds.base import OutwardKind, Payload
from suggestions.models import Suggestion, SuggestionExecution, SuggestionType

NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
REPOSITORY = re.compile(f"{NAME}/{NAME}")
BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/+-]{0,253}[A-Za-z0-9_+-])?")
FORK = re.compile(f"(?:{NAME}:)?")
# What git itself takes in no branch.
NO_BRANCH = re.compile(r"\.\.|//|/\.|\./|\.lock(?:/|$)")

NOT_SET_UP = "No forge is set up here: FORGE_URL and FORGE_TOKEN name one."
NOT_THERE = "The pull request is not on the forge. It is tried again."
TOO_EARLY = (408, 425, 429)
# The forge says so where there is one for these branches already, perhaps ours.
THERE_ALREADY = (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY)


class PullRequestPayload(Payload):
    repository: str = Field(max_length=201, description="Owner and name, such as agency/website.")
    title: str = Field(min_length=1, max_length=250)
    body: str = Field(default="", max_length=60_000, json_schema_extra={"widget": "textarea"})
    head: str = Field(max_length=355, title="From branch", description="A branch, or owner:branch of a fork.")
    base: str = Field(max_length=255, title="Into branch")

    @field_validator("repository")
    @classmethod
    def a_repository(cls, value: str) -> str:
        if not REPOSITORY.fullmatch(value) or ".." in value:
            raise ValueError("This must be owner/name.")
        return value

    @field_validator("title")
    @classmethod
    def one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("This must be one line.")
        return value

    @field_validator("base")
    @classmethod
    def a_branch(cls, value: str) -> str:
        if not BRANCH.fullmatch(value) or NO_BRANCH.search(value):
            raise ValueError("This is no name of a branch.")
        return value

    @field_validator("head")
    @classmethod
    def a_branch_perhaps_of_a_fork(cls, value: str) -> str:
        fork, colon, branch = value.rpartition(":")
        if not FORK.fullmatch(fork + colon) or ".." in fork:
            raise ValueError("This is no name of a branch.")
        cls.a_branch(branch)
        return value

    @model_validator(mode="after")
    def two_branches(self) -> "PullRequestPayload":
        if self.head == self.base:
            raise ValueError("The two branches must not be the same.")
        return self


class PullRequestKind(OutwardKind):
    type = SuggestionType.PR
    Payload = PullRequestPayload
    permission, deed = "suggestions.open_pull_request", "open a pull request"
    gist = "title"
    cannot_be_undone = "A pull request cannot be taken back from here: close it on the forge."

    @classmethod
    def guard(cls, payload: PullRequestPayload, suggestion: Suggestion) -> None:
        if not is_set_up():
            raise IllegalMove(NOT_SET_UP)

    @classmethod
    def sentence(cls, payload: PullRequestPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        where = f"{payload.repository}, from {payload.head} into {payload.base}"
        return f"Opens the pull request “{payload.title}” in {where}."

    @classmethod
    def prose(cls, payload: PullRequestPayload, suggestion: Suggestion) -> str:
        return f"{payload.title}\n\n{payload.body}"

    @classmethod
    def prepare(
        cls, payload: PullRequestPayload, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> None:
        """Nothing is made beforehand: the payload is all that is sent."""

    @classmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        """Nothing was made beforehand."""

    @classmethod
    def give_up(cls, execution: SuggestionExecution, why: str, *, certain: bool = True) -> None:
        """Nothing was made beforehand: the execution itself says what became of it."""

    @classmethod
    def deliver(cls, execution: SuggestionExecution, go: Callable[[], Delivery | None]) -> Delivery:
        if not is_set_up():
            return Delivery(Outcome.REFUSED, NOT_SET_UP)
        payload = cls.check(execution.suggestion.approved_content)
        found = before_sending(payload, execution)
        stopped = found or go()
        return stopped or sent(payload, execution)

    @classmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        if not is_set_up():
            return Delivery(Outcome.UNKNOWN, f"It was cut off while it was sent. {NOT_SET_UP}")
        payload = cls.check(execution.suggestion.approved_content)
        return afterwards(payload, execution, "It was cut off while it was sent.", missing=later(NOT_THERE))


def marker(execution: SuggestionExecution) -> str:
    return f"<!-- suggestion {execution.idempotency_key} -->"


def look(payload: PullRequestPayload, execution: SuggestionExecution) -> Answer | str | None:
    mark = marker(execution)
    return find_pull_request(payload.repository, head=payload.head, base=payload.base, marker=mark)


def before_sending(payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery | None:
    """How it ends without anything being sent: it is there already, or the forge will not have it; None: go on."""
    try:
        found = look(payload, execution)
    except (NotSent, CutOff) as error:  # asking does nothing
        return later(str(error))
    if isinstance(found, str):
        return done(found)
    if not isinstance(found, Answer):
        return None
    if found.status in TOO_EARLY or found.retry_after or found.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return later(f"{found.sentence}.")
    return Delivery(Outcome.REFUSED, f"{found.sentence}. Nothing was sent.")


def sent(payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """Send it, and find out what became of it."""
    content = payload.model_dump(include={"title", "head", "base"})
    content["body"] = f"{payload.body}\n\n{marker(execution)}"
    try:
        answer = open_pull_request(payload.repository, content)
    except NotSent as error:
        return later(str(error))
    except CutOff as error:
        return afterwards(payload, execution, str(error), missing=later(f"{error} {NOT_THERE}"))
    return judged(answer, payload, execution)


def judged(answer: Answer, payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """What `answer` to sending it means.

    Whoever answers 429 has turned it away at the door. A gateway that answers 5xx may have handed it on before, so
    the forge is asked; so it is where the answer is none that a forge gives.
    """
    said = f"{answer.sentence}."
    if answer.status == httpx.codes.CREATED:
        return created(answer, payload, execution)
    if answer.status == httpx.codes.TOO_MANY_REQUESTS or (answer.retry_after and answer.status == 403):
        return later(said)
    if answer.status in TOO_EARLY or answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return afterwards(payload, execution, said, missing=later(said))
    refused = Delivery(Outcome.REFUSED, said)
    if answer.status in THERE_ALREADY:
        return afterwards(payload, execution, said, missing=refused, unclear=later(said))
    if answer.status >= httpx.codes.BAD_REQUEST:
        return refused
    return afterwards(payload, execution, said, missing=refused)


def created(answer: Answer, payload: PullRequestPayload, execution: SuggestionExecution) -> Delivery:
    """It is there; where, the forge is asked if its answer could not be read."""
    there = done(address_of(answer.body))
    return there if answer.body else afterwards(payload, execution, "", missing=there, unclear=there)


def afterwards(
    payload: PullRequestPayload,
    execution: SuggestionExecution,
    why: str,
    *,
    missing: Delivery,
    unclear: Delivery | None = None,
) -> Delivery:
    """Ask the forge whether it is there: done, or `missing`, or (where it does not say) nobody knows."""
    try:
        found = look(payload, execution)
    except (NotSent, CutOff) as error:
        return unclear or Delivery(Outcome.UNKNOWN, f"{why} Asked whether it arrived: {error}")
    if isinstance(found, str):
        return done(found)
    if isinstance(found, Answer):
        return unclear or Delivery(Outcome.UNKNOWN, f"{why} Asked whether it arrived: {found.sentence}.")
    return missing


def done(address: str) -> Delivery:
    return Delivery(Outcome.DONE, reference=address, result={"pull_request": address})


def later(said: str) -> Delivery:
    return Delivery(Outcome.LATER, said)
