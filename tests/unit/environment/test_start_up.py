# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Startups of a real bash that misbehave: limited in time, reported, and isolated from other cells."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect import observations as observe_module
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import login, pam, ssh
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import shell as shell_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.base import (
    Probe,
    SingleContext,
    failed_probe,
    probe_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.zsh import ZshContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed, run, run_in_terminal
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.scripts import (
    BASH_PROMPT,
    ZSH_PROMPT,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.shell_query import ShellQuery
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup

ACCOUNT = find_account(getpass.getuser())
QUERY = ShellQuery()


def probe(tmp_path, text, *, terminal=False, timeout=20.0):
    (tmp_path / "rc").write_text(text)
    argv = ["bash", "--rcfile", str(tmp_path / "rc"), "-i", "-c", QUERY.command]
    start = run_in_terminal if terminal else run
    done = start(argv, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, timeout=timeout)
    return probe_of(QUERY, done, terminal=terminal)


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("text", "output", "go_is"),
    [
        ("X=1\n", "", ""),
        ("alias go=/opt/go\n", "", "go is aliased to `/opt/go'"),
        ("go() { :; }\n", "", "go is a function"),
        ("printf '\\n\\033[1mhello\\033[0m\\n'\n", "hello", ""),
        ("[ ! -t 1 ] || echo welcome\n", "", ""),
    ],
)
def test_output_and_go_of_a_startup_are_reported(tmp_path, text, output, go_is, terminal):
    got = probe(tmp_path, text, terminal=terminal)
    assert got.environment["PATH"] == "/usr/bin:/bin"
    # What is printed to a terminal is for people.
    assert got.unexpected_output == ("" if terminal else output)
    if go_is:
        assert got.go_is == go_is


@pytest.mark.skipif(not shutil.which("dash"), reason="this machine has no dash")
@pytest.mark.parametrize(
    ("text", "output", "why"),
    [
        ("A=1\n", "", ""),
        ("exit 3\n", "", "a startup file may exit, or replace the shell with another program"),
        ("echo going >&2; exit 3\n", "going", "going"),
        ("if then\n", 'dash: 1: Syntax error: "then" unexpected', ""),
    ],
)
def test_a_dash_without_a_terminal_reports_its_error_and_not_the_missing_terminal(tmp_path, text, output, why):
    (tmp_path / ".profile").write_text(text)
    got = probe_of(
        QUERY, run(["dash", "-i", "-l", "-c", QUERY.command], env={"HOME": str(tmp_path), "PATH": "/usr/bin"})
    )
    assert (got.unexpected_output, got.problem.partition("before the command ran: ")[2]) == (output, why)


def test_the_error_of_a_broken_line_is_unexpected_output_in_a_terminal_too(tmp_path):
    assert "nonesuch" in probe(tmp_path, "nonesuch-command\n", terminal=True).unexpected_output


def test_the_seconds_of_a_startup_are_reported(tmp_path):
    assert probe(tmp_path, "sleep 0.32\n").seconds >= 0.3


@pytest.mark.parametrize(
    ("text", "failure", "words"),
    [
        ("exit 3\n", "ended early", "ended with 3 before the command ran"),
        ("echo going >&2; exec true\n", "ended early", "ended with 0 before the command ran: going"),
        ("while :; do :; done\n", "timed out", "timed out"),
        ("read -r -p 'Sure? ' reply\n", "timed out", "timed out; its last output: Sure?"),
        ("exec bash --norc\n", "timed out", "timed out"),
        ("exec cat\n", "timed out", "timed out"),
    ],
)
def test_one_that_does_not_get_there_is_bounded_and_named(tmp_path, text, failure, words):
    got = probe(tmp_path, text, terminal=True, timeout=1.5)
    assert (got.environment, got.failure) == (None, failure)
    assert words in got.problem


@pytest.mark.parametrize(("returncode", "failure"), [(None, "timed out"), (1, "")])
def test_a_failed_unit_is_reported_with_the_reason(returncode, failure):
    got = failed_probe("no unit could be started", Completed(["systemd-run"], returncode, "", "", 2.0))
    assert (got.environment, got.failure, got.seconds) == (None, failure, 2.0)
    assert got.problem.startswith("no unit could be started: it ")


def test_the_probes_own_marks_are_not_output_of_a_startup():
    mark = "".join(QUERY.command.split()[2:4]).rstrip(";")
    got = probe_of(QUERY, Completed(["sh"], None, f"hello\n{mark}", ""))
    assert got.problem == "sh timed out; its last output: hello"


@pytest.mark.parametrize(
    ("text", "waits", "held"),
    [
        ("( sleep 60 & )", True, True),
        ("( sleep 60 & )", False, False),
        ("( sleep 60 >/dev/null 2>&1 </dev/null & )", True, False),
    ],
)
def test_a_session_that_stays_open_is_reported(tmp_path, text, waits, held):
    (tmp_path / "profile").write_text(f"{text}\n{QUERY.command}")
    # Ends when nobody has the shell's output open, as a client of ssh does.
    done = run(["/bin/sh", "-c", f"/bin/sh {tmp_path}/profile | cat"], env={"PATH": "/usr/bin:/bin"}, timeout=3)
    got = probe_of(QUERY, done, waits=waits)
    assert (got.environment is not None, got.held) == (True, held)


def test_a_command_that_was_late_is_no_sign_of_a_session_that_is_kept_open():
    done = run(["/bin/sh", "-c", QUERY.command], env={"PATH": "/usr/bin:/bin"})
    got = probe_of(QUERY, done._replace(returncode=None), waits=True)
    assert (got.environment is not None, got.held) == (True, False)


class Stub(SingleContext):
    """A context with a given result."""

    def __init__(self, name, probe):
        self.name = name
        self.over_ssh = name in ("ssh", "vscode_server")
        self.in_server = name in ("ssh", "ssh_terminal")
        self.has_fixed_limit = name == "vscode_server"
        self._probe = probe

    def applies_to(self, account):
        return True

    def managed_files(self, declaration):
        return []

    def probe(self, account, declaration, timeout):
        if isinstance(self._probe, Exception):
            raise self._probe
        return self._probe

    def assignments(self, account, timeout):
        if self.name == "untraced":
            raise OSError("no")
        return [Assignment("GOPATH", "/a", Source("file", "/f", 1))]


@pytest.fixture
def observe():
    def run_with(*contexts):
        user = UserEnvironment(ACCOUNT, {}, [])
        return observe_module.observe(Declaration([user], "/g", []), ["tool"], timeout=5, kinds=contexts)

    return run_with


def test_one_contexts_trouble_leaves_the_others_alone(observe):
    fine = Probe({"PATH": "/nonexistent"}, "", 0.5, "hello", "go is x")
    dead = Probe(None, "it hangs", 9.0, "n", failure="timed out")
    seen = observe(Stub("a", OSError("gone")), Stub("b", fine), Stub("c", dead))
    assert [one.context.name for one in seen] == ["a", "b", "c"]
    assert [one.environment for one in seen] == [None, {"PATH": "/nonexistent"}, None]
    assert [one.problem for one in seen] == ["gone", "", "it hangs"]
    assert [one.failure for one in seen] == ["", "", "timed out"]
    assert (seen[1].seconds, seen[1].unexpected_output, seen[1].go_is) == (0.5, "hello", "go is x")
    assert [len(one.assignments) for one in seen] == [0, 1, 0]
    assert (seen[2].seconds, seen[2].unexpected_output) == (9.0, "n")


def test_a_probe_that_times_out_has_that_failure(observe):
    (seen,) = observe(Stub("a", Completed(["sh"], None, "", "").error("no walk", remedy="run it again")))
    assert (seen.failure, "no walk: it timed out" in seen.problem) == ("timed out", True)


class Slow(Stub):
    """A context that takes its time in each further probe, and records its time limits."""

    def __init__(self, name, probe=None):
        super().__init__(name, probe or Probe({"PATH": "/nonexistent"}, "", 9.0))
        self.given = []

    def probe(self, account, declaration, timeout):
        self.given.append(timeout)
        time.sleep(0.2 if len(self.given) > 1 else 0)
        return super().probe(account, declaration, timeout)


def test_slow_startups_are_probed_again_within_one_limit(observe):
    slow = [Slow("a"), Slow("b"), Slow("c")]
    observe(*slow)
    again = [context.given[1] for context in slow]
    assert again == sorted(again, reverse=True)
    assert 5 - again[2] >= 0.4


@pytest.mark.parametrize(("over_ssh", "probes"), [("timed out", 1), ("ended early", 2), ("", 2)])
@pytest.mark.parametrize("name", ["ssh", "ssh_terminal"])
def test_a_server_is_not_probed_again_if_a_login_over_ssh_hangs(observe, name, over_ssh, probes):
    server = Slow("vscode_server", Probe(None, "it hangs", failure="timed out"))
    observe(Stub(name, Probe(None, "oh", failure=over_ssh)), server)
    assert len(server.given) == probes


@pytest.mark.parametrize("context", [LoginContext(), VscodeServerContext()])
def test_a_shell_without_support_is_a_problem(context, tmp_path):
    (tmp_path / "tcsh").symlink_to("/bin/sh")
    got = context.probe(ACCOUNT._replace(shell=f"{tmp_path}/tcsh"), Declaration([], "/g", []), 5)
    assert (got.environment, f"startup files of {tmp_path}/tcsh" in got.problem) == (None, True)


def test_a_value_whose_origin_cannot_be_followed_stays_a_value(observe):
    (seen,) = observe(Stub("untraced", Probe({"PATH": "/nonexistent"})))
    assert (seen.environment, seen.problem, list(seen.assignments)) == ({"PATH": "/nonexistent"}, "", [])


def test_go_is_queried_once_for_equal_environments(observe, tmp_path):
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho >> {tmp_path}/queries\necho '{{}}'\n")
    go.chmod(0o755)
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o055)

    def given(**more):
        return Probe({"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/h", **more})

    observe(
        Stub("a", given()), Stub("b", given(TERM="x")), Stub("c", given(GOFLAGS="-x")), Stub("d", given(GOFLAGS="-x"))
    )
    assert (tmp_path / "queries").read_text().count("\n") == 2


# A go that fails like the real one: without enough address space, and with an unknown experiment.
FAILING_GO = """\
#!/bin/sh
[ "$(ulimit -v)" = unlimited ] || { echo 'fatal error: failed to reserve page summary memory' >&2; exit 2; }
[ "${GOEXPERIMENT:-}" != rangfunc ] || { echo 'go: unknown GOEXPERIMENT rangfunc' >&2; exit 2; }
[ ! -e /no/such/file ] && echo '{"GOOS": "linux"}'
"""
OFFENDERS = {
    "a limit": ("A=1\nulimit -v 4000000\nexport GOFLAGS=-v\n", observe_module.LIMITS, 2),
    "a limit in a function": ("f() {\n  ulimit -S -v 4000000\n}\nf\n", observe_module.LIMITS, 2),
    "a variable": ("export GOFLAGS=-v\nexport GOEXPERIMENT=rangfunc\n", "GOEXPERIMENT", 2),
    "none": ("export GOFLAGS=-v\nulimit -v unlimited\n", "", None),
}


@pytest.mark.parametrize("case", OFFENDERS)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_line_that_lets_go_fail_is_known(tmp_path, shell, case):
    text, offender, line = OFFENDERS[case]
    go = tmp_path / "bin/go"
    go.parent.mkdir()
    go.write_text(FAILING_GO)
    go.chmod(0o755)
    rc = tmp_path / f".{shell}rc"
    rc.write_text(f"{text}PATH={go.parent}:$PATH\n")
    user = UserEnvironment(ACCOUNT._replace(home=str(tmp_path)), {}, [])
    kind = {"bash": BashContext(), "zsh": ZshContext()}[shell]
    (seen,) = observe_module.observe(Declaration([user], "/g", []), [], timeout=20, kinds=[kind])
    assert (seen.go.offender, seen.go.problem == "") == (offender, not offender), seen
    source = seen.source_of(offender) if offender else None
    assert source == (Source("file", str(rc), line) if line else None)


def test_a_shell_that_can_start_no_program_is_reported(tmp_path):
    got = probe(tmp_path, "ulimit -v 1000 2>/dev/null\n")
    assert (got.environment, got.failure) == (None, "")
    assert "cannot start programs after its startup" in got.problem


def test_the_screen_of_another_program_is_not_shown(tmp_path):
    got = probe(tmp_path, "printf '\\033[?1049hprivate'; read -r a\n", terminal=True, timeout=1.5)
    assert (got.failure, got.problem) == ("timed out", "bash timed out")


@pytest.mark.skipif(not shutil.which("tmux"), reason="this machine has no tmux")
def test_no_startup_reaches_a_live_session_of_its_user(tmp_path):
    session = f"gopherops-{os.getpid()}"
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "xterm"}
    # Not by "run", which would end the server.
    subprocess.run(["tmux", "new-session", "-d", "-s", session, "sleep 60"], env=env, check=True)
    try:
        (tmp_path / ".bashrc").write_text(f"exec tmux new-session -A -s {session}\n")
        account = ACCOUNT._replace(home=str(tmp_path), shell="/bin/bash")
        start_up = Startup(account, ["-i"], env, [str(tmp_path / ".bashrc")], prompts=True)
        assert shell_context.probe_startup(start_up, 2).environment is None
        shell_context.trace_startup(start_up, 2)
        clients = run(["tmux", "list-sessions", "-F", "#{session_name} #{session_last_attached}"], env=env).stdout
        assert f"{session} \n" in clients
    finally:
        run(["tmux", "kill-session", "-t", session], env=env)


@pytest.mark.parametrize("over", ["a probe", "a trace"])
def test_multiplexers_look_for_sessions_where_there_are_none(tmp_path, over):
    names = ("TMUX_TMPDIR", "SCREENDIR", "ZELLIJ_SOCKET_DIR")
    printed = " ".join(f"${name}" for name in names)
    (tmp_path / ".bashrc").write_text(
        f"echo {printed} >~/names; mkdir $TMUX_TMPDIR/tmux-0 2>/dev/null && touch ~/made\n"
    )
    account = ACCOUNT._replace(home=str(tmp_path), shell="/bin/bash")
    start_up = Startup(account, ["-i"], {"HOME": str(tmp_path)}, [str(tmp_path / ".bashrc")], prompts=True)
    if over == "a probe":
        environment = shell_context.probe_startup(start_up, 20).environment
        assert environment and not set(names) & set(environment)
    else:
        shell_context.trace_startup(start_up, 20)
    assert (tmp_path / "names").read_text().split() == ["/proc"] * 3
    assert not (tmp_path / "made").exists()


def test_a_login_has_no_language_but_the_hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(login, "_SERVICE", str(tmp_path / "login"))
    (tmp_path / "login").write_text(f"session required pam_env.so readenv=1 envfile={tmp_path}/locale\n")
    assert "LANG" not in login.login_environment(ACCOUNT)
    (tmp_path / "locale").write_text("LANG=de_DE.UTF-8\nGOPROXY=off\n")
    given = login.login_environment(ACCOUNT)
    assert (given["LANG"], "GOPROXY" in given, given["HOME"]) == ("de_DE.UTF-8", False, ACCOUNT.home)


def test_a_client_of_ssh_sends_its_language(tmp_path):
    argv = ssh._client(str(tmp_path), ACCOUNT, "true", 5, {})
    assert "SendEnv=LANG" in argv and ssh._CLIENT["LANG"] == "C.UTF-8"


def test_the_directories_of_a_fish_leave_the_hosts_own_setenv_in_force(tmp_path, monkeypatch):
    (tmp_path / "sshd_config").write_text("SetEnv GOA=1\n")
    monkeypatch.setattr(ssh.sshd_config, "CONFIGURATION", str(tmp_path / "sshd_config"))
    monkeypatch.setattr(ssh, "_throw_away_key", lambda _timeout: ("private", "public"))
    directory = tmp_path / "probe"
    directory.mkdir()
    added = {"XDG_DATA_HOME": "/x", "XDG_CONFIG_HOME": "/y"}
    ssh._lay_out(str(directory), added, 5)
    assert {path.name for path in directory.iterdir() if path.stat().st_mode & 0o077} == {"authorized_keys"}
    assert {"log", "pid"} < set(os.listdir(directory))
    lines = (directory / "sshd_config").read_text().splitlines()
    # Of several such lines sshd takes the first alone; those of AcceptEnv add up.
    assert [line for line in lines if "Env" in line] == ["AcceptEnv XDG_DATA_HOME XDG_CONFIG_HOME", "SetEnv GOA=1"]
    assert "SetEnv=XDG_DATA_HOME=/x XDG_CONFIG_HOME=/y" in ssh._client(str(directory), ACCOUNT, "true", 5, added)
    assert not any("SetEnv" in word for word in ssh._client(str(directory), ACCOUNT, "true", 5, {}))


BLOCK = ["Match all", "AuthorizedKeysFile {0}/authorized_keys", "AuthenticationMethods publickey"]


@pytest.mark.parametrize("include", [False, True])
def test_a_block_of_the_hosts_sshd_leaves_the_temporary_key_in_force(tmp_path, monkeypatch, include):
    of_host = [
        "UsePAM yes",
        *(["Include more/*.conf"] if include else []),
        "  match User x",
        "AuthenticationMethods any",
    ]
    (tmp_path / "sshd_config").write_text("\n".join(of_host))
    monkeypatch.setattr(ssh.sshd_config, "CONFIGURATION", str(tmp_path / "sshd_config"))
    monkeypatch.setattr(ssh, "_throw_away_key", lambda _timeout: ("private", "public"))
    directory = tmp_path / "probe"
    directory.mkdir()
    ssh._lay_out(str(directory), {}, 5)
    block = [line.format(directory) for line in BLOCK]
    lines = (directory / "sshd_config").read_text().splitlines()
    if include:
        # Behind it the host's lines are outside of all blocks again.
        assert lines[-5:] == [f"Include {directory}/first", *of_host]
        assert (directory / "first").read_text().splitlines() == block
    else:
        assert lines[-6:] == [*of_host[:1], *block, *of_host[1:]]


def test_pam_expands_the_home_of_an_account(tmp_path):
    (tmp_path / "service").write_text(f"session required pam_env.so readenv=0 conffile={tmp_path}/conf\n")
    (tmp_path / "conf").write_text('ENV DEFAULT=@{HOME}/.shinit\nA DEFAULT="\\@{HOME}\\$x"\nS OVERRIDE=@{SHELL}\n')
    values = {item.name: item.value for item in pam.assignments(f"{tmp_path}/service", ACCOUNT)}
    assert values == {"ENV": f"{ACCOUNT.home}/.shinit", "A": "@{HOME}$x", "S": ACCOUNT.shell}


def test_the_line_of_pam_that_runs_a_program(tmp_path, monkeypatch):
    monkeypatch.setattr(pam, "_included", lambda _service, name: f"{tmp_path}/{name}")
    (tmp_path / "cron").write_text("session required pam_env.so\n@include common\n# session optional pam_exec.so x\n")
    (tmp_path / "common").write_text("auth required pam_exec.so x\nsession optional pam_exec.so quiet /bin/sleep 5\n")
    assert pam.find_program(f"{tmp_path}/cron") == Source("file", f"{tmp_path}/common", 2)
    (tmp_path / "common").write_text("session optional pam_exec.so a\n-session [default=1] /x/pam_exec.so b\n")
    assert pam.find_program(f"{tmp_path}/cron") is None


def test_without_pam_its_files_set_nothing_over_ssh(tmp_path, monkeypatch):
    (tmp_path / "sshd_config").write_text("Port 22\nUsePAM no\nUsePAM yes\n")
    monkeypatch.setattr(ssh.sshd_config, "CONFIGURATION", str(tmp_path / "sshd_config"))
    (tmp_path / "service").write_text(f"session required pam_env.so envfile={tmp_path}/environment\n")
    (tmp_path / "environment").write_text("GOPROXY=off\n")
    monkeypatch.setattr(ssh, "_SERVICE", str(tmp_path / "service"))
    (given,) = [item for item in ssh.variables_over_ssh(ACCOUNT, 5) if item.name == "GOPROXY"]
    assert (given.value, given.source) == ("", Source("file", f"{tmp_path}/sshd_config", 2, "UsePAM no"))
    assert "GOPROXY" not in ssh.environment_over_ssh(ACCOUNT, [given])
    (tmp_path / "sshd_config").write_text("UsePAM yes\nUsePAM no\n")
    assert "off" in [item.value for item in ssh.variables_over_ssh(ACCOUNT, 5)]


def test_others_cannot_open_a_file_of_the_temporary_login_before_it_is_private(tmp_path, monkeypatch):
    before = []
    fchmod = os.fchmod
    monkeypatch.setattr(
        ssh.os, "fchmod", lambda file, mode: (before.append(os.fstat(file).st_mode & 0o777), fchmod(file, mode))
    )
    ssh._write(str(tmp_path / "private"), "x")
    ssh._write(str(tmp_path / "public"), "x", mode=0o644)
    assert before == [0o600, 0o600]
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("private", "public")] == [0o600, 0o644]
    with pytest.raises(FileExistsError):
        ssh._write(str(tmp_path / "private"), "y")


# Options that a startup sets for its shell must not end the probe.
OPTIONS = {
    "zsh": [
        *("setopt nounset", "setopt err_exit", "setopt err_return", "setopt ksh_arrays", "setopt sh_word_split"),
        *("setopt noglob", "emulate sh", "setopt nounset err_exit ksh_arrays noglob"),
    ],
    "bash": ["set -u", "set -e", "set -f", "set -euo pipefail", "set -o posix", "IFS=:"],
}


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize(("shell", "options"), [(shell, one) for shell, ones in OPTIONS.items() for one in ones])
def test_options_of_a_startup_do_not_end_the_probe(tmp_path, shell, options, hooked):
    hooks = {
        "zsh": "hook() { export GOA=1; false; }; other() { export GOB=2; }; precmd_functions=(hook other)",
        "bash": "PROMPT_COMMAND='export GOA=1; false'; export GOB=2",
    }
    prompt = {"zsh": ZSH_PROMPT, "bash": BASH_PROMPT}[shell]
    (tmp_path / f".{shell}rc").write_text(f"{options}\nexport GOBIN=/x\n{hooks[shell] if hooked else ''}\n")
    # There is no go on this PATH.
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": str(tmp_path)}
    done = run([shutil.which(shell), "-i", "-c", f"{prompt}; {QUERY.command}"], env=env, timeout=20)
    got = probe_of(QUERY, done)
    assert got.environment, got.problem
    expected = {"GOBIN": "/x", **({"GOA": "1", "GOB": "2"} if hooked else {})}
    assert {name: value for name, value in got.environment.items() if name.startswith("GO")} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_variable_of_the_rendered_file_is_traced(tmp_path, monkeypatch, shell):
    (tmp_path / f"{ACCOUNT.name}.sh").write_text("export DECLARED=/a\n")
    monkeypatch.setattr(rendered, "USERS", str(tmp_path))
    rc = tmp_path / f".{shell}rc"
    rc.write_text("DECLARED=/b\nOTHER=/c\n")
    env = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    startup = Startup(ACCOUNT._replace(shell=shell), ["-i"], env, [str(rc)])
    found = shell_context.trace_startup(startup, 20)
    assert [item for item in found if item.source.file == str(rc)] == [
        Assignment("DECLARED", "/b", Source("file", str(rc), 1))
    ]


@pytest.mark.parametrize(("leader", "ended"), [("", []), ("\n", []), ("7\n", ["3"])])
def test_a_login_that_did_not_come_so_far_ends_nobody_elses_session(tmp_path, monkeypatch, leader, ended):
    calls = []
    monkeypatch.setattr(ssh, "_SESSIONS", str(tmp_path))
    monkeypatch.setattr(ssh, "run", lambda argv, **_more: calls.append(argv[-1]))
    (tmp_path / "2").write_text("UID=1000\nLEADER=\n")
    (tmp_path / "3").write_text("UID=1000\nLEADER=7\n")
    (tmp_path / "pid").write_text(leader)
    ssh._end_session(str(tmp_path))
    assert calls == ended


HUNG_UP = "kex_exchange_identification: Connection closed by remote host\n"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (f"Missing privilege separation directory: /run/sshd\n{HUNG_UP}", "Missing privilege separation directory"),
        (f"Connection closed by UNKNOWN port 65535\n{HUNG_UP}", "kex_exchange_identification"),
    ],
)
def test_the_cause_of_a_failed_login_is_the_servers_message(log, cause):
    done = Completed(["ssh"], 255, "", ssh._messages_of(log))
    assert f"before the command ran: {cause}" in probe_of(QUERY, done).problem


@pytest.mark.parametrize(
    "wrapper", ['sh -c "$SSH_ORIGINAL_COMMAND"', 'set -xv; eval "$SSH_ORIGINAL_COMMAND" 2>/dev/null']
)
def test_the_command_in_a_variable_is_not_its_output(wrapper):
    env = {"SSH_ORIGINAL_COMMAND": QUERY.command, "GOFLAGS": "-x", "PATH": "/usr/bin:/bin"}
    got = probe_of(QUERY, run(["bash", "-c", wrapper], env=env))
    assert (got.environment or {}).items() >= env.items(), got


def test_a_forced_command_that_prints_variables_is_no_result():
    env = {"SSH_ORIGINAL_COMMAND": QUERY.command}
    assert probe_of(QUERY, run(["/usr/bin/env"], env=env)).failure == "ended early"


def test_a_startup_without_path_has_no_unexpected_output(tmp_path):
    got = probe(tmp_path, "export PATH=\n")
    assert (got.environment["PATH"], got.unexpected_output) == ("", "")


def test_a_missing_shell_is_reported_and_is_no_nologin_shell():
    account = ACCOUNT._replace(name="gopher", shell="/bin/no-such-shell")
    assert LoginContext().applies_to(account)
    got = LoginContext().probe(account, None, 5)
    assert got.environment is None and "the shell /bin/no-such-shell is missing" in got.problem
    assert not LoginContext().applies_to(account._replace(shell="/usr/sbin/nologin"))
