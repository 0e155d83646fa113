# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collectors of /proc, and the escapes and masks of a report."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import (
    printable,
    redacted,
    secrets_in,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import directories, processes
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.processes import (
    extension_hosts,
    manager_started,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import format_time
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host import procfs
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.mounts import Mount, mount_of, mounts, parse
from hypothesis import given
from hypothesis import strategies as st

LINES = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 28 0:40 / /home rw,relatime shared:2 master:3 - nfs4 nas:/home rw,vers=4.2
41 28 0:41 / /srv/with\\040space rw,noexec - tmpfs tmpfs rw
42 28 0:42 / /home rw - ext4 /dev/sdb1 rw
"""


def test_the_last_mount_of_a_place_hides_the_others() -> None:
    mounted = parse(LINES)
    assert len(mounted) == 5
    assert mount_of("/home/alice/go", mounted) == Mount("/home", "ext4", frozenset({"rw"}))
    assert mount_of("/homework", mounted) == mounted[1]
    assert mount_of("/srv/with space/x", mounted) == Mount("/srv/with space", "tmpfs", frozenset({"rw", "noexec"}))


@pytest.mark.parametrize("path", ["~/.cache/go-tmp", "tmp", ""])
def test_a_relative_path_has_no_mount(path: str) -> None:
    assert mount_of(path, parse(LINES)) is None


def user(uid: int) -> Account:
    return Account("alice", uid, uid, "/", "/bin/sh")


@given(st.text())
def test_any_mountinfo_is_parsed_without_errors(text: str) -> None:
    for mount in parse(text):
        assert mount.kind


POINTS = st.lists(st.text("abc \n\\/", min_size=1), min_size=1).map(
    lambda parts: os.path.normpath("/" + "/".join(parts))
)


@given(POINTS)
def test_every_mount_point_survives_its_escapes(point: str) -> None:
    point = "/" + point.lstrip("/")
    escaped = "".join(f"\\{ord(one):03o}" if one in " \t\n\\" else one for one in point)
    assert parse(f"1 2 0:1 / {escaped} rw - ext4 x rw\n") == [Mount(point, "ext4", frozenset({"rw"}))]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(st.characters(exclude_categories=())),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_can_be_reported(value: object) -> None:
    json.dumps(printable(value), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(2.0**62, "9999-12-31T23:59:59Z"), (-(2.0**62), "1970-01-01T00:00:00Z"), (1.5, "1970-01-01T00:00:01Z")],
)
def test_any_date_of_a_file_can_be_reported(seconds: float, expected: str) -> None:
    assert format_time(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("café", "café"), ("caf\udce9", "caf\\xe9"), ("half \ud800", "half \\ud800")]
)
def test_bytes_that_are_not_utf8_are_escaped(text: str, expected: str) -> None:
    assert printable({"a": [text]}) == {"a": [expected]}


def test_the_mounts_of_this_machine_hold_the_root() -> None:
    assert mount_of("/", mounts()) is not None


@pytest.mark.parametrize(
    ("words", "found"), [(["/x/out/bootstrap-fork", "--type=extensionHost"], True), (["--type=extensionHost"], False)]
)
def test_the_extension_host_of_an_editor(words: list[str], found: bool) -> None:
    command = [sys.executable, "-c", "print(flush=True); input()", *words]
    before = time.time()
    with subprocess.Popen(command, env={"GOPATH": "/old"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        seen = {host.pid: host for host in extension_hosts([user(os.geteuid())])}
        process.communicate(b"\n")
    assert (process.pid in seen) == found
    if found:
        assert (seen[process.pid].uid, seen[process.pid].environment["GOPATH"]) == (os.geteuid(), "/old")
        assert before - 2 <= (seen[process.pid].started or 0) <= time.time() + 2


def test_few_entries_of_a_cache_are_inspected(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspected: list[str] = []
    monkeypatch.setattr(directories, "find_other_writer", lambda path, _account: inspected.append(path) or "")
    monkeypatch.setattr(directories, "MOST_ENTRIES", 3)
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    environment = UserEnvironment(user(os.geteuid()), {"GOCACHE": str(tmp_path)}, [])
    assert [directory.state.other_writer for directory in directories.directories_of([environment], [])] == [""]
    assert len(inspected) == 4


def test_an_extension_host_is_read_with_its_owners_rights(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted: list[str] = []

    @contextlib.contextmanager
    def acting_as(account: Account | None) -> t.Iterator[None]:
        acted.append(account.name if account else "")
        yield

    monkeypatch.setattr(procfs, "acting_as", acting_as)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_text("node\0bootstrap-fork\0--type=extensionHost\0")
    (tmp_path / "7/environ").write_text("A=1\0")
    (tmp_path / "7/exe").symlink_to("/usr/bin/node")
    assert [host.environment for host in extension_hosts([user(os.geteuid())], str(tmp_path))] == [{"A": "1"}]
    assert acted == [getpass.getuser()]


def test_few_extension_hosts_of_listed_users_are_read(tmp_path: pathlib.Path) -> None:
    for pid in range(1, 100):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_text("node\0bootstrap-fork\0--type=extensionHost\0")
        (tmp_path / str(pid) / "environ").write_text("")
        (tmp_path / str(pid) / "exe").symlink_to("/usr/bin/node")
    assert [host.pid for host in extension_hosts([user(os.geteuid())], str(tmp_path))] == list(range(1, 21))
    assert extension_hosts([user(os.geteuid() + 1)], str(tmp_path)) == []


def test_the_search_for_the_processes_of_a_user_is_limited(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_MOST_INSPECTED", 30)
    for pid in range(1, 50):
        (tmp_path / str(pid)).mkdir()
        host = "node\0bootstrap-fork\0--type=extensionHost\0" if pid in (20, 40) else "sleep\0"
        # More than the largest file of a process that is read.
        (tmp_path / str(pid) / "cmdline").write_text(host + "\xff\0" * (2 << 20 if pid == 20 else 1))
        (tmp_path / str(pid) / "environ").write_text("")
        (tmp_path / str(pid) / "exe").symlink_to("/usr/bin/node")
    assert [host.pid for host in extension_hosts([user(os.geteuid())], str(tmp_path))] == [20]
    monkeypatch.setattr(processes, "_SECONDS", 0)
    assert extension_hosts([user(os.geteuid())], str(tmp_path)) == []


def test_the_manager_of_a_user(tmp_path: pathlib.Path) -> None:
    (tmp_path / "stat").write_text("cpu 1\nbtime 1000\nx 2\n")
    for pid, words in {"7": ["/bin/sh", "--user"], "8": ["/lib/systemd/systemd", "--user"]}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text("\0".join([*words, ""]))
        ticks = 5 * os.sysconf("SC_CLK_TCK")
        (tmp_path / pid / "stat").write_text(f"{pid} (a (b) c) " + "0 " * 19 + f"{ticks} 0\n")
    assert manager_started(user(os.geteuid()), str(tmp_path)) == 1005
    assert manager_started(user(os.geteuid() + 1), str(tmp_path)) is None


def test_a_process_that_exits_meanwhile_is_skipped(tmp_path: pathlib.Path) -> None:
    (tmp_path / "77").mkdir()
    assert extension_hosts([user(os.geteuid())], str(tmp_path)) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ssh://git@a.example/x", []),
        ("https://alice@a.example", []),
        ("https://alice:pass@word@a.example/x,https://b:c@d.example", ["alice:pass@word", "b:c"]),
        ("https://:word@a.example", [":word"]),
        (f"https://{'t0ken' * 4}@a.example", ["t0ken" * 4]),
        ({"a": ["https://x:größe@a.example"], "b": ('https://y:"\\@a.example', 7, None)}, ["x:größe", 'y:"\\']),
        ({"https://k:key@a.example": {}}, ["k:key"]),
    ],
)
def test_exactly_the_secrets_are_masked(value: object, found: list[str]) -> None:
    assert secrets_in(value) == {*found, *(secret.partition(":")[2] or secret for secret in found)}


@pytest.mark.parametrize("text", ["ssh://git@a.example", "https://a:b@a.example"])
def test_in_a_report_no_name_of_a_user_is_shown_in_a_url(text: str) -> None:
    assert redacted(text).partition("://")[2] == "***@a.example"
