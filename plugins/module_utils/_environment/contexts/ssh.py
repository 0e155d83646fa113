# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands over ssh (``ssh host command``, sftp, an editor's first hop): the environment that PAM and sshd give."""

from __future__ import annotations

import abc
import glob
import os
import re
import shlex
import shutil
import tempfile
import typing as t
from types import MappingProxyType

from ..._core.provenance import Assignment
from ..._host.accounts import Account, can_log_in
from ..._host.command import SYSTEM_PATH, run, session_environment
from ..._host.files import read_text, read_text_or_empty, split_lines
from ..._host.managed_files import ManagedFile
from ..._host.remembered import remembered
from ..._host.tempdirs import temporary_directory
from ..._shells.scripts import SH_SERVE_LOGIN, fill
from ..._shells.shell_query import ShellQuery
from ..._shells.startup import Startup, private_directories
from ..._systemd import transient_unit
from .. import sshd_config
from ..declaration import Declaration
from . import pam
from .base import Probe, SingleContext, probe_of
from .shell import bashrc_files, kinds_over_ssh, trace_startup

_SERVICE = "/etc/pam.d/sshd"

# The client runs as root, and the server's command by SHELL: the user's own would read the user's files as root.
_CLIENT = {"PATH": SYSTEM_PATH, "SHELL": "/bin/sh", "LANG": "C.UTF-8"}
# The login manager has one file here for each session.
_SESSIONS = "/run/systemd/sessions"
# The manager responds at once, or hangs.
_SECONDS = 5
# Messages of the server about each session without a problem.
_ADMITTED = re.compile(r"^(Accepted publickey for|Received disconnect from|Disconnected from) .*\n?", re.MULTILINE)
# Messages of the client after the server has exited, which follow those of the server.
_HUNG_UP = re.compile(r"^(kex_exchange_identification|banner exchange|Connection closed by) ?.*\n?", re.MULTILINE)
# The exit status of ssh if the command did not run.
_FAILED = 255
# Messages of the server that a login is accepted, and that it is denied, with the reason.
_ACCEPTED = re.compile(r"^Accepted publickey for ", re.MULTILINE)
_DENIED = re.compile(
    r"^.*(?:not allowed because|Access denied|LOGIN REFUSED|no authentication methods).*", re.MULTILINE
)
# The server runs passwd in place of the command, which needs a terminal.
_EXPIRED = "Password change required"
# The host's own configuration is in force, except for what accepts this one temporary key; the first value wins.
_CONFIGURATION = """\
HostKey {directory}/key
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
PubkeyAuthentication yes
AuthenticationMethods publickey
PermitRootLogin prohibit-password
"""
# What a Match block of the host would replace: of the blocks that are for a user the first one with a keyword wins.
_FIRST_BLOCK = """\
Match all
AuthorizedKeysFile {directory}/authorized_keys
AuthenticationMethods publickey
"""
_INCLUDE = re.compile(r"^[ \t]*include\b", re.IGNORECASE | re.MULTILINE)
_MATCH = re.compile(r"^[ \t]*match\b", re.IGNORECASE | re.MULTILINE)


class LoginOverSsh(SingleContext):
    """A shell that starts with the variables of PAM and sshd."""

    @abc.abstractmethod
    def start_up_with(self, account: Account, environment: t.Mapping[str, str]) -> Startup:
        """Return how the shell starts up in this environment."""

    def start_up(self, account: Account, timeout: float) -> Startup:
        return self._start_up(account, variables_over_ssh(account, timeout))

    def assignments(self, account: Account, timeout: float) -> list[Assignment]:
        variables = variables_over_ssh(account, timeout)
        return [*variables, *_limits(account), *trace_startup(self._start_up(account, variables), timeout)]

    def _start_up(self, account: Account, variables: t.Sequence[Assignment]) -> Startup:
        return self.start_up_with(account, environment_over_ssh(account, variables))


class SshContext(LoginOverSsh):
    """A real ssh client against a real sshd, joined by a pipe: no port is opened, no user's file is touched."""

    name = "ssh"
    over_ssh = True
    in_server = True

    def applies_to(self, account: Account) -> bool:
        return os.path.exists(sshd_config.SSHD) and shutil.which("ssh") is not None and can_log_in(account)

    def managed_files(self, declaration: Declaration) -> list[ManagedFile]:
        if not pam.find_service(_SERVICE):
            return []
        return [*pam.managed_files(declaration), pam.hooked(_SERVICE, pam.HOOK)]

    def fed_by(self, account: Account) -> t.Sequence[str]:
        return kinds_over_ssh(account)

    def probe(self, account: Account, declaration: Declaration, timeout: float) -> Probe:
        return probe_login(account, timeout)

    def start_up_with(self, account: Account, environment: t.Mapping[str, str]) -> Startup:
        # A bash that is compiled so by its distribution reads bashrc files for a command over ssh too.
        files = bashrc_files(account) if os.path.basename(account.shell) == "bash" else []
        before = [os.path.join(account.home, ".ssh/rc"), "/etc/ssh/sshrc"]
        return Startup(account, [], environment, files, before=before)


@remembered
def probe_login(account: Account, timeout: float) -> Probe:
    """Return the environment of a command over ssh, in which the shells of editors start too."""
    query = ShellQuery()
    with temporary_directory(tempfile.gettempdir(), "gopherops-ssh-") as scratch, private_directories(account) as added:
        directory = scratch.path
        os.chmod(directory, 0o711)
        of_keys, _of_file = sshd_config.user_variables(account, timeout)
        _lay_out(directory, added, timeout, {item.name: item.value for item in of_keys})
        completed = run(_client(directory, account, query.command, timeout, added), env=_CLIENT, timeout=timeout)
        _end_session(directory)
        if completed.returncode == _FAILED:
            log = read_text(f"{directory}/log") or ""
            denied = _DENIED.search(log)
            if denied and not _ACCEPTED.search(log):
                problem = f"sshd denies {account.name}: {denied.group().strip()}"
                return Probe(None, problem, seconds=completed.seconds, failure="not let in")
            completed = completed._replace(stderr=completed.stderr + _messages_of(log))
        probe = probe_of(query, completed, waits=True)
        if probe.failure == "ended early" and _EXPIRED in completed.stderr:
            return probe._replace(problem=f"sshd denies {account.name}: the password has expired", failure="not let in")
        return probe._replace(given_by=sshd_config.forced_command(account, timeout)[1])


def _messages_of(log: str) -> str:
    """Return the messages of server and client about a session that failed, the cause last."""
    messages = _ADMITTED.sub("", log)
    return _HUNG_UP.sub("", messages) or messages


def _end_session(directory: str) -> None:
    """End the processes that the login has left: a control group that PAM gave it ends as a whole."""
    leader = (read_text(f"{directory}/pid") or "").strip()
    # A login that failed earlier has no leader; sessions that have lost theirs must not be taken for it.
    for path in glob.glob(f"{_SESSIONS}/*[0-9]") if leader else []:
        # The files are read, because one query of the manager for every session of the host would be slow.
        if f"LEADER={leader}" in split_lines(read_text_or_empty(path)):
            argv = ["loginctl", "kill-session", "--signal=KILL", os.path.basename(path)]
            run(argv, env={"PATH": SYSTEM_PATH}, timeout=_SECONDS)


@remembered
def variables_over_ssh(account: Account, timeout: float) -> list[Assignment]:
    """Return the variables of a command over ssh before any startup file is read.

    They are those of the user's keys and of ~/.ssh/environment, then those of PAM, then those of sshd itself.
    """
    of_keys, of_file = sshd_config.user_variables(account, timeout)
    of_pam, without = pam.assignments(_SERVICE, account), sshd_config.without_pam()
    # That line removes what PAM would set.
    of_pam = [item._replace(value="", source=without) for item in of_pam] if without else of_pam
    return [*of_keys, *of_file, *of_pam, *sshd_config.variables(account, timeout)]


def _limits(account: Account) -> list[Assignment]:
    """Return PAM's limits in the form of the limits in the trace of a startup."""
    limits = [] if sshd_config.without_pam() else pam.limits(account)
    return [Assignment("ulimit", f"{item.name} {item.value}", item.source) for item in limits]


def environment_over_ssh(account: Account, variables: t.Iterable[Assignment]) -> dict[str, str]:
    """Return the environment in which a command over ssh starts, with these ``variables``."""
    return {**session_environment(account), **{item.name: item.value for item in variables if item.value}}


def _lay_out(
    directory: str, added: t.Mapping[str, str], timeout: float, of_key: t.Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write the files of client and server. ``of_key`` are the variables of the temporary key."""
    private, public = _throw_away_key(timeout)
    options = ",".join(f'environment="{name}={value}"' for name, value in of_key.items())
    _write(f"{directory}/key", private)
    _write(f"{directory}/authorized_keys", f"{options} {public}".lstrip(), mode=0o644)
    _write(f"{directory}/known_hosts", f"probe {public}")
    # Client and server write these with their own umask.
    for name in ("log", "pid"):
        _write(f"{directory}/{name}", "")
    marks = {"DIRECTORY": shlex.quote(directory), "SSHD": sshd_config.SSHD}
    _write(f"{directory}/server", fill(SH_SERVE_LOGIN, marks))
    # By a SetEnv, of which the first line counts alone, the host's own would be out of force.
    configuration = _CONFIGURATION.format(directory=directory) + (f"AcceptEnv {' '.join(added)}\n" if added else "")
    block, of_host = _FIRST_BLOCK.format(directory=directory), read_text(sshd_config.CONFIGURATION) or ""
    if _INCLUDE.search(of_host):
        # A block in an included file ends with that file, and comes before those of the host's included files.
        _write(f"{directory}/first", block)
        configuration += f"Include {directory}/first\n"
    elif _MATCH.search(of_host):
        of_host = _MATCH.sub(lambda match: block + match.group(), of_host, count=1)
    _write(f"{directory}/sshd_config", configuration + of_host)


@remembered
def _throw_away_key(timeout: float) -> tuple[str, str]:
    """Return a private and a public key, of the host and of the user alike, for all logins of a report."""
    with temporary_directory(tempfile.gettempdir(), "gopherops-keys-") as scratch:
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{scratch.path}/key"]
        made = run(argv, env={"PATH": SYSTEM_PATH}, timeout=timeout)
        if not made.ok:
            raise made.error("ssh-keygen failed", remedy="run ssh-keygen -t ed25519 by hand to see the error")
        return read_text(f"{scratch.path}/key") or "", read_text(f"{scratch.path}/key.pub") or ""


def _write(path: str, text: str, mode: int = 0o600) -> None:
    """Write a new file with exactly this mode, with any umask; others cannot open it before it has that mode.

    Of all files only the authorized key is for others than root: sshd reads it with the user's rights.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, mode)
        file.write(text)


def _server(directory: str, timeout: float) -> str:
    command = f"/bin/sh {directory}/server"
    if os.path.isdir("/run/systemd/system"):
        # A process of a login session may not start another login (pam_loginuid): the system manager starts it afresh.
        bounds = " ".join(f"-p {bound}" for bound in transient_unit.bounds(timeout))
        command = f"systemd-run --quiet --collect --pipe {bounds} {command}"
    return f"{command} 2>>{directory}/log"


def _client(directory: str, account: Account, command: str, timeout: float, added: t.Mapping[str, str]) -> list[str]:
    variables = " ".join(f"{name}={value}" for name, value in added.items())
    options = {
        "ProxyCommand": _server(directory, timeout),
        "IdentityFile": directory + "/key",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": directory + "/known_hosts",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        # The quickest where the host's configuration allows it: the standard one takes as long as all the rest.
        "KexAlgorithms": "^curve25519-sha256",
        "LogLevel": "ERROR",
        # As distributions configure their clients; the server's own configuration decides whether it accepts it.
        "SendEnv": "LANG",
        **({"SetEnv": variables} if variables else {}),
    }
    arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-T", "-E", f"{directory}/log", *arguments, "-l", account.name, "probe", command]
