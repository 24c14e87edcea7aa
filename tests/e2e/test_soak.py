"""A short soak; `make soak` is the long one."""

from __future__ import annotations

from pathlib import Path

from tests.soak import Plan, Soak


def test_mixed_load_survives_kills_and_leaves_nothing_behind(tmp_path: Path) -> None:
    report = Soak(tmp_path, Plan(seconds=7.0, kill_every=2.0, kills=3, staged_seconds=2.0)).run()

    assert report.kills >= 3
    assert report.messages > 0
    assert report.versions > 0
    assert report.clients["downloads"] > 0
    assert report.clients["queries"] > 0
    assert report.clients["abandoned"] > 0
