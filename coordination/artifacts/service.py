"""Binds the endpoints of the artifact store to its depot."""

from __future__ import annotations

from coordination.artifacts import wire
from coordination.artifacts.depot import Depot
from coordination.artifacts.store import NAME, ObjectBucket
from coordination.runtime.bus import NatsBus
from coordination.runtime.runner import Shell
from coordination.runtime.service import Action, Call, ServiceDefinition

__all__ = ["NAME", "define", "define_over"]


def define(shell: Shell, bus: NatsBus) -> ServiceDefinition:
    """The artifact store over the deployment's object store bucket."""
    return define_over(Depot(ObjectBucket(bus, shell.subjects), shell.clock))


def define_over(depot: Depot) -> ServiceDefinition:
    """The artifact store over `depot`."""

    async def put(call: Call, request: wire.PutRequest) -> wire.PutReply:
        return await depot.put(call.caller, request)

    async def commit(call: Call, request: wire.CommitRequest) -> wire.CommitReply:
        return await depot.commit(call.caller, request)

    async def stat(_: Call, request: wire.StatRequest) -> wire.StatReply:
        return await depot.stat(request)

    async def get(_: Call, request: wire.GetRequest) -> wire.GetReply:
        return await depot.get(request)

    return ServiceDefinition(
        name=NAME,
        version="0.1.0",
        description="Artifacts of up to 16 MiB, stored and found by their SHA-256.",
        endpoints=(
            Action(
                verb="put",
                description="Store a chunk of an artifact; one of a single chunk is complete with it.",
                request=wire.PutRequest,
                reply=wire.PutReply,
                act=put,
            ),
            Action(
                verb="commit",
                description="Check an artifact whose chunks have all been put, and store it for good.",
                request=wire.CommitRequest,
                reply=wire.CommitReply,
                act=commit,
            ),
            Action(
                verb="stat",
                description="Whether an artifact is stored, and its size.",
                request=wire.StatRequest,
                reply=wire.StatReply,
                act=stat,
            ),
            Action(
                verb="get",
                description="One chunk of an artifact.",
                request=wire.GetRequest,
                reply=wire.GetReply,
                act=get,
            ),
        ),
    )
