"""What is voted on when a task is to be approved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coordination.approvals.artifact import Artifact, artifact
from coordination.requirements import Requirement, parse

PURPOSE: Final = "conclave.task.1"


def task_artifact(requirement: Requirement | str, payload: Mapping[str, Any] | None = None) -> Artifact:
    """The document of a task: its requirement, in canonical text, and its payload.

    What else a task has (priority, deadline, attempts) is the submitter's to choose.

    Args:
        requirement: As for `TasksClient.submit`: a capability, or what the worker must and should be.
        payload: The very payload that will be submitted.

    Raises:
        RequirementSyntaxError: The text is no requirement.
        NotCanonicalError: The payload has no canonical JSON: an integer beyond 2**53 - 1, NaN, too deep.
    """
    needs = requirement if isinstance(requirement, Requirement) else parse(requirement)
    return artifact(PURPOSE, requirement=str(needs), payload=dict(payload or {}))
