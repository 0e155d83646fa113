# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes of real users on the provisioned host."""

from __future__ import annotations

import re
import shlex
import time

import pytest

GOPATHS = {
    "alice": "/home/alice/go",
    "bob": "/srv/bob/go",
    "zoe": "/home/zoe/go",
    "finn": "/srv/föhn's place/finn/go",
}
PROJECT = "cd ~/hello && "
PROBE = (
    "go version; go env GOPATH GOMODCACHE GOBIN GOTOOLCHAIN GOFLAGS; "
    # fish does not accept a "$" that sudo has put before an escaped character.
    "command -v gopls | xargs go version -m; command -v dlv | xargs go version -m"
)
TOOLS = [("golang.org/x/tools/gopls", "v0.16.2"), ("github.com/go-delve/delve", "v1.23.1")]
JOB = "* * * * * { go version; go env GOPATH GOTOOLCHAIN; command -v gopls; } > /tmp/job-$LOGNAME 2>&1"
# Also somebody who cannot log in, and a home with a space in its path.
JOBS = {user: GOPATHS[user] for user in ("alice", "finn")} | {"builder": "/var/lib/builder/go"}


@pytest.fixture(scope="module", autouse=True)
def jobs(host):
    """Jobs of cron, which runs them at the next minute, while other tests run."""
    for user in JOBS:
        host.check_output(f"(crontab -u {user} -l; echo {shlex.quote(JOB)}) | crontab -u {user} -")
    yield
    for user in JOBS:
        host.check_output(f"crontab -u {user} -l | grep -v job- | crontab -u {user} -; rm -f /tmp/job-{user}")


@pytest.mark.parametrize("user", GOPATHS)
def test_everyone_has_the_same_go_and_tools_and_own_paths(run_as, entry_point, user):
    version, *settings = run_as(user, entry_point, PROBE).split("\n")
    settings, builds = settings[:5], "\n".join(settings[5:])
    gopath = GOPATHS[user]
    assert version == "go version go1.22.12 linux/amd64"
    assert settings == [gopath, f"{gopath}/pkg/mod", f"{gopath}/bin", "local", "-mod=readonly"]
    assert re.findall(r"^/\S+: (\S+)$", builds, re.MULTILINE) == ["go1.22.12"] * len(TOOLS)
    assert re.findall(r"^\s*mod\s+(\S+)\s+(\S+)\s", builds, re.MULTILINE) == TOOLS


@pytest.mark.parametrize("user", GOPATHS)
def test_a_process_without_any_environment_has_them_too(host, user):
    command = f'runuser -u {user} -- env -i HOME="$(echo ~{user})" /usr/local/go/bin/go env GOPATH'
    assert host.check_output(command) == GOPATHS[user]


def test_a_command_in_a_session_keeps_what_it_is_given(run_as):
    for shell in ("bash", "zsh", "fish"):
        command = f"GOFLAGS=-x {shell} -c 'go env GOFLAGS'; true"
        assert run_as("alice", "login", f"bash -c {shlex.quote(command)}") == "-x"


def test_an_undeclared_user_keeps_the_path_of_the_caller(host):
    assert host.check_output("PATH=/own:$PATH su ghost -s /bin/sh -c 'echo $PATH'").startswith("/own:")


def test_a_manager_that_ran_before_has_read_its_files_again_and_runs_on(host):
    bus = "runuser -u zoe -- env XDG_RUNTIME_DIR=/run/user/$(id -u zoe) systemctl --user"
    assert "\nGOPATH=/home/zoe/go\n" in host.check_output(f"{bus} show-environment")
    assert host.check_output("systemctl show --property=NRestarts --value user@$(id -u zoe)") == "0"
    host.check_output(f"{bus} daemon-reexec")
    assert "\nGOPATH=/home/zoe/go\n" in host.check_output(f"{bus} show-environment")


@pytest.mark.parametrize("user", GOPATHS)
def test_nothing_of_a_users_go_belongs_to_root(host, run_as, user):
    for path in run_as(user, "ssh", "go env GOPATH GOMODCACHE GOBIN GOCACHE").split("\n"):
        assert host.file(path).user == user


@pytest.fixture(scope="module")
def compiled(compile_once):
    build = "go build -gcflags='all=-N -l' -o /dev/null"
    compile_once(PROJECT + f"go mod download && go vet ./... && go test ./... && {build}", "alice", "bob", "finn")


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("user", "entry_point"), [("alice", "ssh"), ("bob", "ssh"), ("finn", "login")])
def test_a_module_with_a_dependency_is_fetched_built_tested_and_run(run_as, user, entry_point):
    run_as(user, entry_point, PROJECT + "go mod download && go build -o /tmp/hello-$(id -un) . && go vet ./...")
    assert re.fullmatch(r"hello, [0-9a-f-]{36}", run_as(user, entry_point, "/tmp/hello-$(id -un)"))
    assert run_as(user, entry_point, PROJECT + "go test -count=1 ./...").startswith("ok")


def test_gopls_checks_the_module(run_as):
    assert run_as("alice", "ssh", PROJECT + "gopls check main.go") == ""
    run_as("alice", "ssh", PROJECT + "cp -r . ~/broken && sed -i 's/return text/return txt/' ~/broken/main.go")
    assert "undefined: txt" in run_as("alice", "ssh", "cd ~/broken && gopls check main.go")


@pytest.mark.usefixtures("compiled")
def test_dlv_stops_at_a_breakpoint(run_as):
    script = "break main.greeting\\ncontinue\\nnext\\nnext\\nprint text\\nexit\\n"
    run_as("alice", "ssh", f"printf '{script}' > ~/dlv.init")
    output = run_as("alice", "ssh", PROJECT + "dlv debug --allow-non-terminal-interactive=true --init ~/dlv.init 2>&1")
    assert re.search(r"> .*main\.greeting\(\) ./main\.go:10 \(hits goroutine\(1\):1 total:1\)", output)
    assert re.search(r'"hello, [0-9a-f]', output)


def test_go_is_found_even_without_a_declared_path(host):
    for name in ("go", "go1.22.12"):
        output = host.check_output(f"env -i PATH=/usr/local/bin:/usr/bin {name} version")
        assert output == "go version go1.22.12 linux/amd64"


def test_what_may_hold_a_password_is_for_its_user_alone(host):
    for path, user, mode in (
        ("/etc/gopherops/users/alice.sh", "alice", 0o400),
        ("/etc/security/gopherops-go/user-alice.conf", "root", 0o600),
        ("/home/alice/.config/go/env", "alice", 0o600),
        ("/etc/gopherops/users/alice.fish", "alice", 0o400),
        ("/etc/gopherops/units/alice.env", "root", 0o600),
        ("/home/alice/.config/environment.d/zz-gopherops-go.conf", "alice", 0o600),
        ("/var/spool/cron/crontabs/alice", "alice", 0o600),
    ):
        file = host.file(path)
        assert (file.user, file.mode) == (user, mode)


def test_nothing_new_listens(host):
    ports = {socket.rsplit(":", 1)[1] for socket in host.socket.get_listening_sockets() if socket.startswith("tcp")}
    assert ports == {"22"}


def test_nothing_half_done_is_left(host):
    names = " -o ".join(
        f"-name '{name}'" for name in (".installing-*", ".build-*", "gopherops-ssh-*", "gopherops-fish-*")
    )
    assert host.check_output(f"find /usr/local /etc /tmp /var/tmp {names}") == ""


def test_jobs_of_cron_have_the_same_go_and_own_paths(host):
    """The last one, because it waits for the minute."""
    deadline = time.monotonic() + 90
    while host.run("cat /tmp/job-*").stdout.count("/gopls") < len(JOBS) and time.monotonic() < deadline:
        time.sleep(1)
    for user, gopath in JOBS.items():
        output = host.check_output(f"cat /tmp/job-{user}").split("\n")
        assert output == ["go version go1.22.12 linux/amd64", gopath, "local", "/usr/local/bin/gopls"]
