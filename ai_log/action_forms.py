"""The form through which people judge an answer."""

from django import forms

from ai_log.models import AIInteraction, Feedback
from ai_log.transitions import MAX_COMMENT_LENGTH, rate_answer
from crm.models import User
from crm.screens.action_forms import ActionForm


class RateAnswer(ActionForm):
    """Did the answer help?"""

    verb, label, permission, icon = "rate", "Did it help?", "ai_log.rate_aiinteraction", "thumbs_up_down"

    feedback = forms.ChoiceField(label="The answer was", choices=Feedback.choices)
    comment = forms.CharField(required=False, max_length=MAX_COMMENT_LENGTH, widget=forms.Textarea(attrs={"rows": 2}))

    def perform(self, record: AIInteraction, by: User) -> str:
        rate_answer(record, self.cleaned_data["feedback"], comment=self.cleaned_data["comment"], by=by)
        return "Thank you: that is kept with the answer."
