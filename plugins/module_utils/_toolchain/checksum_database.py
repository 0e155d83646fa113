# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Toolchain modules without a pin: go downloads them, and verifies them by Go's checksum database.

go verifies the signature of the database and the proof that the module's hash is in it. Python's standard library
cannot verify such a signature.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._host.command import Completed, run
from .fetch import LONGEST, Unreachable

# A name that go knows, or one with its key, as in GOSUMDB.
_DATABASE = re.compile(r"[A-Za-z0-9.-]+(\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+)?")
_VARIABLE = "devserver_toolchain_checksum_database (checksum_database)"


def check_database(database: str, goproxy: str) -> None:
    """Raise DevserverError for a database that go cannot read through a module proxy."""
    if database and (database == "off" or not _DATABASE.fullmatch(database)):
        raise DevserverError(
            f"{_VARIABLE} is {database!r}",
            expected="sum.golang.org, or another name and its key as in GOSUMDB: name+hash+key",
            remedy=f"correct {_VARIABLE}",
        )
    if database and not goproxy:
        raise DevserverError(
            f"{_VARIABLE} is {database}, but there is no module proxy",
            expected="a module proxy, which delivers what the database verifies",
            remedy="set devserver_toolchain_goproxy (goproxy)",
        )


class Verifier(t.NamedTuple):
    """The program ``go`` and the ``database`` to verify with; a server may stay silent for ``timeout`` seconds."""

    go: str
    database: str
    timeout: float

    def download(self, location: str, destination: str) -> str:
        """Write the module zip at ``location`` of a proxy to ``destination``; return its h1.

        Raises DevserverError if go cannot download or verify it, Unreachable if there is no go.
        """
        if not self.go:
            raise Unreachable("there is no go on this host to verify it")
        proxy, _slash, path = location.partition("/golang.org/toolchain/@v/")
        module = "golang.org/toolchain@" + path[: -len(".zip")]
        with tempfile.TemporaryDirectory(dir=os.path.dirname(destination)) as scratch:
            argv = [self.go, "mod", "download", "-json", module]
            env = self._environment(proxy, scratch)
            completed = run(argv, env=env, cwd=scratch, timeout=LONGEST, silence=self.timeout)
            if not completed.ok:
                raise _failure(completed, location)
            fields = json.loads(completed.stdout)
            os.replace(fields["Zip"], destination)
        return str(fields["Sum"])

    def _environment(self, proxy: str, scratch: str) -> dict[str, str]:
        # Neither a variable of this process, such as GONOSUMDB, nor another module cache may weaken the verification.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
        return {
            **inherited,
            "HOME": scratch,
            "GOENV": "off",
            "GOPROXY": proxy,
            "GOSUMDB": self.database,
            "GOPATH": scratch,
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
        }


def _failure(completed: Completed, location: str) -> DevserverError:
    try:
        reason = str(json.loads(completed.stdout)["Error"])
    except (ValueError, KeyError, TypeError):
        reason = completed.complaint
    return DevserverError(
        f"go cannot verify {redacted(location)} by the checksum database: {redacted(_in_one_line(reason))}",
        expected="a module proxy that delivers the module, and carries the checksum database",
        remedy="correct the proxy or devserver_toolchain_goproxy (goproxy), or declare the digest in"
        " devserver_toolchain_checksums (checksums); nothing was installed",
    )


def _in_one_line(reason: str) -> str:
    """Return the first paragraph of go's reason; what follows explains it in general."""
    return " ".join(reason.partition("\n\n")[0].split())
