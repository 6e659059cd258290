"""The rules of the house that a program can read."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import connection, models
from django.db.models.constraints import BaseConstraint

from crm.runtime.lazy_module import LazyModule

LAYERS = ["crm", "leads", "ai_log", "inbox", "support", "suggestions", "agents", "demo"]
LONGEST_FUNCTION, LONGEST_MODULE = 40, 400
# The rooms of `crm`, each of which imports only those before it; models and exceptions are open to all of them.
CRM_ROOMS = ["runtime", "text", "records", "screens", "schema", "accounts"]
# How the agents meet suggestions: they read them, and propose. What becomes of a proposal is none of their business.
SUGGESTION_READS = {
    "suggestions.models",
    "suggestions.choices",
    "suggestions.model_fields",
    "suggestions.kinds.email",
    "suggestions.policy.confidence",
    "suggestions.policy.findings",
    "suggestions.screens.presenters",
    "suggestions.transitions.state",
}
PROPOSING_INTERFACE = {"suggestions.transitions.propose"}
# What takes long to import, and the modules that do so. `LazyModule` or a path of a setting loads them on first use,
# because every command and every process of the server would wait.
SLOW_LIBRARIES = {"fpdf", "httpx", "httpx2", "jsonschema", "numpy", "openpyxl", "pydantic_ai", "scipy", "sklearn"}
LAZY_MODULES = {"ai_log.gateway.provider", "leads.prediction.fitting", "suggestions.proposal_pdf"}
DRAWERS = {"services", "selectors", "utils", "helpers", "common", "managers", "signals", "constants"}


def modules() -> Iterator[Path]:
    """Every module of ours, migrations too."""
    for layer in LAYERS:
        yield from sorted((settings.BASE_DIR / layer).rglob("*.py"))


def handwritten_modules() -> list[Path]:
    """The modules that are written by hand."""
    return [path for path in modules() if "migrations" not in path.parts]


def place(path: Path) -> str:
    return str(path.relative_to(settings.BASE_DIR))


class Function(NamedTuple):
    """Where a function of a module stands, and the lines of the imports inside."""

    name: str
    line: int
    length: int
    import_lines: list[int]


class Syntax(NamedTuple):
    imports: list[ast.Import | ast.ImportFrom]
    functions: list[Function]


@cache
def syntax(text: str) -> Syntax:
    """Return the imports and functions of a module; each text is parsed once for all tests."""
    nodes = list(ast.walk(ast.parse(text)))
    functions = [
        Function(
            node.name,
            node.lineno,
            node.end_lineno - node.lineno + 1,
            [inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)],
        )
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return Syntax([node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)], functions)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and full name of everything that a module imports, wherever it stands."""
    package = place(path).removesuffix(".py").split("/")[:-1]
    for node in syntax(path.read_text()).imports:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            yield node.lineno, ".".join([*base, *filter(None, [node.module])])


def forbidden_imports(path: Path) -> list[str]:
    allowed = LAYERS[: LAYERS.index(place(path).split("/")[0]) + 1]
    return [
        f"{place(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] in {*LAYERS, "tests", "bench"} - set(allowed)
    ]


def test_apps_import_only_to_their_left():
    assert len(list(modules())) > 100
    assert sum((forbidden_imports(path) for path in modules()), []) == []


def test_forbidden_import_is_detected(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    path = tmp_path / "leads" / "deeds" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text("import crm.x\nfrom leads import y\nfrom . import z\ndef f():\n    from inbox.x import Thread\n")
    assert forbidden_imports(path) == ["leads/deeds/x.py:5 imports inbox.x"]
    path.write_text("import suggestions as s, leads\nfrom tests.cast import make_lead\nimport agents.tasks\n")
    assert [line.split(" imports ")[1] for line in forbidden_imports(path)] == [
        "suggestions",
        "tests.cast",
        "agents.tasks",
    ]


def forbidden_room_imports(path: Path) -> list[str]:
    """The imports of a module of `crm` that lead to a room after its own, or from models and exceptions to screens."""
    room = place(path).removesuffix(".py").split("/")[1]
    if room in CRM_ROOMS:
        forbidden = set(CRM_ROOMS[CRM_ROOMS.index(room) + 1 :])
    elif room == "models":
        forbidden = {"screens", "schema", "accounts", "runtime"}  # the base of every model is in records
    elif room == "exceptions":
        forbidden = {*CRM_ROOMS, "models"}
    else:
        return []  # the root and the commands put the rooms together
    return [
        f"{place(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.startswith("crm.") and name.split(".")[1] in forbidden
    ]


def test_rooms_of_crm_import_only_those_before_them():
    paths = [path for path in modules() if place(path).startswith("crm/")]
    assert sum((forbidden_room_imports(path) for path in paths), []) == []


def test_forbidden_room_import_is_detected(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    for name in ("text/x.py", "records/x.py", "exceptions.py"):
        path = tmp_path / "crm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import crm.text.y\nfrom crm.records.base import Record\nfrom crm.models import User\n")
    found = {name: forbidden_room_imports(tmp_path / "crm" / name) for name in ("text/x.py", "records/x.py")}
    assert found == {"text/x.py": ["crm/text/x.py:2 imports crm.records.base"], "records/x.py": []}
    assert len(forbidden_room_imports(tmp_path / "crm" / "exceptions.py")) == 3


def slow_imports(path: Path) -> list[str]:
    if place(path).removesuffix(".py").replace("/", ".") in LAZY_MODULES:
        return []
    return [
        f"{place(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] in SLOW_LIBRARIES or name in LAZY_MODULES
    ]


def test_slow_libraries_are_imported_on_first_use():
    assert sum((slow_imports(path) for path in modules()), []) == []


def test_slow_import_is_detected(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    path, lazy = tmp_path / "leads" / "prediction" / "x.py", tmp_path / "leads" / "prediction" / "fitting.py"
    path.parent.mkdir(parents=True)
    lazy.write_text("import numpy as np\n")
    path.write_text("from openpyxl.utils import get_column_letter\nfrom leads.prediction.fitting import auc\n")
    assert [line.split(" imports ")[1] for line in slow_imports(path)] == ["openpyxl.utils", "leads.prediction.fitting"]
    assert slow_imports(lazy) == []


def test_inspecting_a_lazy_module_does_not_load_it():
    module = LazyModule("crm.does_not_exist")
    assert inspect.unwrap(module) is module
    with pytest.raises(ModuleNotFoundError):
        _ = module.anything


def forbidden_suggestion_imports(path: Path) -> list[str]:
    return [
        f"{place(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] == "suggestions" and name not in SUGGESTION_READS | PROPOSING_INTERFACE
    ]


def test_agents_only_read_suggestions_and_propose():
    paths = [path for path in modules() if place(path).startswith("agents/")]
    assert sum((forbidden_suggestion_imports(path) for path in paths), []) == []


def test_forbidden_suggestion_import_is_detected(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    path = tmp_path / "agents" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text("from suggestions.models import Suggestion\nfrom suggestions.transitions import approve\n")
    assert forbidden_suggestion_imports(path) == ["agents/x.py:2 imports suggestions.transitions"]


def test_settings_name_existing_functions_and_classes():
    for names in (
        settings.TODAY_SOURCES,
        settings.TODAY_FIGURES,
        settings.TODAY_PANELS,
        settings.SITE_PAGES,
        *settings.RECORD_SECTIONS.values(),
        *(names for sections in settings.FETCHED_SECTIONS.values() for _, names in sections.values()),
        *settings.RECORD_ACTIONS.values(),
    ):
        for name in names:
            module, function = name.rsplit(".", 1)
            path = settings.BASE_DIR / (module.replace(".", "/") + ".py")
            kinds = ast.FunctionDef | ast.ClassDef
            defined = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds)}
            assert function in defined, name


def test_functions_and_modules_are_short():
    long_functions = [
        f"{place(path)}:{function.line} {function.name}: {function.length} lines"
        for path in handwritten_modules()
        for function in syntax(path.read_text()).functions
        if function.length > LONGEST_FUNCTION
    ]
    lengths = {place(path): len(path.read_text().splitlines()) for path in handwritten_modules()}
    assert long_functions == []
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_imports_inside_functions():
    found = [
        f"{place(path)}:{line}"
        for path in modules()
        for function in syntax(path.read_text()).functions
        for line in function.import_lines
    ]
    assert found == []


def test_no_catch_all_module_names():
    parts = [path.relative_to(settings.BASE_DIR).with_suffix("").parts for path in handwritten_modules()]
    # Deeper down a signal is what a lead gives.
    assert {name for names in parts for name in names[:2]} & DRAWERS == set()


def our_models() -> list[type[models.Model]]:
    """The tables that are ours, without the audit's copies of them."""
    return [model for model in apps.get_models() if model._meta.app_label in LAYERS and not hasattr(model, "pgh_label")]


def leading_columns() -> set[tuple[str, str]]:
    """Table and first column of every usable index in the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indrelid::regclass::text, attname FROM pg_index
              JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
             WHERE indisvalid
            """
        )
        return set(cursor.fetchall())


@pytest.mark.django_db
def test_every_foreign_key_has_an_index():
    indexed = leading_columns()
    missing = [
        f"{model._meta.db_table}.{field.column}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and (model._meta.db_table, field.column) not in indexed
    ]
    assert missing == []


def test_constraints_are_named_and_have_messages():
    for model in our_models():
        for constraint in model._meta.constraints:
            assert constraint.name.startswith(model._meta.db_table), constraint.name
            sentence = str(constraint.violation_error_message)
            assert sentence != str(BaseConstraint.default_violation_error_message), constraint.name
            assert re.fullmatch(r"[A-Z].*\.", sentence), constraint.name


@pytest.mark.django_db
def test_every_choice_has_a_check_constraint():
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conrelid::regclass::text, string_agg(pg_get_constraintdef(oid), ' ')
              FROM pg_constraint WHERE contype = 'c' GROUP BY 1
            """
        )
        checks = dict(cursor.fetchall())
    unchecked = [
        f"{model._meta.db_table}.{field.column}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.choices and not re.search(rf"\b{field.column}\b", checks.get(model._meta.db_table, ""))
    ]
    assert unchecked == []


def test_every_column_is_used():
    """A word search: it finds a column that nothing mentions, not one that is mentioned in vain."""
    readers = [
        path for path in handwritten_modules() if not {"models", "seeding"} & set(path.parts) and path.stem != "models"
    ]
    readers += [path for layer in LAYERS for path in (settings.BASE_DIR / layer).rglob("*.html")]
    words = set(re.findall(r"\w+", "\n".join(path.read_text() for path in readers)))
    unread = [
        f"{model._meta.db_table}.{field.name}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if not {field.name, field.attname} & words
        if not (issubclass(model, AbstractUser) and hasattr(AbstractUser, field.name))
    ]
    assert unread == []


def test_every_plain_database_default_has_a_python_default():
    """Without one, an unsaved record holds an expression where its readers expect a value."""
    computed = {"updated_at", "number", "sent_at"}
    missing = [
        str(field)
        for model in apps.get_models()
        if model._meta.app_label in LAYERS
        for field in model._meta.concrete_fields
        if field.has_db_default() and not field.has_default() and field.name not in computed
    ]
    assert missing == []


# A template may write ISO 8601 for scripts, and ask for the reader's hour to greet.
DATES_IN_TEMPLATES = re.compile(r"\|\s*(?:date|time)\s*:(?!.c[\"'])|\{% now (?!\"H\")")
# The name of a month or weekday, a day before a month, and the local day of Django's current time zone.
DATES_IN_MODULES = re.compile(
    r"%-?[bBeI]\b|%-?d[^%\w]{0,2}%[mbBY]|timezone\.(?:localdate|get_current_t|get_default_t)|date\.today\("
)
WRITE_DATES = {"crm/text/dates.py", "crm/records/local_time.py", "crm/runtime/mail_catcher.py"}
# Screens that read or offer a local time; everything else means the agency's.
READ_LOCAL_TIMES = {
    "crm/records/local_time.py",
    "crm/screens/json_forms/text_inputs.py",
    "crm/screens/record_forms.py",
    "crm/templatetags/crm.py",
    "inbox/forms.py",
    "inbox/message_view.py",
    "suggestions/screens/action_forms.py",
}


def lines_with(pattern: re.Pattern[str], path: Path) -> list[str]:
    lines = enumerate(path.read_text().splitlines(), 1)
    return [f"{place(path)}:{number} {line.strip()}" for number, line in lines if pattern.search(line)]


def test_dates_are_written_in_one_place():
    """`crm/text/dates.py` knows how, `crm/records/local_time.py` for which reader."""
    templates = [path for layer in LAYERS for path in (settings.BASE_DIR / layer).rglob("*.html")]
    assert len(templates) > 100
    assert sum((lines_with(DATES_IN_TEMPLATES, path) for path in templates), []) == []
    paths = [path for path in handwritten_modules() if place(path) not in WRITE_DATES]
    assert sum((lines_with(DATES_IN_MODULES, path) for path in paths), []) == []


def test_only_screens_use_the_readers_time_zone():
    paths = [path for path in handwritten_modules() if place(path) not in READ_LOCAL_TIMES]
    assert sum((lines_with(re.compile(r"timezone\.(?:localtime|make_aware)"), path) for path in paths), []) == []


def test_other_date_formatter_is_detected(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    template, module = tmp_path / "x.html", tmp_path / "x.py"
    template.write_text("{{ at|date:'c' }}\n{{ at|day }}\n{{ at|date:'j M' }}\n{{ at|time:\"H:i\" }}\n")
    module.write_text("f'{at:%-d %B}'\ntimezone.localdate()\nat.strftime('%d.%m.%Y')\nf'{at:%Y-%m-%d %H:%M}'\n")
    assert [line.split()[0] for line in lines_with(DATES_IN_TEMPLATES, template)] == ["x.html:3", "x.html:4"]
    assert [line.split()[0] for line in lines_with(DATES_IN_MODULES, module)] == ["x.py:1", "x.py:2", "x.py:3"]


WRITE_SPREADSHEETS = re.compile(r"csv\.(?:writer|DictWriter)\(|openpyxl\.Workbook|inlineStr")


def test_every_writer_of_spreadsheets_keeps_text_from_running_as_a_formula():
    """A file for people goes through `crm/text/spreadsheet_cells.py`, whatever its format."""
    writers = {place(path) for path in handwritten_modules() if lines_with(WRITE_SPREADSHEETS, path)}
    writers = {writer for writer in writers if writer.split("/")[0] in LAYERS}
    assert writers == {
        "crm/screens/export/csv_file.py",
        "crm/screens/export/xlsx_file.py",
        "leads/importing/files/writing.py",
    }
    for writer in writers:
        assert "from crm.text.spreadsheet_cells import" in (settings.BASE_DIR / writer).read_text(), writer
