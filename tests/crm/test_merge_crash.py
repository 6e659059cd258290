"""A merge or its undo whose process is killed: whole, or not at all."""

import pytest

from crm.records.merging.transitions import merge, unmerge
from tests.cast import make_user
from tests.crm.test_merge import make_full_lead, table_rows
from tests.killing import kill_at_ten_statements


@pytest.mark.django_db(transaction=True)
def test_killed_merge_and_killed_undo_leave_every_row_as_it_was():
    by = make_user("max", "manager")
    winner, loser = make_full_lead(), make_full_lead()
    kill_at_ten_statements(lambda: merge(winner, loser, {}, by=by), table_rows)
    done = merge(winner, loser, {}, by=by)
    kill_at_ten_statements(lambda: unmerge(done, by=by), table_rows)
    unmerge(done, by=by)
    winner.refresh_from_db()
    loser.refresh_from_db()
    assert (winner.merged_into_id, loser.merged_into_id, loser.deleted_at) == (None, None, None)
