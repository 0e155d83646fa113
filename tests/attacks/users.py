# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users with homes, and each writer of their files, run on them: a host is a directory."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._delve import install, units
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.listen_address import parse_listen_address
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import DebugService, ResourceLimits
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import apply, rendered
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import systemd_user
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.devcontainer import (
    DevcontainerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.goenv import GoEnvContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.systemd_user import (
    SystemdUserContext,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_debug import (
    VscodeDebugKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.vscode_server import (
    VscodeServerKind,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import paths, plan
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.expected import DaemonOptions, ExpectedDaemons
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import Limits
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records, symlinks
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.destinations import GO_PROGRAM
from ansible_collections.gopherops.devserver.plugins.module_utils._host.skipped_files import SkippedFile, skip_errors
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import back_off, systemctl

from tests.support.systemd import FakeSystemd

SETTINGS = ".vscode-server/data/Machine/settings.json"
WORKSPACE = "work"
# The files of a user that the writers edit or make.
FILES = {
    "go_env": (
        ".config/go/env",
        ".config/go/telemetry/mode",
        ".config/environment.d/zz-gopherops-go.conf",
        SETTINGS,
        f"{WORKSPACE}/.vscode/settings.json",
        f"{WORKSPACE}/.vscode/launch.json",
        f"{WORKSPACE}/.devcontainer/devcontainer.json",
    ),
    "gopls_service": (SETTINGS,),
    "dlv_service": (f"{WORKSPACE}/.vscode/launch.json",),
    "go_tool": ("go/bin/gopls",),
}
# The directories of a user that go_env makes.
DIRECTORIES = ("go", "go/bin", ".cache/go-build")
_TEXTS = {
    f"{WORKSPACE}/.vscode/settings.json": '{"go.gopath": "/old"}\n',
    f"{WORKSPACE}/.vscode/launch.json": '{"configurations": []}\n',
    f"{WORKSPACE}/.devcontainer/devcontainer.json": "{}\n",
}
Writer = t.Callable[[t.Sequence[Account]], list[SkippedFile]]


def make_user(directory: pathlib.Path, name: str, uid: int) -> Account:
    """Make a home with a workspace, and return its account; no name service knows it."""
    account = Account(name, uid, uid, str(directory / name), "/bin/sh")
    for path, text in _TEXTS.items():
        file = directory / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for path in (directory / name, *(directory / name).rglob("*")):
        os.chown(path, uid, uid)
    return account


def environment_of(account: Account) -> UserEnvironment:
    home = account.home
    variables = {"GOPATH": f"{home}/go", "GOBIN": f"{home}/go/bin", "GOCACHE": f"{home}/.cache/go-build"}
    manage = {f"{home}/{WORKSPACE}": ["settings", "launch", "devcontainer"]}
    return UserEnvironment(
        account,
        {**variables, "GOPROXY": "https://proxy.example"},
        [f"{home}/go/bin"],
        [f"{home}/{WORKSPACE}"],
        [f"{home}/{SETTINGS}"],
        "off",
        manage,
    )


def writers(host: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Writer]:
    """Return the writers by their modules; the files of the host are below ``host``."""
    (host / "units").mkdir()
    _set_paths(host, monkeypatch)
    FakeSystemd(host / "units").install(monkeypatch)
    return {"go_env": _go_env, "gopls_service": _gopls_service(host), "dlv_service": _dlv_service, "go_tool": _go_tool}


def _set_paths(host: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = [GoEnvContext(), SystemdUserContext(), VscodeServerKind(), VscodeDebugKind(), DevcontainerKind()]
    monkeypatch.setattr(apply, "KINDS", contexts)
    monkeypatch.setattr(apply, "OWN_DIRECTORIES", [])
    monkeypatch.setattr(rendered, "USERS", str(host / "users"))
    monkeypatch.setattr(rendered, "UNITS", str(host / "variables"))
    monkeypatch.setattr(records, "DIRECTORY", str(host / "records"))
    monkeypatch.setattr(systemd_user, "_GENERATORS", ("/bin/true",))
    monkeypatch.setattr(systemd_user, "EVERYONE", str(host / "everyone.conf"))
    for name in ("SETTINGS", "APPLIED", "PREWARM", "CRASH", "TMPFILES", "LOGROTATE", "CACHE_DIR", "SOCKET_DIR"):
        monkeypatch.setattr(paths, name, str(host) + getattr(paths, name))
    monkeypatch.setattr(paths, "environment_file", lambda user: f"{host}/language_server/{user}.env")
    monkeypatch.setattr(systemctl, "UNIT_DIR", str(host / "units"))
    monkeypatch.setattr(install, "UNIT_DIR", str(host / "units"))
    monkeypatch.setattr(install, "PENDING", str(host / "pending"))
    monkeypatch.setattr(install, "manager_runs", lambda: True)
    monkeypatch.setattr(units, "ENVIRONMENT_DIR", str(host / "environments"))
    monkeypatch.setattr(units, "STATE_DIR", str(host / "state"))
    monkeypatch.setattr(back_off, "DIRECTORY", str(host / "failures"))


def _go_env(users: t.Sequence[Account]) -> list[SkippedFile]:
    return list(
        apply.apply(Declaration(list(map(environment_of, users)), "/g", [], vscode_create=True), check=False).skipped
    )


def _gopls_service(host: pathlib.Path) -> Writer:
    options = DaemonOptions(f"{host}/bin/gopls", "/g", Limits(1 << 30, 1 << 30, 1 << 29), 0)

    def write(users: t.Sequence[Account]) -> list[SkippedFile]:
        expected = ExpectedDaemons(list(map(environment_of, users)), options, {"gofumpt": True}, {}, vscode_create=True)
        return list(plan.apply_plan(plan.plan_daemons(expected)).skipped)

    return write


def _dlv_service(users: t.Sequence[Account]) -> list[SkippedFile]:
    services = list(map(_debug_service, users))
    planned = install.plan_services(services, units.Programs("/bin/true", "/bin/true", True), lambda _name: False)
    return install.apply_plan(planned).skipped


def _debug_service(account: Account) -> DebugService:
    workspace = f"{account.home}/{WORKSPACE}"
    return DebugService(
        name=account.name,
        account=account,
        mode="exec",
        listen=parse_listen_address(f"127.0.0.1:{account.uid}", account.name),
        workspace=workspace,
        package_dir=workspace,
        process_unit="",
        args=[],
        environment={},
        build_flags=[],
        continues=True,
        log=[],
        limits=ResourceLimits(1 << 30, 512, 50),
        started=True,
        launch=True,
        allow_shared_workspace=True,
    )


def _go_tool(users: t.Sequence[Account]) -> list[SkippedFile]:
    """Make the links as go_tool does, without a build."""
    skipped: list[SkippedFile] = []
    root = "/usr/local/lib/go-tools"
    for account in users:
        path = f"{account.home}/go/bin/gopls"
        with skip_errors(skipped, account.name, path):
            link = symlinks.inspect_link(path, f"{root}/gopls", GO_PROGRAM, [root], account)
            link.check("user_bin_dir")
            link.make()
    return skipped
