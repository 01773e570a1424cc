"""Memory of a service over 200,000 commands: flat, once the deduplication window is full and saved.

    python -m benchmarks.endurance [--commands 200000] [--service registry|tally]

One agent registers again and again, so that the state of the registry does not grow and only the kernel
could. The window remembers the last answers (`limits.MAX_ANSWERS`), and until it is full, memory must
grow; the first snapshots that hold a full window raise it in steps, each smaller than the one before,
because the allocator keeps what they used. So `WARM_UP` commands go before those that count. Prints the
resident memory each 20,000 commands; ends with status 1 if it grew by more than `ALLOWED_BYTES` while it
counted, which a leak of 42 bytes a command would do.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.child import child
from benchmarks.in_flight import REGISTRY, TALLY
from benchmarks.load import SocketLoad
from benchmarks.machine import describe
from conclave.embedded import embedded_server
from coordination.runtime.limits import MAX_ANSWERS

STEP: Final = 20_000
WARM_UP: Final = 200_000
"""The window is full after 65,536; a snapshot is taken about each 90,000."""
ALLOWED_BYTES: Final = 8 * 1024 * 1024
_MIB: Final = 1024 * 1024
assert WARM_UP >= 2 * MAX_ANSWERS
_SERVICES: Final = {"registry": ("served_registry", REGISTRY), "tally": ("served_tally", TALLY)}


async def run(service: str, commands: int) -> bool:
    """Whether the memory of `service` stays flat over `commands` commands; prints it on the way."""
    module, ask = _SERVICES[service]
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_server(Path(folder)) as server, child(module, server.url) as process:
            load = await SocketLoad.connect(server.url)
            print(f"\n{service}: {process.resident_bytes / _MIB:.1f} MiB at first")
            before = after = 0
            for done in range(STEP, WARM_UP + commands + 1, STEP):
                seen = await load.run(ask, count=STEP)
                after = process.resident_bytes
                before = after if done <= WARM_UP else before
                note = "  (warm-up)" if done <= WARM_UP else ""
                print(f"{done:>9} commands {after / _MIB:7.1f} MiB {seen.rate:7.0f}/s{note}", flush=True)
            await load.close()
    is_flat = after - before <= ALLOWED_BYTES
    print(
        f"grown by {(after - before) / _MIB:.1f} MiB over {commands} commands, "
        f"allowed {ALLOWED_BYTES / _MIB:.0f}: {'flat' if is_flat else 'GROWING'}"
    )
    return is_flat


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=200_000, help="after the warm-up")
    parser.add_argument("--service", choices=_SERVICES, default="registry")
    chosen = parser.parse_args()
    print(describe())
    sys.exit(0 if asyncio.run(run(chosen.service, chosen.commands)) else 1)


if __name__ == "__main__":
    main()
