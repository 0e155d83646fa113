# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as ansible runs it: a process of its own with its arguments as JSON."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.gopherops.devserver.plugins.modules import go_toolchain

from tests.support.documentation import documented_options

Run = t.Callable[..., tuple[int, dict[str, t.Any]]]


@pytest.fixture
def run(module: t.Callable[..., tuple[int, dict[str, t.Any]]]) -> Run:
    return functools.partial(module, "go_toolchain", official="")


def test_the_second_run_changes_nothing(run: Run, archives: pathlib.Path, old, new, tmp_path: pathlib.Path) -> None:
    checksums = {item.version: {platform(item): item.sha256} for item in (old, new)}
    arguments = {"versions": ["1.99", "1.99.1"], "archive_dir": str(archives), "checksums": checksums}
    code, planned = run(**arguments, _ansible_check_mode=True)
    assert (code, planned["changed"]) == (0, True)
    assert not (tmp_path / "lib").exists()
    code, result = run(**arguments)
    assert (code, result["diff"]) == (0, planned["diff"])
    assert [item["status"] for item in result["toolchains"]] == ["installed", "installed"]
    assert result["default"] == {"version": "1.99.12", "path": f"{tmp_path}/lib/go/1.99.12", "link": f"{tmp_path}/go"}
    code, result = run(**arguments)
    assert (code, result["changed"]) == (0, False)


def platform(toolchain: t.Any) -> str:
    """Return the platform in the archive's name."""
    name: str = toolchain.tar_name
    return name[len(f"go{toolchain.version}.") : -len(".tar.gz")]


def test_every_user_can_read_the_tree_despite_a_strict_umask(
    run: Run, archives: pathlib.Path, old, tmp_path: pathlib.Path
) -> None:
    before = os.umask(0o077)
    try:
        checksums = {"1.99.1": {platform(old): old.sha256}}
        code, _result = run(versions=["1.99.1"], archive_dir=str(archives), checksums=checksums)
    finally:
        os.umask(before)
    assert code == 0
    directories = [
        tmp_path / "lib/go",
        tmp_path / "bin",
        tmp_path / "lib/go/1.99.1",
        tmp_path / "lib/go/1.99.1/src/fmt",
    ]
    assert [directory.stat().st_mode & 0o777 for directory in directories] == [0o755] * 4
    assert (directories[-1] / "print.go").stat().st_mode & 0o777 == 0o644


def test_an_error_is_one_message_with_its_facts(run: Run, archives: pathlib.Path, old, new) -> None:
    (archives / old.tar_name).write_bytes(new.tar)
    code, result = run(
        versions=["1.99.1"], archive_dir=str(archives), checksums={"1.99.1": {platform(old): old.sha256}}
    )
    assert code == 1
    assert "wrong digest" in result["msg"]
    assert result["actual_digest"] == f"sha256:{new.sha256}"
    assert "exception" not in result


@pytest.mark.parametrize("arguments", [{"versions": []}, {"versions": ["1.22.12"], "sources": ["anywhere"]}, {}])
def test_bad_arguments_are_rejected(run: Run, arguments: dict[str, t.Any]) -> None:
    code, result = run(**arguments)
    assert (code, result["failed"]) == (1, True)


def test_a_password_is_not_in_the_result(run: Run, tmp_path: pathlib.Path) -> None:
    code, result = run(
        versions=["1.22.12"],
        sources=["archive"],
        archive_dir=str(tmp_path),
        mirror="https://me:s3cret@mirror.example/",
        goproxy="https://other:t0psecret@proxy.example",
    )
    assert code == 1
    assert "@mirror.example" in result["invocation"]["module_args"]["mirror"]
    assert "s3cret" not in json.dumps(result)
    assert "t0psecret" not in json.dumps(result)


def test_the_options_are_those_of_the_documentation() -> None:
    assert documented_options(go_toolchain) == go_toolchain.ARGUMENT_SPEC


def test_the_sample_of_the_result_is_shaped_like_one(run: Run, archives: pathlib.Path, old) -> None:
    documented = yaml.safe_load(go_toolchain.RETURN)
    _code, result = run(
        versions=["1.99.1"], archive_dir=str(archives), checksums={"1.99.1": {platform(old): old.sha256}}
    )
    assert set(documented) <= set(result)
    assert list(documented["toolchains"]["contains"]) == list(result["toolchains"][0])
    assert list(documented["toolchains"]["sample"][0]) == list(result["toolchains"][0])
    assert set(documented["default"]["sample"]) == set(result["default"])
