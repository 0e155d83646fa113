# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line at which a startup fails, with real shells."""

from __future__ import annotations

import getpass
import os
import pathlib
import shutil
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.bash import BashContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.zsh import ZshContext
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import Completed
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.blame import parse_place
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup

from tests.support.directories import public_directory

SHELLS = {"bash": ".bashrc", "sh": ".profile", "dash": ".profile", "zsh": ".zshrc"}
CONTEXT = {"bash": BashContext(), "sh": LoginContext(), "dash": LoginContext(), "zsh": ZshContext()}


@pytest.fixture(params=SHELLS)
def start_up(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Any:
    """Write a startup file for a shell, and return how a context that reads it starts the shell, and the file."""
    shell = shutil.which(request.param)
    if not shell:
        pytest.skip(f"this machine has no {request.param}")
    account = find_account(getpass.getuser())._replace(home=str(tmp_path), shell=shell)
    file = tmp_path / SHELLS[request.param]

    def write(text: str) -> tuple[Startup, str]:
        file.write_text(text)
        return t.cast("Startup", CONTEXT[request.param].start_up(account, 5)), str(file)

    return write


PRINTING = {
    "a plain echo": ("A=1\n\necho hello\necho more\n", 3),
    "an error output": ("A=1\necho hello >&2\n", 2),
    "a command in a function": ("greet() {\n  echo hello\n}\ngreet\n", 2),
    "behind a value of two lines": ("A='1\n2'\necho hello\n", 3),
    "in colours": ("A=1\nprintf '\\033[31mhello\\033[0m\\n'\n", 2),
    "a here-document": ("cat <<END\nhello\nEND\n", 1),
}


def test_hostile_messages_name_no_place() -> None:
    assert parse_place(f"/x: line {'9' * 5000}", "/h") is None
    began = time.monotonic()
    assert parse_place(" /" * 4_000_000, "/h") is None
    assert time.monotonic() - began < 5


FORGED = ["1.2.3\1/x\1" + "1", "1\1/x\1" + "9" * 5000, "1\1/x\0y\1" + "1", ".\1/x\1" + "1"]


@pytest.mark.parametrize("text", FORGED)
def test_a_startup_that_forges_a_trace_is_traced_all_the_same(start_up: t.Any, text: str) -> None:
    forged = "".join(f"\\{ord(character):03o}" for character in f"\1{text}\1\n")
    shell, file = start_up(f"printf '{forged}'\necho hello\nsleep 0.3\n")
    assert blame.find_printing_line(shell, "hello", 10) == Source("file", file, 2)
    assert blame.find_slowest_line(shell, 10) == Source("file", file, 3)


INVENTED = ["/etc/sudoers: line 1: syntax error", "/etc/profile: line 1: bad", "/etc/profile.d/../passwd:1: bad"]


@pytest.mark.parametrize("text", INVENTED)
def test_a_place_that_the_output_invents_is_not_the_place_to_correct(start_up: t.Any, text: str) -> None:
    shell, file = start_up(f"A=1\necho '{text}'\nexit 3\n")
    assert blame.find_printing_line(shell, text, 5) == Source("file", file, 2)
    assert blame.find_last_line(shell, 5) == Source("file", file, 3)


def test_a_file_that_no_startup_reads_is_not_named(start_up: t.Any) -> None:
    shell, _file = start_up("A=1\n")
    assert blame.find_printing_line(shell, INVENTED[0], 5) is None


def test_a_file_that_is_no_startup_file_is_named_as_the_place_behind_the_line_that_reads_it(start_up: t.Any) -> None:
    with public_directory() as directory:
        (directory / "env").write_text("A=1\necho hello\n")
        shell, file = start_up(f"B=1\n. {directory}/env\n")
        assert blame.find_printing_line(shell, "hello", 10) == Source("file", file, 2, f"{directory}/env:2")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("sh: 0: getcwd() failed: No such file or directory", 3),
        ("shell-init: error retrieving current directory: getcwd: cannot access parent directories: No such file", 3),
    ],
)
def test_a_directory_that_was_deleted_is_that_of_the_line_that_enters_it(
    start_up: t.Any, output: str, line: int
) -> None:
    shell, file = start_up("cd /\nmkdir ~/gone\ncd ~/gone\nrmdir ~/gone\nls\n")
    assert blame.find_printing_line(shell, output, 10) == Source("file", file, line)


@pytest.mark.parametrize("problem", ["fork: Resource temporarily unavailable", "Cannot fork", "no such file"])
def test_a_lack_of_resources_is_at_the_last_limit(start_up: t.Any, problem: str) -> None:
    shell, file = start_up("A=1\nulimit -n 500\nulimit -n 300\nulimit -n\n")
    expected = None if problem.startswith("no") else Source("file", file, 3)
    assert blame.find_limiting_line(shell, problem, 10) == expected


@pytest.mark.parametrize("case", PRINTING)
def test_the_line_that_prints(start_up: t.Any, case: str) -> None:
    text, line = PRINTING[case]
    shell, file = start_up(text)
    assert blame.find_printing_line(shell, "hello", 10) == Source("file", file, line)


def test_what_no_line_prints_has_none(start_up: t.Any) -> None:
    shell, _file = start_up("echo hello\n")
    assert blame.find_printing_line(shell, "something else", 10) is None


def test_a_missing_command_is_found_with_the_messages_of_each_shell(start_up: t.Any) -> None:
    shell, file = start_up("A=1\nno-such-command-at-all\n")
    message = "bash: no-such-command-at-all: command not found"
    message = message if shell.shell == "bash" else "dash: 2: no-such-command-at-all: not found"
    assert blame.find_printing_line(shell, message, 10) == Source("file", file, 2)


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\nsleep 0.3\nB=2\n", 2), ("for A in 1 2 3; do\n  sleep 0.1\ndone\n", 2)]
)
def test_the_line_that_takes_the_time(start_up: t.Any, text: str, line: int) -> None:
    shell, file = start_up(text)
    assert blame.find_slowest_line(shell, 10) == Source("file", file, line)


STOPPING = {
    "it leaves": ("A=1\nexit 3\nB=2\n", 2),
    "it becomes another program": ("A=1\n\nexec true\nB=2\n", 3),
    "it cannot be parsed": ("A=1\nif true; then\n", 3),
    "it hangs": ("A=1\nsleep 60\nB=2\n", 2),
    "it hides what it does": ("A=1\nset +x\nexit 3\n", None),
}


@pytest.mark.parametrize("case", STOPPING)
def test_the_line_at_which_there_is_no_going_on(start_up: t.Any, tmp_path: pathlib.Path, case: str) -> None:
    text, line = STOPPING[case]
    shell, file = start_up(text)
    # What a login shell does as it exits is no part of its startup.
    (tmp_path / ".bash_logout").write_text("true\n")
    found = blame.find_last_line(shell, 1.5)
    assert found == (line and Source("file", file, line))


@pytest.mark.parametrize("start_up", ["sh", "dash"], indirect=True)
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\n. ./.missing\nB=2\n", 2),
        ("A=1\nreadonly GOBIN=/ro\nB=2\nexport GOBIN=/b\n", 2),
        ("GOBIN=/ro; readonly GOBIN\nB=2\nGOBIN=/b\nC=3\n", 1),
    ],
)
def test_the_line_at_which_only_a_posix_shell_ends(start_up: t.Any, text: str, line: int) -> None:
    shell, file = start_up(text)
    assert blame.find_last_line(shell, 10) == Source("file", file, line)


@pytest.mark.parametrize("start_up", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize("command", ["readonly", "declare -xr", "typeset -x -r"])
def test_a_failed_assignment_is_the_line_that_made_the_variable_readonly(start_up: t.Any, command: str) -> None:
    shell, file = start_up(f"A=1\n{command} GOBIN=/ro\nB=2\nexport GOBIN=/b\n")
    message = {
        "bash": f"bash: {file}: line 4: GOBIN: readonly variable",
        "zsh": f"{file}:4: read-only variable: GOBIN",
    }
    assert blame.find_printing_line(shell, message[shell.shell], 10) == Source("file", file, 2)


@pytest.fixture
def with_rc(start_up: t.Any, tmp_path: pathlib.Path) -> t.Any:
    """Write a startup file and ~/.ssh/rc, which sshd runs before the shell; return the startup and the second path."""
    rc = tmp_path / "rc"

    def write(text: str, rc_text: str) -> tuple[Startup, str]:
        rc.write_text(rc_text)
        return start_up(text)[0]._replace(before=[str(tmp_path / "none"), str(rc), "/etc/passwd"]), str(rc)

    return write


def test_what_sshd_runs_before_the_shell_is_found(with_rc: t.Any) -> None:
    shell, rc = with_rc("A=1\nsleep 0.1\n", "# rc\nsleep 0.3\necho welcome\n")
    assert blame.find_slowest_line(shell, 10) == Source("file", rc, 2)
    assert blame.find_printing_line(shell, "welcome", 10) == Source("file", rc, 3)
    shell, rc = with_rc("A=1\n", "# rc\nsleep 60\n")
    assert blame.find_last_line(shell, 1.5) == Source("file", rc, 2)


def test_no_line_of_many_that_are_equally_slow_is_the_cause(start_up: t.Any) -> None:
    shell, _file = start_up("sleep 0.1\n" * 12 + "A=1\nsleep 0.02\n")
    assert blame.find_slowest_line(shell, 20) is None


def test_what_the_shell_does_after_that_is_found(with_rc: t.Any) -> None:
    shell, _rc = with_rc("A=1\nsleep 0.3\necho welcome\nexit 3\n", "# rc\nsleep 0.1\nexit 3\n")
    file = blame.find_slowest_line(shell, 10)
    assert file is not None and (file.file, file.line) != (_rc, 2) and file.line == 2
    assert blame.find_printing_line(shell, "welcome", 10) == file._replace(line=3)
    assert blame.find_last_line(shell, 10) == file._replace(line=4)


LEFT = {
    "a job": ("A=1\nsleep 61 &\n", "sleep 61", 2),
    "in a subshell": ("A=1\n( sleep 62 & )\n", "sleep 62", 2),
    "without a terminal": ("A=1\nnohup sleep '63' >/dev/null 2>&1 &\n", "nohup sleep 63", 2),
    "in a function": ("f() {\n  setsid sleep 64 &\n}\nf\n", "setsid sleep 64", 2),
    "one that has exited": ("sleep 0 &\nwait\n", "", None),
}


@pytest.mark.parametrize("case", LEFT)
def test_a_process_that_is_left_is_found(start_up: t.Any, case: str) -> None:
    text, command, line = LEFT[case]
    shell, file = start_up(text)
    assert blame.find_process_left(shell, 10) == (command, Source("file", file, line) if line else None)


REDIRECTED = {
    "its output": ("A=1\nexec >/dev/null\nB=2\n", 2),
    "the first line": ("exec 1>/dev/null\n", 1),
    "it has none any more": ("A=1\nexec >&-\nB=2\n", 2),
    "all that it prints": ("A=1\nexec &>/dev/null\nB=2\n", 2),
    "behind another redirection": ("exec 3>&1\nexec >/dev/null\nB=2\n", 2),
    "another output": ("A=1\nexec 3>/dev/null\nB=2\n", None),
    "another output, and it leaves": ("exec 3>/dev/null\nB=2\nexit\n", 3),
}


@pytest.mark.parametrize("case", REDIRECTED)
@pytest.mark.parametrize("start_up", ["bash", "sh", "dash"], indirect=True)
def test_the_line_that_sends_elsewhere_what_a_start_up_prints(start_up: t.Any, case: str) -> None:
    text, line = REDIRECTED[case]
    shell, file = start_up(text)
    assert blame.find_last_line(shell, 10) == (line and Source("file", file, line))


def test_who_waits_for_input_in_a_terminal_is_found(start_up: t.Any) -> None:
    shell, file = start_up("A=1\nread -r B\nB=2\n")
    found = blame.find_last_line(shell, 1.5)
    # A login shell of a script's has nobody to wait for, and exits.
    assert found == (Source("file", file, 2) if shell.prompts else None)


def test_a_trace_that_is_cut_off_within_a_name_names_no_file() -> None:
    done = Completed(["bash"], None, "\x01\x010\x01\x011\x01. '/h/a", "")
    assert blame._file_being_opened(done) is None
    whole = done._replace(stdout=done.stdout + " b'\n")
    assert blame._file_being_opened(whole) == Source("file", "/h/a b")


def test_a_start_up_that_comes_to_its_end_has_no_line_at_fault(start_up: t.Any) -> None:
    shell, _file = start_up("A=1\nB=2\n")
    assert blame.find_last_line(shell, 10) is None


def test_a_start_up_that_is_only_slow_has_no_line_at_fault(start_up: t.Any) -> None:
    shell, _file = start_up("".join(f"A={n}\nsleep 0.2\n" for n in range(30)))
    assert blame.find_last_line(shell, 2) is None


@pytest.mark.parametrize("start_up", ["bash", "dash"], indirect=True)
def test_a_file_that_is_a_pipe_is_at_fault_itself(start_up: t.Any) -> None:
    shell, file = start_up("")
    os.unlink(file)
    os.mkfifo(file)
    assert blame.find_last_line(shell, 1.5) == Source("file", file)


@pytest.mark.parametrize("start_up", ["dash"], indirect=True)
def test_what_dash_cannot_parse_is_found_though_bash_can(start_up: t.Any) -> None:
    shell, file = start_up("A=1\nB=(2)\n")
    prefix = "dash ended with 2 before the command ran: "
    complaint = f'{prefix}{shell.account.shell}: 2: Syntax error: "(" unexpected'
    assert blame.find_unparseable_line(shell, complaint, 5) == Source("file", file, 2)
    assert blame.find_unparseable_line(shell, f"{prefix}oh", 5) is None


@pytest.mark.skipif(not shutil.which("dash"), reason="this machine has no dash")
def test_what_an_interactive_dash_reads_besides_is_followed_as_an_editors_server_starts_it(
    tmp_path: pathlib.Path,
) -> None:
    account = find_account(getpass.getuser())._replace(home=str(tmp_path), shell="/bin/dash")
    (tmp_path / ".profile").write_text("ENV=~/.shrc\n")
    (tmp_path / ".shrc").write_text('[ -z "$VSCODE_RESOLVING_ENVIRONMENT" ] || sleep 60\n')
    found = blame.find_last_line(VscodeServerContext().start_up(account, 5), 1.5)
    assert found == Source("file", str(tmp_path / ".shrc"), 1)


@pytest.mark.parametrize("start_up", ["bash", "zsh"], indirect=True)
def test_what_hangs_at_the_prompt_is_found(start_up: t.Any) -> None:
    shell, file = start_up("f() {\n  sleep 60\n}\nPROMPT_COMMAND=f\nprecmd_functions=(f)\n")
    assert blame.find_last_line(shell, 1.5) == Source("file", file, 2)


@pytest.mark.parametrize("start_up", ["bash"], indirect=True)
def test_what_hangs_in_the_prompts_own_text_is_no_files(start_up: t.Any) -> None:
    shell, _file = start_up("A=1\nPROMPT_COMMAND='sleep 60'\n")
    assert blame.find_last_line(shell, 1.5) is None


COMPLAINTS = {
    "bash: /h/.bashrc: line 5: syntax error: unexpected end of file": ("/h/.bashrc", 5),
    "/h/.profile: line 3: $'\\r': command not found": ("/h/.profile", 3),
    "/h/.zshrc:3: parse error near `\\n'": ("/h/.zshrc", 3),
    "~/.config/fish/config.fish (line 4): Missing end": ("/h/.config/fish/config.fish", 4),
    "-bash: /h/.bash_profile: Permission denied": ("/h/.bash_profile", None),
    "/etc/ssh/sshd_config: line 12: Bad configuration option: X": ("/etc/ssh/sshd_config", 12),
    "/etc/ssh/sshd_config line 9: Bad yes/no argument: maybe": ("/etc/ssh/sshd_config", 9),
    "/h/my place/settings.json:3:7: a value is missing": ("/h/my place/settings.json", 3),
    "/h/.profile: line 15: /h/.bashrc: Permission denied": ("/h/.bashrc", None),
    "/h/.profile: line 15: /opt/tool: Permission denied": ("/h/.profile", 15),
    "bash: /h/.bashrc: is a directory": ("/h/.bashrc", None),
    "bash: /h/.bashrc: Too many levels of symbolic links": ("/h/.bashrc", None),
    "source: '/h/.config/fish/config.fish' is not a file": ("/h/.config/fish/config.fish", None),
    "/h/x y/settings.json is not a regular file of at most 8 bytes": ("/h/x y/settings.json", None),
    "dash: 2: foo: not found": None,
    "Welcome, it is 12:30": None,
    "see https://example.com:8080/x": None,
}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_the_place_that_a_complaint_names(complaint: str) -> None:
    expected = COMPLAINTS[complaint]
    assert parse_place(complaint, "/h") == (expected and Source("file", *expected))


def test_what_sshd_complains_of(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sshd = tmp_path / "sshd"
    sshd.write_text(
        "#!/bin/sh\necho '/etc/x: line 7: Bad configuration option: Y' >&2\necho '/etc/x: ending' >&2\nexit 1\n"
    )
    sshd.chmod(0o755)
    monkeypatch.setattr(blame, "_SSHD", str(sshd))
    assert blame.find_sshd_error(5) == "/etc/x: line 7: Bad configuration option: Y"
    sshd.write_text("#!/bin/sh\n")
    assert blame.find_sshd_error(5) == ""
    monkeypatch.setattr(blame, "_SSHD", str(tmp_path / "gone"))
    assert blame.find_sshd_error(5) == ""
