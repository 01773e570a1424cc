"""The systems that are compared, and how each is set up: one variant per way of running it.

Settings are explained in docs/tasks-benchmark.md. Pure: names and numbers, no processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Server = Literal["redis", "nats", "conclave"]
Environment = Literal["main", "arq", "own"]
OURS: Final = "Conclave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of running one system."""

    system: str
    """As the reader knows it: "Celery + Redis"."""
    name: str
    """What is special about this way of running it: "prefork"."""
    servers: tuple[Server, ...]
    environment: Environment
    """Which virtual environment its workers and its submitter run in; "own" is that of the driver."""
    module: str
    """Below ``benchmarks.peers``: run as a program it submits; its workers import it."""
    worker: tuple[str, ...]
    """What follows ``python`` to start workers: ``{workers}`` is how many, ``{copy}`` counts from 0."""
    is_per_worker: bool
    """Whether that starts one worker process, and so is run once for each."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """For its workers and its submitter, as JSON in their environment."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that the system itself reads."""

    @property
    def key(self) -> str:
        """Names it in every table and file."""
        return f"{self.system}, {self.name}"

    def command(self, *, workers: int, copy: int) -> list[str]:
        """Command line of one worker program, without ``python``."""
        return [each.format(workers=workers, copy=copy) for each in self.worker]


def _celery(name: str, *pool: str, is_per_worker: bool) -> Variant:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    app = ("-m", "celery", "-A", "benchmarks.peers.with_celery", "worker", "-n", "bench{copy}@%h")
    return Variant(
        system="Celery + Redis",
        name=name,
        servers=("redis",),
        environment="main",
        module="with_celery",
        worker=(*app, *quiet, *pool),
        is_per_worker=is_per_worker,
        settings={"prefetch": 64, "submit_threads": 4},
    )


def _dramatiq(name: str, **variables: str) -> Variant:
    return Variant(
        system="Dramatiq + Redis",
        name=name,
        servers=("redis",),
        environment="main",
        module="with_dramatiq",
        worker=(
            *("-m", "dramatiq", "benchmarks.peers.with_dramatiq"),
            *("--processes", "{workers}", "--threads", "8"),
        ),
        is_per_worker=False,
        settings={"submit_threads": 4},
        variables=variables,
    )


def _taskiq(system: str, name: str, *servers: Server, broker: str, results: str) -> Variant:
    return Variant(
        system=system,
        name=name,
        servers=servers,
        environment="main",
        module="with_taskiq",
        worker=(
            *("-m", "taskiq", "worker", "benchmarks.peers.with_taskiq:broker"),
            *("--workers", "{workers}", "--max-async-tasks", "100", "--log-level", "WARNING"),
        ),
        is_per_worker=False,
        settings={
            "broker": broker,
            "results": results,
            "prefetch": 100,
            "connections": 100,
            "submit_in_flight": 100,
            "check_interval_s": 0.001,
        },
    )


def _arq() -> Variant:
    return Variant(
        system="arq + Redis",
        name="poll 2 ms",
        servers=("redis",),
        environment="arq",
        module="with_arq",
        worker=("-m", "arq", "benchmarks.peers.with_arq.WorkerSettings"),
        is_per_worker=True,
        settings={"max_jobs": 100, "poll_delay_s": 0.002, "submit_in_flight": 100, "check_interval_s": 0.001},
    )


def _conclave(name: str, *, eager: bool) -> Variant:
    return Variant(
        system=OURS,
        name=name,
        servers=("conclave",),
        environment="own",
        module="with_conclave",
        worker=("-m", "benchmarks.peers.with_conclave", "worker{copy}"),
        is_per_worker=True,
        settings={
            "eager": eager,
            "max_tasks": 256,
            "submit_batch": 256,
            "submit_in_flight": 4,
        },
    )


VARIANTS: Final = (
    _celery("prefork", "--pool", "prefork", "--concurrency", "{workers}", is_per_worker=False),
    _celery("solo", "--pool", "solo", is_per_worker=True),
    _dramatiq("defaults"),
    _dramatiq("idle 2 ms", dramatiq_worker_timeout="2", dramatiq_queue_prefetch="128"),
    _taskiq("Taskiq + Redis", "streams", "redis", broker="redis", results="redis"),
    _taskiq("Taskiq + NATS", "results in NATS", "nats", broker="nats", results="nats"),
    _taskiq("Taskiq + NATS", "results in Redis", "nats", "redis", broker="nats", results="redis"),
    _arq(),
    _conclave("lease first", eager=False),
    _conclave("eager", eager=True),
)
"""In the order of the table; a system counts with its best variant."""
