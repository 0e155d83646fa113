# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code's server is unpacked where Remote-SSH looks for it."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import pathlib
import pwd
import tarfile
import time
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._editor import extensions, go_editor, servers
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records

ME = pwd.getpwuid(os.geteuid()).pw_name
COMMIT = "0123456789" * 4


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as written:
        for name in names:
            member = tarfile.TarInfo(f"vscode-server-linux-x64/{name}")
            member.mode = 0o755
            written.addfile(member, io.BytesIO())
    return content.getvalue()


class Host(t.NamedTuple):
    directory: pathlib.Path

    @property
    def server(self) -> pathlib.Path:
        return self.directory / "home/.vscode-server"

    def entry(self, content: bytes) -> dict[str, str]:
        sha256 = hashlib.sha256(content).hexdigest()
        store = pathlib.Path(extensions.STORE)
        store.mkdir(parents=True, exist_ok=True)
        (store / f"{sha256}.tar.gz").write_bytes(content)
        return {"commit": COMMIT, "sha256": sha256}

    def run(self, *entries: dict[str, str], check: bool = False, **options: t.Any) -> Outcome:
        settings = [f"{self.server}/data/Machine/settings.json"]
        declared = {"users": [{"name": ME}], "vscode_settings": settings, "servers": list(entries), **options}
        validated = ArgumentSpecValidator(go_editor.ARGUMENT_SPEC).validate(declared)
        assert validated.error_messages == []
        return go_editor.converge(validated.validated_parameters, check=check)


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "etc/records"))
    monkeypatch.setattr(extensions, "STORE", str(tmp_path / "lib/extensions"))
    (tmp_path / "home").mkdir()
    return Host(tmp_path)


def test_both_kinds_of_clients_find_it_and_it_goes_with_the_role(host: Host) -> None:
    entry = host.entry(archive("bin/code-server", "node"))
    planned = host.run(entry, check=True)
    assert not host.server.exists()
    done = host.run(entry)
    assert planned.result == done.result and done.result["changed"]
    for place in (f"bin/{COMMIT}", f"cli/servers/Stable-{COMMIT}/server"):
        assert os.access(host.server / place / "bin/code-server", os.X_OK)
    assert host.run(entry).result["changed"] is False
    (host.server / f"cli/servers/Stable-{COMMIT}/server").unlink()
    assert host.run(entry).result["changed"] is True
    host.run(state="absent", users=[])
    assert [path for path in host.server.rglob("*") if path.is_file() or path.is_symlink()] == []


@pytest.mark.parametrize("content", [b"text", archive("node")[:60], archive()], ids=["text", "cut", "empty"])
def test_a_file_that_is_no_server_is_reported_and_leaves_nothing(host: Host, content: bytes) -> None:
    outcome = host.run(host.entry(content))
    assert outcome.failure and "cannot be unpacked" in str(outcome.failure)
    assert list((host.server / "bin").iterdir()) == []


@pytest.mark.parametrize("change", [{"commit": "../x"}, {"commit": "0123abc"}, {"sha256": "0"}])
def test_an_invalid_entry_is_rejected(host: Host, change: dict[str, str]) -> None:
    with pytest.raises(DevserverError, match="is invalid"):
        host.run({**host.entry(archive()), **change}, check=True)


def test_another_digest_is_rejected(host: Host) -> None:
    entry = host.entry(archive("node"))
    pathlib.Path(extensions.STORE, f"{entry['sha256']}.tar.gz").write_bytes(archive("other"))
    with pytest.raises(DevserverError, match="has the SHA-256"):
        host.run(entry)
    assert not host.server.exists()


def test_what_a_killed_attempt_has_left_is_replaced(host: Host, tmp_path: pathlib.Path) -> None:
    # A reader of this pipe waits until it is killed.
    os.mkfifo(tmp_path / "archive")
    paths = servers.server_paths(str(host.server / "extensions"), COMMIT)
    parent = host.server / "bin"
    for _attempt in range(2):
        attempt = multiprocessing.get_context("fork").Process(
            target=servers._unpack, args=(str(tmp_path / "archive"), paths)
        )
        attempt.start()
        deadline = time.monotonic() + 5
        while [*map(os.listdir, parent.glob(".*"))] != [[]] and time.monotonic() < deadline:
            time.sleep(0.01)
        attempt.kill()
        attempt.join()
        (left_over,) = parent.iterdir()
        (left_over / "half").touch()
    host.run(host.entry(archive("bin/code-server")))
    assert [path.name for path in parent.iterdir()] == [COMMIT]
