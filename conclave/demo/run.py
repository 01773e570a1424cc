"""One run of the main job: a graph is discussed, voted on, and, if approved, built as a flake."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from conclave.demo.cast import Participant, ReviewRequest, SaidReview
from conclave.demo.report import (
    Ballot,
    Build,
    Decision,
    Fact,
    Holding,
    Input,
    Note,
    Report,
    Review,
    relative,
)
from conclave.demo.review import SPECIALISTS
from conclave.demo.screen import Screen
from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.session import Session
from coordination.runtime.errors import UnavailableError
from coordination.runtime.names import Subjects
from knowledge import facts as knowledge_facts
from knowledge.facts import Pattern
from knowledge.replica import Replica
from nix_gen import Finding, Loaded, load, require_writable, validate

TOPIC: Final = "deployments"
PREDICATE: Final = "built-as"
VOTING_PERIOD_MS: Final = 60_000
STAGE_TIMEOUT_S: Final = 60.0


class Stages:
    """How long each stage of a run took."""

    def __init__(self, screen: Screen) -> None:
        self.elapsed_ms: dict[str, int] = {}
        self._screen = screen
        self._started_s = time.monotonic()

    @contextlib.contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Measure the block and show that it runs."""
        started_s = time.monotonic()
        with self._screen.stage(title):
            yield
        self.elapsed_ms[name] = round((time.monotonic() - started_s) * 1000)
        self.elapsed_ms["total"] = round((time.monotonic() - self._started_s) * 1000)


def default_graph() -> Path:
    """The example that the demo takes when it is given nothing: beside the sources, or in the package."""
    here = Path(__file__).resolve()
    beside = here.parents[2] / "examples" / "shop" / "compose.yaml"
    return beside if beside.is_file() else here.with_name("shop") / "compose.yaml"


async def demo(
    path: Path,
    *,
    out: Path,
    store: Path,
    url: str | None,
    prefix: str,
    screen: Screen,
    credentials: Path | None = None,
    insecure: bool = False,
) -> Report:
    """Take the graph in `path` through review, vote and build.

    Args:
        path: A compose file or a graph file.
        out: Directory for the flake; made if absent.
        store: Directory of the embedded server.
        url: A nats-server on which Conclave runs already, instead of an embedded one.
        prefix: First token of the deployment's subjects.
        screen: Is told what happens.
        credentials: For the server at `url`: a directory with ``<agent>.nk`` for every agent of the demo.
        insecure: Let anybody into the embedded server.

    Raises:
        GraphFileError: The file cannot be read as a graph.
        OutputError: `out` cannot be written or holds something that is not ours.
        UsageError, UnavailableError: Conclave could not be started or reached, or an agent fell silent.
    """
    loaded = load(path)
    require_writable(out)
    stages = Stages(screen)
    async with contextlib.AsyncExitStack() as stack:
        with stages.stage("start", "starting nats-server and services"):
            if url is None:
                secured = None if insecure else Subjects(prefix)
                server = await stack.enter_async_context(embedded_server(store, port=0, secured=secured))
                url, credentials = server.url, server.identities.directory
                services = deployed(url, subjects=Subjects(prefix), credentials=server.credentials)
                await stack.enter_async_context(services)
                await server.identities.ensure(*(specialist.agent for specialist in SPECIALISTS))
        cast = [Participant(specialist, out=str(out)) for specialist in SPECIALISTS]
        with stages.stage("agents", "agents are registering"):
            sessions = [
                await stack.enter_async_context(
                    each.agent.running(url, credentials=credentials, prefix=prefix)
                )
                for each in cast
            ]
            replicas = [await stack.enter_async_context(session.replica()) for session in sessions]
        run = _Run(loaded, path=path, cast=cast, sessions=sessions, replicas=replicas, screen=screen)
        return await run.report(stages)


class _Run:
    """The lead's side of one run."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        path: Path,
        cast: list[Participant],
        sessions: list[Session],
        replicas: list[Replica],
        screen: Screen,
    ) -> None:
        self._graph = loaded.graph
        self._cast = cast
        self._lead = cast[0]
        self._session = sessions[0]
        self._builder = sessions[-1]
        self._replicas = replicas
        self._screen = screen
        self._digest = loaded.graph.digest()
        self._input = Input(
            path=relative(path),
            origin=loaded.origin,
            name=loaded.graph.name,
            nodes_count=len(loaded.graph.nodes),
            edges_count=len(loaded.graph.edges),
            sha256=self._digest,
            notes=tuple(_note(each) for each in loaded.notes),
            findings=tuple(_note(each) for each in validate(loaded.graph)),
        )

    async def report(self, stages: Stages) -> Report:
        report = await self._report(stages)
        return report.model_copy(update={"elapsed_ms": dict(stages.elapsed_ms)})

    async def _report(self, stages: Stages) -> Report:
        earlier = tuple(
            _remembered(fact) for fact in self._replicas[0].query(TOPIC, Pattern(predicate=PREDICATE))
        )
        self._screen.input(self._input, earlier)
        with stages.stage("review", "agents are reviewing"):
            conversation_id, reviews = await self._review()
        for each in reviews:
            self._screen.review(each)
        with stages.stage("vote", "agents are voting"):
            decision = await self._decide(conversation_id)
        self._screen.decision(decision)
        report = Report(
            verdict="rejected",
            reason=f"Rejected by {decision.votes_against} of {len(self._cast)} agents: {_why(decision)}",
            input=self._input,
            earlier_runs=earlier,
            reviews=reviews,
            decision=decision,
        )
        if decision.state != "succeeded":
            return report
        with stages.stage("build", "the builder is translating the approved graph"):
            build, failure = await self._build(decision)
        if build is None:
            return report.model_copy(update={"verdict": "failed", "reason": failure})
        self._screen.build(build)
        failed = [check for check in build.checks if not check.passed]
        if failed:
            reason = f"The flake did not pass: nix {failed[0].name}: {failed[0].output}"
            return report.model_copy(update={"verdict": "failed", "reason": reason, "build": build})
        with stages.stage("knowledge", "the news is spreading"):
            fact = await self._tell(decision, build)
        self._screen.fact(fact)
        return report.model_copy(
            update={
                "verdict": "built" if fact.agreed else "failed",
                "reason": f"Approved, built and known: {build.directory}/flake.nix"
                if fact.agreed
                else "The replicas do not agree on what was built",
                "build": build,
                "fact": fact,
            }
        )

    async def _review(self) -> tuple[str, tuple[Review, ...]]:
        """Ask everybody, and wait until everybody has spoken."""
        await self._session.artifacts.put(self._graph.canonical_json())
        names = tuple(each.agent.id for each in self._cast)
        asked = ReviewRequest(graph=self._graph.name, artifact_sha256=self._digest, reviewers=names)
        conversation = await self._session.dialog.open(
            f"Review of {self._graph.name}", names, conversation_id=f"review-{secrets.token_hex(6)}"
        )
        identity = conversation.conversation_id
        said = await self._session.dialog.broadcast(identity, asked.model_dump_json(), performative="request")
        await self._lead.give_review(self._session, asked, identity, in_reply_to=said.sequence)
        try:
            async with asyncio.timeout(STAGE_TIMEOUT_S):
                await self._lead.all_heard.wait()
        except TimeoutError:
            silent = ", ".join(sorted(set(names) - self._lead.heard.keys()))
            raise UnavailableError(f"no review from {silent} within {STAGE_TIMEOUT_S:g} s") from None
        return identity, await self._minutes(identity)

    async def _minutes(self, conversation_id: str) -> tuple[Review, ...]:
        """The reviews as the dialog's own history has them."""
        history = await self._session.dialog.history(conversation_id)
        capability = {each.agent.id: each.specialist.capability for each in self._cast}
        reviews = []
        for message in history.messages:
            if message.in_reply_to is None:
                continue
            said = SaidReview.model_validate_json(message.content)
            reviews.append(
                Review(
                    agent=message.sender,
                    capability=capability[message.sender],
                    performative=message.performative,
                    summary=said.summary,
                    remarks=tuple(
                        Note(severity=each.weight, code=each.code, place=each.place, text=each.text)
                        for each in said.remarks
                    ),
                )
            )
        return tuple(sorted(reviews, key=lambda each: list(capability).index(each.agent)))

    async def _decide(self, conversation_id: str) -> Decision:
        """Put the graph to the vote and wait for the decision."""
        proposal = await self._session.consensus.propose(
            f"Deploy {self._graph.name}",
            kind="infrastructure_change",
            artifact_sha256=self._digest,
            electorate=[each.agent.id for each in self._cast],
            voting_period_ms=VOTING_PERIOD_MS,
            quorum=len(self._cast),  # everybody is heard before anything is built
            quorum_counts="all",
            conversation_id=conversation_id,
        )
        identity = proposal.proposal_id
        settled = await self._session.consensus.decision(
            identity, timeout_s=STAGE_TIMEOUT_S + VOTING_PERIOD_MS / 1000
        )
        votes = (await self._session.consensus.votes(identity)).votes
        assert settled.tally is not None
        return Decision(
            proposal_id=identity,
            conversation_id=conversation_id,
            state=settled.status,
            votes_for=settled.tally.for_votes,
            votes_against=settled.tally.against_votes,
            votes_abstain=settled.tally.abstain_votes,
            ballots=tuple(
                Ballot(voter=each.voter, choice=each.choice, rationale=each.rationale) for each in votes
            ),
        )

    async def _build(self, decision: Decision) -> tuple[Build | None, str]:
        """Have whoever can translate do so; the flake, or why there is none."""
        payload = {"artifact_sha256": self._digest, "proposal_id": decision.proposal_id}
        await self._session.tasks.submit("nix.translate", payload, max_attempts=1)
        try:
            async with asyncio.timeout(STAGE_TIMEOUT_S * 3):
                result = await self._lead.outcome
        except TimeoutError:
            return None, "The builder did not finish in time"
        if result.get("state") != "completed":
            return None, f"The build failed: {result.get('reason') or result.get('state')}"
        return Build.model_validate(result["result"]), ""

    async def _tell(self, decision: Decision, build: Build) -> Fact:
        """State what was built, and look into every agent's own replica for it."""
        fact = knowledge_facts.Fact.of(
            subject=self._graph.name,
            predicate=PREDICATE,
            object={
                "flake_sha256": build.flake_sha256,
                "graph_sha256": self._digest,
                "hosts": list(build.hosts),
                "proposal_id": decision.proposal_id,
            },
            source=self._builder.agent,
            asserted_at_ms=time.time_ns() // 1_000_000,
        )
        await self._replicas[-1].assert_fact(TOPIC, fact)
        holdings = []
        for session, replica in zip((each.agent for each in self._cast), self._replicas, strict=True):
            with contextlib.suppress(UnavailableError):
                await replica.wait_for(TOPIC, fact.fact_id, timeout_s=STAGE_TIMEOUT_S)
            holds = any(each.fact_id == fact.fact_id for each in replica.query(TOPIC))
            holdings.append(Holding(agent=session.id, holds=holds, heads=replica.heads(TOPIC)))
        return Fact(topic=TOPIC, fact_id=fact.fact_id, replicas=tuple(holdings))


def _note(finding: Finding) -> Note:
    mend = f"; {finding.mend}" if finding.mend else ""
    return Note(
        severity=finding.severity, code=finding.code, place=finding.place, text=f"{finding.message}{mend}"
    )


def _why(decision: Decision) -> str:
    against = [ballot.rationale for ballot in decision.ballots if ballot.choice == "against"]
    return against[0] if against else "too few votes"


def _remembered(fact: knowledge_facts.Fact) -> str:
    built: Any = from_json(fact.object_json)
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(fact.asserted_at_ms / 1000))
    return f"{fact.subject} {str(built.get('graph_sha256', ''))[:12]} built {when}"
