"""Audits: what a proposal leaves behind, and how anybody checks it without a server."""

from consensus.audit.checking import check
from consensus.audit.collecting import collect
from consensus.audit.form import FORMAT, export
from consensus.audit.reading import LineError, UnreadableError, event_of
from consensus.audit.report import Problem, Report

__all__ = [
    "FORMAT",
    "LineError",
    "Problem",
    "Report",
    "UnreadableError",
    "check",
    "collect",
    "event_of",
    "export",
]
