# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real debug sessions of the module: their measurements, their side effects, and faulty adapters."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from .conftest import go_environment

FILLED = {"name": "filled", "variables": {"left": 11, "err": "error nil"}, "stack": ["main.filled", "main.main"]}


def hit(result, runs: int = 1):
    """Check that all breakpoints were hit in each of the runs, and return the first one."""
    assert result.get("hit_rate") == 1.0, result["msg"]
    assert result["changed"] is False
    assert [item["hits"] for item in result["breakpoints"]] == [runs] * len(result["breakpoints"])
    assert 0 < result["seconds_to_first_stop"]["least"] <= result["seconds_to_first_stop"]["most"]
    return result["breakpoints"][0]


def processes_of(directory: pathlib.Path) -> list[str]:
    """Return the command lines of processes that run something below ``directory``, or have it in their arguments."""
    commands = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace").replace("\0", " ")
            if str(directory) in command and path.parent.name != str(os.getpid()):
                commands.append(command)
    return commands


@pytest.mark.parametrize("mode", ["debug", "exec", "test"])
def test_launch_leaves_nothing(workspace, mode):
    home = workspace.directory.with_name("home")
    home.mkdir()
    # Shared, because filling a new cache would take half a minute.
    argv = [f"{workspace.goroot}/bin/go", "env", "GOCACHE"]
    cache = subprocess.run(argv, env=go_environment(), check=True, capture_output=True, text=True).stdout.strip()
    options = {"program": workspace.build()} if mode == "exec" else {}
    tests = {"package": "./cmd/api", "breakpoints": [dict(FILLED, stack=["api.filled"])]}
    options.update(tests if mode == "test" else {"breakpoints": [FILLED]})
    before = sorted(workspace.directory.rglob("*"))
    result = workspace.probe(mode=mode, runs=2, environment={"HOME": str(home), "GOCACHE": cache}, **options)
    assert hit(result, 2)["variables"] == {"left": "11", "err": "error nil"}
    assert processes_of(workspace.scratch) == []
    assert list(workspace.scratch.iterdir()) == []
    assert list(home.iterdir()) == []
    assert sorted(workspace.directory.rglob("*")) == before


def test_all_markers_of_the_package_are_the_default(workspace):
    result = workspace.probe()
    hit(result)
    assert {item["name"] for item in result["breakpoints"]} == {"listening", "filled"}


def test_variables_and_expressions(workspace):
    expected = {
        "name": "listening",
        "variables": {
            "opts.check": "true",
            'shelf.counts["gopher"]': 11,
            "args[0]": "-check",
            "opts.listen": '"127.0.0.1:0"',
        },
    }
    hit(workspace.probe(breakpoints=[expected]))


def test_a_breakpoint_in_a_loop_does_not_delay_others(workspace):
    loop = "for n := 0; n < 1000000; n++ {\n\t\tos.Getpid() // breakpoint: often\n\t}\n\tctx, stop :="
    main = workspace.directory / "cmd/api/main.go"
    main.write_text(main.read_text().replace("ctx, stop :=", loop))
    hit(workspace.probe(breakpoints=[{"name": "often"}, {"name": "filled"}], timeout=30))


def test_the_hit_rate_may_be_a_share_of_the_runs(workspace):
    """The program exits before the breakpoint in half of the runs."""
    flip = "if len(os.Args) > 3 && os.Remove(os.Args[3]) == nil {\n\t\treturn\n\t}\n\tctx, stop :="
    main = workspace.directory / "cmd/api/main.go"
    main.write_text(main.read_text().replace("ctx, stop :=", flip))
    once = workspace.directory.with_name("once")
    options = {"args": ["-check", "-listen=127.0.0.1:0", str(once)], "breakpoints": [{"name": "filled"}], "runs": 2}
    once.write_text("")
    assert workspace.probe(hit_rate=0.5, **options)["hit_rate"] == 0.5
    once.write_text("")
    result = workspace.probe(hit_rate=0.6, **options)
    assert result["failed"]
    assert (result["cause"], result["hit_rate"], result["runs"]) == ("ended", 0.5, 2)


class Service:
    """A running process of the service, alone or below a headless dlv."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = ""

    def url(self) -> str:
        while "listening on http" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.output
            self.output += line
        return self.output.rpartition("listening on ")[2].strip()

    def responds(self) -> bool:
        with urllib.request.urlopen(self.url() + "/readyz", timeout=10) as response:
            return response.read() == b"ok\n"


@contextlib.contextmanager
def service(*argv):
    made = Service(argv)
    try:
        yield made
    finally:
        made.process.terminate()
        made.process.communicate(timeout=20)


READY = [{"name": "readyz", "stack": ["web.(*Service).readyz", "http.(*conn).serve"], "variables": {"s.ready.v": 1}}]


def test_attach_keeps_the_process_running(service_workspace):
    with service(service_workspace.build(), "-listen=127.0.0.1:0") as running:
        url = running.url() + "/readyz"
        result = service_workspace.probe(
            request="attach", pid=running.process.pid, breakpoints=READY, trigger=url, runs=3
        )
        hit(result, 3)
        assert running.responds()
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        assert "TracerPid:\t0\n" in status
        assert len(processes_of(service_workspace.scratch)) == 0


def test_attach_that_times_out_keeps_the_process_running(service_workspace):
    with service(service_workspace.build(), "-listen=127.0.0.1:0") as running:
        running.url()
        result = service_workspace.probe(request="attach", pid=running.process.pid, breakpoints=READY, timeout=3)
        assert result["cause"] == "not-reached"
        assert running.responds()


@contextlib.contextmanager
def headless(workspace, listen: str, *flags: str):
    argv = [workspace.dlv, "exec", workspace.build(), "--headless", f"--listen={listen}", "--api-version=2", *flags]
    multi = ["--accept-multiclient", "--continue"] if not flags else []
    with service(*argv, *multi, "--", "-listen=127.0.0.1:0") as running:
        yield running


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
def test_headless_keeps_running(service_workspace, kind):
    address = {"tcp": "127.0.0.1:{}", "tcp6": "[::1]:{}", "unix": "unix:{}"}[kind]
    address = address.format(service_workspace.scratch / "dlv.sock" if kind == "unix" else free_port())
    with headless(service_workspace, address) as running:
        url = running.url() + "/readyz"
        result = service_workspace.probe(request="attach", address=address, breakpoints=READY, trigger=url, runs=3)
        hit(result, 3)
        assert running.responds()
        # Without a request there is no stop. After the session, the request of another client reaches no breakpoint.
        result = service_workspace.probe(request="attach", address=address, breakpoints=READY, timeout=3)
        assert result["cause"] == "not-reached"
        assert running.responds()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_headless_dlv_that_exits_with_its_client_is_awaited_until_its_unit_restarts_it(workspace, kind):
    address = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{workspace.scratch / 'dlv.sock'}"
    dlv = [workspace.dlv, "exec", workspace.build(), "--headless", f"--listen={address}", "--api-version=2"]
    unit = 'while true; do "$@" & wait; sleep 1; done'
    argv = ["/bin/sh", "-c", f"trap 'kill $!; exit' TERM; {unit}", "unit", *dlv, "--", "-check", "-listen=127.0.0.1:0"]
    with service(*argv) as running:
        assert "listening at" in running.process.stdout.readline()
        options = {"request": "attach", "address": address, "breakpoints": [FILLED]}
        hit(workspace.probe(**options, runs=3), 3)
    result = workspace.probe(**options, runs=3, timeout=2)
    assert "no debugger listens" in result["msg"]


def test_headless_with_a_path_of_its_own(service_workspace):
    """The rule for the paths of another host's binary is found through its debugger."""
    elsewhere = service_workspace.directory.with_name("checkout")
    with headless(service_workspace, f"127.0.0.1:{free_port()}") as running:
        url = running.url() + "/readyz"
        address = running.output.partition("listening at: ")[2].split()[0]
        shutil.copytree(service_workspace.directory, elsewhere)
        options = {"request": "attach", "address": address, "breakpoints": READY, "trigger": url}
        result = service_workspace.probe(workspace=str(elsewhere), **options)
        assert result["cause"] == "path", result
        hit(service_workspace.probe(workspace=str(elsewhere), substitute_path=result["substitute_path"], **options))


@contextlib.contextmanager
def tls_in_front_of(port: int, certificates: pathlib.Path):
    """Yield a port that requires a certificate of authority a and forwards to ``port``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "a.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "server-a.crt", certificates / "server-a.key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_forward, args=(server, context, port), daemon=True).start()
        yield server.getsockname()[1]


def _forward(server: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            client, _peer = server.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            secure = context.wrap_socket(client, server_side=True)
            inner = socket.create_connection(("127.0.0.1", port))
            for one, other in ((secure, inner), (inner, secure)):
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def test_headless_behind_tls(service_workspace, certificates):
    port = free_port()
    with headless(service_workspace, f"127.0.0.1:{port}") as running, tls_in_front_of(port, certificates) as front:
        options = {"request": "attach", "address": f"127.0.0.1:{front}", "breakpoints": READY, "timeout": 20}
        options["trigger"] = running.url() + "/readyz"
        tls = {
            "ca": str(certificates / "a.crt"),
            "certificate": str(certificates / "client-a.crt"),
            "key": str(certificates / "client-a.key"),
            "server_name": "dlv.example",
        }
        hit(service_workspace.probe(**options, tls=tls, runs=2), 2)
        for invalid, message in (
            ({"server_name": "other.example"}, "TLS to .* failed: .*other.example"),
            ({"ca": str(certificates / "b.crt")}, "TLS to .* failed: .*verify failed"),
            (
                {"certificate": str(certificates / "client-b.crt"), "key": str(certificates / "client-b.key")},
                "closed the connection|TLS",
            ),
            ({"key": str(certificates / "client-b.key")}, "TLS to .* failed"),
            ({"key": str(certificates / "none")}, "no debugger listens|cannot be read"),
        ):
            result = service_workspace.probe(**options, tls={**tls, **invalid})
            assert result["failed"], invalid
            assert result.get("hit_rate", 0.0) == 0.0
            assert re.search(message, result["msg"]), result["msg"]
        assert running.responds()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_root_debugs_as_another_user(workspace):
    nobody = pwd.getpwnam("nobody")
    for directory in (workspace.scratch, workspace.directory.parent):
        directory.chmod(0o777)
    dlv = workspace.directory.with_name("dlv")
    shutil.copy(workspace.dlv, dlv)
    main = workspace.directory / "cmd/api/main.go"
    text = main.read_text().replace(
        "ctx, stop :=", "user := os.Getuid()\n\tprintln(user) // breakpoint: user\n\tctx, stop :="
    )
    main.write_text(text)
    expected = [{"name": "user", "variables": {"user": nobody.pw_uid}}]
    program = workspace.build()
    hit(workspace.probe(user="nobody", dlv=str(dlv), mode="exec", program=program, breakpoints=expected))
    assert list(workspace.scratch.iterdir()) == []


FAULTY_ADAPTERS = {
    "exits at once": "sys.exit('Error: unknown flag: --listen')",
    "never listens": "time.sleep(60)",
    "hangs up": "listen().accept()[0].close()",
    "never responds": "listen().accept(); time.sleep(60)",
    "other protocol": "listen().accept()[0].sendall(b'220 welcome\\r\\n' * 1000); time.sleep(60)",
    "prints endlessly": "listen()\nwhile True: print('x' * 1000)",
}


@pytest.mark.parametrize("behaviour", FAULTY_ADAPTERS)
def test_a_faulty_adapter_is_stopped_and_leaves_nothing(workspace, behaviour):
    fake = workspace.directory.with_name("dlv")
    listen = "def listen():\n  s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[2][14:]); s.listen(); return s\n"
    fake.write_text(f"#!{sys.executable}\nimport socket, sys, time\n{listen}{FAULTY_ADAPTERS[behaviour]}\n")
    fake.chmod(0o755)
    begin = time.monotonic()
    result = workspace.probe(dlv=str(fake), timeout=2)
    assert result["failed"]
    assert "Traceback" not in result["msg"]
    assert time.monotonic() - begin < 10
    assert processes_of(workspace.scratch) == []
    assert list(workspace.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dlv": "/none/dlv"}, "cannot run /none/dlv"),
        ({"dlv": "/none/dlv"}, "install it by the role tools"),
        ({"mode": "local"}, "request launch has no mode local"),
        ({"request": "attach", "mode": "local"}, "has no process"),
        ({"request": "attach", "mode": "remote"}, "has no address"),
        ({"mode": "exec"}, "no program"),
        ({"request": "attach", "address": "0.0.0.0:2345"}, "is not a loopback address"),
        ({"request": "attach", "address": "dlv.example:2345"}, "is not a loopback address"),
        ({"request": "attach", "address": "2345"}, "is not an address"),
        ({"request": "attach", "address": "127.0.0.1:99999"}, "is not an address"),
        ({"request": "attach", "address": "127.0.0.1:1"}, "no debugger listens"),
        ({"request": "attach", "address": "/none.sock"}, "no debugger listens"),
        ({"request": "attach", "pid": 4194305}, "no such process"),
        ({"request": "attach", "pid": 1, "address": "127.0.0.1:1"}, "mutually exclusive"),
        ({"breakpoints": [{"name": "unheard of"}]}, "existing markers: articles, filled, listening"),
        ({"breakpoints": [{"file": "cmd/api/main.go"}]}, "has no line"),
        ({"breakpoints": [{}]}, "one of the following is required"),
        ({"breakpoints": [{"name": "filled"}, {"name": "filled"}]}, "is listed 2 times"),
        ({"package": "./stock", "workspace": "/none"}, "cannot be read"),
        ({"package": "./internal"}, "has no breakpoint"),
        ({"runs": 0}, "runs is 0"),
        ({"hit_rate": 1.5}, "hit_rate is 1.5"),
        ({"timeout": 0}, "timeout is 0"),
        ({"trigger": "file:///etc/passwd"}, "trigger is"),
        ({"temporary_directory": "/none"}, "cannot create a directory in /none"),
        ({"user": "nobody-here"}, "does not exist on this host"),
    ],
)
def test_invalid_options_are_rejected(workspace, options, message):
    result = workspace.probe(**options)
    assert result["failed"]
    assert message in result["msg"]
