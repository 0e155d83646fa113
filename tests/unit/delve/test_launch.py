# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch configurations in a workspace's own launch.json."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.launch import (
    Launch,
    configuration_of,
    launch_file,
    managed_launch_files,
    title_of,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import Service

from .samples import service

OTHER = '{"name": "mine", "type": "go", "request": "launch"}'
COMMENTED = f'{{\n  // my own\n  "version": "0.2.0",\n  "configurations": [\n    {OTHER}, // stays\n  ],\n}}\n'


def asked(folder: pathlib.Path, name: str = "api", port: int = 2345) -> Service:
    return service(name=name, workspace=str(folder), listen=f"127.0.0.1:{port}", launch_configuration=True)


def after(text: str | None, *services: Service, stale: tuple[str, ...] = ()) -> str | None:
    wanted = {title_of(one.name): configuration_of(one) for one in services}
    launch = Launch(service().account, wanted, [title_of(name) for name in stale])
    (file,) = managed_launch_files({launch_file(services[0]) if services else "/tmp/.vscode/launch.json": launch})
    return file.content(text)


def test_a_file_is_made_with_what_vs_code_needs(tmp_path: pathlib.Path) -> None:
    made = json.loads(after(None, asked(tmp_path)) or "")
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


def test_what_else_is_in_the_file_stays(tmp_path: pathlib.Path) -> None:
    text = after(COMMENTED, asked(tmp_path), asked(tmp_path, "web", 2346)) or ""
    assert "// my own" in text and f"{OTHER}, // stays" in text
    assert text.index("mine") < text.index("dlv-api") < text.index("dlv-web")
    assert after(text, asked(tmp_path), asked(tmp_path, "web", 2346)) == text
    assert "dlv-web" not in (after(text, asked(tmp_path), stale=("web",)) or "")
    assert after(after(text, stale=("web",)), stale=("api",)) != text


def test_what_the_user_has_added_to_it_stays(tmp_path: pathlib.Path) -> None:
    text = (after(None, asked(tmp_path)) or "").replace('"port": 2345', '"port": 1, "trace": "verbose"')
    text = text.replace('"mode"', '"substitutePath": [], "mode"')
    (one,) = json.loads(after(text, asked(tmp_path)) or "")["configurations"]
    assert (one["port"], one["trace"], "substitutePath" in one) == (2345, "verbose", False)


def test_a_workspace_behind_a_link_has_its_paths_mapped(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    linked, direct = asked(tmp_path / "link"), asked(tmp_path / "real")
    paths = {"from": str(tmp_path / "link"), "to": str(tmp_path / "real")}
    assert configuration_of(linked)["substitutePath"] == [paths]
    assert "substitutePath" not in configuration_of(direct)
    assert launch_file(linked) == launch_file(direct)


def test_nothing_is_made_where_nothing_is_wanted(tmp_path: pathlib.Path) -> None:
    assert after(None, stale=("api",)) is None
    missing = asked(tmp_path / "missing")
    launch = Launch(missing.account, {title_of("api"): configuration_of(missing)}, [])
    assert managed_launch_files({launch_file(missing): launch}) == []
    assert launch_file(service(workspace=str(tmp_path))) == ""


def test_a_file_that_is_no_json_is_refused_with_its_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DevserverError, match="2"):
        after('{\n"configurations" oops}', asked(tmp_path))
