"""The form in which staff set up a web form."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminURLInputWidget,
)

from crm.screens.json_forms.fields import make_tags_field, replace_fields
from crm.screens.json_forms.inputs import LineListInput
from crm.screens.record_forms import RecordForm
from crm.text.hidden_characters import strip_hidden_characters
from crm.text.links import web_origin
from inbox.models import ANY_ORIGIN, WebForm, WebFormField
from inbox.models.web_form import MAX_QUESTION_LENGTH
from inbox.web_forms.sender_form import CONSENT, LABELS, LINE_PREFIX, TECHNICAL_FIELDS

MAX_ORIGINS, MAX_QUESTIONS = 50, 20
RESERVED_NAMES = {name.casefold() for name in (*LABELS, *LABELS.values(), CONSENT, *TECHNICAL_FIELDS)}


def choose_fields(label: str, help_text: str = "") -> forms.MultipleChoiceField:
    """Return checkboxes for the standard fields."""
    return forms.MultipleChoiceField(
        choices=WebFormField.choices,
        required=False,
        label=label,
        help_text=help_text,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


def make_lines_field(label: str, help_text: str) -> LineListInput:
    return LineListInput(label=label, help_text=help_text, widget=UnfoldAdminTextareaWidget({"rows": 4}))


class WebFormForm(RecordForm):
    redirect_url = forms.URLField(
        label="Thanks page",
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget,
        help_text=WebForm._meta.get_field("redirect_url").help_text,
    )

    class Meta:
        model = WebForm
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        questions_help = "One a line. Each answer becomes a custom field of a new lead."
        origins_help = (
            "One a line, such as https://www.example.com: the websites on which the form is pasted. Enter it with and "
            f"without “www.” if both are in use; {ANY_ORIGIN} stands for every website. The hosted page needs no entry."
        )
        replace_fields(
            self,
            {
                "shown_fields": choose_fields("Fields", "The name is always asked for."),
                "required_fields": choose_fields("Required"),
                "questions": make_lines_field("Further questions", questions_help),
                "allowed_origins": make_lines_field("Allowed websites", origins_help),
                "tags": make_tags_field(),
            },
        )

    def clean_questions(self) -> list[str]:
        questions = list(dict.fromkeys(map(strip_hidden_characters, self.cleaned_data["questions"])))
        for question in questions:
            if len(question) > MAX_QUESTION_LENGTH:
                raise forms.ValidationError(f"“{question}” is longer than {MAX_QUESTION_LENGTH} characters.")
            if question.casefold() in RESERVED_NAMES or question.startswith(LINE_PREFIX):
                raise forms.ValidationError(f"“{question}” is the name of a field of the form. Word it differently.")
        if len(questions) > MAX_QUESTIONS:
            raise forms.ValidationError(f"Enter at most {MAX_QUESTIONS} questions; these are {len(questions)}.")
        return questions

    def clean_allowed_origins(self) -> list[str]:
        origins = [one if one == ANY_ORIGIN else web_origin(one) or one for one in self.cleaned_data["allowed_origins"]]
        for origin in origins:
            if origin != ANY_ORIGIN and not web_origin(origin):
                raise forms.ValidationError(
                    f"“{origin[:60]}” is not the address of a website. Write it as https://www.example.com."
                )
        if len(origins) > MAX_ORIGINS:
            raise forms.ValidationError(f"Enter at most {MAX_ORIGINS} websites; these are {len(origins)}.")
        return list(dict.fromkeys(origins))
