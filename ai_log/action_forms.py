"""The action form for rating an AI answer."""

from django import forms

from ai_log.models import AIInteraction, Feedback
from ai_log.transitions import MAX_COMMENT_LENGTH, rate_answer
from crm.models import User
from crm.screens.action_forms import ActionForm


class RateAnswer(ActionForm):
    """Rate an answer as helpful or not."""

    verb, label, permission, icon = "rate", "Rate answer", "ai_log.rate_aiinteraction", "thumbs_up_down"
    past_tense = "rated"

    feedback = forms.ChoiceField(label="Rating", choices=Feedback.choices)
    comment = forms.CharField(required=False, max_length=MAX_COMMENT_LENGTH, widget=forms.Textarea(attrs={"rows": 2}))

    def perform(self, record: AIInteraction, by: User) -> str:
        rate_answer(record, self.cleaned_data["feedback"], comment=self.cleaned_data["comment"], by=by)
        return "Thank you. Your rating was saved."
