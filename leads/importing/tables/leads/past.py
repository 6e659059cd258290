"""Read the past of an imported lead: how it ended, when, and which stages it went through. Pure: no database."""

from datetime import datetime

from crm.records.local_time import agency_today
from leads.importing.columns import ImportPlan
from leads.importing.drafts import RowDraft, encode_json
from leads.importing.values.parsers import ImportContext
from leads.importing.values.stage_history import (
    CHANGED_ON,
    ENTERED,
    HISTORY,
    IS_CLOSED,
    IS_LOST,
    IS_WON,
    LOST_ON,
    WON_ON,
    PastOfLead,
)

ENDING_KEYS = {"won": (IS_WON, WON_ON), "lost": (IS_LOST, IS_CLOSED, LOST_ON)}


class PastReader:
    """Read what the columns of one file say of the past of its leads."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        self.header, self.context, self.today = plan.header, context, agency_today()
        prefix = f"{HISTORY}."
        self.columns = {
            name.removeprefix(prefix): index for name, index in plan.columns.items() if name.startswith(prefix)
        }

    def close(self, draft: RowDraft) -> PastOfLead:
        """Give the lead the stage in which it ended, and its day. Return what the row says of the past."""
        past = PastOfLead(draft.answers.pop(HISTORY, {}))
        if not past:
            return past
        self.set_stage(draft, past)
        status = draft.get("status")
        if status in self.context.open_stages:
            self.doubt(draft, past, (WON_ON, LOST_ON), "is a day of closing, but the stage is an open one")
            return past
        won, lost = (WON_ON, LOST_ON), (LOST_ON, WON_ON)
        ends = won if status in self.context.won_stages else lost
        day = next((key for key in (*ends, f"{ENTERED}.{status}", CHANGED_ON) if key in past.said), "")
        if day and not draft.get("closed_at"):
            draft.set("closed_at", past.said[day])
            draft.origins["closed_at"] = self.columns[day]
        return past

    def set_stage(self, draft: RowDraft, past: PastOfLead) -> None:
        """Set the stage that the past shows, unless the row has a closed one."""
        ended, entries, status = past.closing(has_stage=draft.has_stage), past.entries(), draft.get("status")
        if status in self.context.open_stages:
            shown = self.context.first_stages.get(ended, "")
            shown = shown or (entries[-1][1] if entries and not draft.has_stage else "")
            if shown:
                draft.set("status", shown)
                draft.has_stage = True
        elif (ended == "won" and status in self.context.lost_stages) or (
            ended == "lost" and status in self.context.won_stages
        ):
            self.doubt(draft, past, ENDING_KEYS[ended], "contradicts the stage")

    def write_moves(self, draft: RowDraft, past: PastOfLead) -> None:
        """Give the lead the moves between stages, the earliest first: pairs of stage and time, without one for now."""
        status, closed = draft.get("status"), draft.get("closed_at")
        moves = [entry for entry in past.entries() if self.is_possible(draft, past, *entry, closed=closed)]
        changed = past.moment(CHANGED_ON)
        if changed and not self.is_possible(draft, past, changed, CHANGED_ON, closed=None):
            changed = None
        is_open = status in self.context.open_stages
        last = changed if is_open else closed
        if not moves and (last is None or not is_open):
            return
        if moves and moves[-1][1] == status:
            moves[-1] = (closed or moves[-1][0], status)
        else:
            moves.append((max(last, moves[-1][0]) if last and moves else last, status))
        draft.set("stage_moves", encode_json([[stage, at and at.isoformat()] for at, stage in moves]))

    def is_possible(
        self, draft: RowDraft, past: PastOfLead, at: datetime, stage: str, *, closed: datetime | None
    ) -> bool:
        """Return whether a lead can have entered a stage `at` that time; a text that says otherwise is kept."""
        key = stage if stage in self.columns else f"{ENTERED}.{stage}"
        if agency_today(at) > self.today:
            self.doubt(draft, past, (key,), "is in the future")
        elif closed and at > closed and agency_today(at) > agency_today(closed):
            self.doubt(draft, past, (key,), "is after the day of closing")
        else:
            return True
        return False

    def doubt(self, draft: RowDraft, past: PastOfLead, keys: tuple[str, ...], why: str) -> None:
        """Keep the texts of what the row says under `keys`, and report them."""
        for key in keys:
            if past.said.get(key):
                index = self.columns[key]
                draft.kept.add(index)
                draft.doubts.append((self.header[index], draft.cells[index].strip(), why))
