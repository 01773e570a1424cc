"""Signatures of votes: who made them is certain, and everything else is simply refused."""

from __future__ import annotations

import base64
import binascii
import json
import random
import re
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]
import pytest

from consensus.rules import Option, Rules
from consensus.signing import (
    NONCE_CHARS,
    CredentialsSigner,
    attested_bytes,
    is_public_key,
    new_nonce,
    rules_sha256,
    signed_bytes,
    verify,
)
from coordination.runtime.credentials import Credentials

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the base point: what S is reduced by."""
FIELD = 2**255 - 19
VOTE: dict[str, Any] = {
    "proposal_id": "p-1",
    "artifact_sha256": "ab" * 32,
    "rules": Rules(),
    "voter": "ada",
    "scope": "all",
    "choice": "for",
    "conditions": ("tested",),
    "rationale": "fine",
    "nonce": "A" * NONCE_CHARS,
}


def credentials(seed: int = 1) -> Credentials:
    return Credentials.generate(random.Random(seed).randbytes(32))


def nkey(raw: bytes, prefix: int = nkeys.PREFIX_BYTE_USER) -> str:
    """An nkey as nkeys would write it."""
    body = bytes([prefix]) + raw
    return base64.b32encode(body + nkeys.crc16(body).to_bytes(2, "little")).decode()


def text(signature: bytes) -> str:
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def raw(signature: str) -> bytes:
    return base64.urlsafe_b64decode(signature + "==")


# RFC 8032, 7.1: tests 1 and 2.
@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
    ],
)
def test_signatures_are_those_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    signer = CredentialsSigner(Credentials.generate(bytes.fromhex(seed)))
    data = bytes.fromhex(message)
    assert signer.public_key == nkey(bytes.fromhex(public))
    assert signer.sign(data) == text(bytes.fromhex(signature))
    assert verify(signer.public_key, signer.sign(data), data)


def test_what_is_signed_is_the_canonical_json_of_the_vote_and_its_purpose() -> None:
    assert signed_bytes(**VOTE) == (
        b'{"artifact_sha256":"' + b"ab" * 32 + b'","choice":"for","conditions":["tested"],"nonce":"'
        + b"A" * 22 + b'","proposal_id":"p-1","purpose":"conclave.vote.1","rationale":"fine",'
        b'"rules_sha256":"' + rules_sha256(Rules()).encode() + b'","scope":"all",'
        b'"voter":"ada"}'
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("proposal_id", "p-2"),
        ("artifact_sha256", "ab" * 31 + "ac"),
        ("rules", Rules(options=(Option(option="for", artifact_sha256="cd" * 32),))),
        ("rules", Rules(guardian="eve")),
        ("voter", "eve"),
        ("scope", "own"),
        ("choice", "against"),
        ("choice", (("for",),)),
        ("conditions", ()),
        ("conditions", ("tested", "reviewed")),
        ("rationale", "fine "),
        ("nonce", "B" * NONCE_CHARS),
    ],
)
def test_a_signature_is_good_for_one_vote_and_no_other(field: str, other: Any) -> None:
    signer = CredentialsSigner(credentials())
    signature = signer.sign(signed_bytes(**VOTE))
    assert verify(signer.public_key, signature, signed_bytes(**VOTE))
    assert not verify(signer.public_key, signature, signed_bytes(**{**VOTE, field: other}))


def test_every_flipped_bit_of_a_signature_or_key_makes_it_wrong() -> None:
    signer, data = CredentialsSigner(credentials()), b"data"
    good, key = raw(signer.sign(data)), base64.b32decode(signer.public_key)
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not verify(signer.public_key, text(bytes(flipped)), data)
    for bit in range(8 * len(key)):
        flipped = bytearray(key)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_public_key(base64.b32encode(flipped).decode())


@pytest.mark.parametrize(
    "prefix",
    [
        nkeys.PREFIX_BYTE_ACCOUNT,
        nkeys.PREFIX_BYTE_SERVER,
        nkeys.PREFIX_BYTE_OPERATOR,
        nkeys.PREFIX_BYTE_CLUSTER,
    ],
)
def test_a_key_that_is_not_of_a_user_verifies_nothing(prefix: int) -> None:
    signer = CredentialsSigner(credentials())
    key = base64.b32decode(signer.public_key)[1:33]
    assert nkey(key) == signer.public_key
    assert not verify(nkey(key, prefix), signer.sign(b"x"), b"x")


@pytest.mark.parametrize(
    "malformed", ["", "U", "U" * 56, "u" * 56, "1" * 56, "\u00dc" * 56, "=" * 56, None, 5, b"U" * 56, ["U"]]
)
def test_a_malformed_key_or_signature_is_no_signature(malformed: Any) -> None:
    signer = CredentialsSigner(credentials())
    for given in (malformed, f"{signer.public_key} ", signer.public_key.lower(), signer.public_key[:-1]):
        assert not verify(given, signer.sign(b"x"), b"x")
    good = signer.sign(b"x")
    for given in (malformed, f"{good}==", f" {good}", f"{good[:-1]}\n", "+" * 86, "\u00e4" * 86):
        assert not verify(signer.public_key, given, b"x")


def test_a_signature_has_one_written_form_only() -> None:
    signer = CredentialsSigner(credentials())
    good = signer.sign(b"x")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = [each for each in alphabet if raw(good[:-1] + each) == raw(good)]
    assert len(same_bytes) == 16, "four bits of the last character mean nothing"
    assert [each for each in same_bytes if verify(signer.public_key, good[:-1] + each, b"x")] == [good[-1]]


def test_a_signature_with_an_s_that_is_not_reduced_is_refused() -> None:
    signer = CredentialsSigner(credentials())
    good = raw(signer.sign(b"x"))
    s = int.from_bytes(good[32:], "little")
    for again in range(1, 16):
        larger = s + again * ORDER
        if larger < 2**256:
            assert not verify(signer.public_key, text(good[:32] + larger.to_bytes(32, "little")), b"x")


# The points of small order, and the encodings of theirs that are not canonical (y not below the prime).
SMALL_ORDER = [
    (0).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    (FIELD - 1).to_bytes(32, "little"),
    FIELD.to_bytes(32, "little"),
    (FIELD + 1).to_bytes(32, "little"),
]


@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:8])
@pytest.mark.parametrize("sign_bit", [0, 0x80])
def test_a_key_of_small_order_signs_nothing(point: bytes, sign_bit: int) -> None:
    # With such a key, R of small order and S = 0, the equation holds for one message in eight or for all.
    key = nkey(point[:31] + bytes([point[31] | sign_bit]))
    assert is_public_key(key), "its form is that of a key"
    for other in SMALL_ORDER:
        assert not any(verify(key, text(other + bytes(32)), b"%d" % each) for each in range(16))


@pytest.mark.parametrize("y", range(FIELD + 2, FIELD + 19))
def test_a_key_that_is_not_written_canonically_signs_nothing(y: int) -> None:
    signer = CredentialsSigner(credentials())
    key = nkey((y).to_bytes(32, "little"))
    assert not verify(key, signer.sign(b"x"), b"x")


def test_the_checksum_is_that_of_nkeys() -> None:
    for seed in range(50):
        data = random.Random(seed).randbytes(33)
        assert binascii.crc_hqx(data, 0) == nkeys.crc16(data)
        assert is_public_key(credentials(seed).public_key)


def test_a_signer_follows_the_rotation_of_its_credential(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    old, new = credentials(1), credentials(2)
    old.write(path)
    signer = CredentialsSigner(Credentials.read(path))
    assert signer.public_key == old.public_key
    path.unlink()
    new.write(path)
    assert verify(old.public_key, signer.sign(b"x"), b"x"), "the key that was told last"
    assert signer.public_key == new.public_key
    assert verify(new.public_key, signer.sign(b"x"), b"x")


def test_a_nonce_is_fresh_and_of_the_form_that_the_service_takes() -> None:
    entropy = random.Random(7)
    nonces = [new_nonce(entropy) for _ in range(100)]
    assert len(set(nonces)) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16,64}", nonce) and len(nonce) == NONCE_CHARS for nonce in nonces)


def test_points_are_signed_whatever_order_they_were_written_in() -> None:
    one = signed_bytes(**{**VOTE, "choice": {"a": 1, "b": 2}})
    assert one == signed_bytes(**{**VOTE, "choice": {"b": 2, "a": 1}})
    assert json.loads(one)["choice"] == {"a": 1, "b": 2}


def test_an_attestation_is_no_vote_and_names_all_that_it_is_about() -> None:
    assert attested_bytes(proposal_id="p-1", sequence=7, head="ab" * 32) == (
        b'{"hash":"' + b"ab" * 32 + b'","proposal_id":"p-1","purpose":"conclave.trail.1","sequence":7}'
    )
