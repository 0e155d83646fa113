# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of a Go release, in order, and the digest of what each must deliver."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .archive import unpack_tar, unpack_zip
from .checksum_database import Verifier
from .dirhash import h1_of_zip
from .fetch import Unreachable, fetch
from .filelist import Files
from .platform import Platform
from .releases import Pin

KINDS = ("bundle", "archive", "mirror", "official", "goproxy")
# The location of these is a directory on the managed host; that of the others is a URL.
_LOCAL_KINDS = ("bundle", "archive")

# A query or fragment would swallow the file's name, which is appended to the base.
_URL = re.compile(r"https?://([^/@\s]+@)?(\[[0-9a-fA-F:.]+\]|[^][/:@?#\s]+)(:\d+)?(/[^?#\s]*)?\Z")


class Release(t.NamedTuple):
    """One Go version for one platform, and its digests."""

    version: str
    platform: Platform
    pin: Pin

    @property
    def archive_name(self) -> str:
        return f"go{self.version}.{self.platform.archive}.tar.gz"

    @property
    def module_name(self) -> str:
        return f"v0.0.1-go{self.version}.{self.platform.module}.zip"


class Offer(t.NamedTuple):
    """One file that a source may have, and its expected digest: ``sha256:<hex>`` or ``h1:<base64>``.

    The digest is empty if only the checksum database has it.
    """

    source: str
    location: str
    digest: str

    @property
    def is_module(self) -> bool:
        """Whether it is a toolchain module rather than an archive."""
        return not self.digest.startswith("sha256:")


def validate_bases(bases: t.Mapping[str, str]) -> dict[str, str]:
    """Return the base locations by source without final slashes; raise DevserverError for an invalid one.

    http is safe for a file whose digest is pinned, but not for a password.
    """
    for source, base in bases.items():
        if base and not (base.startswith("/") if source in _LOCAL_KINDS else _URL.match(base)):
            raise DevserverError(
                f"{_variable_of(source)} is {redacted(base)!r}",
                expected="an absolute path" if source in _LOCAL_KINDS else "an https or http URL without a query",
                remedy=f"correct {_variable_of(source)}",
            )
        if re.match("http://[^/]*@", base):
            raise DevserverError(
                f"{_variable_of(source)} is {redacted(base)}, which sends a password unencrypted",
                expected="an https URL for a location with a password",
                remedy=f"correct {_variable_of(source)}",
            )
    return {source: base.rstrip("/") for source, base in bases.items()}


def option_of(source: str) -> str:
    """Return the option of go_toolchain that has the location of a source."""
    return f"{source}_dir" if source in _LOCAL_KINDS else source


def _variable_of(source: str) -> str:
    """Return the play variable of that option, as messages name it."""
    option = option_of(source)
    # The directory of a bundle is a variable of the role; the others are shared.
    shared = "" if source == "bundle" else "devserver_"
    return f"{shared}toolchain_{option} ({option})"


def list_offers(release: Release, order: t.Sequence[str], bases: t.Mapping[str, str]) -> list[Offer]:
    """Return the files to try, in order; a source without a location, or without a digest of its kind, has none.

    Raises DevserverError if there is none at all.
    """
    candidates = [offer for source in order if bases[source] for offer in _offers_of(source, bases[source], release)]
    if not candidates:
        raise DevserverError(
            f"no source can deliver Go {release.version} for {release.platform.archive}: "
            + "; ".join(_obstacle(source, bases[source]) for source in order),
            expected="a source with a location and a checksum of its kind",
            remedy="set devserver_bundle_file, devserver_toolchain_archive_dir (archive_dir), "
            "devserver_toolchain_mirror (mirror) or devserver_toolchain_goproxy (goproxy), or add the digest to "
            "devserver_toolchain_checksums (checksums)",
        )
    return candidates


def check_directories(release: Release, offers: t.Sequence[Offer], bases: t.Mapping[str, str]) -> None:
    """Raise DevserverError if only directories of the host can deliver a release, and none of them has a file of it.

    The directory of a bundle is filled by an earlier role, so it counts as one that has all.
    """
    if all(offer.source == "archive" and not os.path.isfile(offer.location) for offer in offers):
        names, variable = " or ".join(os.path.basename(offer.location) for offer in offers), _variable_of("archive")
        raise DevserverError(
            f"no source serves Go {release.version}: {variable} is {bases['archive']}, which has no {names}",
            expected="a directory on the managed host with the file",
            remedy=f"copy the file there, correct {variable}, or add a source",
        )


def _offers_of(source: str, base: str, release: Release) -> t.Iterator[Offer]:
    if source != "goproxy" and release.pin.sha256:
        yield Offer(source, f"{base}/{release.archive_name}", f"sha256:{release.pin.sha256}")
    if source in _LOCAL_KINDS and release.pin.h1:
        yield Offer(source, f"{base}/{release.module_name}", release.pin.h1)
    if source == "goproxy" and (release.pin.h1 or release.pin.by_database):
        yield Offer(source, f"{base}/golang.org/toolchain/@v/{release.module_name}", release.pin.h1 or "")


def _obstacle(source: str, base: str) -> str:
    if not base:
        return f"{source} has no location"
    return f"{source} has no {'h1' if source == 'goproxy' else 'SHA-256'} to verify its file"


def obtain(
    release: Release,
    candidates: t.Sequence[Offer],
    destination: str,
    *,
    timeout: float,
    verifier: Verifier | None = None,
) -> tuple[Offer, int]:
    """Fetch the first file that a source serves to ``destination`` and verify it; return its offer, and its bytes.

    The ``verifier`` is for offers without a digest.
    The next source is tried only if one is unreachable. Raises DevserverError for a wrong digest, and with the reason
    of every source if none serves.
    """
    reasons = []
    for offer in candidates:
        try:
            if verifier and not offer.digest:
                offer = offer._replace(digest=verifier.download(offer.location, destination))
                return offer, os.path.getsize(destination)
            copied = fetch(offer.location, destination, timeout=timeout)
        except Unreachable as error:
            reasons.append(f"{offer.source} ({redacted(offer.location)}): {error}")
            continue
        _check(offer, destination, f"sha256:{copied.sha256}")
        return offer, copied.size
    raise DevserverError(
        f"no source serves Go {release.version} for {release.platform.archive}: " + "; ".join(reasons),
        expected=f"{release.archive_name}, or {release.module_name} from a module proxy",
        remedy="make one of the sources reachable, or copy the file to devserver_toolchain_archive_dir (archive_dir)",
        sources=reasons,
    )


def _check(offer: Offer, path: str, actual: str) -> None:
    if offer.is_module:
        try:
            actual = h1_of_zip(path)
        except ValueError as error:
            actual = str(error)
    if actual != offer.digest:
        location = redacted(offer.location)
        raise DevserverError(
            f"{os.path.basename(location)} from {offer.source} ({location}) has the wrong digest: {actual}",
            expected=offer.digest or "a digest by the checksum database, for which this host has no go",
            remedy="compare the file with the release on go.dev/dl, and replace it or remove the source from"
            " toolchain_sources (sources); nothing was installed",
            source=offer.source,
            location=location,
            expected_digest=offer.digest,
            actual_digest=actual,
        )


def unpack(release: Release, offer: Offer, path: str, tree: str) -> Files:
    """Unpack the file at ``path``, obtained by ``offer``, into the directory ``tree``; return the list of its files."""
    if offer.is_module:
        return unpack_zip(path, tree, f"golang.org/toolchain@{release.module_name[: -len('.zip')]}")
    return unpack_tar(path, tree)
