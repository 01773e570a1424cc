"""An agent with a credential of its own and no manners: it says what it likes of anybody's task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coordination.runtime.names import Subjects
from tests.support.raw_client import RawClient

ANSWER_TIMEOUT_S = 20.0


class Liar:
    """Requests at the bare protocol.

    Args:
        raw: Its connection, let in as `agent`.
        agent: Who it is.
        subjects: The deployment's.
    """

    def __init__(self, raw: RawClient, agent: str, subjects: Subjects) -> None:
        self.raw = raw
        self._agent = agent
        self._subjects = subjects

    async def say(self, verb: str, task_id: str, **said: Any) -> str:
        """The code with which the task service refuses it; empty if it takes it."""
        subject = self._subjects.call("tasks", verb, self._agent)
        answer = await self._ask(subject, {"task_id": task_id, **said})
        code: str = answer.get("code", "")
        return code

    async def report(self, *items: Mapping[str, Any]) -> list[str]:
        """The same of several things in one request."""
        answer = await self._ask(self._subjects.call("tasks", "report", self._agent), {"items": items})
        return [each.get("code", "") for each in answer["results"]]

    async def _ask(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        message = await self.raw.client.request(subject, json.dumps(body).encode(), timeout=ANSWER_TIMEOUT_S)
        answer: dict[str, Any] = json.loads(message.data)
        return answer
