# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify as a gate, green and red, and what support_bundle takes home."""

from __future__ import annotations

import json
import shlex
import tarfile
import time

import pytest

STEPS = {
    "go env",
    "hello world",
    "build",
    "test",
    "gopls",
    "dlv debug",
    "dlv exec",
    "dlv test",
    "dlv local",
    "dlv remote",
    "health",
}
TOKEN, PASSWORD = "planted-value-of-a-token", "planted-value-of-a-password"
LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 8099)); time.sleep(600)"


def remains(host):
    """Return what a run could leave: its directories and processes, files of the users outside of caches, and ports."""
    files = r"find /home/alice /home/bob \( -name .cache -o -name telemetry \) -prune -o -type f -print"
    # The paths of all that it starts are in its own directories.
    processes = "ls -d /tmp/gopherops-*; ps -eo args= | grep [/]tmp/gopherops-"
    return {line for command in (files, processes, "ss -Hltn") for line in host.run(command).stdout.splitlines()}


def leaves_nothing(host, before):
    """Return whether nothing more is there than before; debug services of the host may come up meanwhile, and go."""
    until = time.monotonic() + 20
    while remains(host) - before and time.monotonic() < until:
        time.sleep(0.5)
    return not remains(host) - before


@pytest.fixture(scope="module", autouse=True)
def compiled(compile_once):
    compile_once("cd service && go test ./... && go build -gcflags='all=-N -l' ./...", "alice", "bob")


@pytest.fixture
def verify(play, tmp_path):
    """Run the playbook; return its outcome and the steps of its report by user and name."""

    def run(**variables):
        result = play("verify", verify_report_dir=str(tmp_path / "reports"), **variables)
        report = json.loads(next(tmp_path.glob("reports/*.json")).read_text())
        assert report["ok"] is (result.returncode == 0), result.output
        return result, {(step["user"], step["step"]): step for step in report["steps"]}

    return run


def test_everybody_can_work_and_nothing_is_left(host, verify):
    before = remains(host)
    result, steps = verify(
        verify_max_first_diagnostics_seconds=120, verify_max_memory="4G", verify_min_cache_hit_rate=0.5
    )
    assert result.returncode == 0, result.output
    assert set(steps) == {(user, step) for user in ("alice", "bob") for step in STEPS}
    assert {step["result"] for step in steps.values()} == {"ok"}
    assert "alice  dlv remote   ok" in result.output
    assert leaves_nothing(host, before)


def test_each_broken_part_is_named_and_the_rest_is_still_tried(host, verify):
    host.check_output("cp -a /home/bob/service /home/bob/broken")
    host.check_output("sed -i 's/left != 11/left != 12/; s/!= 11 {/!= 12 {/' /home/bob/broken/cmd/api/main_test.go")
    host.check_output("systemctl stop gopls-proxy@bob.socket gopls-proxy@bob gopls@bob")
    host.check_output(f"systemd-run --quiet --unit=taker python3 -c {shlex.quote(LISTEN)}")
    before = remains(host)
    try:
        result, steps = verify(
            verify_users=[{"name": "bob", "workspace": "{home}/broken"}],
            verify_drift=False,
            verify_port=8099,
            verify_min_cache_hit_rate=1,
            devserver_dlv="/usr/local/bin/no-dlv",
        )
        assert leaves_nothing(host, before)
    finally:
        host.check_output("systemctl stop taker; systemctl start gopls-proxy@bob.socket; rm -r /home/bob/broken")
    assert result.returncode != 0
    messages = {step: (entry["result"], entry["what"]) for (_user, step), entry in steps.items()}
    assert {step for step, (result, _what) in messages.items() if result == "ok"} == {"hello world"}
    assert all(f"bob: {step}" in " ".join(result.output.split()) for step in STEPS - {"go env", "hello world"})
    # Its packages are in a new directory, so the cache has none of them. The steps that need the build run.
    assert "bob: build: min_cache_hit_rate: measured 0." in " ".join(result.output.split())
    assert "TestFilled" in messages["test"][1]
    assert "/run/gopls/bob/gopls.sock" in messages["gopls"][1]
    assert "no-dlv" in messages["dlv test"][1]
    assert "cannot listen at 127.0.0.1:8099" in messages["health"][1]


def test_a_missing_user_is_reported(verify):
    result, steps = verify(verify_users=[{"name": "nobody-there"}], verify_drift=False)
    assert result.returncode != 0
    assert "does not exist" in steps["nobody-there", "workspace"]["what"]
    assert {step["result"] for (_user, name), step in steps.items() if name != "workspace"} == {"skipped"}


@pytest.fixture
def planted(host):
    """A unit of alice's with secrets in its environment, its arguments and its log, and a core dump of its program."""
    build = "cd ~/service && go build -gcflags='all=-N -l' -o ~/planted ./cmd/api"
    dump = r"printf 'break main.filled\ncontinue\ndump /home/alice/planted.core\nexit\n' > ~/dump"
    dlv = "dlv exec ~/planted --allow-non-terminal-interactive=true --init ~/dump -- -check </dev/null"
    host.check_output(f"su - alice -c {shlex.quote(f'{build} && {dump} && {dlv}')}")
    log = f"GET https://ci:{PASSWORD}@proxy.example.com/x\nAuthorization: Bearer {TOKEN}\nwhat can be read\n"
    host.check_output(f"printf %s {shlex.quote(log)} > /var/log/gopls/planted.log")
    options = f"--quiet --unit=gopls-planted -p User=alice -E SHOP_TOKEN={TOKEN}"
    script = f"echo printing {TOKEN} in the log; exec /home/alice/planted -listen 127.0.0.1:8087"
    host.check_output(f"systemd-run {options} sh -c {shlex.quote(script)}")
    until = time.monotonic() + 30
    while "127.0.0.1:8087" not in host.check_output("ss -Hltn"):
        assert time.monotonic() < until
        time.sleep(0.2)
    yield "gopls-planted.service"
    host.check_output("systemctl stop gopls-planted")
    host.check_output("rm /var/log/gopls/planted.log /home/alice/planted /home/alice/planted.core /home/alice/dump")


def test_a_support_bundle_holds_everything_but_secrets(host, play, planted, tmp_path):
    before = remains(host)
    pid = host.check_output(f"systemctl show {planted} -p MainPID --value")
    result = play(
        "support_bundle",
        support_bundle_dir=str(tmp_path / "bundles"),
        support_bundle_goroutines=[planted, "no-such.service"],
        support_bundle_cores=[{"core": "/home/alice/planted.core", "program": "/home/alice/planted"}],
    )
    assert result.returncode == 0, result.output
    (archive,) = (tmp_path / "bundles").iterdir()
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as opened:
        texts = {m.name.partition("/")[2]: opened.extractfile(m).read().decode() for m in opened.getmembers()}
    assert not [name for name, text in texts.items() if TOKEN in text or PASSWORD in text]
    assert "what can be read" in texts["logs/var_log_gopls_planted.log"]
    assert "printing *** in the log" in texts[f"journal/{planted}.txt"]
    assert "main.wait" in texts[f"goroutines/{planted}.txt"]
    assert "main.filled" in texts["cores/home_alice_planted.core.txt"]
    assert "example.com/service" in texts["build-info/var_lib_dlv_api_debuggee.txt"]
    assert texts["versions/go.txt"].startswith("go version go1.")
    assert {"units/dlv-api.service.show.txt", "journal/dlv-api.service.txt", "versions/dlv.txt"} <= set(texts)
    assert json.loads(texts["drift.json"])["cells"]
    missing = {
        entry["name"]: entry["problem"] for entry in json.loads(texts["manifest.json"])["files"] if entry["problem"]
    }
    assert "has no process" in missing["goroutines/no-such.service.txt"]
    # It runs on, detached, and nothing is left.
    assert host.check_output(f"systemctl show {planted} -p MainPID --value") == pid
    assert "TracerPid:\t0" in host.file(f"/proc/{pid}/status").content_string
    assert leaves_nothing(host, before)
