"""The certificate that a server shows: checked before it listens, with the names that it is good for."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import StudioError


class Certificate(msgspec.Struct, frozen=True):
    """A certificate (chain) with its private key, both PEM. names: lower case, `*.example.org` among them."""

    chain: Path
    key: Path
    names: frozenset[str]

    def covers(self, host: str) -> bool:
        """Whether a Host header (without its port, lower case) is a name of the certificate."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def load(chain: Path, key: Path) -> Certificate:
    """Raises StudioError where the files cannot be read, do not belong together or are out of date."""
    chain, key = chain.expanduser().absolute(), key.expanduser().absolute()
    for file in (chain, key):
        try:
            file.open("rb").close()
        except OSError as error:
            raise StudioError(
                f"{file} cannot be read: {error.strerror}.",
                "Name two PEM files with --certificate and --key.",
            ) from None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(chain, key, password=_no_password)
        client = pinned(chain)
    except ssl.SSLError as error:
        belong = (
            "do not belong together" if "MISMATCH" in (error.reason or "") else "are no pair in PEM format"
        )
        raise StudioError(
            f"{chain} and {key} {belong}.", "Give the certificate (its chain after it) and its own key."
        ) from None
    try:
        names = _names(server, client)
    except ssl.SSLCertVerificationError as error:
        raise StudioError(
            f"The certificate {chain} is not accepted: {error.verify_message}.", "Have it renewed."
        ) from None
    return Certificate(chain, key, names)


def pinned(chain: Path) -> ssl.SSLContext:
    """A client's context that believes the first certificate in `chain` and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(chain)
    return context


def _names(server: ssl.SSLContext, client: ssl.SSLContext) -> frozenset[str]:
    """What the certificate says in a handshake with itself: Python reads a certificate in no other way."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    served = server.wrap_bio(to_server, to_client, server_side=True)
    asked = client.wrap_bio(to_client, to_server)
    for side in (asked, served, asked, served):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    said: dict[str, Any] = asked.getpeercert() or {}
    return frozenset(
        value.lower() for kind, value in said.get("subjectAltName", ()) if kind in ("DNS", "IP Address")
    )


def _no_password() -> bytes:
    raise StudioError(
        "The private key is locked with a password.", "Take it off: openssl pkey -in KEY -out UNLOCKED."
    )
