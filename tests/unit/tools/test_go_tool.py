# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a process, building real tools from a local proxy by this machine's Go."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import pwd
import re
import socket
import subprocess
import threading
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS

HELLO = {"package": "example.com/hello", "version": "v1.0.0"}
Host = t.Any  # conftest's; tests do not import from it


def only(result: dict[str, t.Any]) -> dict[str, t.Any]:
    (tool,) = result["tools"]
    return t.cast("dict[str, t.Any]", tool)


def outcome(result: dict[str, t.Any]) -> tuple[bool, str, str]:
    tool = only(result)
    return result["changed"], tool["status"], tool["reason"]


def build_lines(goroot: str, binary: str) -> str:
    return subprocess.check_output([f"{goroot}/bin/go", "version", "-m", binary], text=True)


def test_the_second_run_of_an_installation_changes_nothing(tool_host_with_plain_go: Host, goroot: str) -> None:
    tool_host = tool_host_with_plain_go
    tools = [
        HELLO,
        {"package": "example.com/tool/v2", "version": "v2.3.4"},
        {"package": "example.com/suite/cmd/x", "version": "v0.1.0-rc.1", "name": "ex"},
    ]
    planned = tool_host.run(*tools, check=True)
    assert tool_host.files() == []
    completed = tool_host.run(*tools)
    assert "tools" in completed, completed
    assert [tool["name"] for tool in completed["tools"]] == ["hello", "tool", "ex"]
    assert [tool["module"] for tool in completed["tools"]] == [
        "example.com/hello",
        "example.com/tool/v2",
        "example.com/suite",
    ]
    for tool in completed["tools"]:
        directory = f"{tool['version']}-{tool['go']}"
        assert tool["path"] == str(tool_host.root / tool["name"] / directory / tool["name"])
        assert [os.readlink(link) for link in tool["links"]] == [tool["path"]]
        assert os.stat(tool["path"]).st_mode & 0o7777 == 0o755
        assert os.stat(tool["path"]).st_uid == os.geteuid()
        assert subprocess.run(tool["links"], capture_output=True, text=True, check=True).stderr == "hello\n"
        output = build_lines(goroot, tool["path"])
        assert f"\tmod\t{tool['module']}\t{tool['version']}\t" in output
        assert "-trimpath=true" in output
    assert planned["diff"] == completed["diff"]
    assert [tool["status"] for tool in planned["tools"]] == ["would_install"] * 3
    assert [tool["status"] for tool in completed["tools"]] == ["installed"] * 3
    assert tool_host.leftovers() == []
    before = tool_host.files()
    again = tool_host.run(*tools, goproxy="off")
    assert (again["changed"], again["diff"]) == (False, [])
    assert {(tool["status"], tool["reason"]) for tool in again["tools"]} == {("present", "")}
    assert tool_host.files() == before


def test_check_mode_on_a_host_without_go(tool_host: Host) -> None:
    result = tool_host.run(HELLO, check=True, goroot="/nonexistent/go")
    assert outcome(result) == (True, "would_install", "absent")
    assert only(result)["path"] == ""
    assert not tool_host.root.exists()


def test_a_missing_go_is_rejected(tool_host: Host) -> None:
    result = tool_host.run(HELLO, goroot="/nonexistent/go")
    assert result["failed"]
    assert "no Go at /nonexistent/go" in result["msg"]
    assert not tool_host.root.exists()


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_not_positive_is_rejected(tool_host: Host, timeout: int) -> None:
    result = tool_host.run(HELLO, timeout=timeout, check=True)
    assert f"devserver_tools_timeout (timeout) is {timeout}" in result["msg"]
    assert not tool_host.root.exists()


def test_another_version_is_built_and_the_previous_one_only_linked(provisioned: Host) -> None:
    newer = dict(HELLO, version="v1.1.0")
    planned = provisioned.run(newer, check=True)
    assert outcome(planned) == (True, "would_install", "other version")
    completed = provisioned.run(newer)
    assert outcome(completed) == (True, "installed", "other version")
    assert completed["diff"] == planned["diff"]
    assert os.readlink(provisioned.bin / "hello") == only(completed)["path"]
    back = provisioned.run(HELLO, goproxy="off")
    assert outcome(back) == (True, "installed", "not linked")
    assert os.readlink(provisioned.bin / "hello") == only(back)["path"] != only(completed)["path"]


def remove(link: pathlib.Path) -> None:
    link.unlink()


def point_elsewhere(link: pathlib.Path) -> None:
    link.unlink()
    link.symlink_to("/bin/true")


@pytest.mark.parametrize("damage", [remove, point_elsewhere])
def test_a_link_is_restored_without_a_build(provisioned: Host, damage: t.Callable[[pathlib.Path], None]) -> None:
    damage(provisioned.bin / "hello")
    planned = provisioned.run(HELLO, check=True)
    result = provisioned.run(HELLO, goproxy="off")
    assert outcome(result) == (True, "installed", "not linked")
    without_time = functools.partial(re.sub, r"\d{8}T\d{6}Z", "")
    assert without_time(str(planned["diff"])) == without_time(str(result["diff"]))
    assert os.readlink(provisioned.bin / "hello") == only(result)["path"]
    # A removal restores the link of somebody else.
    replaced = ["/bin/true"] if damage is point_elsewhere else []
    assert list(map(os.readlink, only(result)["replaced"])) == replaced


@pytest.mark.parametrize("damage", ["a byte", "the record"])
def test_an_altered_tool_is_found_and_repaired_with_verify(provisioned: Host, damage: str) -> None:
    binary = pathlib.Path(only(provisioned.run(HELLO))["path"])
    if damage == "a byte":
        with binary.open("ab") as file:
            file.write(b"x")
    else:
        binary.with_name("hello.sha256").unlink()
    assert not provisioned.run(HELLO)["changed"]
    expected = (True, "would_install", "not the recorded bytes")
    assert outcome(provisioned.run(HELLO, check=True, verify=True)) == expected
    assert provisioned.run(HELLO, verify=True)["changed"]
    assert not provisioned.run(HELLO, verify=True)["changed"]


def test_check_mode_plans_for_the_go_that_will_be_installed(provisioned: Host) -> None:
    planned = provisioned.run(HELLO, check=True, go_version="1.99.1")
    assert outcome(planned) == (True, "would_install", "built by another Go")
    assert only(planned)["path"].endswith("-go1.99.1/hello")
    rejected = provisioned.run({"name": "gopls", "version": "v0.16.2"}, check=True, go_version="1.26.1")
    assert "gopls" in rejected["msg"] and "1.26.1" in rejected["msg"]
    assert not provisioned.run(HELLO, go_version="1.99.1")["changed"]


def test_check_mode_does_not_need_a_go_that_will_be_replaced(provisioned: Host, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/go").write_text("#!/bin/sh\necho go version go1.20 linux/amd64\n")
    (tmp_path / "bin/go").chmod(0o755)
    planned = provisioned.run(HELLO, check=True, goroot=str(tmp_path), go_version="1.99.1")
    assert only(planned)["path"].endswith("-go1.99.1/hello")
    rejected = provisioned.run(HELLO, check=True, goroot=str(tmp_path))
    assert "is no go command" in rejected["msg"]


def test_a_program_in_the_place_of_the_link_is_moved_aside(provisioned: Host) -> None:
    link = provisioned.bin / "hello"
    content = link.read_bytes()
    link.unlink()
    link.write_bytes(content)
    result = provisioned.run(HELLO, goproxy="off")
    (replaced,) = only(result)["replaced"]
    assert re.fullmatch(re.escape(str(link)) + r"\.replaced-\d{8}T\d{6}Z", replaced)
    assert pathlib.Path(replaced).read_bytes() == content
    assert os.readlink(link) == only(result)["path"]
    assert replaced in str(result["warnings"])
    assert replaced in [change["before_header"] for change in result["diff"]]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("version", ["v1.0.0", "v1.1.0"])
def test_anything_else_stays_in_the_place_of_the_link(provisioned: Host, version: str, kind: str, check: bool) -> None:
    place = provisioned.bin / "hello"
    place.unlink()
    content = place if kind == "file" else place / "mine"
    content.parent.mkdir(exist_ok=True)
    content.write_text("gold")
    before = provisioned.files()
    result = provisioned.run(dict(HELLO, version=version), check=check)
    assert result["msg"].startswith(f"devserver_bin_dir (bin_dir) is {place}, but {place} is a {kind}")
    assert "a program that Go has built" in result["msg"] and f"move {place} away" in result["msg"]
    assert (result["option"], result["path"]) == ("devserver_bin_dir (bin_dir)", str(place))
    assert content.read_text() == "gold"
    assert provisioned.files() == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("option", "made"), [("root", ["x/mine"]), ("root", ["x/.build-mine/x"]), ("root", ["x"]), ("bin_dir", ["x"])]
)
def test_a_directory_of_others_is_neither_filled_nor_cleaned(
    tool_host: Host, option: str, made: list[str], check: bool
) -> None:
    base = tool_host.root.parent
    for name in made:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("gold")
    result = tool_host.run(HELLO, check=check, **{option: f"{base}/x"})
    variable = {"root": "devserver_tools_root (root)", "bin_dir": "devserver_bin_dir (bin_dir)"}[option]
    assert result["msg"].startswith(f"{variable} is {base}/x")
    assert (result["option"], result["path"]) == (variable, f"{base}/x")
    found = [path for path in base.rglob("*") if path.is_file()]
    assert [str(path.relative_to(base)) for path in found] == made
    assert tool_host.files() == []


def truncated(binary: pathlib.Path) -> None:
    os.truncate(binary, binary.stat().st_size - 1)


def emptied(binary: pathlib.Path) -> None:
    os.truncate(binary, 0)


def of_another_go(binary: pathlib.Path) -> None:
    content = binary.read_bytes()
    at = content.index(b"\xff Go buildinf:") + 33
    length = content[at - 1]
    binary.write_bytes(content[:at] + b"go1.2.3" + b"x" * (length - 7) + content[at + length :])


def writable_for_all(binary: pathlib.Path) -> None:
    binary.chmod(0o777)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated, "unreadable"),
        (emptied, "unreadable"),
        (of_another_go, "built by another Go"),
        (writable_for_all, "other owner or mode"),
    ],
)
def test_a_defective_binary_is_found(provisioned: Host, damage: t.Callable[[pathlib.Path], None], reason: str) -> None:
    damage((provisioned.bin / "hello").resolve())
    assert outcome(provisioned.run(HELLO, check=True)) == (True, "would_install", reason)


def test_a_damaged_binary_is_built_again(provisioned: Host) -> None:
    binary = (provisioned.bin / "hello").resolve()
    good = binary.read_bytes()
    truncated(binary)
    planned = provisioned.run(HELLO, check=True)
    result = provisioned.run(HELLO)
    assert outcome(result) == (True, "installed", "unreadable")
    assert planned["diff"] == result["diff"]
    assert binary.read_bytes() == good


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"tags": ["loud", "big"]}, "-tags=big,loud"),
        ({"cgo": True}, "CGO_ENABLED=1"),
        ({"flags": ["-gcflags=all=-N -l"]}, '-gcflags="all=-N -l"'),
    ],
    ids=["tags", "cgo", "flags"],
)
def test_other_settings_are_rebuilt(provisioned: Host, goroot: str, settings: dict[str, t.Any], line: str) -> None:
    changed = dict(HELLO, **settings)
    result = provisioned.run(changed)
    assert outcome(result) == (True, "installed", "other build settings")
    assert line in build_lines(goroot, only(result)["path"])
    assert outcome(provisioned.run(changed, goproxy="off")) == (False, "present", "")
    assert outcome(provisioned.run(HELLO, check=True)) == (True, "would_install", "not linked")


def test_flags_that_go_does_not_record_are_part_of_the_path(provisioned: Host) -> None:
    plain = (provisioned.bin / "hello").resolve()
    stripped = dict(HELLO, flags=["-ldflags=-s -w"])
    assert outcome(provisioned.run(stripped)) == (True, "installed", "absent")
    assert (provisioned.bin / "hello").resolve().stat().st_size < plain.stat().st_size
    assert outcome(provisioned.run(stripped, goproxy="off")) == (False, "present", "")
    assert outcome(provisioned.run(dict(HELLO, flags=["-ldflags=-s"]), check=True))[1:] == ("would_install", "absent")
    assert outcome(provisioned.run(HELLO, goproxy="off")) == (True, "installed", "not linked")


@pytest.fixture
def accounts(tool_host: Host) -> t.Iterator[list[str]]:
    """Two users with home directories beside the host's."""
    names = [f"gotool-{os.getpid()}-{letter}" for letter in "ab"]
    for name in names:
        subprocess.run(["useradd", "-m", "-d", tool_host.root.parent / name, name], check=True, capture_output=True)
    yield names
    for name in names:
        subprocess.run(["userdel", name], check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users, and act as one")
def test_users_get_their_own_versions_with_their_own_rights(tool_host: Host, accounts: list[str]) -> None:
    tools = [
        dict(HELLO, users=accounts[:1]),
        dict(HELLO, version="v1.1.0", users=accounts[1:]),
        {"name": "same", **HELLO, "users": accounts},
    ]
    planned = tool_host.run(*tools, check=True)
    completed = tool_host.run(*tools)
    assert planned["diff"] == completed["diff"]
    for entry, tool in zip(tools, completed["tools"], strict=True):
        users = t.cast("list[str]", entry["users"])
        assert tool["links"] == [str(tool_host.root.parent / user / "go/bin" / tool["name"]) for user in users]
        assert {os.readlink(link) for link in tool["links"]} == {tool["path"]}
        assert [os.lstat(link).st_uid for link in tool["links"]] == [pwd.getpwnam(user).pw_uid for user in users]
    assert not tool_host.bin.exists()
    again = tool_host.run(*tools, goproxy="off")
    assert not again["changed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users, and act as one")
def test_root_does_not_follow_a_link_in_a_home_directory(tool_host: Host, accounts: list[str]) -> None:
    precious = tool_host.root.parent / "precious"
    precious.mkdir()
    (precious / "bin").mkdir()
    (tool_host.root.parent / accounts[0] / "go").symlink_to(precious)
    result = tool_host.run(dict(HELLO, users=accounts))
    assert "Permission denied" in result["msg"]
    assert [entry["user"] for entry in result["skipped_files"]] == accounts[:1]
    assert [link for tool in result["tools"] for link in tool["links"]] == [
        str(tool_host.root.parent / accounts[1] / "go/bin/hello")
    ]
    assert list((precious / "bin").iterdir()) == []
    assert tool_host.leftovers() == []


def test_a_tool_known_by_name_follows_the_go_and_nothing_else_is_rebuilt(
    tool_host: Host, quick_goroot: str, quick_go: t.Callable[[str], str], older_goroot: str
) -> None:
    goroot, older_goroot = quick_goroot, quick_go(older_goroot)
    tools = [{"name": "gofumpt"}, dict(HELLO, goroot=older_goroot)]
    before = tool_host.run(*tools, goroot=older_goroot, build_user="root")["tools"]
    assert [(tool["version"], tool["pin"], tool["go"]) for tool in before] == [
        (SETS["1.22"]["gofumpt"], "known-good", "go1.22.12"),
        ("v1.0.0", "declared", "go1.22.12"),
    ]
    planned = tool_host.run(*tools, goroot=goroot, build_user="root", check=True)
    after = tool_host.run(*tools, goroot=goroot, build_user="root")
    assert planned["diff"] == after["diff"]
    assert [(tool["status"], tool["reason"]) for tool in after["tools"]] == [
        ("installed", "other version"),
        ("present", ""),
    ]
    minor = ".".join(after["tools"][0]["go"][2:].split(".")[:2])
    assert after["tools"][0]["version"] == SETS[minor]["gofumpt"] != before[0]["version"]


def test_a_version_that_does_not_support_the_go_is_rejected_unless_forced(tool_host: Host) -> None:
    old = {"package": PACKAGES["staticcheck"], "version": "v0.4.7"}
    for check in (True, False):
        rejected = tool_host.run(old, check=check)
        assert "supports Go 1.19 to 1.24" in rejected["msg"]
        assert "is supported by staticcheck v0.6.0 or later" in rejected["msg"]
    assert tool_host.files() == []
    forced = tool_host.run(dict(old, force=True))
    assert outcome(forced) == (True, "installed", "absent")
    assert "supports Go 1.19 to 1.24" in str(forced["warnings"])


@pytest.mark.parametrize(
    ("package", "version", "options", "expected"),
    [
        ("example.com/broken", "v1.0.0", {}, ["does not compile", "undefined"]),
        ("example.com/hello", "v9.9.9", {}, ["no such version", "go list -m -versions"]),
        ("example.com/hello", "latest", {}, ["not an exact pin"]),
        ("example.com/future", "v1.0.0", {}, ["needs Go 1.999 or later", "go1.", "goroot"]),
        ("example.com/suite/cmd/none", "v0.1.0-rc.1", {}, ["no such main package"]),
        ("example.com/suite/lib", "v0.1.0-rc.1", {}, ["no such main package"]),
        ("example.com/hello", "v1.0.0", {"goproxy": "off"}, ["cannot be reached", "goproxy"]),
        ("example.com/hello", "v1.0.0", {"goproxy": "https://me:s3cret@127.0.0.1:9"}, ["cannot be reached", "goproxy"]),
        (
            "example.com/hello",
            "v1.0.0",
            {"root": "tools"},
            ["devserver_tools_root (root) is 'tools'", "an absolute path"],
        ),
    ],
)
def test_a_tool_that_fails_leaves_the_host_as_it_was(
    tool_host: Host, package: str, version: str, options: dict[str, t.Any], expected: list[str]
) -> None:
    good = {"package": "example.com/tool/v2", "version": "v2.3.4"} if package == "example.com/broken" else None
    result = tool_host.run(*filter(None, [good, {"package": package, "version": version}]), **options)
    assert result["failed"]
    assert package in result["msg"] or options.get("root") in result["msg"]
    for words in expected:
        assert words in result["msg"]
    assert tool_host.files() == []
    assert "s3cret" not in tool_host.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root builds as another account")
@pytest.mark.parametrize(("tools", "check"), [([HELLO], False), ([HELLO], True), ([], False)])
def test_a_build_user_that_does_not_exist_is_named(tool_host: Host, tools: list[t.Any], check: bool) -> None:
    message = tool_host.run(*tools, build_user="nobody-here", check=check)["msg"]
    assert "'nobody-here' does not exist" in message and "devserver_tools_build_user" in message


@pytest.mark.parametrize("goproxy", ["nonsense proxy", "bogus://x", "nonsense", "https://", "direct,ftp://x"])
def test_an_invalid_proxy_is_named_though_nothing_is_built(tool_host: Host, goproxy: str) -> None:
    message = tool_host.run(goproxy=goproxy)["msg"]
    assert "tools_goproxy (goproxy) has the entry" in message
    assert not tool_host.root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root builds as another account")
def test_the_build_account_has_its_own_directory_and_no_root_rights(tool_host: Host, goroot: str) -> None:
    tree, log = tool_host.root.parent / "go", tool_host.root.parent / "log"
    (tree / "bin").mkdir(parents=True)
    log.touch()
    log.chmod(0o666)
    wrapper = tree / "bin/go"
    wrapper.write_text(f'#!/bin/sh\n{{ id -un; stat -c "%U %a" . ..; env; }} >>{log}\nexec {goroot}/bin/go "$@"\n')
    wrapper.chmod(0o755)
    result = tool_host.run(HELLO, goroot=str(tree))
    assert outcome(result) == (True, "installed", "absent")
    queries, build = re.split(r"(?m)^nobody$", log.read_text())
    assert queries.startswith("root\n")
    assert build.startswith("\nnobody 700\nroot 710\n")
    env = dict(line.split("=", 1) for line in build.splitlines() if "=" in line)
    assert {name: env[name] for name in ("GOENV", "GOTOOLCHAIN", "GOFLAGS")} == {
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
    }
    assert all(
        env[name].startswith(f"{tool_host.root}/.build-") for name in ("HOME", "GOPATH", "GOMODCACHE", "GOCACHE")
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root builds as another account")
def test_builds_in_other_directories_by_other_users_are_identical(provisioned: Host, goroot: str) -> None:
    """By nobody, by root, and with the Go of the other tests, which caches what it compiles."""
    programs = [(provisioned.bin / "hello").resolve()]
    for user in ("nobody", "root"):
        directory = provisioned.root.parent / user
        places = {"root": str(directory), "bin_dir": str(directory / "bin")}
        result = provisioned.run(HELLO, goroot=goroot, build_user=user, **places)
        programs.append(pathlib.Path(only(result)["path"]))
    assert len(set(programs)) == 3
    assert len({program.read_bytes() for program in programs}) == 1


def test_two_concurrent_runs_build_once(tool_host: Host) -> None:
    processes = [tool_host.start(HELLO) for _run in range(2)]
    results = [tool_host.finish(process) for process in processes]
    assert sorted(outcome(result) for result in results) == [(False, "present", ""), (True, "installed", "absent")]
    assert tool_host.leftovers() == []


@contextlib.contextmanager
def silent_server() -> t.Iterator[tuple[str, threading.Event]]:
    """Yield the address of a server that never responds, and an event that is set when a request has arrived."""
    arrived = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])
                    arrived.set()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % server.getsockname()[1], arrived
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def test_a_build_that_hangs_times_out(tool_host: Host) -> None:
    with silent_server() as (url, _arrived):
        result = tool_host.run(HELLO, goproxy=url, timeout=2)
    assert "timed out after 2 seconds" in result["msg"]
    assert "raise devserver_tools_timeout (timeout)" in result["msg"]
    assert tool_host.files() == []


def test_a_kill_also_stops_go_and_the_next_run_repairs(tool_host: Host) -> None:
    with silent_server() as (url, arrived):
        process = tool_host.start(HELLO, goproxy=url)
        assert arrived.wait(60)
        process.kill()
        process.communicate()
        assert tool_host.leftovers()
        assert outcome(tool_host.run(HELLO)) == (True, "installed", "absent")
    assert tool_host.leftovers() == []


def test_leftovers_are_removed_even_if_nothing_has_to_be_built(provisioned: Host) -> None:
    rest = provisioned.root / ".build-killed/own/mod"
    rest.mkdir(parents=True)
    rest.chmod(0o500)
    assert outcome(provisioned.run(HELLO, check=True)) == (True, "present", "")
    assert provisioned.leftovers()
    assert outcome(provisioned.run(HELLO)) == (True, "present", "")
    assert provisioned.leftovers() == []


def test_a_strict_umask_has_no_effect(tool_host: Host) -> None:
    before = os.umask(0o077)
    try:
        process = tool_host.start(HELLO)
    finally:
        os.umask(before)
    result = tool_host.finish(process)
    for directory in pathlib.Path(only(result)["path"]).parents[:3]:
        assert directory.stat().st_mode & 0o777 == 0o755
