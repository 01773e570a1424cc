"""Checks an exported audit on its own: no server, no network, no trust in what it says of itself.

Each line must be the one text of what it says, the chain of hashes must hold, every event must read back
strictly, and the whole history must be what the rules of the proposal lead to
(`consensus.audit.verification`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, BinaryIO, Final

from consensus.audit.findings import Finding, shown
from consensus.audit.form import FORMAT, MAX_ENTRIES, result_of
from consensus.audit.reading import (
    FOREIGN_ENDING,
    Line,
    LineError,
    UnreadableError,
    event_of,
    lines_of,
    object_of,
    require,
)
from consensus.audit.report import Problem, Report
from consensus.audit.verification import Verification
from consensus.events import ProposalCreated, ProposalEvent, VoteCast
from consensus.signing import attested_bytes, verify
from consensus.trail import chained, first_hash

MAX_PROBLEMS: Final = 1_000
"""Reported; whoever has so many needs no more."""
_HASH_CHARS: Final = 64
_HEX: Final = frozenset("0123456789abcdef")


def check(
    file: BinaryIO,
    *,
    keys: Mapping[str, AbstractSet[str]] | None = None,
    service_key: str | None = None,
    heads: Sequence[str] = (),
) -> Report:
    """Check an audit.

    Args:
        file: As exported.
        keys: Agent -> its public keys, from a source that does not depend on the service. None: not compared.
        service_key: Public key that must have signed the attestation. None: the one that the audit names.
        heads: Hashes that must be in the trail: the receipts of voters, or a head noted elsewhere.

    Raises:
        UnreadableError: It is no audit, or larger than any.
        OSError: The file cannot be read.
    """
    lines = lines_of(file)
    first = next(lines, None)
    if first is None:
        raise UnreadableError("it is empty")
    checker = _Checker(keys)
    checker.take_header(first)
    held: Line | None = None
    for line in lines:
        # Which line is the last one is known when there is no other.
        if held is not None:
            checker.take_entry(held)
        held = line
    if held is None:
        raise UnreadableError("it has one line only")
    checker.take_trailer(held, service_key, heads)
    return checker.report()


class _Checker:
    """What is known of a file so far."""

    def __init__(self, keys: Mapping[str, AbstractSet[str]] | None) -> None:
        self._keys = keys
        self._report = Report()
        self._header: Line | None = None
        """The first line, if it could be read."""
        self._places: dict[int, tuple[Line, int, str]] = {}
        """Entry, counted from 1 -> its line, sequence and event."""
        self._possible_heads: tuple[str, ...] = ()
        """What the next entry may follow: the recorded hash of the last one, or the one it should have."""
        self._hashes: set[str] = set()
        self._sequence = 0
        self._replay: Verification | None = None
        self._is_replayed = True
        self._unsigned_count = 0
        self._is_ending_told = False

    def report(self) -> Report:
        """All that was found, by line."""
        self._report.problems.sort(key=lambda each: each.line)
        del self._report.problems[MAX_PROBLEMS:]
        return self._report

    def _add(self, line: Line, finding: Finding, sequence: int | None = None, event: str = "") -> None:
        if finding.code == FOREIGN_ENDING:
            if self._is_ending_told:
                return
            self._is_ending_told = True
        offset = line.offset + finding.place
        self._report.problems.append(
            Problem(line=line.number, offset=offset, sequence=sequence, event=event, finding=finding)
        )

    # --- the first line

    def take_header(self, line: Line) -> None:
        """The first line: format and proposal."""
        try:
            value, findings = object_of(line)
            require(value, format=str, proposal_id=str)
        except LineError as error:
            self._add(line, error.finding)
            return
        for finding in findings:
            self._add(line, finding)
        if value["format"] != FORMAT:
            self._add(line, Finding("unknown_format", f"format is {shown(value['format'])}", shown(FORMAT)))
        self._header = line
        self._begin(value["proposal_id"])

    def _begin(self, proposal_id: str) -> Verification:
        self._report.proposal_id = proposal_id
        self._possible_heads = (first_hash(proposal_id),)
        self._replay = Verification(proposal_id)
        return self._replay

    # --- the entries

    def take_entry(self, line: Line) -> None:
        """A line of the trail."""
        self._report.entry_count += 1
        if self._report.entry_count > MAX_ENTRIES:
            raise UnreadableError(f"it has more than {MAX_ENTRIES} entries")
        try:
            value, findings = object_of(line)
            for finding in findings:
                self._add(line, finding)
            require(value, sequence=int, event=str, body=dict, hash=str)
        except LineError as error:
            self._add(line, error.finding)
            self._lose(line)
            return
        sequence, name = value["sequence"], value["event"]
        if sequence != self._sequence + 1:
            finding = Finding("sequence", f"sequence is {sequence}", str(self._sequence + 1))
            self._add(line, finding, sequence, name)
        self._sequence = sequence
        self._chain(line, value)
        try:
            event = event_of(name, value["body"])
        except LineError as error:
            self._add(line, error.finding, sequence, name)
            self._lose(line, is_chained=True)
            return
        self._take_event(line, sequence, name, event)

    def _lose(self, line: Line, *, is_chained: bool = False) -> None:
        """Go on without what this line should have said: the rest is judged by its chain only."""
        if not is_chained:
            self._sequence += 1
            self._possible_heads = ()
        if self._is_replayed:
            self._is_replayed = False
            self._report.unchecked.append(
                f"rules and signatures from line {line.number} on: it does not say what happened"
            )

    def _chain(self, line: Line, value: dict[str, Any]) -> None:
        """Whether the entry follows from the one before; a break is named where it is, and once."""
        if self._report.entry_count == 1:
            self._settle_proposal(value)
        sequence, name, recorded = value["sequence"], value["event"], value["hash"]
        self._hashes.add(recorded)
        self._report.head = recorded
        due = [chained(head, sequence, name, value["body"]) for head in self._possible_heads]
        if recorded in due:
            self._possible_heads = (recorded,)
            return
        if due:
            finding = Finding("chain", f"hash is {recorded:.64}: it does not follow", due[0])
            self._add(line, finding, sequence, name)
        # Either this hash was changed or what it is the hash of; the next entry follows one or the other.
        is_hash = len(recorded) == _HASH_CHARS and not set(recorded) - _HEX
        self._possible_heads = (*([recorded] if is_hash else []), *due[:1])

    def _settle_proposal(self, value: dict[str, Any]) -> None:
        """Where first line and first entry name different proposals, the hash tells which one is right."""
        told, proposal_id = self._report.proposal_id, value["body"].get("proposal_id")
        if not isinstance(proposal_id, str) or proposal_id == told:
            return
        head = chained(first_hash(proposal_id), value["sequence"], value["event"], value["body"])
        if head == value["hash"]:
            if self._header is not None:
                finding = Finding("wrong_value", f"proposal_id is {shown(told)}", shown(proposal_id))
                self._add(self._header, finding)
            self._begin(proposal_id)

    def _take_event(self, line: Line, sequence: int, name: str, event: ProposalEvent) -> None:
        if isinstance(event, ProposalCreated):
            self._report.title = event.title
        if isinstance(event, VoteCast):
            self._take_vote(line, sequence, event)
        replay = self._replay or self._begin(event.proposal_id)
        self._places[self._report.entry_count] = (line, sequence, name)
        if self._is_replayed:
            replay.take(self._report.entry_count, event)

    def _take_vote(self, line: Line, sequence: int, event: VoteCast) -> None:
        self._report.vote_count += 1
        if not event.signature:
            self._unsigned_count += 1
            return
        self._report.signed_vote_count += 1
        if self._keys is None:
            return
        known = self._keys.get(event.voter, frozenset())
        if event.public_key not in known:
            due = " or ".join(sorted(known)) or f"a key of {event.voter:.80}, of which none is known"
            finding = Finding(
                "foreign_key", f"signed by {event.public_key:.56}, not by {event.voter:.80}", due
            )
            self._add(line, finding, sequence, "VoteCast")

    # --- the last line

    def take_trailer(self, line: Line, service_key: str | None, heads: Sequence[str]) -> None:
        """The last line: what it all comes to."""
        self._finish_replay(line)
        self._look_for(line, heads)
        if self._keys is None and self._report.signed_vote_count:
            self._report.unchecked.append("whose keys have signed the votes: give --keys")
        if self._unsigned_count:
            self._report.unchecked.append(
                f"who cast {self._unsigned_count} of the votes: they are not signed"
            )
        try:
            value, findings = object_of(line)
            for finding in findings:
                self._add(line, finding)
            require(value, head=str, entries=int, result=(dict, type(None)), attestation=(dict, type(None)))
        except LineError as error:
            self._add(line, error.finding)
            return
        due = {"head": self._last_head(), "entries": self._report.entry_count}
        if self._is_replayed:
            due["result"] = self._report.result
        for name, expected in due.items():
            if value[name] != expected:
                self._add(line, Finding("wrong_value", f"{name} is {shown(value[name])}", shown(expected)))
        self._attest(line, value, service_key)

    def _last_head(self) -> str:
        return self._report.head or first_hash(self._report.proposal_id)

    def _finish_replay(self, line: Line) -> None:
        replay = self._replay
        if replay is None:
            return
        if self._is_replayed:
            replay.finish(self._report.entry_count + 1)
            if replay.is_halted:
                self._is_replayed = False
                self._report.unchecked.append("what follows from the rules: they mean nothing")
            else:
                self._report.result = result_of(replay.record)
        for fault in replay.faults:
            place = self._places.get(fault.sequence)
            if place is None:
                self._add(line, fault.finding)
            else:
                self._add(place[0], fault.finding, place[1], place[2])

    def _look_for(self, line: Line, heads: Sequence[str]) -> None:
        for head in heads:
            if head not in self._hashes:
                self._add(line, Finding("unknown_head", f"no entry has the hash {head:.64}, which was given"))
        if not heads:
            self._report.unchecked.append(
                "whether this is the trail that voters saw: give a receipt with --head"
            )

    def _attest(self, line: Line, value: dict[str, Any], service_key: str | None) -> None:
        attestation = value["attestation"]
        if attestation is None:
            if service_key is not None:
                self._add(line, Finding("no_attestation", "the service has not signed it"))
            else:
                self._report.unchecked.append("the service's own word: there is no attestation")
            return
        try:
            require(attestation, sequence=int, hash=str, public_key=str, signature=str)
        except LineError as error:
            self._add(
                line, Finding("wrong_fields", f"attestation: {error.finding.message}", error.finding.expected)
            )
            return
        for name, due in (("hash", self._last_head()), ("sequence", self._report.entry_count)):
            if attestation[name] != due:
                finding = Finding(
                    "wrong_value", f"attestation: {name} is {shown(attestation[name])}", shown(due)
                )
                self._add(line, finding)
        public_key = attestation["public_key"]
        if service_key is not None and public_key != service_key:
            self._add(line, Finding("foreign_key", f"attestation: signed by {public_key:.56}", service_key))
        if service_key is None:
            self._report.unchecked.append("whether the attestation is the service's: give --service-key")
        data = attested_bytes(
            proposal_id=self._report.proposal_id, sequence=attestation["sequence"], head=attestation["hash"]
        )
        if not verify(public_key, attestation["signature"], data):
            self._add(
                line, Finding("bad_signature", f"attestation: {public_key:.56} has not signed this head")
            )
