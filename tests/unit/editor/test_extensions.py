# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions are installed offline, in the pinned version, where the user's server finds them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import pwd
import typing as t
import zipfile

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import Outcome
from ansible_collections.gopherops.devserver.plugins.module_utils._editor import extensions, go_editor, installation
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records

from tests.support.http_server import Server

ME = pwd.getpwuid(os.geteuid()).pw_name


def archive(**files: str) -> bytes:
    """Return the file of an extension with these files, beside its package.json."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for name, text in {"extension.vsixmanifest": "", "extension/package.json": "{}", **files}.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            written.writestr(info, text)
    return content.getvalue()


class Host(t.NamedTuple):
    """A home with a directory for VS Code's server, and a store of files."""

    directory: pathlib.Path

    @property
    def server(self) -> pathlib.Path:
        return self.directory / "home/.vscode-server"

    @property
    def extensions(self) -> pathlib.Path:
        return self.server / "extensions"

    def entry(self, content: bytes, version: str = "0.42.1", **options: str) -> dict[str, str]:
        """Return an entry whose file is in the store."""
        sha256 = hashlib.sha256(content).hexdigest()
        store = pathlib.Path(extensions.STORE)
        if "url" not in options:
            store.mkdir(parents=True, exist_ok=True)
            (store / f"{sha256}.vsix").write_bytes(content)
        return {"name": "Golang.go", "version": version, "sha256": sha256, **options}

    def run(self, *entries: dict[str, str], check: bool = False, **options: t.Any) -> Outcome:
        servers = (self.server / "data", self.directory / "home/code-server")
        settings = [f"{server}/Machine/settings.json" for server in servers]
        declared = {"users": [{"name": ME}], "vscode_settings": settings, "extensions": list(entries), **options}
        validated = ArgumentSpecValidator(go_editor.ARGUMENT_SPEC).validate(declared)
        assert validated.error_messages == []
        return go_editor.converge(validated.validated_parameters, check=check)

    def listed(self) -> list[tuple[str, str, str]]:
        content = json.loads((self.extensions / "extensions.json").read_text())
        return sorted((one["identifier"]["id"], one["version"], one["location"]["path"]) for one in content)


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "etc/records"))
    monkeypatch.setattr(extensions, "STORE", str(tmp_path / "lib/extensions"))
    (tmp_path / "home").mkdir()
    return Host(tmp_path)


def test_the_first_start_of_a_server_finds_what_was_unpacked(host: Host) -> None:
    entry = host.entry(archive(**{"extension/bin/run.sh": "", "extension/main.js": "1", "readme.md": ""}))
    planned = host.run(entry, check=True)
    assert not host.extensions.exists()
    done = host.run(entry)
    directory = host.extensions / "golang.go-0.42.1"
    changes = [{part["after_header"] for part in outcome.result["diff"]} for outcome in (planned, done)]
    # What is put into an extension depends on what is in it.
    assert changes[1] - changes[0] == {f"{directory}/bin/vscgo"}
    assert str(directory) in changes[0]
    paths = [path for path in directory.rglob("*") if path.is_file()]
    files = {str(path.relative_to(directory)): path.stat().st_mode & 0o111 for path in paths}
    assert {name: mode for name, mode in files.items() if name != "bin/vscgo"} == {
        "package.json": 0,
        "main.js": 0,
        "bin/run.sh": 0o111,
    }
    # Before the first connection, nothing else has made these.
    settings = json.loads((host.server / "data/Machine/settings.json").read_text())
    assert "staticcheck" in settings["go.alternateTools"]
    # No server has written a list yet, and nobody uses the other one.
    assert sorted(path.name for path in host.extensions.iterdir()) == ["golang.go-0.42.1"]
    assert not (host.directory / "home/code-server").exists()
    assert host.run(entry).result["changed"] is False


def test_a_server_with_a_list_gets_an_entry_in_place_of_another_version(host: Host) -> None:
    host.extensions.mkdir(parents=True)
    own = {"identifier": {"id": "me.mine"}, "version": "1", "location": {"path": "/mine"}}
    old = {"identifier": {"id": "golang.go"}, "version": "0.1.0", "location": {"path": "/old"}}
    (host.extensions / "extensions.json").write_text(json.dumps([own, old, "broken"]))
    entry = host.entry(archive())
    host.run(entry)
    mine = ("me.mine", "1", "/mine")
    assert host.listed() == [("Golang.go", "0.42.1", f"{host.extensions}/golang.go-0.42.1"), mine]
    content = json.loads((host.extensions / "extensions.json").read_text())
    assert [one["identifier"]["id"] for one in content if one.get("metadata", {}).get("pinned")] == ["Golang.go"]
    assert host.run(entry).result["changed"] is False
    # With all of its state, and only with that, it is installed.
    (host.extensions / "extensions.json").write_text(json.dumps([own]))
    assert host.run(entry).result["changed"] is True
    host.run(state="absent", users=[])
    assert host.listed() == [mine]
    assert sorted(path.name for path in host.extensions.iterdir()) == ["extensions.json"]
    assert not pathlib.Path(extensions.STORE).exists()


@pytest.mark.parametrize("place", ["bin/abc/bin", "cli/servers/Stable-abc/server/bin"])
@pytest.mark.parametrize("works", [True, False])
def test_the_servers_own_program_installs_it_where_there_is_one(host: Host, place: str, works: bool) -> None:
    program = host.server / place / "code-server"
    program.parent.mkdir(parents=True)
    target = '"$5/golang.go-0.42.1"'
    action = f'mkdir -p {target} && echo "$@" >{target}/package.json' if works else "echo failed >&2; exit 1"
    program.write_text(f"#!/bin/sh\n{action}\n")
    program.chmod(0o755)
    entry = host.entry(archive())
    host.run(entry)
    text = (host.extensions / "golang.go-0.42.1/package.json").read_text()
    store = f"{extensions.STORE}/{entry['sha256']}.vsix"
    called = f"--install-extension {store} --force --extensions-dir {host.extensions}\n"
    assert text == (called if works else "{}")
    assert host.run(entry).result["changed"] is False


def test_a_program_that_hangs_costs_a_user_one_time_limit(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "SECONDS", 1.0)
    program = host.server / "bin/abc/bin/code-server"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho >>{host.directory}/starts\nexec sleep 100\n")
    program.chmod(0o755)
    entry = host.entry(archive())
    outcome = host.run(*(dict(entry, name=f"Golang.go{number}") for number in range(3)))
    assert (host.directory / "starts").read_text() == "\n"
    reasons = [skipped["reason"] for skipped in outcome.result["skipped_files"]]
    assert [reason.partition(": ")[2][:45] for reason in reasons] == [
        "the extensions of this user took longer than "
    ] * 3
    assert outcome.failure


def test_another_server_gets_it_too_if_it_is_there(host: Host) -> None:
    (host.directory / "home/code-server").mkdir()
    host.run(host.entry(archive()))
    assert (host.directory / "home/code-server/extensions/golang.go-0.42.1/package.json").exists()


def test_a_file_with_another_digest_is_rejected_and_nothing_is_installed(host: Host) -> None:
    entry = host.entry(archive())
    pathlib.Path(extensions.STORE, f"{entry['sha256']}.vsix").write_bytes(b"other")
    with pytest.raises(DevserverError, match="has the SHA-256"):
        host.run(entry)
    assert not host.extensions.exists()
    with pytest.raises(DevserverError, match="has the SHA-256 missing"):
        host.run(entry)


def test_the_host_fetches_a_url_once_and_verifies_it(host: Host) -> None:
    content = archive()
    with contextlib.closing(Server()) as server:
        server.routes["/go.vsix"] = content
        url = server.url
        host.run(host.entry(content, url=f"{url}/go.vsix"))
        assert (host.extensions / "golang.go-0.42.1/package.json").exists()
        with pytest.raises(DevserverError, match="has the SHA-256"):
            host.run({**host.entry(content, "0.57.2", url=f"{url}/go.vsix"), "sha256": "0" * 64})
    assert host.run(host.entry(content, url=f"{url}/go.vsix")).result["changed"] is False


def test_an_archive_writes_only_into_its_own_directory(host: Host) -> None:
    content = archive(**{"extension/../../evil": "x", "extension/../extensions.json": "x"})
    host.run(host.entry(content))
    assert sorted(path.name for path in host.extensions.iterdir()) == ["golang.go-0.42.1"]
    assert not (host.server / "evil").exists()


@pytest.mark.parametrize("content", [b"text", archive()[:-30], b"PK\5\6" + bytes(18)], ids=["text", "cut", "empty"])
def test_a_file_that_is_no_extension_is_reported(host: Host, content: bytes) -> None:
    outcome = host.run(host.entry(content))
    assert outcome.failure and "is no extension of VS Code" in str(outcome.failure)
    assert list(host.extensions.iterdir()) == []


def test_a_list_that_cannot_be_parsed_is_left_alone_and_reported(host: Host) -> None:
    host.extensions.mkdir(parents=True)
    (host.extensions / "extensions.json").write_text("{")
    outcome = host.run(host.entry(archive()))
    assert outcome.failure and "extensions.json cannot be parsed" in str(outcome.failure)
    assert (host.extensions / "extensions.json").read_text() == "{"


@pytest.mark.parametrize(
    "change",
    [
        *({"name": name} for name in ("go", "../x.y")),
        *({"version": version} for version in ("../1", "latest")),
        {"sha256": "abc"},
        {"url": "file:///x"},
    ],
)
def test_an_invalid_entry_is_rejected(host: Host, change: dict[str, str]) -> None:
    with pytest.raises(DevserverError, match="is invalid"):
        host.run({**host.entry(archive()), **change}, check=True)
    with pytest.raises(DevserverError, match="is invalid"):
        host.run(host.entry(archive()), host.entry(archive(), "0.57.2"), check=True)
