"""What it costs to turn a graph into a flake: CPU time by stage, memory, growth, beside raw baselines.

Each size runs in a process of its own (`--one`), which prints its figures as JSON; memory is the peak that
the kernel counted (`ru_maxrss`) for another one that reads and translates the graph once. Baselines of the
same run: `json` and `yaml` (C loader) on the same graph. One core is used, so CPU time is what the clock of a
quiet machine would say; that of a shared one says little.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.deployments import deployment
from benchmarks.shapes import shapes
from nix_gen import loads, translate
from nix_gen.judgement import judge
from nix_gen.lower import Lowered, lower
from nix_gen.pause import collector_paused
from nix_gen.placement import place
from nix_gen.render import render_file

SIZES = (100, 1_000, 10_000)
ROUNDS = {100: 20, 1_000: 3}
"""The best of so many rounds counts; one for larger graphs."""
STAGES = ("load", "place", "validate", "lower", "render", "translate", "load+translate")


def main() -> None:
    """Measure all sizes and print the table, or one size as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", type=int, help="measure one size in this process, print JSON")
    parser.add_argument("--peak", type=Path, help="translate one file in this process, print peak bytes")
    parser.add_argument("--shapes", action="store_true", help="measure graphs that nobody runs instead")
    parser.add_argument("--shape", choices=sorted(shapes()), help="measure one of them, print JSON")
    chosen = parser.parse_args()
    if chosen.shape is not None:
        sys.stdout.write(json.dumps(_shape(shapes()[chosen.shape]())) + "\n")
        return
    if chosen.shapes:
        sys.stdout.write(f"{'shape':32}{'nodes':>8}{'edges':>8}{'CPU s':>9}{'MiB':>7}\n")
        for name in shapes():
            run = json.loads(_python("-m", "benchmarks.translation", "--shape", name))
            figures = (
                f"{run['nodes']:8,}{run['edges']:8,}{run['seconds']:9.1f}{run['peak_bytes'] / 2**20:7,.0f}"
            )
            sys.stdout.write(f"{name:32}{figures}\n")
            sys.stdout.flush()
        return
    if chosen.peak is not None:
        translate(loads(chosen.peak.read_text(encoding="utf-8")).graph)
        sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}\n")
        return
    if chosen.one is not None:
        sys.stdout.write(json.dumps(measured(chosen.one)) + "\n")
        return
    runs = [_in_child(size) for size in chosen.sizes]
    sys.stdout.write(_table(runs))


def measured(nodes_count: int) -> dict[str, Any]:
    """CPU seconds by stage, and the size of what was read and written."""
    data = deployment(nodes_count)
    text = json.dumps(data)
    processes = _whole_processes(text)  # first: a process counts the memory of the one that started it
    rounds_count = ROUNDS.get(nodes_count, 1)

    def best(work: Callable[[], Any]) -> float:
        return min(_cpu_s(work) for _ in range(rounds_count))

    graph = loads(text).graph
    found: dict[str, float] = {"load": best(lambda: loads(text))}
    found["place"] = best(lambda: place(fresh(graph)))
    placed = place(graph)
    found["validate"] = best(lambda: judge(placed))
    found["lower"] = best(lambda: lower(placed.graph))
    found["render"] = best(partial(_rendered, lower(placed.graph)))
    found["translate"] = best(lambda: translate(fresh(graph)))
    found["load+translate"] = found["load"] + found["translate"]
    flake = translate(graph)
    yaml_text = yaml.dump(data, Dumper=yaml.CSafeDumper)
    return {
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "seconds": found,
        "read_bytes": len(text),
        "written_bytes": sum(map(len, flake.files.values())),
        "json_s": best(lambda: json.dumps(json.loads(text))),
        "yaml_s": best(lambda: yaml.load(yaml_text, Loader=yaml.CSafeLoader)),
        **processes,
    }


def _rendered(lowered: Lowered) -> list[str]:
    return [render_file(module.body) for module in lowered.modules]


def _shape(data: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds and peak memory of one translation in this process, reading included."""
    text = json.dumps(data)
    seconds = _cpu_s(lambda: translate(loads(text).graph))
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    nodes_count, edges_count = len(data["nodes"]), len(data["edges"])
    return {"nodes": nodes_count, "edges": edges_count, "seconds": seconds, "peak_bytes": peak_bytes}


def fresh(graph: Any) -> Any:
    """The same graph without what it has remembered of itself."""
    return type(graph).model_construct(**{name: getattr(graph, name) for name in type(graph).model_fields})


def _cpu_s(work: Callable[[], Any]) -> float:
    """CPU seconds of one stage, with the collector paused as it is in a translation."""
    with collector_paused():
        before = time.process_time()
        work()
        return time.process_time() - before


def _wall_s(work: Callable[[], Any]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _whole_processes(text: str) -> dict[str, float]:
    """Seconds of `conclave nix generate`, from a cold start to files on disk; memory of one translation."""
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.json"
        graph.write_text(text, encoding="utf-8")
        generate = ["-m", "conclave", "nix", "generate", str(graph), "-o", f"{folder}/flake"]
        cli_s = _wall_s(lambda: _python(*generate))
        peak = _python("-m", "benchmarks.translation", "--peak", str(graph))
        return {"cli_s": cli_s, "peak_bytes": int(peak)}


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _in_child(size: int) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(_python("-m", "benchmarks.translation", "--one", str(size)))
    return run


def _table(runs: list[dict[str, Any]]) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("nodes", [f"{run['nodes']:,}" for run in runs]),
        ("edges", [f"{run['edges']:,}" for run in runs]),
        *((stage, [f"{run['seconds'][stage] * 1000:,.0f} ms" for run in runs]) for stage in STAGES),
        ("whole process, wall", [f"{run['cli_s'] * 1000:,.0f} ms" for run in runs]),
        ("json, there and back", [f"{run['json_s'] * 1000:,.1f} ms" for run in runs]),
        ("yaml, C loader", [f"{run['yaml_s'] * 1000:,.0f} ms" for run in runs]),
        ("peak memory", [f"{run['peak_bytes'] / 2**20:,.0f} MiB" for run in runs]),
        ("read", [f"{run['read_bytes'] / 2**20:,.2f} MiB" for run in runs]),
        ("written", [f"{run['written_bytes'] / 2**20:,.1f} MiB" for run in runs]),
    ]
    lines = [f"{name:22}" + "".join(f"{cell:>14}" for cell in cells) for name, cells in rows]
    for one, other in itertools.pairwise(runs):
        ratio = other["seconds"]["translate"] / one["seconds"]["translate"]
        exponent = math.log(ratio) / math.log(other["nodes"] / one["nodes"])
        lines.append(f"growth {one['nodes']:,} -> {other['nodes']:,}: nodes^{exponent:.2f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
