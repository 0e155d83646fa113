# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds certificate authorities to the host's trust store, unless the store contains them."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import ssl
import typing as t

from .._core.errors import DevserverError
from .command import SYSTEM_PATH, run
from .files import Changes, read_text, remove, write_text


class TrustStore(t.NamedTuple):
    """A distribution's trust store: the directory of anchors, the command that merges them, and what it makes of them.

    That is a merged file and, if the distribution has one, a directory in which OpenSSL finds each certificate by the
    name of a file. Programs read either: Python of Debian 11 reads the directory alone. With the options ``forget`` the
    command also removes what it has made of files that are gone.
    """

    anchors: str
    merge: t.Sequence[str]
    merged: str
    by_name: str = ""
    forget: t.Sequence[str] = ()


STORES = (
    TrustStore(
        "/usr/local/share/ca-certificates",
        ("update-ca-certificates",),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/certs",
        ("--fresh",),
    ),
    TrustStore("/etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract"), "/etc/pki/tls/certs/ca-bundle.crt"),
)
# One certificate in a file: OpenSSL gives no name to others.
_ANCHOR = "gopherops-devserver-{}.crt"
# An earlier version wrote all of them into this one.
_PREVIOUS_ANCHOR = "gopherops-devserver.crt"
# Seconds for the command. A slow processor needs minutes for the links to 150 certificates.
_LIMIT = 600
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?(?:-----END CERTIFICATE-----|\\Z)", re.DOTALL)


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
    trusted = _trusted(store)
    missing = {key: text for key, text in expected.items() if key not in trusted}
    if missing:
        changes.add(store.merged, "", _listed(missing))
        if not check:
            _write_anchors(store, missing)
            _merge(store, missing)
    return changes


def remove_certificates(kept: str, changes: Changes, *, store: TrustStore, check: bool) -> None:
    """Remove the certificates of earlier runs, except for those of ``kept``, which is text in PEM format."""
    expected = _certificates(kept, "trust_ca_bundle (pem)")
    for path in _own_anchors(store):
        installed = _certificates(read_text(path) or "", path)
        if installed.keys() - expected.keys():
            changes.add(path, _listed(installed), "")
            if not check:
                remove(path)
    if changes and not check:
        completed = run([*store.merge, *store.forget], env={"PATH": SYSTEM_PATH}, timeout=_LIMIT)
        if not completed.ok:
            raise completed.error(
                f"{store.merge[0]} failed", remedy="run it as root, and fix the error that it reports"
            )


def _own_anchors(store: TrustStore) -> list[str]:
    pattern = os.path.join(glob.escape(store.anchors), _ANCHOR.format("*"))
    previous = os.path.join(store.anchors, _PREVIOUS_ANCHOR)
    return [*sorted(glob.glob(pattern)), *([previous] if os.path.lexists(previous) else [])]


def _write_anchors(store: TrustStore, missing: t.Mapping[str, str]) -> None:
    previous = os.path.join(store.anchors, _PREVIOUS_ANCHOR)
    earlier = _certificates(read_text(previous) or "", previous)
    for key, text in {**earlier, **missing}.items():
        write_text(os.path.join(store.anchors, _ANCHOR.format(key[:16])), text, mode=0o644, uid=0, gid=0)
    if os.path.lexists(previous):
        remove(previous)


def _merge(store: TrustStore, missing: t.Mapping[str, str]) -> None:
    completed = run(store.merge, env={"PATH": SYSTEM_PATH}, timeout=_LIMIT)
    if not completed.ok or not set(missing) <= _trusted(store):
        places = f"{store.merged} and {store.by_name}" if store.by_name else store.merged
        raise DevserverError(
            f"{store.merge[0]} did not add the new certificates to {places}: {completed.complaint}",
            remedy=completed.extend_remedy("run it as root, fix the error that it reports, and run the play again"),
        )


def _trusted(store: TrustStore) -> set[str]:
    """Return the certificates that every program of the host finds."""
    merged = set(_certificates(read_text(store.merged) or "", store.merged))
    if not store.by_name:
        return merged
    named = glob.glob(os.path.join(glob.escape(store.by_name), "[0-9a-f]*.[0-9]*"))
    return merged & set(_certificates("".join(read_text(path) or "" for path in named), store.by_name))


def find_trust_store() -> TrustStore:
    """Return the store of this distribution; raise DevserverError if it is not supported."""
    for store in present_stores():
        return store
    raise DevserverError(
        "this host has no supported trust store",
        expected="one of the directories {}".format(", ".join(store.anchors for store in STORES)),
        remedy="install the package ca-certificates",
    )


def present_stores() -> list[TrustStore]:
    """Return the stores that this host has."""
    return [store for store in STORES if os.path.isdir(store.anchors)]


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
