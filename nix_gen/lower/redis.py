"""Redis nodes: one `services.redis.servers` entry each.

Pure.
"""

from __future__ import annotations

from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.site import Site
from nix_gen.lower.storage import mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Database, Host

_OWN = frozenset({"port", "bind", "requirepass", "dir", "unixsocket", "save"})
"""Settings that have an option of their own, or that the module decides."""
_SWITCH = {"yes": True, "true": True, "no": False, "false": False}


def lower_redis(site: Site, draft: Draft, host: Host) -> None:
    """Write the Redis servers of a host."""
    for node in site.of_form(host.id, Form.REDIS):
        assert isinstance(node, Database)
        (copy,) = site.copies(node.id)
        option = ("services", "redis", "servers", copy.name)
        reached = is_reached_from_outside(site, node)
        settings: dict[str, Plain] = {
            name: given for name, given in node.settings.items() if name not in _OWN
        }
        if reached and node.password is None:
            # Without a password Redis would refuse all but loopback; the firewall decides here.
            settings.setdefault("protected-mode", "no")
        comments = [node_comment(node)]
        comments += [
            f"{edge.id}: the module keeps the data in /var/lib/redis-{copy.name}."
            for edge, _ in mounts_of(site, node)
        ]
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
        if settings:
            options["settings"] = settings
        save = _save(site, node)
        if save is not None:
            options["save"] = save
        draft.put(option, options, *comments)
        start_after(site, draft, node, ("systemd", "services", f"redis-{copy.name}"))


def _save(site: Site, node: Database) -> list[list[int]] | None:
    """Snapshot rules, `60 1` meaning one change within 60 s; None leaves the module's."""
    if "save" not in node.settings:
        return None
    words = str(node.settings["save"]).split()
    if all(word.isdecimal() and len(word) < 10 for word in words) and len(words) % 2 == 0:
        return [[int(words[i]), int(words[i + 1])] for i in range(0, len(words), 2)]
    site.warn("bad-save", node.id, "the setting save is not pairs of seconds and changes", "write '60 1'")
    return None
