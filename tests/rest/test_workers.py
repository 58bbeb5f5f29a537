"""The processes of a server."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from resolver.rest.workers import METRICS_DIRECTORY, _Workers, run_workers
from tests.waiting import until


@pytest.mark.parametrize("usable", ["/dev/shm", None, "nowhere"])
def test_a_server_runs_without_a_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, usable: str | None
) -> None:
    """It says that numbers are each worker's own then; a folder that an earlier server had is not taken."""
    made = tempfile.TemporaryDirectory
    before = tmp_path / "stale"
    monkeypatch.setenv(METRICS_DIRECTORY, str(before))
    seen: list[str | None] = []

    class Stop(Exception):  # noqa: N818 - not an error
        pass

    def make(prefix: str, dir: str | None) -> tempfile.TemporaryDirectory[str]:  # noqa: A002 - its name there
        if dir != usable:
            raise FileNotFoundError
        return made(prefix=prefix, dir=tmp_path)

    def run(_workers: object) -> None:
        seen.append(os.environ.get(METRICS_DIRECTORY))
        raise Stop

    monkeypatch.setattr("tempfile.TemporaryDirectory", make)
    monkeypatch.setattr("resolver.rest.workers._Workers.run", run)
    with caplog.at_level(logging.WARNING), pytest.raises(Stop):
        run_workers([], lambda: None, lambda: None, 1)
    (folder,) = seen
    if usable == "nowhere":
        assert folder is None
        assert "each worker's /metrics tells of itself alone" in caplog.text
    else:
        assert folder is not None
        assert Path(folder).parent == tmp_path
        assert not Path(folder).exists()
        assert caplog.text == ""


def test_an_orphan_is_no_worker() -> None:
    """The first process of a container is given those that nobody waits for."""
    workers = _Workers([], lambda: None, lambda: None, 1)
    orphan = subprocess.Popen(["true"])
    until(lambda: workers._wait_for_one() or not Path(f"/proc/{orphan.pid}").exists())  # noqa: SLF001
    assert workers._missing == []  # noqa: SLF001 - nothing is to be started for it
    orphan.returncode = 0  # it was waited for
