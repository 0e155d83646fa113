# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug services on the provisioned host: real dlv, real breakpoints, and nothing left behind or open."""

from __future__ import annotations

import json
import shlex
import time

import pytest

PORTS = {"api": "127.0.0.1:2345", "stock-test": "127.0.0.1:2346", "shop": "unix:/run/dlv/shop/dlv.sock"}
# systemd-analyze's own scale; docs/explanation/debugging.md documents it.
EXPOSURE = 2.0
READYZ = {"name": "readyz", "stack": ["web.(*Service).readyz"]}
CONNECT = "echo exit | dlv connect {where} --allow-non-terminal-interactive=true 2>&1"


def eventually(condition, seconds=60):
    """Wait until something holds; it must within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.3)


def show(host, unit, *properties):
    shown = host.check_output(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in properties))
    return dict(line.split("=", 1) for line in shown.splitlines())


def listening(host, name):
    if name == "shop":
        return host.file("/run/dlv/shop/dlv.sock").is_socket
    return PORTS[name] in host.check_output("ss -Hltn")


@pytest.fixture
def attach(host):
    """Attach to a debug service as an editor does, stop at a breakpoint in each of some runs, and leave."""

    def run(name, breakpoint, runs=1, **parameters):
        parameters.update(user="alice", request="attach", mode="remote", address=PORTS[name], runs=runs)
        parameters.update(workspace="/home/alice/service", breakpoints=[breakpoint])
        result = host.ansible("gopherops.devserver.dlv_probe", json.dumps(parameters), check=False)
        assert (result.get("hit_rate"), result.get("runs")) == (1.0, runs), result

    return run


def connect(host, name, user):
    """Return dlv's output when it connects to a debug service as a user, and exits at once."""
    command = CONNECT.format(where=PORTS[name])
    return host.run(f"cd /tmp; timeout 60 runuser -u {user} -- sh -c {shlex.quote(command)}").stdout


@pytest.fixture(scope="module")
def shop(host):
    """A program of alice's that runs all the time: as it is when it goes into production, optimised."""
    build = "cd ~/service && go build -o ~/shop/api ./cmd/api"
    host.check_output(f"su - alice -c {shlex.quote(build)} && systemctl start shop")
    eventually(lambda: listening(host, "shop"))
    yield "/home/alice/shop/api"
    host.check_output("systemctl stop shop")
    eventually(lambda: show(host, "dlv-shop", "ActiveState") == {"ActiveState": "inactive"})


def send_request(host, port):
    code = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/readyz', timeout=20)"
    host.check_output(f'python3 -c "{code}"')


def test_a_breakpoint_of_a_running_service_is_hit(host, attach):
    eventually(lambda: listening(host, "api"))
    attach("api", READYZ, runs=2, trigger="http://127.0.0.1:8081/readyz")
    environment = host.check_output("tr '\\0' '\\n' < /proc/$(pgrep -f ^/var/lib/dlv/api/debuggee)/environ")
    assert {"GREETING=it's $5, 100%", "GOPATH=/home/alice/go", "HOME=/home/alice"} <= set(environment.splitlines())


def test_each_client_gets_a_run_of_the_tests(host, attach):
    for _time in range(2):
        eventually(lambda: listening(host, "stock-test"))
        before = show(host, "dlv-stock-test", "NRestarts")
        attach("stock-test", {"name": "take", "variables": {"article": "gopher", "held": 3}})
        eventually(lambda before=before: show(host, "dlv-stock-test", "NRestarts") != before)


def test_a_unit_that_runs_is_attached_to_and_let_go_unharmed(host, attach, shop):
    before = host.file(shop).sha256sum
    attach("shop", READYZ, trigger="http://127.0.0.1:8082/readyz")
    pid = show(host, "shop", "MainPID")["MainPID"]
    host.check_output("systemctl stop dlv-shop")
    assert "TracerPid:\t0" in host.file(f"/proc/{pid}/status").content_string
    send_request(host, 8082)
    assert show(host, "shop", "MainPID", "NRestarts") == {"MainPID": pid, "NRestarts": "0"}
    assert host.file(shop).sha256sum == before
    host.check_output("systemctl start dlv-shop")


def test_and_again_each_time_that_it_starts(host, shop):
    eventually(lambda: listening(host, "shop"))
    host.check_output("systemctl restart shop")
    for _time in range(2):
        pid = show(host, "shop", "MainPID")["MainPID"]
        eventually(lambda pid=pid: f"attach --headless --listen={PORTS['shop']}" in tracer(host, pid))
        host.check_output(f"kill -KILL {pid}")
        eventually(lambda pid=pid: show(host, "shop", "MainPID")["MainPID"] not in ("0", pid))


def tracer(host, pid):
    tracer_pid = host.run(f"awk '/TracerPid/ {{print $2}}' /proc/{pid}/status").stdout.strip()
    return host.run(f"tr '\\0' ' ' < /proc/{tracer_pid}/cmdline").stdout if tracer_pid else ""


def test_nobody_else_gets_in(host, shop):
    eventually(lambda: listening(host, "shop") and listening(host, "api"))
    assert "permission denied" in connect(host, "shop", "bob")
    assert "connection is shut down" in connect(host, "api", "bob")
    assert "only accepted from the same UNIX user" in host.check_output("journalctl -q -o cat -u dlv-api -n 5")
    for directory in ("/run/dlv/shop", "/var/lib/dlv/api"):
        assert (host.file(directory).user, host.file(directory).mode) == ("alice", 0o700)
    assert host.file("/etc/gopherops/debug/api.env").mode == 0o600
    wide = [line for line in host.check_output("ss -Hltnp").splitlines() if "dlv" in line]
    assert wide and all(line.split()[3].startswith(("127.0.0.1:", "[::1]:")) for line in wide)


def test_a_stop_leaves_no_process_and_no_port(host):
    eventually(lambda: listening(host, "api"))
    host.check_output("systemctl stop dlv-api")
    # dlv exits by itself on the first signal.
    assert show(host, "dlv-api", "Result", "ExecMainCode", "ExecMainStatus") == {
        "Result": "success",
        "ExecMainCode": "1",
        "ExecMainStatus": "0",
    }
    assert host.run("pgrep -f '[/]var/lib/dlv/api/'").stdout == ""
    ports = host.check_output("ss -Hltn")
    assert "127.0.0.1:2345 " not in ports and "127.0.0.1:8081 " not in ports
    assert not host.file("/run/dlv/api").exists
    host.check_output("systemctl start dlv-api")


def test_a_program_that_does_not_compile_starts_when_it_is_fixed(host, play):
    source = "/home/alice/service/cmd/api/main.go"
    host.check_output(f"echo oops >> {source} && systemctl restart --no-block dlv-api")
    try:
        eventually(lambda: "syntax error" in host.check_output("journalctl -q -o cat -u dlv-api -n 8"))
        assert not listening(host, "api")
        # Each start is delayed longer. The delay counts as a failure, not as a start, for the play and the report.
        eventually(lambda: host.run("pgrep -u alice -fx 'sleep 14'").stdout)
        result = play("site", "--tags", "debugger", "--check")
        assert "debug service api failed to start, and systemd retries it" in " ".join(result.output.split())
        assert "syntax error" in result.output
        failed = [one["cause"] for one in play("drift").every if one["rule_id"] == "GD1102"]
        assert any("dlv-api.service" in cause for cause in failed)
        # The play starts what it changes at once.
        changed = host.ansible.get_variables()["debugger_services"]
        changed = [{**one, "tasks": 500} if one["name"] == "api" else one for one in changed]
        assert play("site", "--tags", "debugger", debugger_services=changed).returncode == 0
        assert not host.run("pgrep -u alice -fx 'sleep (30|58)'").stdout
    finally:
        host.check_output(f"sed -i '$d' {source}")
        assert play("site", "--tags", "debugger").returncode == 0
    eventually(lambda: listening(host, "api"))


def test_the_limits_are_those_of_the_unit(host):
    assert show(host, "dlv-api", "MemoryMax", "TasksMax", "CPUWeight") == {
        "MemoryMax": str(1 << 30),
        "TasksMax": "512",
        "CPUWeight": "50",
    }
    pid = show(host, "dlv-api", "MainPID")["MainPID"]
    assert "dlv-api.service" in host.file(f"/proc/{pid}/cgroup").content_string
    assert host.file(f"/proc/{pid}/oom_score_adj").content_string == "500\n"


@pytest.mark.parametrize("name", PORTS)
def test_the_exposure_is_what_the_docs_promise(host, name):
    words = host.check_output(f"systemd-analyze security --no-pager dlv-{name} | tail -n 1").split()
    assert float(words[words.index(f"dlv-{name}.service:") + 1]) <= EXPOSURE


def test_the_editor_has_the_addresses(host):
    (configuration,) = json.loads(host.file("/home/alice/service/.vscode/launch.json").content_string)["configurations"]
    assert (configuration["name"], configuration["mode"], configuration["host"], configuration["port"]) == (
        "Attach to dlv-api",
        "remote",
        "127.0.0.1",
        2345,
    )
    assert host.file("/home/alice/service/.vscode/launch.json").user == "alice"


def test_a_kernel_parameter_of_the_container_is_set_now_and_at_its_boot(host):
    file = "/etc/sysctl.d/60-gopherops-debugger.conf"
    assert "net.ipv4.tcp_syn_retries = 3" in host.file(file).content_string
    assert host.check_output("sysctl -n net.ipv4.tcp_syn_retries") == "3"
    host.check_output("sysctl -w net.ipv4.tcp_syn_retries=6")
    host.check_output(f"/lib/systemd/systemd-sysctl {file}")
    assert host.check_output("sysctl -n net.ipv4.tcp_syn_retries") == "3"


def test_kernel_parameters_that_a_container_cannot_set_are_reported(play):
    parameters = {"net.ipv4.tcp_syn_retries": 3, "kernel.core_pattern": "core.%p"}
    result = play("site", "--tags", "debugger", "--check", debugger_kernel_parameters=parameters)
    assert result.returncode == 0
    assert "core_pattern is not set: /proc/sys is read-only here" in " ".join(result.output.split())
    assert "tcp_syn_retries is not set" not in result.output


def test_wide_binds_and_invalid_addresses_are_rejected_before_any_write(host, play_each):
    before = show(host, "dlv-api", "MainPID", "FragmentPath")
    service = {"name": "wide", "user": "alice", "workspace": "/home/alice/service"}
    messages = {
        "which other hosts can reach": {**service, "listen": "[::]:2345"},
        "which only the service's user can enter": {**service, "listen": "/tmp/dlv.sock"},
        "tls.listen of api is 'localhost:12345'": {
            **service,
            "name": "api",
            "listen": PORTS["api"],
            "package": "./cmd/api",
            "tls": {"listen": "localhost:12345"},
        },
    }
    declarations = {words: {"debugger_services": [rejected]} for words, rejected in messages.items()}
    for words, result in play_each("site", declarations, "--tags", "debugger").items():
        assert result.returncode != 0
        assert words in result.folded
    assert show(host, "dlv-api", "MainPID", "FragmentPath") == before
    assert not host.file("/etc/systemd/system/dlv-wide.service").exists
    # That this play declares fewer services has not taken any away.
    assert host.service("dlv-six").is_running


def test_what_is_absent_goes_without_a_trace(host, play):
    api = show(host, "dlv-api", "MainPID")
    extra = {"name": "extra", "user": "alice", "workspace": "/home/alice/service", "package": "./stock", "mode": "test"}
    variables = host.ansible.get_variables()["debugger_services"]
    both = play("site", "--tags", "debugger", debugger_services=[*variables, {**extra, "listen": "127.0.0.1:2347"}])
    assert both.returncode == 0
    assert "127.0.0.1:2347" in host.check_output("ss -Hltn")
    removed = {**extra, "listen": "127.0.0.1:2347", "state": "absent"}
    assert play("site", "--tags", "debugger", debugger_services=[removed]).returncode == 0
    for trace in ("/etc/systemd/system/dlv-extra.service", "/var/lib/dlv/extra", "/run/dlv/extra"):
        assert not host.file(trace).exists
    assert "127.0.0.1:2347" not in host.check_output("ss -Hltn")
    assert host.run("pgrep -f '[/]var/lib/dlv/extra/'").stdout == ""
    assert show(host, "dlv-api", "MainPID") == api
