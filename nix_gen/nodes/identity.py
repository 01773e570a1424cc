"""Who a workload is to a NATS server: the public half of an nkey.

Pure data. The private half, the seed, is a secret that the workload receives by reference (`secrets`).
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_USER_PREFIX = 20 << 3
"""First byte of a public user key: it makes the text begin with `U`."""
_KEY_BYTES = 35
"""Prefix, 32 bytes of ed25519 key, 2 bytes of checksum."""
_CRC_POLYNOMIAL = 0x1021


def _crc16(octets: bytes) -> int:
    """CRC-16/XMODEM, as nkeys end in."""
    crc = 0
    for octet in octets:
        crc ^= octet << 8
        for _ in range(8):
            crc = (crc << 1) ^ (_CRC_POLYNOMIAL if crc & 0x8000 else 0)
        crc &= 0xFFFF
    return crc


def _user_nkey(key: str) -> str:
    if key.startswith("S"):
        raise ValueError("is a seed, which is a secret: give the public key, which begins with U")
    try:
        octets = base64.b32decode(key)
    except binascii.Error:
        raise ValueError("is no nkey: 56 letters A-Z and digits 2-7") from None
    if len(octets) != _KEY_BYTES or octets[0] != _USER_PREFIX:
        raise ValueError("is no public key of a user: it begins with U and has 56 characters")
    if _crc16(octets[:-2]) != int.from_bytes(octets[-2:], "little"):
        raise ValueError("is mistyped: its checksum does not fit")
    return key


UserNkey = Annotated[str, StringConstraints(max_length=64), AfterValidator(_user_nkey)]
"""A public user nkey, `U` and 55 more characters: what `nk -gen user -pubout` prints beside the seed."""
