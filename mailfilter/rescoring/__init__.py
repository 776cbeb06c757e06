"""Hit tables: what every check found in every mail of an archive, kept so that it can be weighed again.

`rescore` writes one, `load` reads it, `compare` applies other scores and limits to it without a mail being read.
`Replay` takes the answers of lookups out of one, so that the mails are looked at again with the DNS of that day.

A table is one ``.npz`` of plain arrays, readable without this library (``numpy.load``, no pickle):

    meta        uint8   JSON in UTF-8: format, symbols with group and points, caps, limits, counts, the unreadable
    digest      uint8   (n, 32)  SHA-256 of each mail
    label       int8    (n,)     1 spam, 0 ham, -1 not known
    line        int32   (n,)     line of the archive's index, 0 without one
    time        int64   (n,)     seconds since 1970 when it was received (else written, else filed), -1 not known
    points      int64   (n,)     score in thousandths of a point, caps counted
    action      int8    (n,)     0 accept, 1 greylist, 2 quarantine, 3 bounce, 4 delete
    indptr      int64   (n + 1,) rows of the hit matrix (CSR)
    indices     int32   (hits,)  its columns: positions in meta["symbols"]
    values      float64 (hits,)  its values
    path_end    int64   (n,)     end of each path in ``path``
    path        uint8            paths in UTF-8 (undecodable bytes as surrogates), one after the other
    answer_end  int64   (n,)     end of each mail's answers in ``answer``
    answer      uint8            JSON: what lookups answered, each with its time; nothing where nothing was asked
    envelope_end  int64 (n,)     end of each mail's envelope in ``envelope``
    envelope    uint8            JSON: what is known of the SMTP session; nothing where nothing is (all of format 2)

or one ``.parquet`` with a row a mail (``symbols`` and ``values`` are lists, the meta stands in the schema's metadata),
which needs the extra ``mailfilter[parquet]``.

A run keeps its finished pieces in a folder beside the target (``.NAME.spool``), so memory does not grow with the
archive and a killed run can be resumed; the table appears under its name only when it is whole.
"""

from __future__ import annotations

from .changes import Change, Changes, compare
from .replay import Replay
from .run import rescore
from .table import FORMAT, Table, load, paths

__all__ = ["FORMAT", "Change", "Changes", "Replay", "Table", "compare", "load", "paths", "rescore"]
