"""The screens of lines: the list, the editor of a line's questions, and the records that answer them."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from crm.exceptions import ActionRefused
from crm.records.base import can_see_everyone
from crm.screens.json_forms.fields import SchemaWidget
from crm.screens.json_forms.schema import Schema
from crm.screens.record_page.deletion import CountedDeletionMixin
from leads.lines.form_schemas import without_defaults
from leads.lines.forms import FormAsJson, InsuranceTypeForm, QuestionForm, existing_question
from leads.lines.questions import (
    GROUP,
    asked_questions,
    default_answers,
    find_question,
    move_question,
    questions_of,
    retire_question,
)
from leads.lines.survey import SAMPLED_ROW_COUNT, survey_answers
from leads.lines.transitions import change_form, form_digest, start_upgrade
from leads.models import InsuranceType

MOVES = {"up": -1, "down": 1}
RETIREMENTS = {"retire": True, "bring_back": False}
RETIREMENT_SENTENCES = {
    "retire": "“{}” is retired. Its answers stay.",
    "bring_back": "“{}” is asked again.",
}


class InsuranceTypeAdmin(CountedDeletionMixin, ModelAdmin):
    form = InsuranceTypeForm
    list_display = ("name", "code", "questions", "is_personal", "is_commercial", "is_active", "schema_version")
    ordering = ("name",)
    change_form_outer_before_template = "crm/form_heading.html"
    change_form_before_template = "leads/lines/link.html"

    def get_readonly_fields(self, request: HttpRequest, obj: InsuranceType | None = None) -> tuple[str, ...]:
        return ("code", "schema_version") if obj else ()

    @admin.display(description="Questions")
    def questions(self, line: InsuranceType) -> str:
        asked = [question for question in questions_of(line.form_schema) if not question.is_retired]
        return format_html('<a href="{}">{}</a>', page_address(line, "questions"), len(asked))

    def response_add(self, request: HttpRequest, obj: InsuranceType, post_url_continue: str | None = None) -> Any:
        if set(request.POST) & {"_addanother", "_popup", "_continue"}:
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, f"The line “{obj}” was added. Now add its questions.")
        return HttpResponseRedirect(page_address(obj, "questions"))

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        pages = {
            "questions": self.questions_view,
            "question": self.question_view,
            "json": self.json_view,
            "records": self.records_view,
        }
        return [
            *(path(f"<uuid:pk>/{name}/", wrap(view), name=address_name(name)) for name, view in pages.items()),
            *super().get_urls(),
        ]

    def page(self, request: HttpRequest, template: str, line: InsuranceType, title: str, **extra: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": line,
            "line": line,
            "digest": form_digest(line.form_schema),
            "can_change": self.has_change_permission(request),
            "can_see_records": self.has_change_permission(request) and can_see_everyone(request.user),
            **extra,
        }
        return TemplateResponse(request, f"leads/lines/{template}.html", context)

    def line_to_change(self, request: HttpRequest, pk: UUID) -> InsuranceType:
        line = get_object_or_404(InsuranceType, pk=pk)
        if not self.has_change_permission(request, line):
            raise PermissionDenied
        return line

    # The questions

    def questions_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show the questions of a line with a preview; a button moves one, retires it or brings it back."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        line = get_object_or_404(InsuranceType, pk=pk)
        if request.method == "POST":
            self.apply_button(request, self.line_to_change(request, pk))
            return HttpResponseRedirect(page_address(line, "questions"))
        groups = [question for question in questions_of(line.form_schema) if question.kind == GROUP]
        tables = [
            ("", "Questions", questions_of(line.form_schema)),
            *((one.key, one.label, questions_of(line.form_schema, one.key)) for one in groups),
        ]
        title = f"Questions of {line}"
        return self.page(request, "questions", line, title, tables=tables, preview=render_form(line.form_schema))

    def apply_button(self, request: HttpRequest, line: InsuranceType) -> None:
        """Carry out the button that was pressed: `up`, `down`, `retire` or `bring_back` with a group and a key."""
        verb = next((name for name in (*MOVES, *RETIREMENTS) if name in request.POST), "")
        group, _, key = request.POST.get(verb, "").partition(".")
        try:
            label = find_question(line.form_schema, group, key).label
            if verb in MOVES:
                form, sentence = move_question(line.form_schema, group, key, MOVES[verb]), ""
            else:
                form = retire_question(line.form_schema, group, key, is_retired=RETIREMENTS[verb])
                sentence = RETIREMENT_SENTENCES[verb].format(label)
            change_form(line, form, digest=request.POST.get("digest", ""), by=request.user)
        except KeyError:
            messages.error(request, "This question no longer exists. Reload the page.")
        except ActionRefused as error:
            messages.error(request, str(error))
        else:
            if sentence:
                messages.success(request, sentence)

    def question_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Add or change a question; “Preview” shows the form as it would be, and saves nothing."""
        line = self.line_to_change(request, pk)
        group, key = request.GET.get("group", ""), request.GET.get("key", "")
        try:
            question = existing_question(line.form_schema, group, key)
        except KeyError as error:
            raise Http404 from error
        form, preview = QuestionForm(request.POST or None, line.form_schema, group, question), ""
        if form.is_valid():
            if "preview" in request.POST:
                preview = render_form(form.changed_form())
            elif self.save(request, line, form.changed_form(), form):
                return HttpResponseRedirect(page_address(line, "questions"))
        title = question.label if question else "Add a question"
        group_label = find_question(line.form_schema, "", group).label if group else ""
        advanced = json.dumps(question.advanced, indent=2, ensure_ascii=False) if question and question.advanced else ""
        context = {"question": question, "group_label": group_label, "advanced": advanced, "preview": preview}
        return self.page(request, "question", line, title, form=form, **context)

    def save(self, request: HttpRequest, line: InsuranceType, changed: Schema, form: Any) -> bool:
        """Replace the form of `line`; a refusal becomes an error of `form`."""
        try:
            count = change_form(line, changed, digest=request.POST.get("digest", ""), by=request.user)
        except ActionRefused as error:
            form.add_error(None, str(error))
            return False
        answers = f"{count:,} stored answer{'' if count == 1 else 's'}"
        # The records of other owners count, too.
        answers = answers if can_see_everyone(request.user) else "Stored answers"
        sentence = f"{answers} will be converted shortly." if count else ""
        messages.success(request, f"The form of “{line}” is saved. {sentence}".strip())
        return True

    def json_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Edit the whole form as JSON."""
        line = self.line_to_change(request, pk)
        text = json.dumps(line.form_schema, indent=2, ensure_ascii=False)
        form = FormAsJson(request.POST or None, initial={"text": text})
        if form.is_valid() and self.save(request, line, form.cleaned_data["text"], form):
            return HttpResponseRedirect(page_address(line, "questions"))
        return self.page(request, "json", line, f"Form of {line} as JSON", form=form)

    # The records

    def records_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show the versions and misfits of the newest records; a button upgrades all of them."""
        line = self.line_to_change(request, pk)
        if not can_see_everyone(request.user):
            raise PermissionDenied
        if request.method == "POST":
            start_upgrade(line, by=request.user)
            sentence = f"The records of “{line}” are being brought to version {line.schema_version}."
            messages.success(request, sentence)
            return HttpResponseRedirect(page_address(line, "records"))
        title = f"Answers to the questions of {line}"
        survey = survey_answers(line)
        context = {"survey": survey, "needs_upgrade": survey.needs_upgrade(line.schema_version)}
        return self.page(request, "records", line, title, **context, sampled_row_count=SAMPLED_ROW_COUNT)


def address_name(page: str) -> str:
    return f"leads_insurancetype_{page}"


def page_address(line: InsuranceType, page: str) -> str:
    return reverse(f"admin:{address_name(page)}", args=[line.pk])


def render_form(form: Schema) -> str:
    """Return the inputs of a form for a preview, as a new record begins."""
    return SchemaWidget(without_defaults(asked_questions(form))).render("preview", default_answers(form))
