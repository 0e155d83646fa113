# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the unit of a debug service and its environment file.

Formats: systemd.unit(5), systemd.service(5) and systemd.exec(5); dlv's options are those of 1.20 to 1.27.
"""

from __future__ import annotations

import os
import re
import typing as t

from .._core.managed_header import managed_header
from .._environment.rendered import unit_environment_file
from .._shells.scripts import SH_ATTACH
from .._systemd.back_off import START_DELAY
from .._systemd.edits import sealed
from .._systemd.environment_files import environment_file_setting, environment_lines
from .._systemd.hardening import SANDBOX, owner_check
from .._systemd.quoting import command_line, without_specifiers
from .services import DebugService

HEADER = managed_header("dlv_service")
STATE_DIR = "/var/lib/dlv"
ENVIRONMENT_DIR = "/etc/gopherops/debug"

# Restrictions for dlv and for the program. ptrace between processes of one user needs no capability. PrivateUsers is
# missing: a user namespace hides the processes outside of it from ptrace.
_SANDBOX = f"""\
{SANDBOX}PrivateTmp=yes
SystemCallFilter=@debug
UMask=0077
"""
# The debugged program may write to its user's files, list network interfaces and connect to any host.
_PROGRAM_SANDBOX = """\
ProtectSystem=full
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
# In mode attach the unit contains only dlv, which uses only loopback addresses.
_DLV_SANDBOX = """\
IPAddressAllow=localhost
IPAddressDeny=any
MemoryDenyWriteExecute=yes
ProtectHome=read-only
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
"""


class Programs(t.NamedTuple):
    """Paths of dlv and go; with ``check_go`` dlv rejects a program of a Go version that it does not support."""

    dlv: str
    go: str
    check_go: bool


class LaunchFile(t.NamedTuple):
    """A launch.json that a service has, or had, a configuration in, and the name of its user."""

    user: str
    path: str


def environment_file(name: str) -> str:
    """Return the file of the variables that a debug service's program gets in addition to its user's environment."""
    return os.path.join(ENVIRONMENT_DIR, f"{name}.env")


def render_environment(service: DebugService) -> str | None:
    """Return the content of that file; None without variables."""
    if not service.environment:
        return None
    return HEADER + environment_lines(service.environment, dollar="$")


def render_unit(service: DebugService, programs: Programs, launch_files: t.Iterable[LaunchFile]) -> str:
    """Return the unit; ``launch_files`` contain its launch configuration."""
    sandbox = _SANDBOX + (_PROGRAM_SANDBOX if service.builds else _DLV_SANDBOX)
    parts = [
        _render_unit_section(service),
        _render_identity(service),
        _render_commands(service, programs),
        _render_lifecycle(service),
        sandbox,
    ]
    return sealed(HEADER + "".join([*parts, _render_install_section(service), *map(_render_launch_note, launch_files)]))


def _render_unit_section(service: DebugService) -> str:
    subject = service.process_unit or service.package_dir
    dependencies = f"BindsTo={service.process_unit}\nAfter={service.process_unit}\n" if service.process_unit else ""
    # Retry without limit, each time later: developers who fix a compile error cannot restart the unit.
    return f"""\
[Unit]
Description={without_specifiers(f"dlv {service.mode} {subject} for {service.account.name}")}
After=network.target
{dependencies}StartLimitIntervalSec=0

"""


def _render_identity(service: DebugService) -> str:
    directory = service.package_dir if service.mode == "test" else service.workspace
    # Without the directory the build fails, with its path as the cause.
    working_directory = f"WorkingDirectory=-{without_specifiers(directory)}\n" if service.builds else ""
    environment = f"EnvironmentFile={environment_file(service.name)}\n" if service.environment else ""
    return f"""\
[Service]
Type=exec
User={service.account.name}
EnvironmentFile=-{environment_file_setting(unit_environment_file(service.account.name))}
{environment}{working_directory}RuntimeDirectory=dlv/{service.name}
RuntimeDirectoryMode=0700
SyslogIdentifier=dlv-{service.name}
"""


def _render_commands(service: DebugService, programs: Programs) -> str:
    options = [
        "--headless",
        f"--listen={service.listen}",
        "--api-version=2",
        "--only-same-user=true",
        f"--check-go-version={str(programs.check_go).lower()}",
        *(["--accept-multiclient"] if service.mode != "test" else []),
        *(["--continue"] if service.continues else []),
        *(["--log", f"--log-output={','.join(service.log)}"] if service.log else []),
    ]
    if not service.builds:
        script = ["/bin/sh", "-c", SH_ATTACH, f"dlv-{service.name}", service.process_unit]
        return f"{START_DELAY}ExecStart={command_line([*script, programs.dlv, 'attach', *options])}\n"
    binary = debuggee_path(service.name)
    build = [programs.go, *_build_command(service, binary)]
    start = [programs.dlv, "exec", *options, binary, "--", *service.args]
    check = owner_check(build_directory(service.name))
    return f"{START_DELAY}{check}ExecStartPre={command_line(build)}\nExecStart={command_line(start)}\n"


def debuggee_path(name: str) -> str:
    """Return the path of the program that is built for the debug service ``name``."""
    return os.path.join(build_directory(name), "debuggee")


def build_directory(name: str) -> str:
    """Return the directory of that program, which belongs to the user of the service."""
    return os.path.join(STATE_DIR, name)


def _build_command(service: DebugService, binary: str) -> list[str]:
    verb = ["test", "-c"] if service.mode == "test" else ["build"]
    # -C must come first. These flags override GOFLAGS, in which the user may have set flags that break debugging.
    first, last = ["-C", service.package_dir], ["-trimpath=false", "-gcflags=all=-N -l", "-o", binary, "."]
    return [verb[0], *first, *verb[1:], "-ldflags=", *service.build_flags, *last]


def _render_lifecycle(service: DebugService) -> str:
    # On SIGINT dlv removes its breakpoints and stops the program that it launched, or detaches; systemd kills processes
    # that remain. When a client stops dlv, systemd starts a new one with a new build.
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


def _render_install_section(service: DebugService) -> str:
    return f"\n[Install]\nWantedBy={service.process_unit or 'multi-user.target'}\n"


def _render_launch_note(file: LaunchFile) -> str:
    """Return a section that systemd ignores: what a later run removes when the service is no longer declared."""
    return f"\n[X-Devserver]\nUser={file.user}\nLaunch={file.path}\n"


def launch_files_of(unit: str) -> list[LaunchFile]:
    """Return the files with launch configurations of the service whose unit has the text ``unit``."""
    return [
        LaunchFile(*groups) for groups in re.findall(r"^\[X-Devserver\]\nUser=(.*)\nLaunch=(.*)$", unit, re.MULTILINE)
    ]
