# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How shells start up, and processes that started before the environment was rendered."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import PROCESS, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.cells import in_order, same_value
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.go_files import text_of
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.collect.processes import (
    extension_hosts,
    manager_started,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.records import (
    SLOW_SECONDS,
    Observation,
    Process,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.snapshot import Row, Snapshot
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import UserEnvironment
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.blame import place_in

NOISY = Rule(
    "GD701",
    "warning",
    "A start-up prints something",
    "scp, rsync, sftp and editors that read a command's output may fail over it.",
    why="""\
What a start-up prints, on either channel, gets into the output of every command that is started in this way. The
finding has the first line, and names the line of the start-up file that prints it, or of which the shell complains: a
mistake in it, a file that the user cannot read, line ends of Windows (then the first such line). A start-up of bash,
zsh and their like is followed once more for that. Start-up files should print only where `[ -t 1 ]` says that there is
a terminal.""",
    mend="Delete what prints, or put it behind `[ -t 1 ] &&`.",
    example="the start-up of ssh prints 'Welcome to dev1', by /home/alice/.bashrc:3",
)
SLOW = Rule(
    "GD702",
    "warning",
    "A start-up is slow",
    "Each terminal and task waits for it, and an editor's server gives up after 10 seconds and goes on without it.",
    why="""\
The wall time of a real start-up was more than 3 seconds, also when nothing else was asked beside it. Version
managers, completions and anything that asks the network are the usual reasons. The start-up is followed once more, and
the source is the line that takes the most time; of a fish's, where one line alone has the text of the command.""",
    mend="""\
See what takes so long: `PS4='+$EPOCHREALTIME ' bash -lixc exit 2>&1 | less`, for fish `fish --profile-startup=FILE`.
Make it start when it is used.""",
    example="the start-up of login took 4.2 s, most of them at /home/alice/.profile:11",
)
NOT_SEEN = Rule(
    "GD703",
    "warning",
    "A running user manager has not seen the rendered environment",
    "User services keep the old values, while new terminals have the new ones.",
    why="""\
The user's systemd manager reads its files when it starts and when it is told to. Its files give other values than
what it gives its units. The differing variables are not told again as GD101, GD103 or GD2xx of that context.""",
    mend="""\
`systemctl --user daemon-reload` as the user, or log out of all sessions; nothing that runs is restarted for it.""",
    example="the user's running manager has other values of GOPATH than its files give",
)
OLD_SERVER = Rule(
    "GD704",
    "warning",
    "A running VS Code server has not seen the rendered environment",
    "The editor builds and debugs with old values until its server is restarted.",
    why="""\
The extension host of a VS Code server keeps the environment in which it was started, for days. The environment of
each such process of the listed users is read from /proc and compared with the declaration. What `go.toolsEnvVars`
adds later is not in it.""",
    mend="In VS Code: 'Remote-SSH: Kill VS Code Server on Host…', then connect again; or 'Developer: Reload Window'.",
    example="the extension host with the process id 4711 has other values of GOBIN, PATH",
)
HELD = Rule(
    "GD705",
    "warning",
    "A start-up leaves a process that keeps the session open",
    "`ssh host command` does its work and does not come back, nor do scp, rsync and scripts, until that process ends.",
    why="""\
sshd ends a session when nobody has its output open any more. What a start-up file starts in the background, such as
an agent or `( sleep 300 & )`, inherits that output. A real command over ssh had come to its end, and the client was
still waiting at the limit. No source is named: whichever line starts the process, it is a start-up file that commands
over ssh read, such as .bashrc, .zshenv or config.fish.""",
    mend="Send the process's output elsewhere: `… >/dev/null 2>&1 </dev/null &`. Or start it as a user service.",
    example="the start-up of ssh leaves a process that keeps the session open",
)
UNKNOWN = Rule(
    "GD901",
    "warning",
    "A context could not be asked",
    "Nothing is known about what processes get there.",
    why="""\
The start-up leaves the shell, puts another program in its place, waits for input, takes longer than the limit, or a
file that it reads is broken; or a directory of its PATH does not answer. A go that only an editor's settings name is
not run where users other than root can change it. The cells of that context that depend on it
are `unknown`, which never counts as ok. The source is the line at which the start-up leaves or hangs, that sshd
complains of, or at which the file cannot be parsed. Where sshd or PAM lets the user not in, it is what keeps the user
out (a line of sshd_config, /etc/nologin), and none where that is not known or a host is only slow.""",
    mend="Mend what the cause names, in the line that the source names. Then ask again.",
    example="bash ended with 3 before the command ran: a start-up file may leave the shell",
)
NO_HOME = Rule(
    "GD905",
    "warning",
    "A user's home is missing",
    "Nothing of what the user is to have can be there; each start-up begins in / and finds no file.",
    why="""\
The account of a listed user names a home that is not there, or that the user cannot look at: it was never made, its
volume is not mounted, or it is made with the first login. It is the user's only finding; the cells are `unknown`.""",
    mend="Create the home (`mkhomedir_helper NAME`), mount its volume, or take the user out of `environment_users`.",
    example="the home /home/alice is missing",
)
_BY_SSHD = ("not let in", "forced command", "broken sshd")
_SEE = "see what takes so long by 'bash -lixc exit', and let it start when it is used"
# What is there to print.
_PRINTS = re.compile(r"\b(echo|printf|print|cat|figlet|fortune|neofetch|motd|banner)\b")
_REDIRECTS = re.compile(r"\bexec\s+[\d&]*[<>]")
_LOST = "a start-up file must not send elsewhere what the shell prints from there on ('exec >')"
_LEFT = "a start-up file must not leave the shell ('return', not 'exit') nor replace it ('exec')"
RULES = (NOISY, SLOW, NOT_SEEN, OLD_SERVER, HELD, UNKNOWN, NO_HOME)


def findings(snapshot: Snapshot) -> t.Iterator[Finding]:
    for seen in snapshot.observations:
        if seen.failure == "no home":
            remedy = Remedy("create the home, mount its volume, or take the user out of environment_users")
            yield Finding(NO_HOME, seen.problem, remedy, seen.user.account.name)
        elif seen.environment is None:
            source, way = _way_on(seen)
            yield Row(seen, {}).finding(UNKNOWN, seen.problem, Remedy(way), source=source)
        elif seen.context.asks_go and not seen.walked:
            paths = [item.source for item in seen.assignments if item.name == "PATH"]
            remedy = Remedy("take what does not answer from PATH, or mend it")
            yield Row(seen, {}).finding(UNKNOWN, seen.go.problem, remedy, source=paths[-1] if paths else None)
    for row in snapshot.rows:
        yield from _start_up(row)
    hosts = extension_hosts()
    for user in snapshot.declaration.users:
        yield from _old_servers(user, hosts)


def _start_up(row: Row) -> t.Iterator[Finding]:
    if row.observation.go.skipped and not row.foreign_go:
        remedy = Remedy("make root the only owner of it and its directories, or put it on the PATH of the user's shell")
        yield row.finding(UNKNOWN, row.observation.go.problem, remedy, "go", row.cells["go"].source)
    name = row.observation.context.name
    if row.observation.stale:
        cause = (
            f"the user's running manager has other values of {', '.join(sorted(row.observation.stale))}"
            " than its files give:"
            " it has not read them again ('systemctl --user daemon-reload'), or a session has imported its own"
        )
        remedy = Remedy("run systemctl --user daemon-reload as the user, or log out of all sessions")
        started = manager_started(row.user.account.uid)
        yield dataclasses.replace(row.finding(NOT_SEEN, cause, remedy), since=started)
    if row.observation.noise:
        source, way = _printing(row)
        by = f", by {source}" if source else ""
        yield row.finding(
            NOISY, f"the start-up of {name} prints {row.observation.noise[:200]!r}{by}", Remedy(way), "", source
        )
    if row.observation.seconds > SLOW_SECONDS:
        source = row.observation.slowest
        most = f", most of them at {source}" if source else ""
        remedy = Remedy(f"let what {source} starts begin when it is used, or in the background" if source else _SEE)
        cause = f"the start-up of {name} took {row.observation.seconds:.1f} s{most}"
        yield row.finding(SLOW, cause, remedy, "", source)
    if row.observation.held:
        remedy = Remedy("send the output of what it starts in the background elsewhere: '>/dev/null 2>&1 </dev/null'")
        yield row.finding(HELD, f"the start-up of {name} leaves a process that keeps the session open", remedy)


def _way_on(seen: Observation) -> tuple[Source | None, str]:
    """Return the line that keeps a context from answering, and how it comes to answer."""
    at = seen.culprit
    if at is None:
        return None, _way_without_line(seen)
    foreign = _foreign_line(at, _lines(at, seen.user.account))
    if foreign:
        return foreign, _to_unix(foreign)
    if at.file and at.file.endswith("/nologin"):
        return at, f"remove {at} when users are welcome again: as long as it is there, only root may log in"
    if seen.failure in _BY_SSHD:
        return at, f"correct {at}; 'sshd -t' must be silent before sshd is restarted"
    if seen.failure == "timed out":
        return at, f"take out of {at} what waits, for input or for another machine, or bound it by 'timeout'"
    if seen.failure == "ended early" and "yntax error" not in seen.problem:
        return at, f"correct {at}: {_LOST if _REDIRECTS.search(_line(at, seen.user.account)) else _LEFT}"
    return at, f"correct {at}"


def _way_without_line(seen: Observation) -> str:
    name = seen.user.account.name
    if seen.failure == "not let in":
        return f"see whether the account has expired or is locked ('chage -l {name}', 'passwd -S {name}')"
    if seen.failure == "timed out":
        return "ask again when the host has less to do; no line of a start-up file was found that hangs"
    return "mend what the cause names"


def _printing(row: Row) -> tuple[Source | None, str]:
    """Return the line of a start-up that prints, or makes the shell complain, and what to do about it."""
    noise, at = row.observation.noise, row.observation.printing
    if at is None or at.file is None:
        return None, "delete what prints, or put it behind '[ -t 1 ] &&'"
    if "Permission denied" in noise and at.line is None:
        return at, f"make {at} readable for {row.user.account.name}: 'chown' it, or 'chmod u+r'"
    lines = _lines(at, row.user.account)
    foreign = _foreign_line(at, lines)
    if foreign:
        return foreign, _to_unix(foreign)
    if place_in(noise, row.user.account.home) == at or not _PRINTS.search("".join(lines[(at.line or 1) - 1 :][:1])):
        return at, f"correct {at}, or the program that it starts"
    return at, f"delete what {at} prints, or put it behind '[ -t 1 ] &&'"


def _lines(at: Source, account: Account) -> list[str]:
    try:
        return (text_of(at.file or "", account) or "").split("\n")
    except DevserverError:
        return []


def _line(at: Source, account: Account) -> str:
    return "".join(_lines(at, account)[(at.line or 1) - 1 :][:1])


def _foreign_line(at: Source, lines: t.Sequence[str]) -> Source | None:
    """Return the first line of a file that ends as lines of Windows do, where the line at fault is one of these.

    A shell that looks for the end of a command says so at the end of the file, in no line of it.
    """
    foreign = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
    return at._replace(line=foreign[0]) if foreign and (at.line in foreign or (at.line or 0) >= len(lines)) else None


def _to_unix(at: Source) -> str:
    return f"convert {at.file} to line ends of Unix, by sed -i 's/\\r$//'"


def _old_servers(user: UserEnvironment, hosts: t.Sequence[Process]) -> t.Iterator[Finding]:
    for host in hosts:
        late = [
            name for name, value in user.variables.items() if not same_value(name, host.environment.get(name), value)
        ]
        late += [] if in_order(user.path, host.environment.get("PATH", "").split(":")) else ["PATH"]
        if late and host.uid == user.account.uid:
            cause = f"the extension host with the process id {host.pid} has other values of {', '.join(late)}"
            remedy = Remedy("in VS Code: 'Remote-SSH: Kill VS Code Server on Host', then connect again")
            place = (user.account.name, "vscode_server", "", PROCESS)
            yield Finding(OLD_SERVER, cause, remedy, *place, since=host.started)
            return  # One such finding is enough for a user.
