"""Which format a file of ballots has, and its text. Pure: bytes in, data out."""

from __future__ import annotations

import codecs
from dataclasses import replace
from typing import Final

from consensus.counting import blt, documents, preflib, snapshot
from consensus.counting.bounds import MAX_FILE_BYTES
from consensus.counting.election import Election
from consensus.counting.faults import BallotFileError

_PREFLIB_ENDINGS: Final = (".soc", ".soi", ".toc", ".toi")
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_election(content: bytes, *, name: str = "") -> Election:
    """The election in a file, whatever its format.

    Args:
        content: Of the file.
        name: Of the file; its ending tells old PrefLib files from BLT.

    Raises:
        BallotFileError: The file is too long or cannot be read; says where and why.
    """
    if len(content) > MAX_FILE_BYTES:
        raise BallotFileError(
            f"the file has {len(content)} bytes, more than {MAX_FILE_BYTES}; join equal ballots"
        )
    text, notes = _text(content)
    if not text.strip():
        raise BallotFileError("the file is empty")
    election = _read(text, name)
    return replace(election, notes=(*notes, *election.notes))


def _read(text: str, name: str) -> Election:
    start = text.lstrip()[:4_096]
    if start[0] in "{[":
        document = documents.parse(text)
        if snapshot.looks_like(document):
            return snapshot.read(document)
        if not isinstance(document, dict):
            raise BallotFileError("an object with 'options' and 'ballots' is wanted, not a list")
        return documents.read(document)
    if name.lower().endswith(_PREFLIB_ENDINGS) or (start[0] == "#" and "ALTERNATIVE" in start):
        return preflib.read(text)
    return blt.read(text)


def _text(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text with newlines made equal, and what had to be guessed."""
    notes: tuple[str, ...] = ()
    if content.startswith(_UTF_16):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
            notes = ("the file is no UTF-8; it was read as Windows-1252 (Latin-1)",)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, notes
