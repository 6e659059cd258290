"""The form through which people judge an answer."""

from django import forms

from ai_log.models import AIInteraction, Feedback
from ai_log.transitions import COMMENT_LENGTH, rate
from crm.models import User
from crm.screens.action_forms import DeedForm


class Rate(DeedForm):
    """Did the answer help?"""

    verb, label, permission, icon = "rate", "Did it help?", "ai_log.rate_aiinteraction", "thumbs_up_down"

    feedback = forms.ChoiceField(label="The answer was", choices=Feedback.choices)
    comment = forms.CharField(required=False, max_length=COMMENT_LENGTH, widget=forms.Textarea(attrs={"rows": 2}))

    def perform(self, record: AIInteraction, by: User) -> str:
        rate(record, self.cleaned_data["feedback"], comment=self.cleaned_data["comment"], by=by)
        return "Thank you: that is kept with the answer."
