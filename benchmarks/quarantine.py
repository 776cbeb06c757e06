"""Mail into the quarantine from processes that are killed, and onto disks that are full, cut off, read-only."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .disks import Disk, NoDiskError, disk
from .torture import Torture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=10_000, help="mails to store in the first part")
    parser.add_argument("--processes", type=int, default=4, help="processes that store them")
    parser.add_argument("--kills", type=int, default=300, help="how often one of them is killed (kill -9)")
    parser.add_argument("--part", action="append", choices=["healthy", *_DISKS], help="only this part; may repeat")
    parser.add_argument("--index", metavar="URL", help="postgresql://… of an empty database, for the first part")
    parser.add_argument("--folder", help="where to store; default a folder of its own under the system's")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Four parts, a row each; all but the first need root, because they make a file system of their own."""
    mails, kills = (500, 20) if args.quick else (args.mails, args.kills)
    for name in args.part or ("healthy", *_DISKS):
        with tempfile.TemporaryDirectory(dir=args.folder, prefix="quarantine-") as place:
            if name == "healthy":
                found = killed(Path(place), mails, args.processes, kills, args.index)
            else:
                found = _on_a_small_disk(name, Path(place), min(mails, 1600), args.processes, kills // 3)
        yield {"benchmark": "quarantine", "disk": name, **found}


def _on_a_small_disk(name: str, place: Path, mails: int, processes: int, kills: int) -> dict[str, object]:
    try:
        with disk(place, 64) as small:
            return _DISKS[name](place, small, mails, processes, kills)
    except NoDiskError as error:
        return {"skipped": str(error)}


def killed(place: Path, mails: int, processes: int, kills: int, index: str | None = None) -> dict[str, object]:
    """A disk that does what it should, processes that are killed at random moments."""
    torture = Torture(index or str(place / "q.db"), place, mails, processes, str(place / "q.db.mails"))
    torture.open().close()  # what is imported for it is there in every process, which is killed at work then
    torture.run(kills)
    return torture.count()


def full(place: Path, small: Disk, mails: int, processes: int, kills: int) -> dict[str, object]:
    """Processes go on and are killed while the disk is full; then there is room again, and the rest is stored."""
    ballast, space = small.folder / "ballast", os.statvfs(small.folder)
    with ballast.open("wb") as file:  # room is left for about half of the mails
        file.write(bytes(space.f_bfree * space.f_frsize - 500_000 - 5000 * mails))
    torture = Torture(str(small.folder / "q.db"), place, mails, processes)
    torture.run(kills, seconds=60, until=lambda: _refused(place) >= 10 * processes)
    before = len(torture.told())
    ballast.unlink()
    torture.run(kills, seed=2)
    return {**torture.count(), "stored_before": before}


def cut_off(place: Path, small: Disk, mails: int, processes: int, kills: int) -> dict[str, object]:
    """The power goes in the midst of storing; after a restart all that was reported is there."""
    torture = Torture(str(small.folder / "q.db"), place, mails, processes)
    torture.run(kills // 2, until=lambda: len(torture.told()) >= mails // 3, then=small.cut_off, pause=0.02)
    before = len(torture.told())
    torture.run(0, seconds=60, until=lambda: _refused(place) >= 5 * processes)
    small.come_back()
    torture.run(kills // 2, seed=3)
    return {**torture.count(), "stored_before": before}


def read_only(place: Path, small: Disk, mails: int, processes: int, kills: int) -> dict[str, object]:
    """Processes that are killed find a disk that cannot be written any more; what was stored can still be read."""
    torture = Torture(str(small.folder / "q.db"), place, mails, processes)
    torture.run(kills // 2, until=lambda: len(torture.told()) >= mails // 3, pause=0.02)
    small.protect(True)
    before = torture.told()
    torture.run(kills // 2, seed=2, seconds=60, until=lambda: _refused(place) >= 5 * processes)
    readable = torture.readable()
    more = len(torture.told()) - len(before)
    small.protect(False)
    torture.run(0)
    return {**torture.count(), "stored_before": len(before), "stored_meanwhile": more, "readable_meanwhile": readable}


def _refused(place: Path) -> int:
    file = place / "refused"
    return file.stat().st_size if file.exists() else 0


_DISKS = {"full": full, "cut off": cut_off, "read-only": read_only}
