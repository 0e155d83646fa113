# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of a debug service, and the file of its environment.

Formats: systemd.unit(5), systemd.service(5) and systemd.exec(5); dlv's options are those of 1.20 to 1.27.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import Service
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_system import (
    unit_environment_file,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import environment_lines
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.hardening import SANDBOX
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.quoting import (
    command_line,
    without_specifiers,
)

HEAD = "# Managed by gopherops.devserver (dlv_service); changes made here are lost.\n"
STATE = "/var/lib/dlv"
ENVIRONMENTS = "/etc/gopherops/debug"

# Where $1 is a unit and the rest a command, become that command with the unit's main process as its last word.
_ATTACH = (
    'pid=$(systemctl show --property=MainPID --value -- "$1") || exit; '
    '[ "${pid:-0}" -gt 0 ] || { echo "$1 has no main process" >&2; exit 1; }; '
    '[ -O "/proc/$pid" ] || { echo "the main process of $1 is not of user $(id -un)" >&2; exit 1; }; '
    'shift; exec "$@" "$pid"'
)

# What nobody needs who debugs or is debugged. ptrace within one user needs no capability; but a namespace of users
# (PrivateUsers) hides the processes outside it from ptrace.
_SANDBOX = f"""\
{SANDBOX}PrivateTmp=yes
SystemCallFilter=@debug
UMask=0077
"""
# A program under debugging writes where its user may, asks which interfaces there are and talks to whom it likes.
_SANDBOX_OF_PROGRAM = """\
ProtectSystem=full
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
# dlv alone, attached to what runs outside of this unit, talks over the loopback.
_SANDBOX_OF_DLV = """\
IPAddressAllow=localhost
IPAddressDeny=any
MemoryDenyWriteExecute=yes
ProtectHome=read-only
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
"""


class Programs(t.NamedTuple):
    """Paths of dlv and go; with ``check_go`` dlv refuses a program that a Go made which it does not know."""

    dlv: str
    go: str
    check_go: bool


def environment_file(name: str) -> str:
    """Return the file of what a debug service's program gets besides its user's environment."""
    return os.path.join(ENVIRONMENTS, f"{name}.env")


def render_environment(service: Service) -> str | None:
    """Return the content of that file; None where there is nothing to say."""
    if not service.environment:
        return None
    return HEAD + environment_lines(service.environment, dollar="$")


def render_unit(service: Service, programs: Programs, launch_file: str) -> str:
    """Return the unit; ``launch_file`` is where its launch configuration stands, if it has one."""
    sandbox = _SANDBOX + (_SANDBOX_OF_PROGRAM if service.builds else _SANDBOX_OF_DLV)
    parts = [_head(service), _identity(service), _commands(service, programs), _life(service), sandbox]
    return HEAD + "".join(parts) + _install(service) + _note(service, launch_file)


def _head(service: Service) -> str:
    what = service.process_unit or service.folder
    bound = f"BindsTo={service.process_unit}\nAfter={service.process_unit}\n" if service.process_unit else ""
    # Who mends a program that does not compile has no right to start units again: it is tried for ever.
    return f"""\
[Unit]
Description={without_specifiers(f"dlv {service.mode} {what} for {service.account.name}")}
After=network.target
{bound}StartLimitIntervalSec=0

"""


def _identity(service: Service) -> str:
    place = service.folder if service.mode == "test" else service.workspace
    where = f"WorkingDirectory={without_specifiers(place)}\n" if service.builds else ""
    own = f"EnvironmentFile={environment_file(service.name)}\n" if service.environment else ""
    state = f"StateDirectory=dlv/{service.name}\nStateDirectoryMode=0700\n" if service.builds else ""
    return f"""\
[Service]
Type=exec
User={service.account.name}
EnvironmentFile=-{unit_environment_file(service.account.name)}
{own}{where}RuntimeDirectory=dlv/{service.name}
RuntimeDirectoryMode=0700
{state}SyslogIdentifier=dlv-{service.name}
"""


def _commands(service: Service, programs: Programs) -> str:
    options = [
        "--headless",
        f"--listen={service.listen}",
        "--api-version=2",
        "--only-same-user=true",
        f"--check-go-version={str(programs.check_go).lower()}",
        *(["--accept-multiclient"] if service.mode != "test" else []),
        *(["--continue"] if service.runs else []),
        *(["--log", f"--log-output={','.join(service.log)}"] if service.log else []),
    ]
    if not service.builds:
        script = ["/bin/sh", "-c", _ATTACH, f"dlv-{service.name}", service.process_unit]
        return f"ExecStart={command_line([*script, programs.dlv, 'attach', *options])}\n"
    binary = debuggee(service.name)
    build = [programs.go, *_build(service, binary)]
    start = [programs.dlv, "exec", *options, binary, "--", *service.args]
    return f"ExecStartPre={command_line(build)}\nExecStart={command_line(start)}\n"


def debuggee(name: str) -> str:
    """Return the program that is built for the debug service ``name``."""
    return os.path.join(STATE, name, "debuggee")


def _build(service: Service, binary: str) -> list[str]:
    verb = ["test", "-c"] if service.mode == "test" else ["build"]
    # -C must be the first. All win over GOFLAGS, in which the user may ask for what dlv cannot read.
    first, last = ["-C", service.folder], ["-trimpath=false", "-gcflags=all=-N -l", "-o", binary, "."]
    return [verb[0], *first, *verb[1:], "-ldflags=", *service.build_flags, *last]


def _life(service: Service) -> str:
    # On SIGINT dlv takes its breakpoints out and ends what it has started, or leaves what it is attached to; whoever
    # is left is killed. A client that ends dlv gets a new one, with a new build.
    return f"""\
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=900
TimeoutStopSec=10
Restart=always
RestartSec=2
MemoryMax={service.limits.memory}
TasksMax={service.limits.tasks}
CPUWeight={service.limits.cpu_weight}
OOMScoreAdjust=500
"""


def _install(service: Service) -> str:
    return f"\n[Install]\nWantedBy={service.process_unit or 'multi-user.target'}\n"


def _note(service: Service, launch_file: str) -> str:
    """Return a section that systemd passes over: what has to be undone when the service is no longer declared."""
    return f"\n[X-Devserver]\nUser={service.account.name}\nLaunch={launch_file}\n" if launch_file else ""


def launch_of(unit: str) -> tuple[str, str]:
    """Return the user and the file of the launch configuration that a unit's text tells of; empty where it does not."""
    match = re.search(r"^\[X-Devserver\]\nUser=(.*)\nLaunch=(.*)$", unit, re.MULTILINE)
    return (match.group(1), match.group(2)) if match else ("", "")
