"""Two benchmarks on one server keep their databases apart."""

import os

from bench import databases


def test_each_process_has_its_own_database(monkeypatch):
    mine = databases.process_database("scratch")
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert databases.process_database("scratch") == "bench_scratch_7" != mine


def test_only_databases_of_dead_processes_are_removed(monkeypatch):
    dropped, mine = [], databases.process_database("scratch")
    names = [mine, "bench_scratch_4194304"]
    monkeypatch.setattr(databases, "list_databases", lambda name: names)
    monkeypatch.setattr(databases, "drop_database", dropped.append)
    databases.drop_stale_databases("scratch")
    assert dropped == ["bench_scratch_4194304"]
