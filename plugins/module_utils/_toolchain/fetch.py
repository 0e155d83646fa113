# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches one file from a URL or a local directory; a source that is unreachable differs from one that is wrong."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import stat
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._host.files import open_nonblocking
from .._host.http_limits import LimitedHandler, ResponseLimits, TooLarge

# Seconds to wait before each further attempt.
PAUSES = (1.0, 3.0)

# The maximum size in bytes of a file. Archives of Go have up to 100 MiB, and Go rejects modules of more than 500 MiB.
LARGEST = 1 << 30
# Seconds for one file in total, with all attempts: 75 MiB at 21 KiB/s.
LONGEST = 3600.0

_CHUNK = 1 << 20
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_CLOCK = (9, 10)
_TRANSIENT = (408, 425, 429)


class Unreachable(Exception):
    """A source did not serve the file; the next one may be tried. ``final`` if another attempt cannot help."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class _UnsafeRedirect(Exception):
    """A redirection away from https."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: t.Any, code: int, msg: str, headers: t.Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if after.scheme not in ("https", before.scheme):
            raise _UnsafeRedirect(f"it redirects from {before.scheme} to {after.scheme} ({redacted(newurl)})")
        # Otherwise urllib reads the body of the redirection, of any size, into memory.
        fp.close()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Copied(t.NamedTuple):
    """A file that was written: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


def check_timeout(option: str, seconds: float) -> None:
    """Reject a time limit that nothing can keep."""
    if seconds <= 0:
        raise DevserverError(
            f"{option} is {seconds}", expected="a number of seconds above 0", remedy=f"correct {option}"
        )


def fetch(location: str, destination: str, *, timeout: float) -> Copied:
    """Write what is at ``location`` (an http or https URL, or an absolute path) to the file ``destination``.

    ``timeout`` is how many seconds a server may stay silent. Raises Unreachable, after further attempts if these
    may help, or for a file that exceeds LARGEST or LONGEST; DevserverError if a server must not be trusted, or denies
    access.
    """
    if location.startswith("/"):
        return _copy_file(location, destination)
    limits = ResponseLimits(timeout, time.monotonic() + LONGEST, LARGEST)
    for pause in PAUSES:
        try:
            return _download(location, destination, limits)
        except Unreachable as error:
            if error.final or time.monotonic() + pause >= limits.deadline:
                raise
        time.sleep(pause)
    return _download(location, destination, limits)


def _copy_file(path: str, destination: str) -> Copied:
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _not_an_archive(path, "it is not a regular file")
            return _write(iter(lambda: file.read(_CHUNK), b""), destination)
    except (FileNotFoundError, NotADirectoryError):
        raise Unreachable("no such file") from None
    except (PermissionError, IsADirectoryError) as error:
        raise _not_an_archive(path, str(error.strerror)) from error


def _not_an_archive(path: str, reason: str) -> DevserverError:
    return DevserverError(
        f"cannot read {path}: {reason}",
        expected="an archive, as a regular file that this user can read",
        remedy="copy the archive there, or correct devserver_toolchain_archive_dir (archive_dir)",
        path=path,
    )


def _download(url: str, destination: str, limits: ResponseLimits) -> Copied:
    context = ssl.create_default_context()
    opener = urllib.request.build_opener(LimitedHandler(limits, context=context), _Redirects)
    try:
        response = opener.open(_request(url), timeout=limits.silence)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(url, error) from error
    except (OSError, http.client.HTTPException, _UnsafeRedirect) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, (ssl.SSLCertVerificationError, _UnsafeRedirect)):
            raise _distrusted(url, reason) from error
        raise Unreachable(str(reason) or type(reason).__name__, final=isinstance(error, TooLarge)) from error
    except ValueError as error:  # A name that no host can have.
        raise DevserverError(
            f"{redacted(url)} is invalid: {error}",
            expected="a URL with the name of a host",
            remedy="correct devserver_toolchain_mirror (mirror), devserver_toolchain_official (official) or "
            "devserver_toolchain_goproxy (goproxy)",
        ) from error
    with response:
        copied = _write(_receive(response), destination)
    length = response.headers.get("Content-Length")
    if length is not None and length != str(copied.size):
        raise Unreachable(f"the transfer ended after {copied.size} of {length} bytes")
    return copied


def _receive(response: http.client.HTTPResponse) -> t.Iterator[bytes]:
    try:
        yield from iter(lambda: response.read1(_CHUNK), b"")
    except (OSError, http.client.HTTPException) as error:
        final = isinstance(error, TooLarge)
        raise Unreachable(f"the transfer failed: {error or type(error).__name__}", final=final) from error


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user, _at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    request.add_header("User-Agent", "gopherops.devserver")
    if user:
        token = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
        # Unredirected, so that another server does not get the password.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _write(chunks: t.Iterator[bytes], destination: str) -> Copied:
    digest = hashlib.sha256()
    size = 0
    with open(destination, "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > LARGEST:
                raise Unreachable(f"the file has more than {LARGEST} bytes", final=True)
            file.write(chunk)
            digest.update(chunk)
    return Copied(size, digest.hexdigest())


def _failed(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in (404, 410):
        return Unreachable(f"HTTP {error.code} {error.reason}", final=True)
    if error.code >= 500 or error.code in _TRANSIENT:
        return Unreachable(f"HTTP {error.code} {error.reason}")
    return DevserverError(
        f"{redacted(url)} responds with HTTP {error.code} {redacted(str(error.reason))}",
        expected="the file, or HTTP 404",
        remedy="correct the URL or its credentials, or remove the source from toolchain_sources (sources)",
    )


def _distrusted(url: str, error: Exception) -> DevserverError:
    if getattr(error, "verify_code", None) in _CLOCK:
        return DevserverError(
            f"{redacted(url)} is not trusted: {error}",
            expected="a certificate that is valid by this host's clock,"
            f" {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
            remedy="set the host's clock, or renew the server's certificate",
        )
    return DevserverError(
        f"{redacted(url)} is not trusted: {error}",
        expected="a certificate that the host trusts, and no redirection away from https",
        remedy="correct the URL, or add the certificate authority to trust_ca_bundle",
    )
