# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real language servers of real users: shared, within their limits, served again after the cap has ended one."""

from __future__ import annotations

import json
import os
import re
import shlex
import time

import pytest

SOCKET = "/run/gopls/{user}/gopls.sock"
CHECK = "gopls '-remote=unix;" + SOCKET + "' check {files}"
CAP = 200 * 1024 * 1024
# What the units leave below a declared cap: the kernel itself goes some pages above MemoryMax.
SLACK = 1024 * 1024
# Go's own limit is off, so that the cgroup's is what acts.
TIGHT = f"[Service]\nMemoryMax={CAP - SLACK}\nMemoryHigh=infinity\nEnvironmentFile=/run/gopls-tight.env\n"
DROP_IN = "/run/systemd/system/gopls@alice.service.d/99-tight.conf"
FILES = "cat /etc/systemd/system/gopls*@.* /home/alice/.vscode-server/data/Machine/settings.json"
DELVE = "github.com/go-delve/delve@v1.23.1"
SAMPLE = """\
while sleep 0.1; do
  cat /sys/fs/cgroup/memory$1/memory.max_usage_in_bytes /sys/fs/cgroup$1/memory.peak 2>/dev/null
done >>/run/gopls-peaks
"""


# Nobody is on that socket but gopls: its first bytes are the status of a response.
PROFILE = """python3 - 2>&1 <<'END'
import socket
client = socket.socket(socket.AF_UNIX)
client.connect("/run/gopls/alice/pprof.sock")
client.sendall(b"GET /debug/pprof/heap?debug=1 HTTP/1.0\\r\\nHost: gopls\\r\\n\\r\\n")
print(client.recv(64))
END
true"""
FAULT = {
    "name": "slow-here",
    "reason": "a fault of this gopls",
    "settings": {"ui.diagnostic.staticcheck": True},
    "environment": {"SLOW_HERE": "1"},
}


# What editors and agents do: each starts the command, some with an option of their own, and initializes it.
CLIENTS = """python3 - <<'END'
import json
import subprocess

def start(*options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(["gopls-shared", *options], cwd="/home/alice/service", **pipes)
    parameters = {"processId": None, "rootUri": "file:///home/alice/service", "capabilities": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}).encode()
    process.stdin.write(b"Content-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"Content-Length: ")
    return process

clients = [start(), start("-remote=auto"), start("serve")]
print(subprocess.check_output(["gopls-shared", "remote", "sessions"], text=True))
for client in clients:
    client.kill()
END"""


@pytest.fixture
def check(run_as):
    """Let gopls check files of a user's, by that user's daemon; the result may be a failure."""

    def run(user: str, files: str) -> str:
        return run_as(user, CHECK.format(user=user, files=files))

    return run


def main_pid(host, user: str) -> str:
    return host.check_output(f"systemctl show --property=MainPID --value gopls@{user}")


@pytest.fixture
def delve(host, run_as):
    """The source of a module of some size in alice's home, with all that it needs."""
    proxy = os.environ.get("DEVSERVER_GOPROXY", "")
    setting = f"GOPROXY={shlex.quote(proxy)} " if proxy else ""
    script = f"""set -e
        source=$({setting}go mod download -json {DELVE} | sed -n 's/.*"Dir": "\\(.*\\)",/\\1/p')
        cp -r "$source" ~/delve
        chmod -R u+w ~/delve && rm -rf ~/delve/vendor && cd ~/delve && {setting}go mod download"""
    run_as("alice", script)
    yield "/home/alice/delve"
    host.check_output("rm -rf /home/alice/delve")


@pytest.fixture
def tight(host):
    """Give alice's daemon far less than it is used to."""
    host.check_output(f"mkdir -p {os.path.dirname(DROP_IN)}; printf %s {shlex.quote(TIGHT)} >{DROP_IN}")
    host.check_output("rm -rf /var/log/gopls/crashes/alice/*")
    host.check_output("echo GOMEMLIMIT=off >/run/gopls-tight.env; systemctl daemon-reload; systemctl stop gopls@alice")
    yield
    host.check_output(f"rm {DROP_IN}; systemctl daemon-reload; systemctl stop gopls@alice; rm -f /run/gopls-peaks")


def test_each_user_gets_responses_of_an_own_daemon(host, check):
    for user in ("alice", "bob"):
        assert check(user, f"/home/{user}/service/stock/*.go") == ""
        process = host.process.get(pid=main_pid(host, user))
        assert (process.user, process.comm) == (user, "gopls")


def test_a_type_error_is_reported(check, run_as):
    run_as(
        "alice", "cp -r ~/service ~/mistaken && echo 'func broken() int { return \"\" }' >>~/mistaken/stock/stock.go"
    )
    assert "cannot use" in check("alice", "/home/alice/mistaken/stock/stock.go")
    run_as("alice", "rm -rf ~/mistaken")


def test_editors_and_agents_share_the_daemon_by_one_command(host, run_as):
    sessions = json.loads(run_as("alice", CLIENTS))
    assert len(sessions["clients"]) >= 3
    processes = host.process.filter(user="alice", comm="gopls")
    assert [process.pid for process in processes if "-listen=unix" in process.args] == [int(main_pid(host, "alice"))]


def test_nobody_else_reaches_a_users_daemon(run_as, host):
    output = run_as("bob", "gopls '-remote=unix;/run/gopls/alice/gopls.sock' remote sessions 2>&1; true")
    assert "permission denied" in output
    assert host.file("/run/gopls/alice/gopls.sock").mode == 0o600
    assert host.file("/run/gopls/alice/daemon").mode == 0o700
    assert host.file("/var/cache/gopls/alice").mode == 0o700


def test_users_cannot_swap_the_socket_that_root_gives_to_them(run_as, host):
    swap = "cd /run/gopls/alice; mkdir x; rm -f gopls.sock; mv gopls.sock y; ln -s /etc/shadow z"
    assert run_as("alice", f"({swap}) 2>&1; true").count("denied") == 4
    directory = host.file("/run/gopls/alice")
    assert (directory.user, directory.mode) == ("root", 0o755)
    host.check_output("systemctl stop gopls-proxy@alice.socket gopls-proxy@alice.service")
    host.check_output("systemctl start gopls-proxy@alice.socket")
    assert host.file("/etc/shadow").user == "root"


def test_a_users_directory_in_the_place_of_the_daemons_socket_lets_no_restart_fail(check, run_as, host):
    for user in ("alice", "bob"):
        check(user, f"/home/{user}/service/stock/*.go")
    run_as("alice", "cd /run/gopls/alice/daemon && rm -f gopls.sock && mkdir -p gopls.sock/x")
    host.check_output("systemctl restart gopls@alice gopls@bob")
    assert check("alice", "/home/alice/service/stock/*.go") == ""


def test_the_cap_ends_one_daemon_and_the_next_request_is_served(host, run_as, check, delve, tight):
    check("bob", "/home/bob/service/stock/*.go")
    check("alice", "/home/alice/service/stock/*.go")
    other = main_pid(host, "bob")
    group = host.check_output(
        f"sed -n 's/^[0-9]*:memory://p; s/^0:://p' /proc/{main_pid(host, 'alice')}/cgroup | head -1"
    )
    sampler = host.check_output(f"setsid sh -c {shlex.quote(SAMPLE)} sh {shlex.quote(group)} >/dev/null & echo $!")
    files = f"$(find {delve}/pkg {delve}/service {delve}/cmd -name '*.go' | grep -v _fixtures)"
    # This client of gopls's own waits for ever when its server has gone; an editor would not.
    command = CHECK.format(user="alice", files=files) + " >/dev/null 2>&1 </dev/null & echo $!"
    client = run_as("alice", command)
    host.check_output("timeout 120 sh -c 'until ls /var/log/gopls/crashes/alice/*.log; do sleep 0.2; done'")
    host.run(f"kill {client}; kill {sampler}")
    ended = host.check_output("journalctl --no-pager --unit=gopls@alice --lines=50")
    assert re.search(r"status=9/KILL|oom-kill", ended)
    assert main_pid(host, "bob") == other
    assert check("alice", "/home/alice/service/stock/*.go") == ""
    peaks = [int(line) for line in host.file("/run/gopls-peaks").content_string.split()]
    assert CAP * 0.9 < max(peaks) <= CAP


def test_a_session_that_exceeds_its_limit_is_stopped_alone(host, run_as, try_as, check):
    for user in ("alice", "bob"):
        check(user, f"/home/{user}/service/stock/*.go")
    before = main_pid(host, "alice"), main_pid(host, "bob")
    completed = try_as("alice", "echo allocating; python3 -c 'len(b\"x\" * (1600 << 20))'")
    # ssh's status for a command that a signal has ended, or the shell's.
    assert (completed.stdout, completed.rc in (255, 137)) == ("allocating\n", True), completed
    assert "MemoryError" not in completed.stderr
    assert (main_pid(host, "alice"), main_pid(host, "bob")) == before
    for user in ("alice", "bob"):
        assert run_as(user, "python3 -c 'print(len(b\"x\" * (100 << 20)))'") == str(100 << 20)


def test_a_stop_ends_a_daemon_by_the_first_signal(host, check):
    check("bob", "/home/bob/service/stock/*.go")
    host.check_output("systemctl stop gopls@bob")
    ended = host.check_output("systemctl show gopls@bob -p Result -p ExecMainStatus").splitlines()
    assert ended == ["Result=success", "ExecMainStatus=15"]


def test_a_daemon_that_fails_again_starts_later_until_a_good_run(host, check):
    failures = "/var/lib/gopherops-failures/gopls@bob.service"
    check("bob", "/home/bob/service/stock/*.go")
    host.check_output(f"rm -f {failures}/* && runuser -u bob -- touch {failures}/1")
    begin = time.monotonic()
    host.check_output("systemctl kill --signal=ABRT --kill-who=main gopls@bob")
    check("bob", "/home/bob/service/stock/*.go")
    # RestartSec=2, and as long again.
    assert time.monotonic() - begin >= 4
    host.check_output(f"cd {failures} && runuser -u bob -- touch 3 4 5 6")
    host.check_output("systemctl stop gopls@bob && systemctl start --no-block gopls-proxy@bob")
    host.check_output("timeout 30 sh -c 'until pgrep -u bob -fx \"sleep 58\"; do sleep 0.2; done'")
    # A stop does not wait for the delay.
    host.check_output("systemctl stop gopls@bob")
    assert host.check_output("systemctl show gopls@bob -p Result") == "Result=success"
    host.check_output(f"touch -d '11 minutes ago' {failures}/*")
    begin = time.monotonic()
    check("bob", "/home/bob/service/stock/*.go")
    assert time.monotonic() - begin < 58
    host.check_output(f"rm -f {failures}/* /var/log/gopls/crashes/bob/*")


def test_the_log_of_a_terminated_daemon_is_kept(host, check):
    check("bob", "/home/bob/service/stock/*.go")
    host.check_output("systemctl kill --signal=ABRT --kill-who=main gopls@bob")
    check("bob", "/home/bob/service/stock/*.go")
    kept = host.check_output("cat /var/log/gopls/crashes/bob/*.log")
    assert kept.startswith("result ")
    assert "SIGABRT: abort" in kept


def test_logs_are_rotated_below_a_daemon_that_goes_on(host, check):
    check("alice", "/home/alice/service/stock/*.go")
    running = main_pid(host, "alice")
    host.check_output("logrotate --force /etc/logrotate.d/gopherops-gopls")
    check("alice", "/home/alice/service/stock/*.go")
    assert main_pid(host, "alice") == running
    log = host.file("/var/log/gopls/alice.log")
    assert "Session" in log.content_string + host.check_output("zcat /var/log/gopls/alice.log.1.gz")
    assert (log.user, log.mode) == ("alice", 0o640)


def test_workspaces_have_been_analysed_ahead_of_time(host):
    for user in ("alice", "bob"):
        host.check_output(f"systemctl start gopls-prewarm@{user}")
        message = host.check_output(f"journalctl --no-pager --output=cat --unit=gopls-prewarm@{user}")
        assert f"/home/{user}/service: 3 of 3 packages" in message
        counts = json.loads(host.file(f"/var/cache/gopls/{user}/prewarm.json").content_string)
        # A run after provisioning has filled the cache before.
        assert counts["from_cache"] >= counts["with_dependencies"] * 0.85
        assert host.check_output(f"find /var/cache/gopls/{user} -type f ! -user {user}") == ""
        assert host.service(f"gopls-prewarm@{user}.timer").is_running


@pytest.mark.parametrize("unit", ["gopls@alice", "gopls-prewarm@alice", "gopls-proxy@alice", "gopls-pprof@alice"])
def test_units_are_as_safe_as_documented(host, unit):
    host.check_output(f"systemd-analyze security --no-pager --threshold=20 {unit}.service")
    assert host.run(f"systemd-analyze verify {unit}.service").stderr.count("gopls") == 0


def test_cgo_is_understood_within_the_sandbox(run_as, check, host):
    source = 'package main\n\n// int one() { return 1; }\nimport "C"\n\nfunc main() { println(C.one()) }\n'
    run_as("alice", f"mkdir -p ~/cgo && cd ~/cgo && go mod init cgo 2>&1 && printf %s {shlex.quote(source)} >main.go")
    assert check("alice", "/home/alice/cgo/main.go") == ""
    run_as("alice", "rm -rf ~/cgo")


@pytest.fixture(scope="class")
def with_profiles_and_workaround(host, play):
    """Declare both, and at the end a workaround for versions that this host no longer has."""
    completed = play(
        "site",
        "--tags",
        "language_server",
        language_server_pprof=True,
        devserver_gopls_workarounds=[{**FAULT, "gopls": "<0.17"}],
    )
    assert completed.returncode == 0, completed.output
    host.check_output("systemctl stop gopls@alice gopls@bob")
    yield
    retired = play("site", "--tags", "language_server", devserver_gopls_workarounds=[{**FAULT, "gopls": "<0.16"}])
    host.check_output("systemctl stop gopls@alice gopls@bob")
    assert retired.returncode == 0, retired.output
    assert "workaround slow-here is obsolete" in " ".join(retired.output.split())
    assert (
        "diagnostic.staticcheck"
        not in host.file("/home/alice/.vscode-server/data/Machine/settings.json").content_string
    )
    assert "SLOW_HERE" not in host.file("/etc/gopherops/language_server/alice.env").content_string
    assert not host.file("/run/gopls/alice/pprof.sock").exists


@pytest.mark.usefixtures("with_profiles_and_workaround")
class TestProfilesAndAWorkaround:
    def test_only_the_user_can_read_the_profiles(self, host, run_as):
        assert "HTTP/1.0 200 OK" in run_as("alice", PROFILE)
        assert "PermissionError" in run_as("bob", PROFILE)
        assert host.run("ss -Hltn | grep 6060").stdout == ""

    def test_the_server_still_responds(self, check):
        assert check("alice", "/home/alice/service/stock/*.go") == ""

    def test_a_daemon_with_profiles_does_not_start_in_the_network_of_all(self, host):
        directory = "/run/systemd/system/gopls@bob.service.d"
        host.check_output(f"mkdir -p {directory} && echo '[Service]\nPrivateNetwork=no' >{directory}/99.conf")
        host.check_output("systemctl daemon-reload; systemctl stop gopls@bob")
        assert host.run("systemctl start gopls@bob").rc != 0
        host.check_output(f"systemctl stop gopls@bob; rm -r {directory} /var/log/gopls/crashes/bob/*")
        host.check_output("systemctl reset-failed gopls@bob; systemctl daemon-reload")
        assert "language_server_pprof needs" in host.file("/var/log/gopls/bob.log").content_string

    def test_the_workaround_is_in_use(self, host, check):
        check("alice", "/home/alice/service/stock/*.go")
        settings = host.file("/home/alice/.vscode-server/data/Machine/settings.json").content_string
        assert '"ui.diagnostic.staticcheck": true' in settings
        assert "SLOW_HERE=1" in host.check_output(f"tr '\\0' '\\n' </proc/{main_pid(host, 'alice')}/environ")


def test_impossible_options_are_rejected_and_nothing_changes(play_each, host):
    before = host.check_output(FILES)
    messages = {
        "did you mean ui.diagnostic.staticcheck": {"language_server_settings": {"ui.staticchek": True}},
        "and this host has": {"language_server_memory": "900G"},
        "is not a size": {"language_server_memory": "lots"},
    }
    for message, result in play_each("site", messages, "--tags", "language_server").items():
        assert result.returncode != 0
        assert message in result.folded
    after = host.check_output(FILES)
    assert after == before


def test_who_is_removed_loses_all_of_it(play, host, check):
    check("bob", "/home/bob/service/stock/*.go")
    running = check("alice", "/home/alice/service/stock/*.go") or main_pid(host, "alice")
    alone = [{"name": "alice", "workspaces": ["/home/alice/service"]}]
    result = play(
        "site",
        "--tags",
        "language_server",
        devserver_users=[*alone, {"name": "bob", "state": "absent"}],
        language_server_settings={"ui.diagnostic.staticcheck": True},
    )
    try:
        assert result.returncode == 0, result.output
        assert host.run("systemctl is-active gopls@bob gopls-proxy@bob.socket").stdout.split() == ["inactive"] * 2
        assert host.check_output("ls -d /etc/systemd/system/*bob* /var/cache/gopls/bob 2>/dev/null; true") == ""
        assert "remote" not in host.file("/home/bob/.vscode-server/data/Machine/settings.json").content_string
        settings = host.file("/home/alice/.vscode-server/data/Machine/settings.json").content_string
        assert '"ui.diagnostic.staticcheck": true' in settings
        # For that her editor need not be cut off.
        assert main_pid(host, "alice") == running
    finally:
        back = play("site", "--tags", "language_server")
    assert back.returncode == 0, back.output
    assert (
        "diagnostic.staticcheck"
        not in host.file("/home/alice/.vscode-server/data/Machine/settings.json").content_string
    )
    assert "remote" in host.file("/home/bob/.vscode-server/data/Machine/settings.json").content_string
