"""The fixtures' own promises: a missing program skips or fails as told, and what was started is stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .servers import Rbldnsd, program, running


def test_a_missing_program_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILFILTER_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        program("no-such-server")


def test_a_missing_program_fails_where_servers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILFILTER_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="MAILFILTER_REQUIRE_SERVERS=1 requires it"):
        program("no-such-server")


@pytest.mark.server
def test_a_server_is_stopped_even_when_the_test_fails(tmp_path: Path) -> None:
    server = Rbldnsd(tmp_path)

    def failing() -> None:
        with running(server):
            assert server.process is not None
            os.kill(server.process.pid, 0)
            raise RuntimeError("the test fails")

    with pytest.raises(RuntimeError, match="the test fails"):
        failing()
    assert server.process is not None
    assert server.process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(server.process.pid, 0)
