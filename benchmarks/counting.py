"""What counting costs, by method, beside a pass over the same ballots that only reads their JSON.

The baseline is `json.loads` of every ballot on a line of its own, in the same process and run: nothing that
is sent to somebody to be counted costs less. Times are CPU time, the best of several rounds; nothing is
remembered between rounds. Ballots are random and almost all different: the worst case; real ones repeat.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.machine import describe
from consensus.counting import (
    Approval,
    Ballot,
    Borda,
    Method,
    Points,
    Quadratic,
    Ranking,
    Rules,
    Weighted,
    count,
)
from consensus.counting.formats import read_election

BALLOTS_COUNT = 10_000
OPTIONS_COUNT = 10
ROUNDS_COUNT = 5
CASES: dict[str, tuple[Method, dict[str, Any]]] = {
    "plurality": (Method.PLURALITY, {}),
    "approval": (Method.APPROVAL, {}),
    "ranked choice": (Method.RANKED_CHOICE, {}),
    "borda": (Method.BORDA, {}),
    "borda, dowdall": (Method.BORDA, {"borda": Borda.DOWDALL}),
    "copeland": (Method.COPELAND, {}),
    "quadratic, bought": (Method.QUADRATIC, {"credits": 10**6}),
    "quadratic, shared": (Method.QUADRATIC, {"quadratic": Quadratic.SHARED}),
    "quadratic, Snapshot's": (Method.QUADRATIC, {"rules": Rules.SNAPSHOT}),
    "weighted split": (Method.WEIGHTED_SPLIT, {}),
}


def main() -> None:
    """Measure all methods and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ballots", type=int, default=BALLOTS_COUNT)
    parser.add_argument("--options", type=int, default=OPTIONS_COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS_COUNT)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    names = [f"option {index}" for index in range(chosen.options)]
    sys.stdout.write(
        f"{describe()}\n{chosen.ballots:,} ballots, {chosen.options} options, seed {chosen.seed}\n"
    )
    sys.stdout.write(f"{'':24}{'count':>10}{'per ballot':>12}{'JSON alone':>12}{'ratio':>7}\n")
    for title, (method, rules) in CASES.items():
        entropy = random.Random(chosen.seed)
        documents = [_document(method, chosen.options, entropy) for _ in range(chosen.ballots)]
        lines = [json.dumps(each) for each in documents]
        ballots = [Weighted(_ballot(each)) for each in documents]

        def parsed(lines: list[str] = lines) -> list[Any]:
            return [json.loads(line) for line in lines]

        def counted(ballots: list[Weighted] = ballots, method: Method = method, rules: Any = rules) -> Any:
            return count(method, names, ballots, **rules)

        json_s, count_s = best(parsed, chosen.rounds), best(counted, chosen.rounds)
        _row(title, count_s, json_s, chosen.ballots)
    _files(chosen.ballots, chosen.options, chosen.rounds, chosen.seed)


def _row(title: str, count_s: float, json_s: float, ballots_count: int) -> None:
    per_ballot = f"{count_s / ballots_count * 1e6:.1f} us"
    times = f"{count_s * 1e3:>7,.0f} ms{per_ballot:>12}{json_s * 1e3:>9,.0f} ms"
    sys.stdout.write(f"{title:24}{times}{count_s / json_s:>7.1f}\n")
    sys.stdout.flush()


def _document(method: Method, options_count: int, entropy: random.Random) -> dict[str, Any]:
    options = list(range(options_count))
    if method is Method.PLURALITY:
        return {"approve": [entropy.choice(options)]}
    if method is Method.APPROVAL:
        return {"approve": [option for option in options if entropy.random() < 0.5]}
    if method in (Method.QUADRATIC, Method.WEIGHTED_SPLIT):
        return {"points": {str(option): entropy.randint(1, 20) for option in options}}
    entropy.shuffle(options)
    return {"ranking": options}


def _ballot(document: dict[str, Any]) -> Ballot:
    if "approve" in document:
        return Approval.of(*document["approve"])
    if "points" in document:
        return Points({int(key): value for key, value in document["points"].items()})
    return Ranking.of(*document["ranking"])


def _files(ballots_count: int, options_count: int, rounds_count: int, seed: int) -> None:
    """Reading the same rankings as files."""
    entropy = random.Random(seed)
    names = [f"option {index}" for index in range(options_count)]
    rankings = [_document(Method.BORDA, options_count, entropy)["ranking"] for _ in range(ballots_count)]
    blt = "\n".join(
        [
            f"{options_count} 1",
            *(" ".join(["1", *(str(each + 1) for each in ranking), "0"]) for ranking in rankings),
            "0",
            *(f'"{name}"' for name in names),
        ]
    ).encode()
    given = [{"ranking": [names[each] for each in ranking]} for ranking in rankings]
    document = json.dumps({"options": names, "ballots": given}).encode()
    json_s = best(lambda: json.loads(document), rounds_count)
    _row("read BLT", best(lambda: read_election(blt), rounds_count), json_s, ballots_count)
    _row("read JSON", best(lambda: read_election(document), rounds_count), json_s, ballots_count)


def best(work: Callable[[], Any], rounds_count: int) -> float:
    """CPU seconds of the fastest round."""
    times = []
    for _ in range(rounds_count):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


if __name__ == "__main__":
    main()
