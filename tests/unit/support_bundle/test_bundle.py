# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits, manifest and redaction of a support bundle, and the collection of its data."""

from __future__ import annotations

import base64
import contextlib
import getpass
import io
import json
import os
import pwd
import shutil
import subprocess
import sys
import tarfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.archive import (
    BundleItem,
    KnownSecrets,
    SizeLimits,
    create_archive,
    encode_archive,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.collect import (
    BundlePlan,
    Core,
    _collect_item,
    archive_directory,
    collect,
    known_secrets,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.goroutines import (
    DlvOptions,
    dump_goroutines,
)
from ansible_collections.gopherops.devserver.plugins.modules import support_bundle

from tests.support.directories import public_directory
from tests.support.go_binaries import build_info, elf
from tests.support.killing import kill_group
from tests.support.time_limit import time_limit

PLAN = BundlePlan("/nowhere", "/nowhere/gopls", "/nowhere/dlv", units=[], binaries=[], logs=[], since="-1d")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
NO_SECRETS = KnownSecrets()
LARGE_SIZES = SizeLimits(1000, 10000)


def read_files(packed):
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        assert {member.mode for member in archive} == {0o600}
        return {member.name: archive.extractfile(member).read().decode() for member in archive}


def packed(*items, sizes=LARGE_SIZES, secrets=NO_SECRETS):
    return create_archive(items, directory="b", about={"host": "dev1"}, secrets=secrets, sizes=sizes)


def test_the_manifest_lists_collected_and_missing_files():
    made = packed(BundleItem("a.txt", "text"), BundleItem("b.txt", problem="unknown reason"))
    files = read_files(made)
    assert files["b/a.txt"] == "text"
    assert set(files) == {"b/a.txt", "b/manifest.json"}
    assert json.loads(files["b/manifest.json"]) == made.manifest
    assert made.manifest["host"] == "dev1"
    first, second = made.manifest["files"]
    assert (first["bytes"], first["truncated"], first["problem"]) == (4, False, "")
    assert (second["bytes"], second["problem"]) == (0, "unknown reason")


@pytest.mark.parametrize(("tail", "kept"), [(True, "6789"), (False, "0123")])
def test_a_long_text_is_truncated_at_the_configured_end(tail, kept):
    made = packed(BundleItem("a", "0123456789", tail=tail), sizes=SizeLimits(4, 100))
    assert read_files(made)["b/a"] == kept
    assert made.manifest["files"][0]["truncated"]


def test_files_beyond_the_maximum_size_are_omitted():
    made = packed(
        BundleItem("a", "0123456789"), BundleItem("b", "0123456789"), BundleItem("c", "x"), sizes=SizeLimits(100, 15)
    )
    assert read_files(made)["b/b"] == "01234"
    assert made.manifest["files"][2]["problem"].startswith("omitted")


def test_the_archive_contains_no_secret():
    secret = "hidden-value"
    made = packed(
        BundleItem(f"{secret}.txt", f"a {secret}"),
        BundleItem("b", problem=f"cannot print {secret}"),
        BundleItem("c", f"X_TOKEN=other-{secret[:3]}"),
        secrets=KnownSecrets([secret]),
    )
    everything = json.dumps(read_files(made))
    assert secret not in everything and "other-hid" not in everything


def test_secrets_of_the_drift_report_are_recognised():
    cells = [{"user": "a", "variable": "SHOP_TOKEN", "expected": "declared-one", "actual": "another-one"}]
    cells += [{"user": "a", "variable": "GOPROXY", "expected": "https://ci:pass-word@p.example.com", "actual": "off"}]
    found = known_secrets(PLAN._replace(drift={"cells": cells, "findings": []}))
    assert {"declared-one", "pass-word"} <= found.everywhere
    assert found.of_users == {"a": {"another-one"}}


def test_values_of_a_user_are_masked_in_items_of_that_user_only():
    """Values of a user's environment must not hide words in the items of others, or their names."""
    hidden = {"alice": ["status", "gopls@"]}
    made = packed(
        BundleItem("units/gopls@alice.txt", "status", user="alice"),
        BundleItem("units/gopls@bob.txt", "status", user="bob"),
        BundleItem("versions/gopls.txt", "status"),
        secrets=KnownSecrets((), hidden),
    )
    texts = {"b/units/***alice.txt": "***", "b/units/gopls@bob.txt": "status", "b/versions/gopls.txt": "status"}
    files = read_files(made)
    assert {name: files[name] for name in texts} == texts
    drift = {
        "cells": [{"user": user, "variable": "X", "status": "the status", "actual": "ok"} for user in ("alice", "bob")],
        "findings": [{"user": "", "users": ["bob", "alice"], "cause": "the status"}],
        "schema_version": 1,
    }
    items = collect(PLAN._replace(drift=drift), KnownSecrets((), hidden))
    (item,) = [json.loads(one.text) for one in items if one.name == "drift.json"]
    assert [cell["status"] for cell in item["cells"]] == ["the ***", "the status"]
    assert item["findings"][0]["cause"] == "the ***" and item["schema_version"] == 1


def test_each_file_of_the_archive_has_a_name_of_its_own():
    items = [BundleItem("a", str(number)) for number in range(3)] + [BundleItem("manifest.json", "3")]
    files = read_files(packed(*items, BundleItem("a.2", "4")))
    assert sorted(content for content in files.values() if len(content) == 1) == ["0", "1", "2", "3", "4"]
    assert len(files) == 6


def test_each_missing_item_has_a_problem():
    log = "/nowhere/gopls.log"
    plan = PLAN._replace(binaries=["/nowhere/x"], logs=[log], goroutines=["no-such.service"], drift_problem="it failed")
    items = {item.name: item for item in collect(plan)}
    for name in ("versions/go.txt", "build-info/nowhere_x.txt", "logs/nowhere_gopls.log", "drift.json"):
        assert items[name].problem and not items[name].text
    assert items["drift.json"].problem == "it failed"
    # With systemd the unit has no process. Without systemd the query fails.
    assert "no-such.service" in items["goroutines/no-such.service.txt"].problem
    assert items["versions/kernel.txt"].text.startswith("Linux")


def test_build_info_is_read_without_running_go(tmp_path, goroot):
    go = tmp_path / "bin/go"
    go.parent.mkdir()
    go.write_text(f"#!/bin/sh\necho $* >>{tmp_path}/runs\n")
    go.chmod(0o755)
    items = {item.name: item for item in collect(PLAN._replace(goroot=str(tmp_path), binaries=[f"{goroot}/bin/gofmt"]))}
    expected = subprocess.check_output([f"{goroot}/bin/go", "version", "-m", f"{goroot}/bin/gofmt"], text=True)
    name = f"build-info/{goroot.strip('/').replace('/', '_')}_bin_gofmt.txt"
    assert items[name].text == expected
    assert "version -m" not in (tmp_path / "runs").read_text()


@needs_root
@pytest.mark.parametrize("linked", ["file", "directory", "owned link", ""])
def test_root_follows_no_link_of_a_user_to_a_binary(linked):
    nobody = pwd.getpwnam("nobody")
    with public_directory() as directory:
        users, secrets = directory / "users", directory / "secrets"
        users.mkdir()
        os.chown(users, nobody.pw_uid, nobody.pw_gid)
        secrets.mkdir(mode=0o700)
        (secrets / "debuggee").write_bytes(elf(build_info()))
        binary = (directory if linked == "owned link" else users) / "api/debuggee"
        if linked == "directory":
            binary.parent.symlink_to(secrets)
        else:
            binary.parent.mkdir()
            binary.symlink_to(secrets / "debuggee") if linked else binary.write_bytes(elf(build_info()))
        for path in (binary,) if linked == "owned link" else (binary.parent, binary):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        items = collect(PLAN._replace(binaries=[str(binary)]))
    (item,) = [item for item in items if item.name.startswith("build-info/")]
    assert ("example.com/x" in item.text, "Permission denied" in item.problem) == (not linked, bool(linked))


def test_a_log_begins_with_a_complete_line(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("SHOP_TOKEN=abcdefgh\nlast line\n")
    (item,) = [one for one in collect(PLAN._replace(logs=[str(log)], max_file=15)) if one.name.startswith("logs/")]
    assert item.text == "last line\n"


def test_the_logs_of_all_gopls_daemons_and_the_latest_crash_logs_of_each_user_are_found(tmp_path):
    for user in ("alice", "bob"):
        (tmp_path / f"crashes/{user}").mkdir(parents=True)
        for name in (f"{user}.log", f"{user}.log.1.gz", *(f"crashes/{user}/2026013{day}T.log" for day in range(5))):
            (tmp_path / name).write_text(f"{name}\n")
    defaults = support_bundle.ARGUMENT_SPEC["logs"]["default"]
    patterns = [path.replace("/var/log/gopls", str(tmp_path)) for path in defaults]
    crashes = {f"crashes/{user}/2026013{day}T.log\n" for user in ("alice", "bob") for day in (2, 3, 4)}
    texts = [item.text for item in collect(PLAN._replace(logs=patterns)) if item.name.startswith("logs/")]
    assert len(texts) == 8 and set(texts) == {"alice.log\n", "bob.log\n", *crashes}


def test_a_sparse_log_is_read_up_to_the_limit(tmp_path):
    log = tmp_path / "x.log"
    with log.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast line\n")
    (item,) = [one for one in collect(PLAN._replace(logs=[str(log)], max_file=4096)) if one.name.startswith("logs/")]
    assert item.text == "last line\n"


@pytest.fixture
def users_directory(tmp_path):
    """A directory of user nobody."""
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path / "users"
    directory.mkdir()
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return directory


@needs_root
@pytest.mark.parametrize("linked", ["file", "directory", "owned link"])
def test_root_follows_no_link_of_a_user_to_a_log(tmp_path, users_directory, linked):
    secret = tmp_path / "secrets/shadow"
    secret.parent.mkdir()
    secret.write_text("content of a file of root\n")
    log = users_directory / "secrets/shadow"
    if linked == "directory":
        log.parent.symlink_to(secret.parent)
    else:
        log = (tmp_path if linked == "owned link" else users_directory) / "x.log"
        log.symlink_to(secret)
        os.lchown(log, users_directory.stat().st_uid, -1)
    (item,) = [one for one in collect(PLAN._replace(logs=[str(log)])) if one.name.startswith("logs/")]
    assert item.text == ""
    assert "leads through a link" in item.problem


@needs_root
def test_a_users_own_log_and_a_link_of_root_are_read(tmp_path, users_directory):
    (users_directory / "x.log").write_text("a line\n")
    (tmp_path / "real.log").write_text("another line\n")
    (tmp_path / "link.log").symlink_to(tmp_path / "real.log")
    logs = [str(users_directory / "x.log"), str(tmp_path / "link.log")]
    items = [one for one in collect(PLAN._replace(logs=logs)) if one.name.startswith("logs/")]
    assert [item.text for item in items] == ["a line\n", "another line\n"]


@needs_root
def test_root_analyses_no_core_dump_that_a_user_can_replace(tmp_path, users_directory, tools):
    (tmp_path / "core").write_text("core dump of root\n")
    (users_directory / "core").symlink_to(tmp_path / "core")
    plan = tools("dlv", 'cat "$3"')._replace(units=[], dlv=f"{tmp_path}/bin/dlv", coredumps=False)
    paths = [tmp_path / "core", users_directory / "core"]
    items = items_of_cores(plan._replace(cores=[Core(str(path), "/usr/bin/true") for path in paths]))
    assert items[0].text == "core dump of root\n"
    assert items[1].text == ""
    assert "root does not analyse" in items[1].problem


@pytest.fixture
def tools(tmp_path):
    """A directory of commands that precedes the system's in PATH; ``write`` creates ``bin/NAME``."""
    (tmp_path / "bin").mkdir()

    def write(name, script):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
        return PLAN._replace(goroot=str(tmp_path), units=["gopls@*"])

    return write


def test_a_host_without_systemctl_has_all_other_items(tools, monkeypatch):
    monkeypatch.setattr(sys.modules[collect.__module__], "SYSTEM_PATH", "/nowhere")
    plan = tools("uname", "echo Linux")._replace(goroutines=["shop.service"])
    assert known_secrets(plan) == KnownSecrets(set(), {})
    items = {item.name: item for item in collect(plan)}
    assert "systemctl" in items["units/list.txt"].problem
    assert "systemctl" in items["goroutines/shop.service.txt"].problem
    assert items["versions/kernel.txt"].text == "Linux\n"


def test_a_large_journal_has_its_latest_entries_in_order(tools):
    tools("systemctl", "[ $1 = list-units ] && echo gopls@alice.service")
    # More than the kept output of a command.
    tools(
        "journalctl",
        """
case "$*" in *--reverse*) order='30 -1 1';; *) order='1 30';; esac
for number in $(seq $order); do
  echo "2026-01-01 dev1 gopls[1]: entry $number"
  printf '    %1000000s\\n' more-$number
done""",
    )
    plan = tools("uname", "")
    (item,) = [one for one in collect(plan) if one.name == "journal/gopls@alice.service.txt"]
    lines = [line.split()[-1] for line in item.text.splitlines()]
    assert lines[-4:] == ["29", "more-29", "30", "more-30"]
    assert len(lines) % 2 == 0 and lines[0] == lines[1].replace("more-", "") != "1"


def test_masking_by_ansible_does_not_damage_the_archive():
    content = bytes(range(256)) * 40
    plain = base64.b64encode(content).decode()
    secrets = [plain[100:106], f"{plain[40:44]} {plain[44:48]}", 'x!"#$y-long']
    text = encode_archive(content, secrets)
    assert not [one for one in secrets if one in text]
    assert base64.b64decode(text) == content


def test_the_first_line_of_a_long_error_of_dlv_is_reported(tools, tmp_path):
    tools("dlv", "echo cannot attach >&2; yes complaint | head -c 200000 >&2; exit 1")
    options = DlvOptions(
        f"{tmp_path}/bin/dlv", find_account(getpass.getuser()), {"PATH": "/usr/bin:/bin"}, str(tmp_path), 10
    )
    with pytest.raises(DevserverError, match="dlv did not attach: cannot attach"):
        dump_goroutines(os.getpid(), options)


FAKE_DLV = """\
import socket, sys
path = next(word for word in sys.argv if word.startswith("--listen=")).partition("unix:")[2]
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    listener.listen()
    connection = listener.accept()[0]
    connection.recv(9999)
    connection.sendall(RESPONSE)
    connection.recv(1)
"""


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (b"[]\n", "dlv responds to ListGoroutines with []"),
        (b"[" * 200_000 + b"\n", "dlv does not respond to ListGoroutines"),
        (b"9" * 5000 + b"\n", "dlv "),
        (b'{"result": {"Goroutines": [1]}}\n', "an unexpected error occurred: TypeError"),
    ],
)
def test_a_hostile_response_of_dlv_is_the_problem_of_one_item(tools, tmp_path, response, problem):
    (tmp_path / "dlv.py").write_text(FAKE_DLV.replace("RESPONSE", repr(response)))
    tools("dlv", f'exec {sys.executable} {tmp_path}/dlv.py "$@"')
    options = DlvOptions(
        f"{tmp_path}/bin/dlv", find_account(getpass.getuser()), {"PATH": "/usr/bin:/bin"}, str(tmp_path), 10
    )
    item = _collect_item("goroutines.txt", lambda: dump_goroutines(os.getpid(), options))
    assert item.problem.startswith(problem) and not item.text


DEAF_DLV = """
import socket, sys, time
path = next(word for word in sys.argv if word.startswith("--listen=unix:"))[len("--listen=unix:"):]
with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
    listener.bind(path)
    listener.listen(0)
    first.connect(path)
    time.sleep(60)
"""


def test_a_dlv_that_accepts_no_connection_is_waited_for_within_the_limit(tools, tmp_path):
    (tmp_path / "dlv.py").write_text(DEAF_DLV)
    tools("dlv", f'exec {sys.executable} {tmp_path}/dlv.py "$@"')
    account, env = find_account(getpass.getuser()), {"PATH": "/usr/bin:/bin"}
    with time_limit(30), pytest.raises(DevserverError, match=r"did not attach within 1 seconds|does not respond"):
        dump_goroutines(os.getpid(), DlvOptions(f"{tmp_path}/bin/dlv", account, env, str(tmp_path), 1))


# Like coredumpctl, it writes to --output or to its standard output. It waits until the attack has started.
COREDUMPCTL = """
echo "$*" >> {scratch}/calls
case $1 in
list) echo '{listed}';;
dump)
  for _ in $(seq 500); do [ -e {scratch}/planted ] && break; sleep 0.01; done
  for arg; do case $arg in --output=*) exec >"${{arg#*=}}";; esac; done
  ulimit -f > {scratch}/limit
  echo 'text of the core';;
esac"""
PLANT = """
while :; do for directory in {scratch}/gopherops-bundle-*; do
  [ -d $directory ] || continue
  ln -sfn {victim} $directory/core && [ -L $directory/core ] && : > {scratch}/planted
done; done"""


@contextlib.contextmanager
def running_as(account, script):
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], user=account.pw_uid, group=account.pw_gid, extra_groups=[], start_new_session=True
    )
    try:
        yield
    finally:
        kill_group(process)


@pytest.fixture
def cores(tools, tmp_path, monkeypatch):
    """A host with a core dump of user nobody, and fake commands in ``bin``."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_mode & 0o777 == 0o700:
            directory.chmod(0o711)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch").chmod(0o1777)
    monkeypatch.setattr(sys.modules[collect.__module__], "SYSTEM_PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    tools("dlv", 'if [ "$1" = core ]; then cat "$3"; fi')

    def make(exe, binaries):
        listed = json.dumps([{"pid": 77, "uid": pwd.getpwnam("nobody").pw_uid, "exe": str(exe)}])
        script = COREDUMPCTL.format(scratch=tmp_path / "scratch", listed=listed)
        plan = tools("coredumpctl", script)._replace(temporary_directory=str(tmp_path / "scratch"))
        return plan._replace(dlv=f"{tmp_path}/bin/dlv", units=[], binaries=[str(path) for path in binaries])

    return make


def items_of_cores(plan):
    return [item for item in collect(plan) if item.name.startswith("cores/")]


@needs_root
def test_a_symbolic_link_of_the_core_dumps_owner_is_not_followed(cores, tmp_path):
    victim = tmp_path / "authorized_keys"
    victim.write_text("owned by root\n")
    victim.chmod(0o600)
    plan = cores("/usr/bin/true", ["/usr/bin/true"])
    script = PLANT.format(scratch=tmp_path / "scratch", victim=victim)
    with running_as(pwd.getpwnam("nobody"), script):
        (item,) = items_of_cores(plan)
    assert victim.read_text() == "owned by root\n"
    assert victim.stat().st_uid == 0
    assert item.problem


@needs_root
def test_a_pipe_in_place_of_the_script_is_one_problem(cores, tmp_path):
    plan = cores("/usr/bin/true", ["/usr/bin/true"])
    script = PLANT.replace("ln -sfn {victim} $directory/core && [ -L $directory/core ]", "mkfifo $directory/script")
    script = script.replace("while :", "until [ -e {scratch}/planted ]")
    with running_as(pwd.getpwnam("nobody"), script.format(scratch=tmp_path / "scratch")), time_limit(20):
        (item,) = items_of_cores(plan)
    assert "File exists" in item.problem


@needs_root
def test_a_kept_core_dump_is_analysed_as_its_owner(cores, tmp_path):
    plan = cores("/usr/bin/true", ["/usr/bin/true"])
    (tmp_path / "scratch/planted").touch()
    (item,) = items_of_cores(plan)
    assert (item.text, item.problem) == ("text of the core\n", "")


@needs_root
def test_an_extracted_core_dump_leaves_half_of_the_free_space(cores, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[collect.__module__], "_MAXIMUM_CORE_SIZE", 1 << 60)
    plan = cores("/usr/bin/true", ["/usr/bin/true"])
    (tmp_path / "scratch/planted").touch()
    items_of_cores(plan)
    limit = int((tmp_path / "scratch/limit").read_text()) * 512
    free = shutil.disk_usage(tmp_path).free
    # Other processes write to the disk meanwhile.
    assert 0.4 * free < limit < 0.6 * free


@needs_root
def test_a_core_dump_of_the_target_of_our_link_is_found(cores, tmp_path):
    (tmp_path / "bin/gopls").symlink_to("/usr/bin/true")
    plan = cores(os.path.realpath("/usr/bin/true"), [tmp_path / "bin/gopls"])
    (tmp_path / "scratch/planted").touch()
    (item,) = items_of_cores(plan)
    assert item.text == "text of the core\n"


@needs_root
def test_a_link_of_a_user_does_not_select_core_dumps_of_another_program(cores, tmp_path):
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "dlv").mkdir()
    (tmp_path / "dlv/debuggee").symlink_to("/usr/bin/true")
    os.chown(tmp_path / "dlv", nobody.pw_uid, nobody.pw_gid)
    plan = cores(os.path.realpath("/usr/bin/true"), [tmp_path / "dlv/debuggee"])
    assert items_of_cores(plan) == []


@needs_root
def test_only_journal_entries_of_systemd_list_core_dumps(cores, tmp_path):
    plan = cores("/usr/bin/true", ["/usr/bin/true"])
    (tmp_path / "scratch/planted").touch()
    items_of_cores(plan)
    calls = (tmp_path / "scratch/calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["list", "dump"]
    assert all("_SYSTEMD_SLICE=system-systemd\\x2dcoredump.slice" in call.split() for call in calls)
    uid = pwd.getpwnam("nobody").pw_uid
    assert {"COREDUMP_PID=77", f"COREDUMP_UID={uid}", "COREDUMP_EXE=/usr/bin/true"} <= set(calls[1].split())


@pytest.mark.parametrize(
    ("host", "plain"), [("dev1.example.com", "dev1.example.com"), ("../x y", ".._x_y"), ("", "host")]
)
def test_the_directory_has_a_plain_name(host, plain):
    assert archive_directory(host, 0) == f"support-bundle-{plain}-19700101T000000Z"
