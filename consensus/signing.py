"""Signatures of votes: Ed25519 by the key with which an agent proves to the NATS server who it is. Pure.

What is signed names its purpose, so that a signature made for a server's nonce, or anything else, is never
one of a vote, and the other way round. The nonce makes each signature of a voter good for one vote.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

from consensus.ballot import Choice, Scope
from consensus.canonical import canonical, plain
from consensus.rules import Rules

if TYPE_CHECKING:
    from coordination.runtime.credentials import Credentials

PURPOSE: Final = "conclave.vote.1"
ATTESTATION_PURPOSE: Final = "conclave.trail.1"
PUBLIC_KEY_CHARS: Final = 56
SIGNATURE_CHARS: Final = 86
NONCE_CHARS: Final = 22
"""Of `new_nonce`: 128 bits in base64url."""

_USER_PREFIX: Final = 20 << 3
"""First byte of the public key of an nkey *user*; base32 makes it ``U``."""
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_KEYS_REMEMBERED: Final = 4096
_RULES_REMEMBERED: Final = 256


class Signer(Protocol):
    """Who can sign in an agent's name."""

    @property
    def public_key(self) -> str:
        """The agent's nkey: 56 characters that begin with ``U``."""
        ...

    def sign(self, data: bytes) -> str:
        """Ed25519 signature of `data`: base64url without padding, 86 characters."""
        ...


class Entropy(Protocol):
    """Where a nonce comes from; any `random.Random`."""

    def randbytes(self, n: int, /) -> bytes:
        """So many random bytes."""
        ...


class CredentialsSigner:
    """Signs with the credentials of a NATS user.

    Whoever asks for the key first and for signatures next gets signatures by that key, even while the
    credential is being replaced: only `public_key` looks for a new one.

    Args:
        credentials: The agent's own.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._public_key = ""

    @property
    def public_key(self) -> str:
        """The agent's nkey, as of the credential file now: an agent outlives the rotation of its seed."""
        credentials = self._credentials.current()
        # To derive a key from its seed costs more than a signature.
        if not self._public_key or credentials != self._credentials:
            self._credentials, self._public_key = credentials, credentials.public_key
        return self._public_key

    def sign(self, data: bytes) -> str:
        """Signature of `data`, base64url without padding."""
        return base64.urlsafe_b64encode(self._credentials.sign(data)).rstrip(b"=").decode()


def signed_bytes(
    *,
    proposal_id: str,
    artifact_sha256: str,
    rules: Rules,
    voter: str,
    scope: Scope,
    choice: Choice,
    conditions: tuple[str, ...],
    rationale: str,
    nonce: str,
) -> bytes:
    """What a voter signs.

    Args:
        proposal_id: What is voted on.
        artifact_sha256: The artifact it stands for at this moment; an amendment voids what was signed before.
        rules: With the options and their artifacts at this moment: a vote for an option is one for its bytes.
        voter: Agent id.
        scope: Which weight is cast.
        choice: In its normal form (`consensus.ballot.normalised`).
        conditions: As the vote names them, in order.
        rationale: Of the vote.
        nonce: Fresh for each vote; see `new_nonce`.
    """
    return canonical(
        {
            "purpose": PURPOSE,
            "proposal_id": proposal_id,
            "artifact_sha256": artifact_sha256,
            "rules_sha256": rules_sha256(rules),
            "voter": voter,
            "scope": scope,
            "choice": choice,
            "conditions": conditions,
            "rationale": rationale,
            "nonce": nonce,
        }
    )


@lru_cache(maxsize=_RULES_REMEMBERED)
def rules_sha256(rules: Rules) -> str:
    """SHA-256 of the canonical JSON of `rules`, as they stand in the trail."""
    return sha256(canonical(plain(rules))).hexdigest()


def attested_bytes(*, proposal_id: str, sequence: int, head: str) -> bytes:
    """What the service signs to vouch for a trail.

    Args:
        proposal_id: Whose trail it is.
        sequence: Of its newest entry.
        head: The hash of that entry.
    """
    return canonical(
        {"purpose": ATTESTATION_PURPOSE, "proposal_id": proposal_id, "sequence": sequence, "hash": head}
    )


def verify(public_key: str, signature: str, data: bytes) -> bool:
    """Whether `signature` is that of `data` by the owner of `public_key`; never raises.

    Refused are also keys of another type than a user's (accounts, servers), keys and signatures not in
    their one written form, and what libsodium refuses: points of low order, an S that is not reduced.

    Complexity: about 0.1 ms for the curve arithmetic.
    """
    key, raw = _key_bytes(public_key), _signature_bytes(signature)
    if key is None or raw is None:
        return False
    try:
        crypto_sign_open(raw + data, key)
    except (CryptoError, ValueError):
        return False
    return True


def is_public_key(text: str) -> bool:
    """Whether `text` is the public key of an nkey user, its checksum included."""
    return _key_bytes(text) is not None


def new_nonce(entropy: Entropy) -> str:
    """A nonce for one vote: 128 random bits, base64url, 22 characters."""
    return base64.urlsafe_b64encode(entropy.randbytes(16)).rstrip(b"=").decode()


def _key_bytes(text: Any) -> bytes | None:
    if not isinstance(text, str) or len(text) != PUBLIC_KEY_CHARS or not text.isascii():
        return None
    return _decoded_key(text)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _decoded_key(text: str) -> bytes | None:
    """The Ed25519 key in an nkey; nkeys itself has no function for it, and reads no checksums."""
    try:
        raw = base64.b32decode(text)
    except binascii.Error:
        return None
    body, checksum = raw[:-2], int.from_bytes(raw[-2:], "little")
    if body[0] != _USER_PREFIX or len(body) != 1 + _KEY_BYTES or binascii.crc_hqx(body, 0) != checksum:
        return None
    return body[1:]


def _signature_bytes(text: Any) -> bytes | None:
    if not isinstance(text, str) or len(text) != SIGNATURE_CHARS or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    # The last character has bits to spare: only one of its forms is the signature's own.
    written = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return raw if len(raw) == _SIGNATURE_BYTES and written == text else None
