#!/usr/bin/env bash
# Installs `nats`, the command line client of NATS, which the tests of discovery run.
#
#   tools/install-nats-cli.sh [FOLDER]
#
# FOLDER is .tools/bin of this project unless given; the tests look there and on PATH. Needs Go. Does nothing
# where FOLDER has a `nats` that runs.
set -euo pipefail

readonly module=github.com/nats-io/natscli version=v0.4.0
project=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$project/.tools/bin}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
program=$folder/nats

if "$program" --version >/dev/null 2>&1; then
  echo "$program is there: $("$program" --version 2>&1)"
  exit
fi
command -v go >/dev/null 2>&1 || { echo "$0: no Go on PATH; install Go, or put nats into $folder" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

# `go install` asks for the list of a module's versions, even for a named version, and a proxy that serves
# only chosen versions may refuse that. `go mod download` of a named version does not ask.
build() {
  mkdir "$scratch/module"
  cd "$scratch/module"
  go mod init scratch
  local source
  source=$(go mod download -json "$module@$version" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
  test -n "$source"
  cp -R "$source" "$scratch/source" # the module cache is read-only
  chmod -R u+w "$scratch/source"
  cd "$scratch/source"
  go build -ldflags "-X main.version=${version#v}" -o "$program" ./nats
}

for attempt in "install $module/nats@latest" "install $module/nats@$version" build; do
  log="$scratch/log"
  # A function in a condition runs without `set -e`; in a shell of its own it has it again.
  case $attempt in
    build) (set -e; build) >"$log" 2>&1 & ;;
    *) GOBIN=$folder go $attempt >"$log" 2>&1 & ;; # two words
  esac
  if wait $!; then
    echo "$program installed: $("$program" --version 2>&1)"
    exit
  fi
  echo "$0: go $attempt did not work: $(tail -n 1 "$log")" >&2
done
echo "$0: could not install $module" >&2
exit 1
