# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd units of the gopls daemons, as texts. One function per unit, in the order in which an editor needs them.

An editor connects to the socket unit. Its first connection starts the proxy, and the proxy starts the daemon, because
gopls cannot take a socket from systemd. The proxy is bound to the daemon: when the daemon stops, so does the proxy, and
the next connection waits at the socket until the daemon runs again.

systemd binds a socket as root, and gives the path to the user: no user can change the directory of it. The daemon
makes its own socket in a directory of the user inside of that one, which systemd creates and removes with the daemon.

gopls serves profiles on a TCP port only, which all users of a host could open. With them the daemon has a network
namespace of its own, whose only entrance is a socket of the user, with a second proxy.
"""

from __future__ import annotations

import typing as t

from .._core.sizes import MIB
from .._environment.rendered import unit_environment_file
from .._systemd import systemctl
from .._systemd.back_off import START_DELAY
from .._systemd.edits import sealed
from .._systemd.hardening import SANDBOX, owner_check
from .._systemd.quoting import command_line, command_word, setting_word
from . import paths
from .expected import DaemonOptions
from .memory_limits import Limits

# The proxy exits without clients from this version on, and the daemon with it.
_IDLE_SINCE = 246
# Where gopls serves profiles, in its own network namespace, and the seconds after which their proxy exits.
_PPROF = "127.0.0.1:6060"
_PPROF_FLAG = f" -debug={_PPROF}"
_PPROF_IDLE = 60
_DAEMON_SOCKET = f"{paths.daemon_directory('%i')}/gopls.sock"
_CACHE_CHECK = owner_check(paths.cache_directory("%i"))
# Bytes. The kernel can exceed MemoryMax by 32 KiB (measured) while it kills a process; the declared cap must hold.
SLACK = MIB

# Homes and workspaces can be anywhere, /tmp included, and must be the same as in the editor. go downloads modules, and
# compilers and the programs of go:generate run here. Everything else is denied.
_HARDENING = f"""\
{SANDBOX}ProtectSystem=full
UMask=0022
"""
_NETWORK = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"
# Where systemd must not create a namespace, as in some containers, it ignores the setting with the host's network, in
# which systemd's own sockets are.
_OWN_NETWORK = """\
PrivateNetwork=yes
ExecStartPre=/bin/sh -c 'grep -q /run/systemd/notify /proc/self/net/unix; test $$? = 1 && exit; \
  echo "language_server_pprof needs network namespaces, which this host denies. To fix this: set it to false"; exit 1'
"""


def render_units(daemon: DaemonOptions) -> dict[str, str]:
    """Return the template units that serve every user, by path."""
    texts = {
        "gopls-proxy@.socket": _render_socket("Socket", "gopls.sock"),
        "gopls-proxy@.service": _render_proxy(daemon),
        "gopls-pprof@.socket": _render_socket("Profiles", "pprof.sock"),
        "gopls-pprof@.service": _render_profiles(daemon),
        "gopls@.service": _render_daemon(daemon),
        "gopls-prewarm@.timer": _render_prewarm_timer(daemon),
        "gopls-prewarm@.service": _render_prewarm(daemon),
    }
    return {f"{systemctl.UNIT_DIR}/{name}": sealed(paths.HEADER + text) for name, text in texts.items()}


def serves_profiles(command: str) -> bool:
    """Return whether a daemon with this rendered command serves its debug and profiling pages."""
    return _PPROF_FLAG in command


def _render_socket(subject: str, name: str) -> str:
    return f"""\
[Unit]
Description={subject} of the Go language server of %i

[Socket]
ListenStream={paths.SOCKET_DIR}/%i/{name}
SocketUser=%i
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def _render_proxy(daemon: DaemonOptions) -> str:
    return _render_forwarder("Proxy", daemon, daemon.idle, _DAEMON_SOCKET, "AF_UNIX")


def _render_profiles(daemon: DaemonOptions) -> str:
    return _render_forwarder("Profiles", daemon, _PPROF_IDLE, _PPROF, "AF_UNIX AF_INET")


def _render_forwarder(subject: str, daemon: DaemonOptions, seconds: int, target: str, families: str) -> str:
    """Return a proxy that connects to ``target`` in the daemon's network namespace, or in one without a network."""
    idle = f" --exit-idle-time={seconds}s" if seconds and daemon.systemd >= _IDLE_SINCE else ""
    return f"""\
[Unit]
Description={subject} of the Go language server of %i
BindsTo=gopls@%i.service
After=gopls@%i.service
JoinsNamespaceOf=gopls@%i.service
StartLimitIntervalSec=0

[Service]
User=%i
ExecStart=/lib/systemd/systemd-socket-proxyd{idle} {target}
MemoryMax=64M
{_HARDENING}RestrictAddressFamilies={families}
PrivateNetwork=yes
ProtectHome=yes
PrivateTmp=yes
"""


def _render_daemon(daemon: DaemonOptions) -> str:
    log = (
        f"StandardOutput=append:{paths.LOG_DIR}/%i.log\nStandardError=append:{paths.LOG_DIR}/%i.log\n"
        if daemon.log
        else ""
    )
    flags, network = (_PPROF_FLAG, _OWN_NETWORK) if daemon.pprof else ("", "")
    return f"""\
[Unit]
Description=Go language server of %i
# Each restart is delayed; a limit on starts would leave the editor without a server until an administrator acts.
StartLimitIntervalSec=0
StopWhenUnneeded=yes

[Service]
# ExecStartPost probes the process, which is root's until it runs gopls.
Type=exec
User=%i
WorkingDirectory=/
{_render_environment(daemon)}RuntimeDirectory=gopls/%i/daemon
RuntimeDirectoryMode=0700
{START_DELAY}{_CACHE_CHECK}ExecStart={command_word(daemon.gopls)} serve "-listen=unix;{_DAEMON_SOCKET}"{flags}
# The unit has started once gopls listens, not before.
ExecStartPost=/bin/sh -c 'until test -S {_DAEMON_SOCKET}; do kill -0 $MAINPID || exit 1; sleep 0.05; done'
ExecStopPost={paths.CRASH} %i
# Longer than the longest delay of the start.
TimeoutStartSec=90
TimeoutStopSec=10
Restart=on-failure
RestartSec=2
{log}{_render_memory(daemon.limits)}CPUWeight={daemon.cpu_weight}
TasksMax=1024
# If a go command uses too much memory, only that command is killed and gopls continues.
OOMPolicy=continue
OOMScoreAdjust={daemon.oom_score}
{_HARDENING}{_NETWORK}{network}"""


def _render_prewarm_timer(daemon: DaemonOptions) -> str:
    return f"""\
[Unit]
Description=Prewarm of the Go workspaces of %i, before gopls deletes unused cache entries

[Timer]
OnBootSec=10min
OnUnitActiveSec={daemon.prewarm_days}d
AccuracySec=10min
RandomizedDelaySec=20min

[Install]
WantedBy=timers.target
"""


def _render_prewarm(daemon: DaemonOptions) -> str:
    return f"""\
[Unit]
Description=Prewarm of the Go workspaces of %i

[Service]
Type=oneshot
User=%i
WorkingDirectory=/
{_render_environment(daemon)}{_CACHE_CHECK}# The prewarm uses idle resources only, so that no developer waits for it.
Nice=19
IOSchedulingClass=idle
CPUWeight=5
{_render_memory(daemon.limits)}TasksMax=1024
OOMScoreAdjust=1000
TimeoutStartSec={daemon.prewarm_minutes}min
{_HARDENING}{_NETWORK}"""


def render_prewarm_drop_in(python: str, gopls: str, workspaces: t.Sequence[str], previous_user: str) -> str:
    """Return the prewarm command of one user, which waits for the prewarm of ``previous_user``, if there is one.

    ``gopls`` is the binary itself, not a link to it, so that the text changes with the binary.
    """
    command = command_line([python, paths.PREWARM, gopls, paths.SETTINGS, *workspaces])
    after = f"[Unit]\nAfter={paths.prewarm_unit(previous_user)}\n\n" if previous_user else ""
    return sealed(f"{paths.HEADER}{after}[Service]\nExecStart={command}\n")


def render_session_drop_in(limits: Limits) -> str:
    """Return the limits on all processes in one user's sessions: editor server, builds, debuggers."""
    high, cap = limits.session * 95 // 100, limits.session - SLACK
    return sealed(f"{paths.HEADER}[Slice]\nMemoryHigh={high}\nMemoryMax={cap}\n")


def _render_environment(daemon: DaemonOptions) -> str:
    path = f"PATH={daemon.goroot}/bin:/usr/local/bin:/usr/bin:/bin"
    return f"""\
Environment={setting_word(path)}
EnvironmentFile=-{unit_environment_file("%i")}
EnvironmentFile={paths.environment_file("%i")}
"""


def _render_memory(limits: Limits) -> str:
    # Without MemorySwapMax the cap would only move the excess into swap.
    return f"MemoryHigh={limits.high}\nMemoryMax={limits.cap - SLACK}\nMemorySwapMax=0\n"
