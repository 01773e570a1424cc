"""Secrets by reference: files below /run/secrets that sops-nix, agenix or the operator put there.

Pure. No secret is ever in the graph, in the generated text or in the Nix store. A secret in a variable is
read when the unit starts, by a unit of its own that writes an environment file only root can read, in
memory.
"""

from __future__ import annotations

from nix_gen.ir import Multiline
from nix_gen.lower.draft import Draft
from nix_gen.lower.site import Site
from nix_gen.lower.words import SECRETS
from nix_gen.nodes import Running, SecretRef

_FOR_PODMAN = """\
put() { # VARIABLE SECRET
  value=$(cat "$CREDENTIALS_DIRECTORY/$2")
  case $value in
    *$'\\n'*)
      echo "the secret $2 has several lines, and an environment file of podman holds one line each" >&2
      exit 1
      ;;
  esac
  printf '%s=%s\\n' "$1" "$value"
}
"""
_FOR_SYSTEMD = """\
put() { # VARIABLE SECRET
  value=$(sed -e 's/[\\\\"$`]/\\\\&/g' "$CREDENTIALS_DIRECTORY/$2")
  printf '%s="%s"\\n' "$1" "$value"
}
"""


def secret_file(name: str) -> str:
    """Where the value of a secret is found on the host."""
    return f"{SECRETS}/{name}"


def secret_target(secret: SecretRef) -> str | None:
    """Where the workload sees a secret as a file; None if it only wants a variable."""
    if secret.path is not None:
        return secret.path
    return secret_file(secret.name) if secret.env is None else None


def environment_file(site: Site, node: Running) -> str | None:
    """Path of the environment file with a node's secrets, or None if no variable holds one."""
    if not any(secret.env for secret in node.secrets):
        return None
    return f"/run/{site.helper('env', node.id)}/env"


def lower_environment(site: Site, draft: Draft, node: Running, units: list[str], *, podman: bool) -> None:
    """Write the unit that fills a node's environment file, before `units` start."""
    pairs = sorted((secret.env, secret.name) for secret in node.secrets if secret.env)
    if not pairs or not units:
        return
    name = site.helper("env", node.id)
    puts = "".join(f"  put {variable} {secret}\n" for variable, secret in pairs)
    head = _FOR_PODMAN if podman else _FOR_SYSTEMD
    script = f'{head}{{\n{puts}}} > "$RUNTIME_DIRECTORY/env"\n'
    names = sorted({secret for _, secret in pairs})
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Environment file with the secrets of {node.id}",
            "before": units,
            "requiredBy": units,
            "script": Multiline(script),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "LoadCredential": [f"{secret}:{secret_file(secret)}" for secret in names],
                "RuntimeDirectory": name,
                "RuntimeDirectoryMode": "0700",
                "UMask": "0077",
            },
        },
        f"{node.id}: variables with secrets, read from {SECRETS} when the unit starts.",
    )
