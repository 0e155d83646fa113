# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what is installed, by the module as ansible runs it."""

from __future__ import annotations

import getpass
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.modules import go_toolchain_info

from tests.support.documentation import documented_options

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def info(module: t.Callable[..., tuple[int, dict[str, t.Any]]]) -> Run:
    def run(**arguments: t.Any) -> dict[str, t.Any]:
        code, result = module("go_toolchain_info", users=[getpass.getuser()], **arguments)
        assert (code, result["changed"]) == (0, False)
        return result

    return run


@pytest.fixture
def installed(module: t.Callable[..., t.Any], archives: pathlib.Path, old, new, tmp_path: pathlib.Path) -> pathlib.Path:
    """Return the root of two toolchains, and a directory beside them that nobody installed."""
    checksums = {item.version: {this_platform().archive: item.sha256} for item in (old, new)}
    versions = [new.version, old.version]
    code, _result = module("go_toolchain", versions=versions, archive_dir=str(archives), checksums=checksums)
    assert code == 0
    root = tmp_path / "lib/go"
    (root / "1.98.0").mkdir()
    return root


def test_a_fresh_host_has_nothing(info: Run) -> None:
    result = info(verify=True)
    assert (result["toolchains"], result["default"]) == ([], None)


def test_installed_toolchains_are_listed(info: Run, installed: pathlib.Path, archives: pathlib.Path, new) -> None:
    result = info()
    by_hand, first, second = result["toolchains"]
    assert [item["version"] for item in result["toolchains"]] == ["1.98.0", "1.99.1", "1.99.12"]
    assert (by_hand["source"], by_hand["default"], by_hand["links"]) == (None, False, [])
    host = installed.parent.parent
    assert first["links"] == [f"{host}/bin/go1.99.1"]
    assert second == {
        "version": "1.99.12",
        "path": f"{installed}/1.99.12",
        "default": True,
        "links": [f"{host}/go", *(f"{host}/bin/{name}" for name in ("go", "go1.99.12", "gofmt"))],
        "size": sum(path.stat().st_size for path in (installed / "1.99.12").rglob("*") if path.is_file()),
        "source": "archive",
        "location": str(archives / new.tar_name),
        "digest": f"sha256:{new.sha256}",
        "bytes": len(new.tar),
        "intact": None,
        "altered": None,
    }
    assert result["default"] == {"link": f"{host}/go", "path": f"{installed}/1.99.12", "version": "1.99.12"}


def test_an_edited_tree_is_named(info: Run, installed: pathlib.Path) -> None:
    assert [item["intact"] for item in info(verify=True)["toolchains"]] == [None, True, True]
    (installed / "1.99.1/src/fmt/print.go").write_text("package mine\n")
    (installed / "1.99.1/bin/extra").write_text("")
    first, second = info(verify=True)["toolchains"][1:]
    assert (first["intact"], second["intact"]) == (False, True)
    assert first["altered"] == {"count": 2, "changed": ["src/fmt/print.go"], "added": ["bin/extra"], "missing": []}


def test_missing_versions_of_workspaces(info: Run, installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.100.1\n")
    (item,) = info(workspaces=[str(tmp_path)], minimum="1.99")["mismatches"]
    assert (item["file"], item["line"], item["default"]) == (f"{tmp_path}/go.mod", 3, "1.99.12")


def test_bad_input_is_one_message(module: t.Callable[..., t.Any]) -> None:
    for arguments, message in (
        ({"minimum": "new"}, "minimum is 'new'"),
        ({"users": ["nobody-here"]}, "nobody-here"),
    ):
        code, result = module("go_toolchain_info", **arguments)
        assert (code, "exception" in result) == (1, False)
        assert message in result["msg"]


def test_the_documentation_matches_the_argument_spec(info: Run, installed: pathlib.Path) -> None:
    assert documented_options(go_toolchain_info) == go_toolchain_info.ARGUMENT_SPEC
    returned = yaml.safe_load(go_toolchain_info.RETURN)
    result = info(minimum="1.100")
    assert set(returned) <= set(result)
    for name, entry in (("toolchains", result["toolchains"][0]), ("mismatches", result["mismatches"][0])):
        assert list(returned[name]["contains"]) == list(returned[name]["sample"][0]) == list(entry)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.99.1", []), ("1.99", []), ("go1.99.12", []), ("1.99.2", [("version-file", 1, "1.99.2")])],
)
def test_a_version_file_is_compared_with_what_is_installed(
    info: Run, installed: pathlib.Path, tmp_path: pathlib.Path, version: str, expected: list[t.Any]
) -> None:
    workspace = tmp_path / "shop"
    workspace.mkdir()
    (workspace / ".go-version").write_text(f"{version}\n")
    found = info(root=str(installed), workspaces=[str(workspace)])["mismatches"]
    assert [(item["cause"], item["line"], item["required"]) for item in found] == expected
    assert all(item["file"] == f"{workspace}/.go-version" for item in found)


@pytest.mark.parametrize(("gotoolchain", "count"), [("local", 1), ("path", 0), ("go1.99.1", 1)])
def test_a_go_line_is_met_by_the_go_that_runs(
    info: Run, installed: pathlib.Path, tmp_path: pathlib.Path, gotoolchain: str, count: int
) -> None:
    (installed / "1.99.13").mkdir()
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.99.13\ntoolchain go1.99.13\n")
    found = info(root=str(installed), workspaces=[str(tmp_path)], gotoolchain=gotoolchain)["mismatches"]
    assert [item["cause"] for item in found] == ["go"] * count
