"""The screen on which people say how far the program may go, and stop it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from suggestions.autonomy.kill_switch import pause_execution
from suggestions.models import AutonomySetting, ExecutionPause, Level, SuggestionType
from tests.cast import browser, page_text
from tests.suggestions.trust_history import make_decided_suggestions, make_proposal, make_setting

pytestmark = pytest.mark.django_db
URL = "/suggestions/autonomysetting/"
SWITCH = f"{URL}switch/"


def rows(page, **asked):
    answer = page.get(URL, asked)
    assert answer.status_code == 200
    return {row.type: row for row in answer.context["rows"]}


def form_data(page, asked: str = "me", **changes) -> dict[str, str]:
    """What the form of the page sends: every row as it is shown, with `changes` (TASK__level="off")."""
    data = {}
    for type, row in rows(page, **{"for": asked}).items():
        for name, value in row.initial_values.items():
            data[f"{type}-{name}"] = "" if value is None else str(value)
    return data | {name.replace("__", "-"): value for name, value in changes.items()}


def save(page, asked: str = "me", **changes):
    return page.post(f"{URL}?for={asked}", form_data(page, asked, **changes), follow=True)


def test_pull_requests_have_a_row_only_with_a_forge(as_ann, settings):
    assert set(rows(as_ann)) == set(SuggestionType.values) - {"PR"}
    settings.FORGE_URL, settings.FORGE_TOKEN = "http://127.0.0.1:9", "secret"
    assert set(rows(as_ann)) == set(SuggestionType.values)


def test_every_type_has_a_row_with_agent_trust(as_ann, ann):
    make_decided_suggestions(ann, approved=47, modified=3, rejected=10)
    answer = page_text(as_ann.get(URL))
    assert set(rows(as_ann)) == set(SuggestionType.values) - {"PR"}
    assert "60 decisions, 83.3 % approved, 5 % edited" in answer
    assert "For higher levels: 95 % approved (83.3 % so far)" in answer
    assert "Agency: suggest" in answer


def test_automatic_levels_are_offered_only_with_trust(as_ann, ann):
    assert [value for value, _ in rows(as_ann)["TASK"].level_choices()] == ["", "off", "suggest"]
    make_decided_suggestions(ann, approved=60)
    level_choices = [value for value, _ in rows(as_ann)["TASK"].level_choices()]
    assert level_choices == ["", "off", "suggest", "auto_draft", "auto_execute"]


def test_only_changed_rows_are_saved(as_ann, ann):
    make_decided_suggestions(ann, approved=60)
    answer = save(as_ann, TASK__level="auto_execute", TASK__daily_cap="5", TASK__value_ceiling="900.50")
    assert "Saved: Task." in answer.content.decode()
    setting = AutonomySetting.objects.get()
    assert (setting.user, setting.type, setting.level) == (ann, "TASK", Level.AUTO_EXECUTE)
    assert (setting.daily_cap, str(setting.value_ceiling), setting.undo_seconds) == (5, "900.50", 300)
    assert "Nothing was changed." in save(as_ann).content.decode()


def test_empty_level_resets_to_agency_setting(as_ann, ann):
    make_setting(ann, level=Level.OFF)
    save(as_ann, TASK__level="")
    assert not AutonomySetting.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"TASK__level": "auto_execute"},
        {"TASK__level": "everything"},
        {"TASK__daily_cap": "-1"},
        {"TASK__daily_cap": "many"},
        {"TASK__confidence": "101"},
        {"TASK__undo_seconds": "90000"},
        {"TASK__value_ceiling": "NaN"},
        {"TASK__value_ceiling": "-5"},
    ],
)
def test_invalid_input_shows_error_and_keeps_typed_value(as_ann, changes):
    answer = save(as_ann, **changes)
    form = next(row.form for row in answer.context["rows"] if row.type == "TASK")
    assert form.errors
    (name, value), *_ = changes.items()
    assert form[name.split("__")[1]].value() == value
    assert not AutonomySetting.objects.exists()


def test_invalid_row_does_not_block_other_rows(as_ann):
    answer = save(as_ann, TASK__daily_cap="-1", REPLY__level="off")
    assert "Saved: Reply." in answer.content.decode()
    assert AutonomySetting.objects.get().type == "REPLY"


def test_editing_others_autonomy_needs_permission(as_ann, as_max, ann, max):
    assert not rows(as_ann, **{"for": "agency"})["TASK"].can_edit
    save(as_ann, "agency", TASK__level="off")
    assert not AutonomySetting.objects.exists()
    assert as_ann.get(URL, {"for": str(max.pk)}).status_code == 404
    assert as_max.get(URL, {"for": "nobody"}).status_code == 404
    save(as_max, "agency", TASK__level="off")
    save(as_max, str(ann.pk), TASK__level="suggest")
    assert {(row.user, row.level) for row in AutonomySetting.objects.all()} == {(None, "off"), (ann, "suggest")}


def test_viewer_can_read_and_user_without_role_is_forbidden(vera, stranger):
    page = browser(vera)
    assert "You can view these settings but not change them." in page.get(URL).content.decode()
    save(page, TASK__level="off")
    assert not AutonomySetting.objects.exists()
    assert browser(stranger).get(URL).status_code == 403
    assert browser(stranger).post(SWITCH, {"type": ""}).status_code == 403


def test_lowered_reason_is_shown_escaped(as_ann, ann):
    make_setting(ann, level=Level.AUTO_DRAFT, lowered_at=timezone.now(), lowered_because="it failed <b>hard</b>")
    assert "it failed &lt;b&gt;hard&lt;/b&gt;" in as_ann.get(URL).content.decode()


def test_pausing_and_resuming_all_types_and_one_type(as_max, max, ann):
    make_decided_suggestions(max, approved=60)
    make_setting(None)
    make_proposal(owner=ann)
    answer = as_max.post(SWITCH, {"switch": "pause", "type": "", "reason": "A storm of emails"}, follow=True)
    assert "Automation is paused" in answer.content.decode()
    assert "A storm of emails" in answer.content.decode()
    assert "1 waiting." in answer.content.decode()
    answer = as_max.post(SWITCH, {"switch": "resume", "type": ""}, follow=True)
    assert "Automation resumed. Due now: 0." in answer.content.decode()
    assert not ExecutionPause.objects.exists()
    as_max.post(SWITCH, {"switch": "pause", "type": "PR"})
    assert ExecutionPause.objects.get().type == "PR"
    again = as_max.post(SWITCH, {"switch": "pause", "type": "PR"}, follow=True)
    assert "This is already paused." in again.content.decode()


def test_pausing_needs_permission_and_post(as_ann, as_max):
    as_ann.post(SWITCH, {"switch": "pause", "type": ""})
    as_max.get(SWITCH, {"switch": "pause", "type": ""})
    as_max.post(SWITCH, {"switch": "pause", "type": "MARS"})
    assert not ExecutionPause.objects.exists()
    pause_execution(by=browser_user(as_max))
    as_ann.post(SWITCH, {"switch": "resume", "type": ""})
    assert ExecutionPause.objects.exists()


def browser_user(page):
    return page.get(URL).wsgi_request.user


def test_query_count_is_constant_for_many_agents(as_max, max):
    make_decided_suggestions(max, approved=1)
    as_max.get(URL)
    with CaptureQueriesContext(connection) as few:
        as_max.get(URL)
    for number in range(50):
        make_decided_suggestions(max, agent=f"agent {number}", approved=1)
    with CaptureQueriesContext(connection) as many:
        as_max.get(URL)
    assert len(many) == len(few) <= 15


def test_automatic_suggestions_have_their_own_tab(as_max, max, ann):
    make_decided_suggestions(max, approved=60)
    make_setting(None)
    made = make_proposal(owner=ann)
    make_proposal(owner=ann, confidence="0.1")
    answer = as_max.get("/suggestions/suggestion/", {"state": "policy"})
    assert [row.pk for row in answer.context["cl"].page.rows] == [made.pk]
