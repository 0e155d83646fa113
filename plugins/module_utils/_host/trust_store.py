# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds certificate authorities to the host's trust store, unless the store contains them."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import typing as t

from .._core.errors import DevserverError
from .command import SYSTEM_PATH, run
from .files import Changes, read_text, write_text


class TrustStore(t.NamedTuple):
    """A distribution's trust store: the directory of anchors, the command that merges them, the merged file."""

    anchors: str
    merge: t.Sequence[str]
    merged: str


STORES = (
    TrustStore("/usr/local/share/ca-certificates", ("update-ca-certificates",), "/etc/ssl/certs/ca-certificates.crt"),
    TrustStore("/etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract"), "/etc/pki/tls/certs/ca-bundle.crt"),
)
_ANCHOR = "gopherops-devserver.crt"
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trust_certificates(pem: str, *, store: TrustStore, check: bool) -> Changes:
    """Add the certificates of ``pem`` that the store does not contain."""
    changes = Changes()
    expected = _certificates(pem, "trust_ca_bundle (pem)")
    if not expected:
        raise DevserverError(
            "trust_ca_bundle (pem) contains no certificate",
            expected="certificates in PEM format",
            remedy="set trust_ca_bundle to the path of a file with certificates in PEM format",
        )
    held = _certificates(read_text(store.merged) or "", store.merged)
    path = os.path.join(store.anchors, _ANCHOR)
    own_certificates = _certificates(read_text(path) or "", path)
    missing = {key: text for key, text in expected.items() if key not in held}
    if missing:
        changes.add(store.merged, "", _listed(missing))
        if not check:
            write_text(path, "".join(dict(own_certificates, **missing).values()), mode=0o644, uid=0, gid=0)
            _merge(store, missing)
    return changes


def _merge(store: TrustStore, missing: t.Mapping[str, str]) -> None:
    completed = run(store.merge, env={"PATH": SYSTEM_PATH}, timeout=120)
    held = _certificates(read_text(store.merged) or "", store.merged)
    if not completed.ok or not set(missing) <= set(held):
        raise DevserverError(
            f"{store.merge[0]} did not add the new certificates to {store.merged}: {completed.complaint}",
            remedy=completed.extend_remedy("run it as root, fix the error that it reports, and run the play again"),
        )


def find_trust_store() -> TrustStore:
    """Return the store of this distribution; raise DevserverError if it is not supported."""
    for store in STORES:
        if os.path.isdir(store.anchors):
            return store
    raise DevserverError(
        "this host has no supported trust store",
        expected="one of the directories {}".format(", ".join(store.anchors for store in STORES)),
        remedy="install the package ca-certificates",
    )


def _certificates(text: str, where: str) -> dict[str, str]:
    """Return the PEM blocks by the SHA-256 of their content."""
    certificates = {}
    for block in _CERTIFICATE.findall(text):
        content = _decoded(block)
        if not content:
            raise DevserverError(
                f"{where} contains a certificate that is not valid PEM", remedy="export this certificate again"
            )
        certificates[hashlib.sha256(content).hexdigest()] = block + "\n"
    return certificates


def _decoded(block: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(block)
    except ValueError:
        return b""


def _listed(certificates: t.Iterable[str]) -> str:
    return "".join(f"certificate with SHA-256 {key}\n" for key in certificates)
