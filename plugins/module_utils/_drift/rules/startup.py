# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How shells start, and processes that started before the environment was rendered."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..._core.provenance import PROCESS, Source
from ..._environment.declaration import UserEnvironment
from ..._host.procfs import Process
from ..._shells.blame import is_lack_of_resources, is_lost_directory, parse_place
from ..._shells.shell_query import RESOURCES
from ..cells import in_order, same_value
from ..finding import Finding, Remedy, Rule, convert_line_endings, shortened
from ..records.observation import LIMITS, SLOW_SECONDS, ForcedKeys, Observation
from ..snapshot import Row, Snapshot, once_per_user

NOISY = Rule(
    "GD701",
    severity="warning",
    title="A startup file prints output",
    impact="scp, rsync, sftp and editors that parse a command's output may fail.",
    why="""\
Output of a startup, on stdout or stderr, becomes part of the output of every command that starts in this way. The
finding has the first line of it, and names the line of the startup file that prints it or that the shell complains
about: a syntax error, a file that the user cannot read, CR LF line endings (then the first such line). To find that
line, the startup of a POSIX-like shell runs once more with tracing. Startup files should print only if `[ -t 1 ]`
reports a terminal.""",
    fix="Delete the command that prints, or put it behind `[ -t 1 ] &&`.",
    example="the startup of ssh prints 'Welcome to dev1', by /home/alice/.bashrc:3; expected no output",
)
SLOW = Rule(
    "GD702",
    severity="warning",
    title="A startup is slow",
    impact="Each terminal and task waits for it, and an editor's server continues without its environment after 10 s.",
    why="""\
The wall time of a real startup was more than 3 seconds, and also in a second run without other probes beside it. The
usual reasons are version managers, completions and network access. The startup runs once more with tracing, and the
source is the line that takes the most time (in fish, only if the text of that command is unique). Cron and units start
no shell of the user: their source is the line of PAM that runs a program, if there is exactly one.""",
    fix="""\
Find the slow command with `PS4='+$EPOCHREALTIME ' bash -lixc exit 2>&1 | less`, or in fish with
`fish --profile-startup=FILE`. Then load it on first use.""",
    example="the startup of login took 4.2 s, most of it at /home/alice/.profile:11; expected at most 3 s",
)
NOT_SEEN = Rule(
    "GD703",
    severity="warning",
    title="A running user manager has an outdated environment",
    impact="User services keep the old values, while new terminals have the new ones.",
    why="""\
The user's systemd manager reads its files at its start and on request. Its files have other values than the environment
of its units. The variables that differ are not reported again as GD101, GD103 or GD2xx of that context.""",
    fix="""\
Run `systemctl --user daemon-reload` as the user, or log out of all sessions. A variable that a session has set in the
manager (`systemctl --user set-environment`, `import-environment`) stays until `systemctl --user unset-environment
NAME`. None of these restarts running services.""",
    example="the user's running manager has outdated values of GOPATH; expected those of its files",
)
OLD_SERVER = Rule(
    "GD704",
    severity="warning",
    title="A running VS Code server has an outdated environment",
    impact="The editor builds and debugs with old values until its server restarts.",
    why="""\
The extension host of a VS Code server keeps the environment of its start, for days. The environment of each such
process of the listed users is read from /proc and compared with the declaration. It does not include values that
`go.toolsEnvVars` adds later.""",
    fix="""\
In VS Code, run 'Remote-SSH: Kill VS Code Server on Host…' and connect again. 'Developer: Reload Window' is not enough:
the server keeps running with the environment of its start.""",
    example="the extension host (process 4711) has outdated values of GOBIN, PATH; expected the declared ones",
)
HELD = Rule(
    "GD705",
    severity="warning",
    title="A startup leaves a process that keeps the session open",
    impact="`ssh host command`, scp and rsync do not return until that process exits.",
    why="""\
sshd ends a session when no process has its output open. A process that a startup file starts in the background, such as
an agent or `( sleep 300 & )`, inherits that output. A real command over ssh had exited, and the client still waited at
the timeout. To find the process and its line, the startup runs once more: the process must have the environment of the
startup, and in fish exactly one line must have its text.""",
    fix="Redirect the output of the process: `… >/dev/null 2>&1 </dev/null &`. Or start it as a user service.",
    example="""\
the startup of ssh leaves the process 'sleep 300' that keeps the session open, started at /home/alice/.zshenv:4""",
)
LIMITED = Rule(
    "GD706",
    severity="warning",
    title="A resource limit of a startup is too low for Go",
    impact="Builds, gopls or the debugger fail with 'too many open files', 'cannot allocate memory' and the like.",
    why="""\
The limits of the process are compared with what builds, gopls and dlv need: 1024 open files (the hard limit, to which
Go raises the soft one), 1000 processes, 8 GiB of address space and data, most of which Go only reserves, 1 MiB of
stack, files of 1 GiB, and an hour of processor time. The source is the last `ulimit` or `limit` of a startup file, or
the line of /etc/security/limits.conf or limits.d, for that resource. If `go env` itself fails, GD205 reports that
instead.""",
    fix="Raise the limit at the source, or delete that line. A startup file cannot raise a hard limit again.",
    example="open files is limited to 60, by /home/alice/.bashrc:8; expected at least 1024 (in bash)",
)
FORCED_KEY = Rule(
    "GD707",
    severity="note",
    title="A key for ssh runs a command of its own",
    impact="With this key `ssh host command` and editors run that command in place of theirs.",
    why="""\
A line in the user's authorized_keys (the files that sshd's AuthorizedKeysFile names for this user) has the option
`command=`. A login with that key runs nothing else, and the report does not know with which key the user logs in: the
context `ssh` is that of a key without options. Keys for backups and deployments have such a command on purpose.""",
    fix="Remove the option `command=` of a key that is for work on this host. Leave it in keys of programs.",
    example="1 of 2 keys of alice runs a command of its own: /home/alice/.ssh/authorized_keys:2",
)
UNKNOWN = Rule(
    "GD901",
    severity="warning",
    title="A context could not be probed",
    impact="Nothing is known about the environment of its processes.",
    why="""\
The report starts each context as its user does, and reads the environment of the process. That fails if

- the startup exits the shell, replaces it with another program, waits for input, or exceeds the timeout;
- a startup file or an editor's settings file cannot be parsed;
- sshd or PAM denies the login;
- cron ignores the user's crontab, because its last line has no line feed at the end;
- the message bus, through which systemd-run starts units, does not run;
- a directory on its PATH does not respond, or the host is so busy that the search of PATH times out;
- only an editor's settings name its go, and users other than root can change that file, so the report does not run it.

The source is the line at which the startup exits or hangs, that cannot be parsed, or that denies the login (in
sshd_config, or the file /etc/nologin). It is empty if no line is known, or if the host is only slow. The cells of that
context that depend on the probe are `unknown`, which never counts as ok.""",
    fix="""\
Correct the line that the source names. Without a source, correct the error in the cause: read `passwd -S USER` for a
denied login, and for a timeout run the report when the host is less busy or with a higher `drift_timeout`. Without a
bus, install the package `dbus`, and for user services `dbus-user-session`. Then run the report again.""",
    example="sshd rejects its configuration: /etc/ssh/sshd_config: line 7: Bad configuration option: NoSuchOption",
)
NO_HOME = Rule(
    "GD905",
    severity="warning",
    title="A user's home directory is missing",
    impact="Nothing can be provisioned for the user; each startup begins in / and finds no file.",
    why="""\
The home directory in the user's account does not exist, or the user cannot look at it: it was never created, its volume
is not mounted, or the first login creates it. It is the user's only finding; the cells are `unknown`.""",
    fix="""\
Create the home directory (`mkhomedir_helper NAME`), mount its volume, or remove the user from `devserver_users`.""",
    example="the home /home/alice is missing",
)

# Lines that a cause names.
_MOST_KEYS = 5
_BY_SSHD = ("not let in", "forced command", "broken sshd")
# By the name of a context, how to find what is slow; in the others a shell of the user starts.
_FIND_SLOW = {
    "cron": "delete or limit the slow session module in /etc/pam.d/cron or crond",
    "systemd_user": "find the slow unit by 'systemd-analyze --user blame' as the user, and the slow session module in"
    " /etc/pam.d/systemd-user",
    "systemd_system": "find what delays the start of units by 'journalctl -b -u init.scope' and 'systemctl list-jobs'",
}
_OF_PAM = ("/etc/pam.d/", "/usr/lib/pam.d/")
_SILENCE = "delete the command that prints, or put it behind '[ -t 1 ] &&'"
_WITHOUT_BUS = {
    "no system bus": "install the package dbus and run 'systemctl start dbus.socket'",
    "no user bus": "install the package dbus-user-session (Red Hat family: dbus-daemon) and run"
    " 'systemctl --user start dbus.socket' as the user",
}
_HANGING = re.compile(r"could not be searched: the directory (.+?)(?: does not respond|\Z)", re.DOTALL)
_PRINTS = re.compile(r"\b(echo|printf|print|cat|figlet|fortune|neofetch|motd|banner)\b")
_REDIRECTS = re.compile(r"\bexec\s+[\d&]*[<>]")
_REPLACES = re.compile(r"(^|[;&|{(]|\b(?:then|else|do))\s*exec\s+(?![\d&]*[<>])")
# Errors at which a shell of POSIX exits, such as dash.
_FAILS = re.compile("yntax error|cannot open|is read only")
_NO_REDIRECT = "a startup file must not redirect the output of the shell ('exec >')"
_NO_EXIT = "a startup file must not exit the shell (use 'return', not 'exit') or replace it ('exec')"


def evaluate(snapshot: Snapshot) -> t.Iterator[Finding]:
    # The state of an account denies every session of its user.
    denied = [item for item in snapshot.observations if item.failure == "not let in" and not item.stopping]
    yield from once_per_user(finding for observation in denied for finding in _unknown(snapshot, observation))
    for observation in snapshot.observations:
        if observation not in denied:
            yield from _unknown(snapshot, observation)
    for row in snapshot.rows:
        yield from _skipped_go(row)
        yield from _stale_manager(snapshot, row)
        yield from _startup(snapshot, row)
    yield from once_per_user(finding for row in snapshot.rows for finding in _limits(row))
    yield from map(_forced_key, snapshot.forced_keys.items())
    for user in snapshot.declaration.users:
        yield from _old_servers(user, snapshot.extension_hosts)


def _forced_key(keys_of_user: tuple[str, ForcedKeys]) -> Finding:
    name, keys = keys_of_user
    run = "runs a command of its own" if len(keys.lines) == 1 else "run commands of their own"
    places = ", ".join(map(str, keys.lines[:_MOST_KEYS]))
    cause = f"{len(keys.lines)} of {keys.total} keys of {name} {run}: {places}"
    remedy = Remedy(f"remove command= at {keys.lines[0]}, if the key is for work on this host")
    return Finding(FORCED_KEY, cause, remedy, name, "ssh", source=keys.lines[0])


def _unknown(snapshot: Snapshot, observation: Observation) -> t.Iterator[Finding]:
    name = observation.user.account.name
    if observation.failure == "no home":
        remedy = Remedy(f"run 'mkhomedir_helper {name}', mount the volume, or remove {name} from devserver_users")
        yield Finding(NO_HOME, observation.problem, remedy, name)
    elif observation.environment is None:
        source, action = _restore(snapshot, observation)
        yield Row(observation, {}).finding(UNKNOWN, observation.problem, Remedy(action), source=source)
    elif observation.context.on_this_host and not observation.walked:
        hanging = _HANGING.search(observation.go.problem)
        remedy = Remedy("run the report again when the host is less busy; no directory of PATH was found that hangs")
        source = None
        if hanging:
            remedy = Remedy(f"remove {hanging.group(1)} from PATH, or repair its mount")
            of_path = (item for item in observation.assignments if item.name == "PATH")
            # The others take it over.
            source = next((item.source for item in of_path if hanging.group(1) in item.value.split(":")), None)
        yield Row(observation, {}).finding(UNKNOWN, observation.go.problem, remedy, source=source)


def _skipped_go(row: Row) -> t.Iterator[Finding]:
    if row.observation.go.skipped and not row.foreign_go:
        remedy = Remedy("make root the only owner of it and its directories, or put it on the PATH of the user's shell")
        yield row.finding(UNKNOWN, row.observation.go.problem, remedy, "go", row.cells["go"].source)


def _stale_manager(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    if row.observation.stale:
        cause = (
            f"the user's running manager has outdated values of {', '.join(sorted(row.observation.stale))}; expected"
            " those of its files: it has not read them again, or a session has imported its own environment"
        )
        names = " ".join(sorted(row.observation.stale))
        remedy = Remedy(
            "run 'systemctl --user daemon-reload' as the user; for a variable that was set in the manager itself, run"
            f" 'systemctl --user unset-environment {names}' too"
        )
        started = snapshot.managers.get(row.user.account.name)
        yield dataclasses.replace(row.finding(NOT_SEEN, cause, remedy), since=started)


def _startup(snapshot: Snapshot, row: Row) -> t.Iterator[Finding]:
    observation, name = row.observation, row.observation.context.name
    if observation.unexpected_output:
        source, action = _printing(snapshot, row)
        by = f", by {source}" if source else ""
        output = repr(observation.unexpected_output[:200])
        cause = f"the startup of {name} prints {output}{by}; expected no output"
        if is_lost_directory(output):
            entered = f", entered at {source}" if source else ""
            cause = f"the startup of {name} ends in a directory that was deleted{entered}: programs print {output}"
        yield row.finding(NOISY, cause, Remedy(action), "", source)
    if observation.seconds > SLOW_SECONDS:
        most = f", most of it at {observation.slowest}" if observation.slowest else ""
        cause = f"the startup of {name} took {observation.seconds:.1f} s{most}; expected at most {SLOW_SECONDS:.0f} s"
        yield row.finding(SLOW, cause, Remedy(_quicken(row)), "", observation.slowest)
    if observation.held:
        process = f"the process '{shortened(observation.holder)}'" if observation.holder else "a process"
        by = f", started at {observation.holding}" if observation.holding else ""
        cause = f"the startup of {name} leaves {process} that keeps the session open{by}"
        at = f" at {observation.holding}" if observation.holding else " of its background processes"
        remedy = Remedy(f"redirect the output{at}: '>/dev/null 2>&1 </dev/null'")
        yield row.finding(HELD, cause, remedy, "", observation.holding)


def _quicken(row: Row) -> str:
    """Return the action that makes the startup of a context quicker."""
    at, name = row.observation.slowest, row.observation.context.name
    if at and (at.file or "").startswith(_OF_PAM):
        return f"delete the line {at}, or let its program return at once: it delays each session"
    if at:
        return f"run the command at {at} on first use, or in the background"
    if name in _FIND_SLOW:
        return _FIND_SLOW[name]
    shell = name if name in ("bash", "zsh", "fish") else os.path.basename(row.user.account.shell)
    trace = "fish --profile-startup=/dev/stderr -lic exit" if shell == "fish" else f"{shell} -lixc exit"
    return f"run '{trace}' to find the slow command, and load it on first use"


def _limits(row: Row) -> t.Iterator[Finding]:
    observation = row.observation
    # A go that fails for that reason is a finding of its own.
    for name, value in observation.limits.items() if observation.go.offender != LIMITS else ():
        source, resource = observation.source_of_limit(name), RESOURCES[name]
        by = f", by {source}" if source else ""
        state = f"{resource.title} is limited to {value}{by}"
        raise_it = f"delete or raise the limit at {source}" if source else f"raise {name} in /etc/security/limits.conf"
        remedy = Remedy(f"{raise_it}: Go needs {resource.enough}")
        yield row.finding(LIMITED, f"{state}; expected at least {resource.enough}", remedy, name, source)


def _restore(snapshot: Snapshot, observation: Observation) -> tuple[Source | None, str]:
    """Return the line at which a probe fails, and the action that lets it succeed."""
    at, user = observation.stopping, observation.user.account.name
    if observation.failure == "forced command":
        exclude = f"exclude {user} from the ForceCommand at {at or 'a Match block of sshd'}, and restart sshd"
        return at, f"{exclude} when 'sshd -t' is silent; or remove {user} from devserver_users"
    if at is None:
        return None, _restore_without_line(observation)
    foreign = _windows_line(at, snapshot.lines(at, user))
    if foreign:
        return foreign, convert_line_endings(foreign.file or "")
    if at.file and at.file.endswith("/nologin"):
        return at, f"remove {at} to allow logins: while it exists, only root can log in"
    if observation.failure in _BY_SSHD:
        return at, f"correct {at}; 'sshd -t' must be silent before sshd is restarted"
    if is_lack_of_resources(observation.problem):
        return at, f"delete or raise the limit at {at}: the shell cannot start programs"
    if observation.failure == "timed out" and _REPLACES.search(snapshot.line(at, user)):
        return at, f"correct {at}: {_NO_EXIT}"
    if observation.failure == "timed out" and at.line is None:
        return at, _replace_file(at)
    if observation.failure == "timed out":
        return at, f"remove the command at {at} that waits for input or the network, or limit it with 'timeout'"
    if observation.failure == "ended early" and not _FAILS.search(observation.problem):
        return at, f"correct {at}: {_NO_REDIRECT if _REDIRECTS.search(snapshot.line(at, user)) else _NO_EXIT}"
    if "cron ignores" in observation.problem:
        return at, f"end {at} with a line feed, or provision again"
    return at, f"correct {at}"


def _restore_without_line(observation: Observation) -> str:
    name = observation.user.account.name
    if observation.failure == "not let in" and "shell" in observation.problem:
        return f"install that shell, or run 'chsh -s /bin/bash {name}'"
    if "no authentication methods" in observation.problem:
        return f"enable a method that 'sshd -T -C user={name},host=x,addr=127.0.0.1' shows, in sshd_config"
    if observation.failure == "not let in":
        return (
            f"run 'chage -l {name}' and 'passwd -S {name}'; then set an expired password again ('passwd {name}'),"
            f" extend an expired account ('chage -E -1 {name}'), or unlock a locked one ('usermod -U {name}')"
        )
    if observation.failure == "timed out":
        return "run the report again when the host is less busy; no line of a startup file was found that hangs"
    return _WITHOUT_BUS.get(observation.failure, "correct the error in the cause, and run the report again")


def _printing(snapshot: Snapshot, row: Row) -> tuple[Source | None, str]:
    """Return the line that prints, or that the shell complains about, and the action that silences it."""
    output, at, account = row.observation.unexpected_output, row.observation.printing, row.user.account
    if is_lost_directory(output):
        place = f"the command at {at}" if at else "the 'cd' of a startup file"
        return at, f"correct {place}: a startup file must not leave the shell in a directory that it deletes"
    if at is None or at.file is None:
        return None, _SILENCE
    if "Permission denied" in output and at.line is None:
        return at, f"make {at} readable for {account.name}: 'chown' it, or 'chmod u+r'"
    if at.line is None:
        return at, _replace_file(at)
    foreign = _windows_line(at, snapshot.lines(at, account.name))
    if foreign:
        return foreign, convert_line_endings(foreign.file or "")
    if parse_place(output, account.home) == at or not _PRINTS.search(snapshot.line(at, account.name)):
        return at, f"correct {at}, or the program that it starts"
    return at, f"delete the command at {at}, or put it behind '[ -t 1 ] &&'"


def _replace_file(at: Source) -> str:
    """Return the action for a startup file that is a directory, a pipe, or a link that leads nowhere."""
    return f"replace {at} by a regular file"


def _windows_line(at: Source, lines: t.Sequence[str]) -> Source | None:
    """Return the first line with a CR LF ending of a file, if the line at fault is one of these.

    A shell that misses the end of a command reports the end of the file, without a line in it.
    """
    foreign = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
    return at._replace(line=foreign[0]) if foreign and (at.line in foreign or (at.line or 0) >= len(lines)) else None


def _old_servers(user: UserEnvironment, hosts: t.Sequence[Process]) -> t.Iterator[Finding]:
    for host in (host for host in hosts if host.uid == user.account.uid):
        outdated = [
            name for name, value in user.variables.items() if not same_value(name, host.environment.get(name), value)
        ]
        outdated += [] if in_order(user.path, host.environment.get("PATH", "").split(":")) else ["PATH"]
        if outdated:
            cause = (
                f"the extension host (process {host.pid}) has outdated values of {', '.join(outdated)};"
                " expected the declared ones"
            )
            remedy = Remedy("in VS Code, run 'Remote-SSH: Kill VS Code Server on Host', then connect again")
            name, started = user.account.name, host.started
            yield Finding(OLD_SERVER, cause, remedy, name, "vscode_server", source=PROCESS, since=started)
            return  # One such finding for each user is enough.
