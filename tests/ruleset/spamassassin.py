"""SpamAssassin itself, asked about rules and mails of ours; tests skip where it is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SITE = Path("/etc/spamassassin")
DRIVER = Path(__file__).parents[2] / "benchmarks" / "spamassassin_hits.pl"


def required() -> None:
    """Skip, or fail where servers are required, without SpamAssassin."""
    if not (shutil.which("perl") and SITE.is_dir()):
        reason = "needs SpamAssassin: apt-get install --no-install-recommends spamassassin"
        if os.environ.get("MAILFILTER_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def hits(folder: Path, rules: Mapping[str, str], mails: Mapping[str, bytes]) -> dict[str, dict[str, int]]:
    """How often each rule hits in each mail; ``rules`` are texts by file name, read in the order of the names."""
    for name in ("rules", "site", "state", "mails"):
        (folder / name).mkdir()
    for plugins in SITE.glob("*.pre"):
        shutil.copy(plugins, folder / "site")
    for name, text in rules.items():
        path = folder / "rules" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "latin-1")
    for name, raw in mails.items():
        (folder / "mails" / name).write_bytes(raw)
    command = ["perl", str(DRIVER), *(str(folder / name) for name in ("rules", "site", "state"))]
    paths = "\n".join(str(folder / "mails" / name) for name in mails)
    done = subprocess.run(command, input=paths, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
    return {name: line["hits"] for name, line in zip(mails, lines, strict=True)}
