# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of sshd for editors: rendered, validated with the whole configuration, and read by the running sshd."""

from __future__ import annotations

import os
import shutil
import socket
import time
import typing as t

from .._core.addresses import Address, parse_address
from .._core.errors import DevserverError
from .._core.managed_header import managed_header
from .._environment.sshd_config import CONFIGURATION, SSHD, Line, includes, lines
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.files import read_text_or_empty, split_lines, write_text
from .._host.managed_files import ManagedFile
from .._host.procfs import owner_id, read_program
from .._host.tempdirs import temporary_directory
from .._systemd.systemctl import RUNNING, manager_runs, properties_of

# Before the files of distributions and of cloud-init: sshd takes the first value of a keyword.
DROP_IN = "/etc/ssh/sshd_config.d/10-gopherops-devserver.conf"

_UNITS = ("ssh.service", "sshd.service")
_PID_FILE = "/run/sshd.pid"
# Where sshd keeps nothing; a host on which it has not run since the boot does not have it yet.
_PRIVILEGE_SEPARATION = "/run/sshd"
_TIMEOUT = 20
# Seconds for sshd to accept connections after it has read its configuration.
_READY_TIMEOUT = 10
_POLL_INTERVAL = 0.1


class SshdOptions(t.NamedTuple):
    """The keywords of the drop-in by their names in sshd_config."""

    AllowTcpForwarding: str
    ClientAliveInterval: int
    ClientAliveCountMax: int
    MaxSessions: int


def drop_in(options: SshdOptions | None) -> ManagedFile:
    """Return the drop-in; without options it must not exist. There is no SetEnv: PAM gives sessions their variables."""
    pairs = options._asdict().items() if options else ()
    text = managed_header("ssh_access") + "".join(f"{name} {value}\n" for name, value in pairs) if options else None
    return ManagedFile(DROP_IN, lambda _now: text)


def validate(text: str) -> None:
    """Raise DevserverError if sshd does not include the drop-in, or rejects it."""
    if not includes(DROP_IN):
        raise DevserverError(
            f"{CONFIGURATION} does not include {DROP_IN}",
            expected=f"the line 'Include {os.path.dirname(DROP_IN)}/*.conf' before any Match block",
            remedy="add this line as the first one, which needs OpenSSH 8.2 or later; or set remote_access_sshd: false,"
            f" and write the keywords into {CONFIGURATION} yourself",
        )
    _require(_test(CONFIGURATION), "sshd rejects its present configuration", "correct the line that it names")
    with temporary_directory("/tmp", "gopherops-sshd-") as directory:
        part, whole = (os.path.join(directory.path, name) for name in ("drop-in", "sshd_config"))
        write_text(part, text, mode=0o600, uid=0, gid=0)
        main = read_text_or_empty(CONFIGURATION)
        write_text(whole, f"Include {part}\n{main}", mode=0o600, uid=0, gid=0)
        _require(
            _test(whole),
            f"sshd rejects {DROP_IN}",
            "correct the variables of the role remote_access that its message names",
        )


def reject_overrides(options: SshdOptions) -> None:
    """Raise DevserverError if another line precedes the drop-in, which is written: sshd takes the first value."""
    first: dict[str, Line] = {}
    for line in lines():
        if not line.match:
            first.setdefault(line.keyword, line)
    for name in options._fields:
        place = first.get(name.lower())
        if place and place.source.file != DROP_IN:
            raise DevserverError(
                f"{place.source} sets {name} {place.value} before {DROP_IN}, and sshd takes the first value",
                expected=f"no {name} before the line that includes {DROP_IN}",
                remedy="remove that line, or move it below the Include",
            )


def reload_command() -> list[str]:
    """Return the command that makes the running sshd read its configuration; empty if none runs.

    It starts an sshd that has ended because of its configuration. An sshd that a socket starts for each connection
    reads the files itself.
    """
    if manager_runs():
        states = properties_of(_UNITS, ("ActiveState",))
        unit = next((unit for unit in _UNITS if states[unit].get("ActiveState") in RUNNING), "")
        program = shutil.which("systemctl", path=SYSTEM_PATH)
        if unit and program:
            return [program, "reload-or-restart", unit]
    pid = read_text_or_empty(_PID_FILE).strip()
    if pid.isdigit() and owner_id(int(pid)) == 0 and os.path.basename(read_program(int(pid))) == "sshd":
        return ["/bin/sh", "-c", 'kill -HUP "$0" || exec "$1"', pid, SSHD]
    return []


def is_installed() -> bool:
    return os.path.exists(SSHD)


def reload_sshd(command: t.Sequence[str]) -> None:
    """Let sshd read its files, and wait until it accepts connections. Raises DevserverError if it does not."""
    if not is_installed():
        return
    _require(_test(CONFIGURATION), "sshd rejects its configuration", "correct the line that it names")
    if command:
        remedy = "look at 'journalctl -u ssh -u sshd'"
        _require(_run(command), "sshd cannot be reloaded", remedy)
        _await_banner()


def _await_banner() -> None:
    output = _run([SSHD, "-T", "-f", CONFIGURATION]).stdout
    values = [line.partition(" ")[2] for line in split_lines(output) if line.startswith("listenaddress ")]
    # One of them may be of a family that this host does not have.
    addresses = list(filter(None, map(parse_address, values)))
    deadline = time.monotonic() + _READY_TIMEOUT
    while addresses and not any(map(_sends_banner, addresses)):
        if time.monotonic() > deadline:
            raise DevserverError(
                f"sshd does not accept connections on {addresses[0]} after it has read its new configuration",
                expected="a banner that begins with SSH-",
                remedy="look at 'journalctl -u ssh -u sshd'; the previous files are restored",
            )
        time.sleep(_POLL_INTERVAL)


def _sends_banner(address: Address) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    try:
        with socket.create_connection((host, address.port), _POLL_INTERVAL * 10) as stream:
            return stream.recv(4) == b"SSH-"
    except OSError:
        return False


def _test(path: str) -> Completed:
    if os.geteuid() == 0 and not os.path.isdir(_PRIVILEGE_SEPARATION):
        # As its unit does before each start.
        os.makedirs(_PRIVILEGE_SEPARATION, 0o755)
    completed = _run([SSHD, "-t", "-f", path])
    if "no hostkeys available" not in completed.stderr:
        return completed
    # A container in which sshd has never started: its own keys are not needed to validate the rest.
    with temporary_directory("/tmp", "gopherops-sshd-key-") as directory:
        key = os.path.join(directory.path, "key")
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        return _run([SSHD, "-t", "-f", path, "-h", key])


def _run(argv: t.Sequence[str]) -> Completed:
    return run(argv, env={"PATH": SYSTEM_PATH}, timeout=_TIMEOUT)


def _require(completed: Completed, problem: str, remedy: str) -> None:
    if not completed.ok:
        raise completed.error(problem, expected="no message from 'sshd -t'", remedy=remedy)
