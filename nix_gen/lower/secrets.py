"""Secrets by reference: who brings them to a host, where they are found there, and who gets them.

Pure. No secret is ever in the graph, in the generated text or in the Nix store. A unit gets a secret as a
systemd credential, which only its own user can read; a container, and a module that wants a path, get a
file that root alone, or the container's user, can read. A secret in a variable is read when the unit
starts, by a unit of its own that writes an environment file only root can read, in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.graph import SecretProvider
from nix_gen.ir import Call, Multiline, Plain, Ref, RelativePath, attrs
from nix_gen.lower.draft import Draft
from nix_gen.lower.hardening import harden
from nix_gen.lower.site import SecretUse, Site
from nix_gen.lower.words import SECRETS, systemd_variables
from nix_gen.nodes import Host, Running, SecretRef

SOPS_FILE = "./secrets.yaml"
"""The operator's encrypted file beside a host's module."""
AGE_FOLDER = "./secrets"
"""The folder of the operator's encrypted files beside a host's module."""
CREDENTIAL_STORE = "/etc/credstore.encrypted"
"""Where systemd looks for encrypted credentials."""
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


def load_credentials(site: Site, unit: str, names: Iterable[str]) -> dict[str, Plain]:
    """The entry of `serviceConfig` by which a unit gets secrets, below `$CREDENTIALS_DIRECTORY`.

    Args:
        site: the surveyed graph.
        unit: the unit with suffix; it is restarted when one of the secrets changes.
        names: of the secrets; nothing is written for none.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    if site.graph.graph.secrets is SecretProvider.CREDENTIALS:
        return {"LoadCredentialEncrypted": [f"{name}:{CREDENTIAL_STORE}/{name}" for name in wanted]}
    return {"LoadCredential": [f"{name}:{site.secret_file(name, unit)}" for name in wanted]}


def secret_target(secret: SecretRef) -> str | None:
    """Where the workload sees a secret as a file; None if it only wants a variable."""
    if secret.path is not None:
        return secret.path
    return f"{SECRETS}/{secret.name}" if secret.env is None else None


def _in_variables(node: Running, *, podman: bool) -> list[tuple[str, str]]:
    """Variables with a secret, and its name: a container takes any, systemd passes over some."""
    pairs = sorted((secret.env, secret.name) for secret in node.secrets if secret.env)
    return pairs if podman else [pair for pair in pairs if systemd_variables(pair[:1])]


def environment_file(site: Site, node: Running, *, podman: bool) -> str | None:
    """Path of the environment file with a node's secrets, or None if no variable holds one."""
    if not _in_variables(node, podman=podman):
        return None
    return f"/run/{site.helper('env', node.id)}/env"


def lower_environment(site: Site, draft: Draft, node: Running, units: list[str], *, podman: bool) -> None:
    """Write the unit that fills a node's environment file, before `units` start."""
    pairs = _in_variables(node, podman=podman)
    if not pairs or not units:
        return
    name = site.helper("env", node.id)
    puts = "".join(f"  put {variable} {secret}\n" for variable, secret in pairs)
    head = _FOR_PODMAN if podman else _FOR_SYSTEMD
    script = f'{head}{{\n{puts}}} > "$RUNTIME_DIRECTORY/env"\n'
    names = {secret for _, secret in pairs}
    harden(draft, ("systemd", "services", name))
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
                **load_credentials(site, f"{name}.service", names),
                "RuntimeDirectory": name,
                "RuntimeDirectoryMode": "0700",
            },
        },
        f"{node.id}: variables with secrets, read when the unit starts.",
    )


def lower_secrets(site: Site, draft: Draft, host: Host) -> None:  # noqa: ARG001  # as its sisters
    """Write how the secrets come to a host; the last concern, when all have been asked for."""
    secrets = site.take_secrets()
    if not secrets:
        return
    match site.graph.graph.secrets:
        case SecretProvider.SOPS:
            _sops(draft, secrets)
        case SecretProvider.AGENIX:
            _agenix(draft, secrets)
        case SecretProvider.CREDENTIALS:
            _credentials(site, draft, secrets)
        case SecretProvider.FILES:
            pass


def _sops(draft: Draft, secrets: dict[str, SecretUse]) -> None:
    file = RelativePath(SOPS_FILE)
    entries: dict[str, Plain] = {
        name: attrs(
            {
                **({"restartUnits": list(use.units)} if use.units else {}),
                **({"uid": use.uid} if use.uid else {}),
            }
        )
        for name, use in secrets.items()
    }
    _once_there(
        draft,
        "sops",
        file,
        {"defaultSopsFile": file, "secrets": entries},
        f"Decrypted by sops-nix into {SECRETS}, from your own secrets.yaml beside this file:",
        "one key for each name below. By default it decrypts with the host's SSH keys (`sops.age`).",
    )


def _agenix(draft: Draft, secrets: dict[str, SecretUse]) -> None:
    entries: dict[str, Plain] = {
        name: {
            "file": RelativePath(f"{AGE_FOLDER}/{name}.age"),
            **({"owner": str(use.uid)} if use.uid else {}),
        }
        for name, use in secrets.items()
    }
    _once_there(
        draft,
        "age",
        RelativePath(AGE_FOLDER),
        {"secrets": entries},
        "Decrypted by agenix, from your own files in the folder secrets beside this file.",
        "By default it decrypts with the host's SSH keys (`age.identityPaths`).",
    )


def _once_there(
    draft: Draft, option: str, path: RelativePath, options: dict[str, Plain], *comments: str
) -> None:
    """Set options that name a file of the operator's, as soon as it is there."""
    there = Call(Ref(("builtins", "pathExists")), (path,))
    words = (*comments, "In a flake that git tracks, Nix sees them only after `git add`.")
    draft.put((option,), Call(Ref(("lib", "mkIf")), (there, attrs(options))), *words)


def _credentials(site: Site, draft: Draft, secrets: dict[str, SecretUse]) -> None:
    """Give what wants a path a file in memory, before any ordinary service starts."""
    install = "".join(
        f'install --mode=0400 --owner={use.uid} "$CREDENTIALS_DIRECTORY/{name}" "$RUNTIME_DIRECTORY/{name}"\n'
        for name, use in secrets.items()
    )
    unit = site.helper("secrets")
    draft.put(
        ("systemd", "services", unit),
        {
            "description": f"Secrets of {site.project} as files",
            "wantedBy": ["sysinit.target"],
            "before": ["sysinit.target", "shutdown.target"],
            "conflicts": ["shutdown.target"],
            "unitConfig": {
                "DefaultDependencies": False,
                "RequiresMountsFor": [CREDENTIAL_STORE, "/var/lib/systemd"],
            },
            "script": Multiline(install),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                **load_credentials(site, f"{unit}.service", secrets),
                "RuntimeDirectory": SECRETS.removeprefix("/run/"),
                "RuntimeDirectoryMode": "0700",
                "UMask": "0077",
            },
        },
        "What wants a secret as a file finds it in memory; encrypt each on this host:",
        f"systemd-creds encrypt --name=NAME FILE {CREDENTIAL_STORE}/NAME",
    )
