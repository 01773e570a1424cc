"""Runs `conclave` commands one after the other in one process: they are loaded once, not for each.

A command is a line of JSON on standard input, a list of its words; the answer is a line of JSON on standard
output, an object with ``status``, ``out`` and ``err``.
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from click.testing import CliRunner

from conclave.cli import cli


def answer(words: list[str]) -> dict[str, Any]:
    """What a command leaves."""
    done = CliRunner().invoke(cli, words, prog_name="conclave")
    err = done.stderr
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        err += "".join(traceback.format_exception(done.exception))
    return {"status": done.exit_code, "out": done.stdout, "err": err}


def main() -> None:
    """Until there are no more commands."""
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
