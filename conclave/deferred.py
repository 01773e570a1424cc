"""Imports the public names of a package when they are first used (PEP 562).

`nix_gen`, which imports nothing of the other rooms, has the same few lines of its own.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def deferred(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package.

    Args:
        package: its full name.
        places: public name -> the module that has it.

    Returns:
        A function that imports a name now and keeps it in the package, and raises AttributeError if there is
        none such; and one that lists what the package has to offer, used already or not.
    """

    def find(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(place), name)
        setattr(sys.modules[package], name, value)
        return value

    def offered() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return find, offered
