"""Load balancers.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import ITEMS_MAX_COUNT, Name, Part, Port, Settings, in_one_order


class BalancerEngine(StrEnum):
    """Load balancer engines."""

    NGINX = "nginx"
    HAPROXY = "haproxy"


class VirtualHost(Part):
    """A name a load balancer answers for, on behalf of the `load_balances` edges that name it or none."""

    name: Name
    """Server name; `_` answers for every name."""
    aliases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda a: tuple(sorted(set(a))))
    ] = ()
    listen: Annotated[
        tuple[Port, ...], Field(max_length=16), AfterValidator(lambda p: tuple(sorted(set(p))))
    ] = ()
    """Ports of this virtual host. Empty: the `listen` ports of the balancer."""


class LoadBalancer(RunningBase):
    """A reverse proxy; upstreams and weights come from its `load_balances` edges."""

    kind: Literal["load_balancer"] = "load_balancer"
    engine: BalancerEngine = BalancerEngine.NGINX
    version: Name | None = None
    listen: Annotated[
        tuple[Port, ...], Field(max_length=16), AfterValidator(lambda p: tuple(sorted(set(p))))
    ] = (80,)
    virtual_hosts: Annotated[
        tuple[VirtualHost, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """Empty: one virtual host `_` on the `listen` ports."""
    settings: Settings = Field(default_factory=dict)
