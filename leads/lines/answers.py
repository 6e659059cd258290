"""Whether the answers to a whole form fit, and the conversion of those that do not. Pure: no database."""

from collections.abc import Iterator
from typing import Any

from crm.screens.json_forms.conversion import TYPE_NAMES, ValueCheck, convert_value
from crm.screens.json_forms.schema import VERSION_KEY, Schema, is_object_list, ordered_properties


class FormCheck:
    """Checks and converts the answers to a whole form."""

    def __init__(self, form: Schema) -> None:
        self.questions = ordered_properties(form)
        self.groups = {
            key: FormCheck(inner["items"])
            for key, inner in self.questions.items()
            if is_object_list(inner) and inner["items"].get("properties")
        }
        self.checks = {
            key: ValueCheck({"type": "array"} if key in self.groups else inner) for key, inner in self.questions.items()
        }
        self.required = [key for key in form.get("required", []) if not self.questions.get(key, {}).get("retired")]

    def misfits(self, answers: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield the key (`drivers.born` in a repeated group) and the reason of each answer that does not fit."""
        if not isinstance(answers, dict):
            yield prefix.rstrip("."), TYPE_NAMES["object"]
            return
        for key, value in answers.items():
            if key in self.checks and (reason := self.checks[key].reason(value)):
                yield f"{prefix}{key}", reason
            elif key in self.groups:
                for row in value:
                    yield from self.groups[key].misfits(row, f"{prefix}{key}.")
        if answers.keys() - {VERSION_KEY}:
            yield from ((f"{prefix}{key}", "missing, though required") for key in self.required if key not in answers)

    def unknown_keys(self, answers: Any, prefix: str = "") -> Iterator[str]:
        """Yield the keys of answers that have no question."""
        for key, value in answers.items() if isinstance(answers, dict) else ():
            if key in self.groups and isinstance(value, list):
                for row in value:
                    yield from self.groups[key].unknown_keys(row, f"{prefix}{key}.")
            elif key not in self.checks and key != VERSION_KEY:
                yield f"{prefix}{key}"

    def convert(self, answers: Any) -> Any:
        """Return `answers` with every answer converted that can be without a loss; what does not fit stays."""
        if not isinstance(answers, dict):
            return answers
        return {key: self.convert_one(key, value) for key, value in answers.items()}

    def convert_one(self, key: str, value: Any) -> Any:
        if key in self.groups:
            return [self.groups[key].convert(row) for row in value] if isinstance(value, list) else value
        return convert_value(value, self.checks[key]) if key in self.checks else value
