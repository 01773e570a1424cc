"""The long run: ``python -m tests.simulation --seeds 1000``, or ``make simulate SEEDS=1000``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from pathlib import Path

from tests.simulation.campaign import FOUND, SCENARIOS, attempt, commit, describe, run_seed


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default %(default)s)")
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all)")
    parser.add_argument("--trace", type=Path, help="write the readable trace of the first seed here")
    return parser.parse_args(arguments)


def trace(scenario: str, seed: int, path: Path) -> int:
    """Write the trace of one run; the exit code."""
    with path.open("w", encoding="utf-8") as file:
        report = run_seed(scenario, seed, write=file.write)
    sys.stdout.write(f"{scenario} {seed}: trace {report.trace_hash} in {path}\n")
    if report.violations:
        sys.stdout.write(describe(scenario, report) + "\n")
    return 1 if report.violations else 0


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    scenarios = list(SCENARIOS) if options.scenario == "all" else [options.scenario]
    if options.trace is not None and len(scenarios) > 1:
        sys.stderr.write("--trace writes one run: say which with --scenario\n")
        return 2
    if options.trace is not None:
        return trace(scenarios[0], options.first, options.trace)
    seeds = range(options.first, options.first + options.seeds)
    runs = [(scenario, seed) for scenario in scenarios for seed in dict.fromkeys([*FOUND[scenario], *seeds])]
    failed = 0
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for done, problem in enumerate(pool.imap(attempt, runs, chunksize=4), start=1):
            if problem:
                failed += 1
                sys.stdout.write(problem + "\n\n")
            if sys.stdout.isatty() or done % 100 == 0:
                sys.stdout.write(f"\r{done} of {len(runs)} runs, {failed} failed ")
                sys.stdout.flush()
    sys.stdout.write(f"\r{len(runs)} runs at commit {commit()}, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
