# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch configurations in the launch.json of a workspace."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.launch import (
    LaunchFileEdit,
    configuration_name,
    launch_configuration,
    launch_file,
    managed_launch_files,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import DebugService

from .samples import service

OTHER = '{"name": "mine", "type": "go", "request": "launch"}'
COMMENTED = f'{{\n  // mine too\n  "version": "0.2.0",\n  "configurations": [\n    {OTHER}, // stays\n  ],\n}}\n'


def declared(directory: pathlib.Path, name: str = "api", port: int = 2345) -> DebugService:
    return service(name=name, workspace=str(directory), listen=f"127.0.0.1:{port}", launch_configuration=True)


def after(text: str | None, *services: DebugService, removed: tuple[str, ...] = ()) -> str | None:
    expected = {configuration_name(one.name): launch_configuration(one) for one in services}
    edit = LaunchFileEdit(service().account, expected, [configuration_name(name) for name in removed])
    (file,) = managed_launch_files({launch_file(services[0]) if services else "/tmp/.vscode/launch.json": edit})
    return file.content(text)


def test_a_new_file_is_complete(tmp_path: pathlib.Path) -> None:
    made = json.loads(after(None, declared(tmp_path)) or "")
    assert made["version"] == "0.2.0"
    assert made["configurations"] == [
        {
            "name": "Attach to dlv-api",
            "type": "go",
            "request": "attach",
            "mode": "remote",
            "debugAdapter": "dlv-dap",
            "host": "127.0.0.1",
            "port": 2345,
        }
    ]


def test_other_content_of_the_file_is_kept(tmp_path: pathlib.Path) -> None:
    text = after(COMMENTED, declared(tmp_path), declared(tmp_path, "web", 2346)) or ""
    assert "// mine too" in text and f"{OTHER}, // stays" in text
    assert text.index("mine") < text.index("dlv-api") < text.index("dlv-web")
    assert after(text, declared(tmp_path), declared(tmp_path, "web", 2346)) == text
    assert "dlv-web" not in (after(text, declared(tmp_path), removed=("web",)) or "")
    assert after(after(text, removed=("web",)), removed=("api",)) != text


def test_keys_added_by_the_user_are_kept(tmp_path: pathlib.Path) -> None:
    text = (after(None, declared(tmp_path)) or "").replace('"port": 2345', '"port": 1, "trace": "verbose"')
    text = text.replace('"mode"', '"substitutePath": [], "mode"')
    (one,) = json.loads(after(text, declared(tmp_path)) or "")["configurations"]
    assert (one["port"], one["trace"], "substitutePath" in one) == (2345, "verbose", False)


def test_paths_behind_a_symbolic_link_are_mapped(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    linked, direct = declared(tmp_path / "link"), declared(tmp_path / "real")
    paths = {"from": str(tmp_path / "link"), "to": str(tmp_path / "real")}
    assert launch_configuration(linked)["substitutePath"] == [paths]
    assert "substitutePath" not in launch_configuration(direct)
    assert launch_file(linked) == launch_file(direct)


def test_no_file_is_created_without_a_configuration(tmp_path: pathlib.Path) -> None:
    assert after(None, removed=("api",)) is None
    missing = declared(tmp_path / "missing")
    edit = LaunchFileEdit(missing.account, {configuration_name("api"): launch_configuration(missing)}, [])
    (file,) = managed_launch_files({launch_file(missing): edit})
    assert file.content(None) is None


def test_invalid_json_is_rejected_with_its_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match="2"):
        after('{\n"configurations" oops}', declared(tmp_path))
