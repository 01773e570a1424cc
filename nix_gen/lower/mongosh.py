"""A unit that tells a MongoDB of its host something once, with passwords from its credentials. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nix_gen.ir import Call, Multiline, Plain, Ref, Str, Template
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.nodes import Database


def mongosh_unit(
    site: Site, node: Database, name: str, *, does: str, after: str, script: str, secrets: Sequence[str]
) -> dict[str, Plain]:
    """The service.

    Args:
        site: the surveyed graph.
        node: the server.
        name: of the unit, without suffix.
        does: what the unit is for, in words.
        after: the unit without which it does not start.
        script: the JavaScript it runs.
        secrets: names of the secrets it reads.
    """
    program = Call(Ref(("lib", "getExe")), (Ref(("pkgs", "mongosh")),))
    file = Call(Ref(("pkgs", "writeText")), (Str(f"{name}.js"), Multiline(script)))
    address = f"mongodb://{LOOPBACK}:{node.listen_port}/admin?directConnection=true"
    return {
        "description": does,
        "after": [after],
        "requires": [after],
        "wantedBy": ["multi-user.target"],
        "environment": {"HOME": f"/run/{name}"},
        "serviceConfig": {
            "Type": "oneshot",
            "RemainAfterExit": True,
            "ExecStart": Template((program, f" --quiet --norc {address} ", file)),
            "DynamicUser": True,
            **load_credentials(site, f"{name}.service", secrets),
            "RuntimeDirectory": name,
            "RuntimeDirectoryMode": "0700",
        },
    }
