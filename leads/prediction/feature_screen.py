"""Confirm on the screen of a model which features were known at arrival, and show the effect."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from crm.models import User
from crm.screens.action_forms import ActionForm
from crm.screens.json_forms.schema import choice_label
from leads.models import FeatureStanding, PredictionFeature, PredictionModel
from leads.prediction.feature_transitions import decide_features
from leads.prediction.snapshots import CUSTOM_PREFIX
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION

MIN_GAIN_SHOWN = 0.0005
ANSWER_CHOICES = [
    ("", "Undecided"),
    (FeatureStanding.KNOWN, FeatureStanding.KNOWN.label),
    (FeatureStanding.LATER, FeatureStanding.LATER.label),
]


class ConfirmFeatures(ActionForm):
    """Say of each unconfirmed feature whether it was known when the lead arrived."""

    verb, label, permission, icon = "features", "Confirm features", ACTIVATE_MODEL_PERMISSION, "fact_check"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.features = list(PredictionFeature.objects.for_screen())
        for feature in self.features:
            self.fields[field_name(feature)] = forms.ChoiceField(
                choices=ANSWER_CHOICES,
                required=False,
                label=choice_label(feature),
                initial=suggested_answer(feature),
                help_text=" ".join(facts_about(feature)),
            )

    @classmethod
    def is_applicable(cls, record: PredictionModel) -> bool:
        return PredictionFeature.objects.for_screen().exists()

    def perform(self, record: PredictionModel, by: User) -> str:
        answers = {one.name: self.cleaned_data[field_name(one)] or FeatureStanding.UNCONFIRMED for one in self.features}
        changed = decide_features(answers, by=by)
        if not changed:
            return "No feature changed."
        count = len(changed)
        return (
            f"{count} feature{'' if count == 1 else 's'} updated. Training started; "
            "the new version will show the effect."
        )


def field_name(feature: PredictionFeature) -> str:
    return f"feature_{feature.pk.hex}"


def suggested_answer(feature: PredictionFeature) -> str:
    """Return the decision, or what the evidence suggests. Only a person confirms."""
    if feature.is_decided:
        return feature.standing
    return FeatureStanding.LATER if feature.evidence else ""


def facts_about(feature: PredictionFeature) -> Iterator[str]:
    """Yield what training measured of `feature`, as sentences."""
    yield f"Filled in {feature.filled:,} closed lead{'' if feature.filled == 1 else 's'}."
    if feature.gain is not None:
        amount = f"{feature.gain:.3f}" if feature.gain >= MIN_GAIN_SHOWN else "nothing"
        yield f"Would add {amount} to the AUC."
    yield from feature.evidence


@dataclass(frozen=True)
class ModelEffect:
    """A model compared with the version before it."""

    previous: PredictionModel
    added: list[str]
    removed: list[str]


def model_effect(model: PredictionModel) -> ModelEffect | None:
    """Return the features that `model` uses and the previous version does not, and the reverse; None if the same."""
    previous = PredictionModel.objects.filter(version__lt=model.version).order_by("-version").first()
    if previous is None:
        return None
    now, before = (set(one.card.get("features", {})) for one in (model, previous))
    if now == before:
        return None
    return ModelEffect(previous, readable_names(now - before), readable_names(before - now))


def readable_names(names: set[str]) -> list[str]:
    return sorted(name.removeprefix(CUSTOM_PREFIX) for name in names)
