# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules call the file system themselves, and why each may: a new one must not follow a user's links as root."""

from __future__ import annotations

import ast
import functools
import pathlib
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors

PLUGINS = pathlib.Path(errors.__file__).parents[2]
OS = """
access chmod chown fwalk lchown link listdir lstat makedirs mkdir mkfifo open readlink remove rename replace rmdir
scandir stat statvfs symlink truncate unlink utime walk
"""
PATH = "exists getmtime getsize isdir isfile islink lexists realpath samefile"
CALLS = {
    "open",
    "tarfile.open",
    "zipfile.ZipFile",
    "tempfile.mkdtemp",
    "tempfile.mkstemp",
    "glob.glob",
    "glob.iglob",
    *(f"os.{name}" for name in OS.split()),
    *(f"os.path.{name}" for name in PATH.split()),
}
# The modules with such calls outside of "with acting_as", by the reason why no user can mislead root there.
REASONS: dict[str, str] = {
    "the home of all access to users' paths: with their rights, by descriptors, or by a rename": """
        _host/files _host/managed_files _host/ownership _host/symlinks _host/tempdirs _host/trusted_paths
        _host/user_access _host/user_directories
    """,
    "callers give it the rights of the user, or the time limit; elsewhere it is the user's process": """
        _delve/launch _delve/session_probe/evidence _delve/session_probe/options _delve/session_probe/sources
        _delve/workspace _environment/apply _environment/caches _gopls/prewarm
        _gopls/session_probe/probe _gopls/session_probe/sample_positions _toolchain/modules_of_workspace
        _toolchain/unmanaged _toolchain/workspaces _toolchain/workspace_writers
        _drift/collect/directories _drift/collect/unresponsive
        _drift/collect/build_paths _drift/collect/forged_places
        _editor/extensions _tools/build_info _verify/user_sandbox _editor/installation
        _workspace/checkout _workspace/modules
        _editor/servers
    """,
    "only whether a path exists, where it leads or when it was changed, for a report or a message": """
        _delve/running _delve/session_probe/causes _gopls/session_probe/checks _host/disk_space _protocols/lsp
        _toolchain/sources
    """,
    "files of the host, in directories that only root can change": """
        _delve/session_probe/unreachable _remote_access/accounts _remote_access/authorized_keys _remote_access/sshd
        _workspace/editor_entries _workspace/git _workspace/programs
        _delve/dlv_service _delve/install _delve/tls/install _delve/tls/validity _drift/collect/debug_services
        _drift/collect/language_servers _drift/collect/requirements _drift/collect/ssh_denials
        _drift/collect/sudoers _drift/collect/tools _editor/go_editor _editor/settings
        _environment/access _environment/contexts/cron
        _environment/contexts/pam _environment/contexts/shell _environment/contexts/ssh
        _environment/contexts/ssh_terminal _environment/contexts/systemd _environment/contexts/systemd_user
        _environment/contexts/vscode_server _environment/contexts/zsh _environment/go_command
        _environment/go_values _environment/removal _environment/sshd_config _gopls/expected_files
        _gopls/gopls_service _gopls/manager _gopls/options _gopls/plan _host/destinations
        _host/kernel_parameters _host/lock _host/process_tree _host/procfs _host/removal _host/rollback
        _host/silence _host/trust_store _host/user_slice _shells/blame _systemd/back_off
        _systemd/environment_files _systemd/reload_journal _systemd/systemctl
    """,
    "the collection's own trees and temporary directories": """
        _bundle/archive _bundle/contents _bundle/make _bundle/modules _bundle/place _bundle/request
        _bundle/signature _core/ending _plan/host_plan _shells/startup _support_bundle/archive _support_bundle/collect
        _toolchain/archive _toolchain/checksum_database _toolchain/dirhash _toolchain/exchange _toolchain/fetch
        _toolchain/filelist _toolchain/in_use _toolchain/install _toolchain/inventory _toolchain/request
        _toolchain/sources _toolchain/staging _toolchain/store _tools/build _tools/build_directory _tools/cache
        _tools/install _tools/plan _tools/removal
    """,
    "runs on the controller": "_delve/tls/client_bundle _remote_access/ssh_client_config ../action ../plugin_utils",
}


def is_limited(item: ast.withitem) -> bool:
    """Return whether a block has a user's rights, or the time limit of a user."""
    return ast.unparse(item).startswith(("acting_as(", "reading("))


def calls(node: ast.AST) -> t.Iterator[str]:
    """Yield the calls of CALLS below ``node`` that are not in a block that ``is_limited``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.With) and any(map(is_limited, child.items)):
            continue
        name = ast.unparse(child.func) if isinstance(child, ast.Call) else ""
        if name in ("call_as", "each_as"):
            continue
        if name in CALLS or name.startswith("shutil."):
            yield name
        yield from calls(child)


def test_every_direct_access_to_files_has_a_reason() -> None:
    utils = PLUGINS / "module_utils"
    modules = {str(path.relative_to(utils).with_suffix("")): path for path in utils.rglob("*.py")}
    for part in ("action", "plugin_utils", "modules"):
        modules[f"../{part}"] = PLUGINS / part
    allowed = {name for names in REASONS.values() for name in names.split()}
    direct = {name for name, path in modules.items() if any(map(has_calls, sources(path)))}
    # To fix this: use the modules of the first reason, or with acting_as, before you add a module to another reason.
    assert direct - allowed == set()
    assert allowed - direct == set(), "these have no direct access any more"


def sources(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


@functools.cache
def has_calls(path: pathlib.Path) -> bool:
    return any(calls(ast.parse(path.read_text())))


def test_the_drift_report_reads_no_path_of_a_user_without_a_time_limit() -> None:
    without_limit = next(names for reason, names in REASONS.items() if reason.startswith("only whether"))
    readers = ("_drift/", "_environment/", "_plan/", "_shells/", "_support_bundle/")
    # To fix this: use acting_as or reading.
    assert [name for name in without_limit.split() if name.startswith(readers)] == []


# The modules with "with acting_as", by what limits the time of these reads.
LIMITS: dict[str, str] = {
    "the process of the drift report ends when the reads of a user take too long": """
        _drift/collect/build_paths _drift/collect/directories _drift/collect/forged_places _drift/collect/go_files
        _drift/collect/editor_settings _drift/collect/managed_files _drift/collect/tools _environment/contexts/ci
        _environment/contexts/devcontainer _environment/contexts/editor_files
    """,
    "only for the one user that a play names, who waits for the result": """
        _delve/dlv_process _delve/session_probe/adapter _delve/session_probe/evidence _delve/session_probe/plan
        _delve/session_probe/session _environment/caches _gopls/session_probe/probe _protocols/framing
        _support_bundle/collect _verify/service _verify/steps _verify/user_sandbox
    """,
    "the home of all access to users' paths, and directories that root has made": """
        _bundle/contents _bundle/modules _host/procfs _host/silence _host/tempdirs _tools/build
    """,
}


def test_reads_with_the_rights_of_users_have_a_time_limit() -> None:
    utils = PLUGINS / "module_utils"
    modules = {str(path.relative_to(utils).with_suffix("")): path for path in utils.rglob("*.py")}
    acting = {name for name, path in modules.items() if acts(path)}
    # To fix this: use each_as or call_as, before you add a module to one of the reasons.
    assert acting == {name for names in LIMITS.values() for name in names.split()}


def acts(path: pathlib.Path) -> bool:
    blocks = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.With))
    return any(ast.unparse(item).startswith("acting_as(") for block in blocks for item in block.items)
