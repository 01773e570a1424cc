"""Small text files that a compose file brings: inline `configs`, and single files beside it that are mounted.

Pure. A file enters the graph only if it is text, small, meant to be read, and holds nothing that looks like
a secret; every other one stays a mount whose source the operator brings.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from nix_gen.compose.source import Importing
from nix_gen.concealment import holds_secret
from nix_gen.errors import quoted
from nix_gen.nodes import TextFile

FILE_MAX_CHARS = 65_536
"""Longer files are not carried."""
_SECRET_FILE = re.compile(
    r"(^|[/.])\.?env(\.|$)|\.(key|p12|pfx|jks|keystore|kdbx)$|^id_(rsa|ed25519|ecdsa)|secret|passw|credential"
    r"|token|htpasswd|^acme\.json$|^\.?(npmrc|netrc|pgpass|my\.cnf\.secret)$",
    re.IGNORECASE,
)
"""Names of files that hold secrets whatever stands in them."""
_WRITTEN = re.compile(r"\.(db|sqlite3?|log|pid|lock|jsonl?|dat|csv|rdb|aof)$", re.IGNORECASE)
"""Names of files that a program writes, so that a read-only copy would break it."""
_SCRIPT_MODE = "0555"
_MODE = re.compile(r"0?o?([0-7]{3,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What came of one file: the file, or why it is not carried."""

    file: TextFile | None = None
    reason: str = ""


def beside(source: str, target: str, *, read_only: bool, importing: Importing) -> Carried:
    """A mounted file that lies beside the compose file."""
    name = posixpath.basename(source.rstrip("/"))
    if source.startswith(("/", "~")) or source in {".", "./", ".."}:
        return Carried()
    if _SECRET_FILE.search(name):
        return Carried(reason="its name says that it holds secrets")
    if _WRITTEN.search(name) and not read_only:
        return Carried()
    text = importing.reader(source)
    if not text or (not read_only and not text.strip()):
        return Carried()
    return carried(text, target, importing, mode=None)


def carried(
    text: str,
    target: str,
    importing: Importing,
    *,
    mode: str | None,
    uid: int | None = None,
    gid: int | None = None,
) -> Carried:
    """A text as a file of the graph, unless it is too long, no text, or holds a secret."""
    if len(text) > FILE_MAX_CHARS:
        return Carried(reason=f"it is longer than {FILE_MAX_CHARS:,} characters")
    if "\0" in text:
        return Carried(reason="it is no text")
    if holds_secret(text) or importing.concealed.inside(text):
        return Carried(reason="something in it looks like a secret")
    usual = _SCRIPT_MODE if text.startswith("#!") else "0444"
    try:
        file = TextFile(path=target, text=text, mode=mode or usual, uid=uid, gid=gid)
    except ValueError:
        return Carried(reason="its path cannot be written")
    return Carried(file=file)


def file_mode(text: str | None) -> str | None:
    """`0440`, `440` or `288` (what YAML 1.1 makes of 0440) as four octal digits; None for anything else."""
    if text is None:
        return None
    found = _MODE.fullmatch(text)
    if found is not None:
        return f"0{found[1][-3:]}"
    return f"0{int(text) & 0o777:03o}" if text.isdecimal() and len(text) < 5 else None


def note_carried(node_id: str, source: str, file: TextFile, line: int, importing: Importing) -> None:
    """Say that a file is part of the graph now."""
    importing.note(
        "file-carried",
        node_id,
        f"the text of {quoted(source)} is part of the graph, as {file.path} of the node",
        "change it in the graph from now on, or import again",
        line=line,
    )
