"""Redis nodes: one `services.redis.servers` entry each.

Pure.
"""

from __future__ import annotations

from nix_gen.edges import Replicates, ReplicationMode
from nix_gen.ir import Multiline, Plain
from nix_gen.lower.data_directories import bind_data
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.replicas import address_of
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Copy, Site
from nix_gen.lower.words import STATE, node_comment
from nix_gen.nodes import Database, Host
from nix_gen.replication import replicas, upstreams

_OWN = frozenset({"port", "bind", "requirepass", "dir", "unixsocket", "save"})
"""Settings that have an option of their own, or that the module decides."""
_MASTERAUTH = "masterauth.conf"
_SWITCH = {"yes": True, "true": True, "no": False, "false": False}


def lower_redis(site: Site, draft: Draft, host: Host) -> None:
    """Write the Redis servers of a host."""
    for node in site.of_form(host.id, Form.REDIS):
        assert isinstance(node, Database)
        (copy,) = site.copies(node.id)
        reached = is_reached_from_outside(site, node)
        settings = _settings(site, draft, node, copy, reached=reached)
        comments = [node_comment(node)]
        comments += filter(None, [bind_data(site, draft, node, f"{STATE}/redis-{copy.name}")])
        options: dict[str, Plain] = {
            "enable": True,
            "port": node.listen_port,
            "bind": None if reached else LOOPBACK,
        }
        if node.password is not None:
            options["requirePassFile"] = site.secret_file(node.password, copy.unit)
        append_only = _SWITCH.get(str(settings.get("appendonly")).lower())
        if append_only is not None:
            del settings["appendonly"]
            options["appendOnly"] = append_only
        for edge, primary in upstreams(site.graph, node):
            address = address_of(site, node, primary)
            if address is not None:
                options["slaveOf"] = {"ip": address, "port": primary.listen_port}
                comments.append(f"{edge.id}: a replica, which refuses writes.")
        if settings:
            options["settings"] = settings
        save = _save(site, node)
        if save is not None:
            options["save"] = save
        draft.put(("services", "redis", "servers", copy.name), options, *comments)
        start_after(site, draft, node, ("systemd", "services", copy.unit.removesuffix(".service")))


def _settings(site: Site, draft: Draft, node: Database, copy: Copy, *, reached: bool) -> dict[str, Plain]:
    settings: dict[str, Plain] = {name: given for name, given in node.settings.items() if name not in _OWN}
    if reached and node.password is None:
        # Without a password Redis would refuse all but loopback; the firewall decides here.
        settings.setdefault("protected-mode", "no")
    synchronous = [edge for edge, _ in replicas(site.graph, node) if edge.mode is ReplicationMode.SYNC]
    if synchronous:
        settings.setdefault("min-replicas-to-write", len(synchronous))
    for edge, primary in upstreams(site.graph, node):
        if primary.password is not None:
            settings["include"] = _credentials(site, draft, edge, copy, primary.password)
    return settings


def _credentials(site: Site, draft: Draft, edge: Replicates, copy: Copy, secret: str) -> str:
    """Write the unit that tells a replica its primary's password, and give the file it includes.

    The module's own `masterAuth` would put the password into the store.
    """
    name = site.helper("auth", edge.source)
    script = (
        f"""password=$(sed -e 's/[\\"]/\\\\&/g' "$CREDENTIALS_DIRECTORY/{secret}")\n"""
        f"""printf 'masterauth "%s"\\n' "$password" > "$RUNTIME_DIRECTORY/{_MASTERAUTH}"\n"""
    )
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"The password with which {edge.source} follows {edge.target}",
            "before": [copy.unit],
            "requiredBy": [copy.unit],
            "script": Multiline(script),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "User": copy.unit.removesuffix(".service"),
                **load_credentials(site, f"{name}.service", [secret]),
                "RuntimeDirectory": name,
                "RuntimeDirectoryMode": "0700",
            },
        },
        f"{edge.id}: the server includes what this writes; `masterAuth` would put it into the store.",
    )
    harden(draft, ("systemd", "services", name))
    return f"/run/{name}/{_MASTERAUTH}"


def _save(site: Site, node: Database) -> list[list[int]] | None:
    """Snapshot rules, `60 1` meaning one change within 60 s; None leaves the module's."""
    if "save" not in node.settings:
        return None
    words = str(node.settings["save"]).split()
    if all(word.isdecimal() and len(word) < 10 for word in words) and len(words) % 2 == 0:
        return [[int(words[i]), int(words[i + 1])] for i in range(0, len(words), 2)]
    site.warn("bad-save", node.id, "the setting save is not pairs of seconds and changes", "write '60 1'")
    return None
