# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases without a pin, which a real go verifies by a local checksum database."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import threading
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.dirhash import h1
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import install_toolchains
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

from tests.support.checksum_database import ChecksumDatabase
from tests.support.http_server import Server
from tests.support.toolchains import HERE, Toolchain, go_script, make_toolchain

GO_MOD = b"module golang.org/toolchain\n"
pytestmark = pytest.mark.skipif(not shutil.which("go"), reason="go verifies, and this machine has none")

Install = t.Callable[..., dict[str, t.Any]]


@pytest.fixture(scope="session")
def pinned() -> Toolchain:
    """A toolchain whose go is the machine's, except for its version."""
    script = go_script("1.98.0") + f'[ "$*" = version ] || exec {shutil.which("go")} "$@"\n'.encode()
    return make_toolchain("1.98.0", {"bin/go": script})


@pytest.fixture
def database(server: Server, new: Toolchain) -> ChecksumDatabase:
    """The database of a proxy with the module of ``new``."""
    return carry(server, new, new.h1)


def carry(server: Server, toolchain: Toolchain, digest: str) -> ChecksumDatabase:
    """Have the server deliver a toolchain module, and a database that lists it with ``digest``."""
    module, version = "golang.org/toolchain", toolchain.zip_name[: -len(".zip")]
    go_mod = h1({"go.mod": hashlib.sha256(GO_MOD).hexdigest()})
    records = {f"example.com/{name}@v1.0.0": f"example.com/{name} v1.0.0 {go_mod}\n" for name in "abcd"}
    records[f"{module}@{version}"] = f"{module} {version} {digest}\n{module} {version}/go.mod {go_mod}\n"
    database = ChecksumDatabase("sums.invalid", records)
    path = toolchain.zip_path[: -len(".zip")]
    info = f'{{"Version": "{version}", "Time": "2026-01-01T00:00:00Z"}}'.encode()
    server.routes.update({f"{path}.info": info, f"{path}.mod": GO_MOD, f"{path}.zip": toolchain.zip})
    server.routes.update(database.routes())
    return database


@pytest.fixture
def install(
    make_request: t.Callable[..., ToolchainRequest], server: Server, tmp_path: pathlib.Path, pinned: Toolchain
) -> Install:
    """Install versions from the proxy; the archive of the pinned one is in a directory."""
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / pinned.tar_name).write_bytes(pinned.tar)

    def run(*versions: str, database: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        checksums = {"1.98.0": {HERE.archive: pinned.sha256}}
        options = {"goproxy": server.url, "archive": str(archives), "checksums": checksums, **options}
        request = make_request(*versions, checksum_database=database, **options)
        return install_toolchains(request, HERE, check=check)

    return run


def test_the_database_verifies_a_version_without_a_pin(
    install: Install, database: ChecksumDatabase, server: Server, new: Toolchain
) -> None:
    planned = install("1.99.12", "1.98.0", database=database.verifier, check=True)
    assert server.paths == []
    result = install("1.99.12", "1.98.0", database=database.verifier)
    assert result["diff"] == planned["diff"]
    first, _second = result["toolchains"]
    assert (first["source"], first["digest"], first["bytes"]) == ("goproxy", new.h1, len(new.zip))
    assert first["location"] == server.url + new.zip_path
    assert not install("1.99.12", "1.98.0", database=database.verifier)["changed"]


def test_an_installed_go_that_is_no_longer_listed_verifies(install: Install, database: ChecksumDatabase) -> None:
    install("1.98.0", database="")
    (installed,) = install("1.99.12", database=database.verifier)["toolchains"]
    assert installed["status"] == "installed"


def test_the_database_verifies_the_module_of_a_version_whose_archive_alone_is_pinned(
    install: Install, database: ChecksumDatabase, new: Toolchain
) -> None:
    install("1.98.0", database="")
    checksums = {new.version: {HERE.archive: "0" * 64}}
    (installed,) = install("1.99.12", database=database.verifier, checksums=checksums)["toolchains"]
    assert (installed["source"], installed["digest"]) == ("goproxy", new.h1)


def test_without_the_option_nothing_is_verified_by_a_database(install: Install, server: Server) -> None:
    with pytest.raises(DevserverError, match=r"no checksum is known for Go 1\.99\.12"):
        install("1.98.0", "1.99.12", database="")
    assert server.paths == []


def test_without_a_go_to_verify_with_the_plan_fails(install: Install, database: ChecksumDatabase) -> None:
    with pytest.raises(DevserverError, match=r"there is no go on this host to verify Go 1\.99\.12") as caught:
        install("1.99.12", database=database.verifier, check=True)
    assert "add a version that the collection knows" in caught.value.remedy


def test_a_minor_version_needs_a_pin(install: Install, database: ChecksumDatabase) -> None:
    with pytest.raises(DevserverError, match=r"no checksum is known for Go 1\.99 "):
        install("1.98.0", "1.99", database=database.verifier)


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ("off", {}, "'off'"),
        ("sum.golang.org https://example.com", {}, "is 'sum.golang.org https"),
        ("sum.golang.org", {"goproxy": ""}, "there is no module proxy"),
    ],
)
def test_an_option_that_verifies_nothing_is_rejected(
    install: Install, value: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DevserverError, match=message):
        install("1.98.0", "1.99.12", database=value, check=True, **options)


def other_digest(server: Server, new: Toolchain) -> str:
    return carry(server, new, "h1:" + "A" * 43 + "=").verifier


def other_key(server: Server, new: Toolchain) -> str:
    verifier = carry(server, new, new.h1).verifier
    carry(server, new, new.h1)
    return verifier


def other_record(server: Server, new: Toolchain) -> str:
    """The response has the hash of the module, but the signed tree has another one."""
    database = carry(server, new, "h1:" + "A" * 43 + "=")
    for path, body in database.routes().items():
        server.routes[path] = body.replace(b"h1:" + b"A" * 43 + b"=", new.h1.encode())
    return database.verifier


def no_database(server: Server, new: Toolchain) -> str:
    verifier = carry(server, new, new.h1).verifier
    server.routes = {path: body for path, body in server.routes.items() if not path.startswith("/sumdb")}
    return verifier


def no_module(server: Server, new: Toolchain) -> str:
    verifier = carry(server, new, new.h1).verifier
    del server.routes[new.zip_path]
    return verifier


@pytest.mark.parametrize("fault", [other_digest, other_key, other_record, no_database, no_module])
def test_a_module_that_go_cannot_verify_is_not_installed(
    install: Install,
    server: Server,
    new: Toolchain,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: t.Callable[[Server, Toolchain], str],
) -> None:
    cache = tmp_path / "cache"
    for name, value in {"GONOSUMDB": "*", "GOPRIVATE": "*", "GOFLAGS": "-insecure", "GOMODCACHE": str(cache)}.items():
        monkeypatch.setenv(name, value)
    install("1.98.0", database="")
    before = sorted(path.name for path in (tmp_path / "host/lib/go").iterdir())
    with pytest.raises(DevserverError, match=r"go cannot verify .* by the checksum database: ."):
        install("1.98.0", "1.99.12", database=fault(server, new))
    assert not cache.exists()
    assert sorted(path.name for path in (tmp_path / "host/lib/go").iterdir()) == before


def test_a_proxy_that_stays_silent_costs_its_time_limit(
    install: Install, server: Server, database: ChecksumDatabase, new: Toolchain
) -> None:
    install("1.98.0", database="")
    closing = threading.Event()
    server.routes[new.zip_path] = lambda _handler: closing.wait(30)
    try:
        with pytest.raises(DevserverError, match="it timed out"):
            install("1.99.12", database=database.verifier, timeout=1)
    finally:
        closing.set()


def test_errors_do_not_contain_the_password_of_the_proxy(install: Install, server: Server, new: Toolchain) -> None:
    install("1.98.0", database="")
    proxy = server.url.replace("http://", "https://me:s3cret@")
    with pytest.raises(DevserverError) as caught:
        install("1.98.0", "1.99.12", database=carry(server, new, new.h1).verifier, goproxy=proxy)
    assert "go cannot verify" in str(caught.value) and "s3cret" not in str(caught.value)
