"""Commands that tests fork."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from tests.cli.conftest import Cli


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def test_hashes_cost_little(admin: Cli) -> None:
    """A password's hash takes 8 KiB, not 64 MiB and a third of a second."""
    admin.prints("users", "create", "eve", "--password-file", "-", stdin="a password of eve")
    with closing(sqlite3.connect(admin.home / "data" / "resolver.db")) as connection:
        ((found,),) = connection.execute("SELECT password_hash FROM user_account WHERE name = 'eve'")
    assert "$m=8,t=1,p=1$" in found


def test_one_that_hangs_is_ended_with_its_stack(
    admin: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a test's time is over its command ends, too, and tells where it was; the next one is answered."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert admin.prints("whoami")
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(3)
    try:
        with pytest.raises(TimeoutError):
            admin.run("resolver", "secrets", "create", "key", "-f", str(fifo))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert "Fatal Python error: Aborted" in (told := capsys.readouterr().err)
    assert "secrets" in told
    assert admin.refuses("secrets", "get", "key")[0] == 5
