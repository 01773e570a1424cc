"""Devices of a compose service: `devices`, `gpus`, and those that `deploy` reserves.

Pure. Graphics cards are named in the Container Device Interface, which podman understands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nix_gen.compose.source import left_open
from nix_gen.places import Mapping as Entries
from nix_gen.places import Scalar, Value

if TYPE_CHECKING:
    from nix_gen.compose.containers import ContainerReading

_CDI = re.compile(r"[^/:]+/[^/:=]+=[^/]+")
_VENDORS = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "": "nvidia.com/gpu"}
_CARDS_MAX_COUNT = 64


def read_devices(reading: ContainerReading, given: dict[str, Value]) -> None:
    """Read the three places where a service names devices."""
    plain: list[dict[str, str]] = []
    cards: list[str] = []
    value = given.get("devices")
    for item in reading.importing.items(value, f"{reading.where}, devices"):
        _device(reading, item, plain, cards)
    for place, found in _reserved(reading, given):
        for item in reading.importing.items(found, f"{reading.where}, {place}"):
            cards += _cards(reading, item, place)
    first = next((one for one in (value, given.get("gpus"), given.get("deploy")) if one is not None), None)
    if plain and first is not None:
        reading.keep("devices", "devices", plain, first.line)
    if cards and first is not None:
        reading.keep("devices", "cdi_devices", list(dict.fromkeys(cards)), first.line)


def _reserved(reading: ContainerReading, given: dict[str, Value]) -> list[tuple[str, Value | None]]:
    entries = reading.importing.entries(given.get("deploy"), f"{reading.where}, deploy").entries
    for key in ("resources", "reservations"):
        entries = reading.importing.entries(entries.get(key), f"{reading.where}, deploy.{key}").entries
    return [("gpus", given.get("gpus")), ("deploy.resources.reservations.devices", entries.get("devices"))]


def _device(reading: ContainerReading, item: Value, plain: list[dict[str, str]], cards: list[str]) -> None:
    importing, place = reading.importing, f"{reading.where}, devices"
    if isinstance(item, Entries):
        texts = {key: importing.text(one, place) or "" for key, one in item.entries.items()}
        parts = [texts.get("source", ""), texts.get("target", ""), texts.get("permissions", "")]
    else:
        text = importing.text(item, place) or ""
        if left_open(item) or (isinstance(item, Scalar) and item.unset and text.startswith(":")):
            reading.drop("devices", text or "a variable without a value", item.line)
            return
        parts = [text] if _CDI.fullmatch(text) else [*text.split(":"), "", ""][:3]
    if not parts[0]:
        importing.problem(place, "names no device", "write SOURCE[:TARGET[:rwm]]", line=item.line)
        return
    if _CDI.fullmatch(parts[0]):
        cards.append(parts[0])
        return
    fields = {"source": parts[0]}
    if parts[1] and parts[1] != parts[0]:
        fields["target"] = parts[1]
    if parts[2]:
        fields["permissions"] = "".join(letter for letter in "rwm" if letter in parts[2])
    plain.append(fields)


def _cards(reading: ContainerReading, item: Value, place: str) -> list[str]:
    """CDI names for one entry of `gpus` or of the reserved devices; what is no graphics card is dropped."""
    importing, where = reading.importing, f"{reading.where}, {place}"
    if not isinstance(item, Entries):
        text = importing.text(item, where) or ""
        if text == "all":
            return [f"{_VENDORS['']}=all"]
        reading.drop(place, text, item.line, "write 'all', or a list with count or device_ids")
        return []
    entries = item.entries
    driver = importing.text(entries.get("driver"), where) or ""
    identifiers = [one for one in importing.texts(entries.get("device_ids"), where) if one]
    capabilities = {one for one in importing.texts(entries.get("capabilities"), where) if one}
    if driver == "cdi":
        return identifiers
    if driver not in _VENDORS or (capabilities and not capabilities & {"gpu", "compute", "utility", "video"}):
        shown = ", ".join((driver, *sorted(capabilities))).strip(", ")
        reading.drop(place, shown or "a device", item.line, "give the container the device by its path")
        return []
    count = importing.text(entries.get("count"), where) or "all"
    if not identifiers and count.isdecimal() and 0 < int(count[:4]) <= _CARDS_MAX_COUNT:
        identifiers = [str(index) for index in range(int(count[:4]))]
    return [f"{_VENDORS[driver]}={one}" for one in identifiers or ["all"]]
