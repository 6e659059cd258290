"""Two benches on one server do not take each other's databases."""

import os

from bench import databases


def test_each_process_has_a_database_of_its_own(monkeypatch):
    mine = databases.own("scratch")
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert databases.own("scratch") == "bench_scratch_7" != mine


def test_only_what_a_process_that_has_gone_left_behind_is_removed(monkeypatch):
    dropped, mine = [], databases.own("scratch")
    names = [mine, "bench_scratch_4194304"]
    monkeypatch.setattr(databases, "existing", lambda name: names)
    monkeypatch.setattr(databases, "drop", dropped.append)
    databases.drop_leftovers("scratch")
    assert dropped == ["bench_scratch_4194304"]
