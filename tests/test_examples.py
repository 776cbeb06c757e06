"""Every example runs as its first lines say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path: Path) -> None:
    told = re.search(r"^    python (examples/.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert told, "the docstring shows how to run it"
    ran = subprocess.run(
        [sys.executable, *shlex.split(told[1])], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
