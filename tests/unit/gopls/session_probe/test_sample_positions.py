# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample found in a workspace is a real call, across modules or packages if there is one."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.session_probe.sample_positions import (
    find_use,
    locate_symbol,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MOD = "module example.com/a\n\ngo 1.21\n"
LIB = "package lib\n\nfunc Do() {}\n\nfunc Also[T any](T) {}\n\ntype T struct{}\n\nfunc (T) Method() {}\n"


def importing(body: str, imported: str = '"example.com/a/lib"') -> str:
    return f"package main\n\nimport {imported}\n\n{body}\n"


def tree(directory: pathlib.Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return str(directory)


def two_modules(files: dict[str, str]) -> dict[str, str]:
    library = {"lib/go.mod": "module example.com/lib\n", "lib/lib.go": LIB}
    return {
        "a/go.mod": MOD,
        "a/main.go": importing("func main() { lib.Do() }", '"example.com/lib"'),
        **library,
        **files,
    }


@pytest.mark.parametrize(
    ("files", "symbol", "across", "place"),
    [
        (
            two_modules({"go.work": "go 1.21\n\nuse ./a\nuse (\n\t./lib // it\n)\n"}),
            "lib.Do",
            "modules",
            ("a/main.go", 5),
        ),
        (two_modules({"a/go.mod": MOD + "replace example.com/lib => ../lib\n"}), "lib.Do", "modules", ("a/main.go", 5)),
        (
            {"go.mod": MOD, "lib/lib.go": LIB, "main.go": importing("func main() { lib.Do() }")},
            "lib.Do",
            "packages",
            ("main.go", 5),
        ),
        (
            {"go.mod": MOD, "lib/lib.go": LIB, "main.go": importing("func main() { x.Do() }", 'x "example.com/a/lib"')},
            "x.Do",
            "packages",
            ("main.go", 5),
        ),
        (
            {"go.mod": MOD, "odd/lib.go": LIB, "main.go": importing("var _ = lib.Do()", '(\n\t"example.com/a/odd"\n)')},
            "lib.Do",
            "packages",
            ("main.go", 7),
        ),
        (
            {"go.mod": MOD, "lib/lib.go": LIB, "main.go": importing("func main() { lib.Also[int](1) }")},
            "lib.Also",
            "packages",
            ("main.go", 5),
        ),
        ({"go.mod": MOD, "a.go": "package a\n\nfunc f() {}\n\nfunc g() { f() }\n"}, "f", "package", ("a.go", 5)),
        (
            {
                "go.mod": MOD,
                "lib/lib.go": LIB,
                "a_test.go": importing("func f() { lib.Do() }"),
                "b.go": importing("func g() { lib.Do() }"),
            },
            "lib.Do",
            "packages",
            ("b.go", 5),
        ),
        (
            {
                "go.mod": MOD,
                "lib/lib.go": LIB,
                "main.go": importing(
                    '// lib.Do()\nvar s = "lib.Do()" + `\nlib.Do()`\n/* lib.Do() */ func f() { lib.Do() }'
                ),
            },
            "lib.Do",
            "packages",
            ("main.go", 8),
        ),
    ],
    ids=["go.work", "replace", "package", "alias", "odd directory", "generic", "one package", "no test", "no comment"],
)
def test_a_call_across_modules_or_packages_is_preferred(tmp_path, files, symbol, across, place):
    use = find_use(tree(tmp_path, files))
    assert (use.symbol, use.across, (use.place.file, use.place.line)) == (
        symbol,
        across,
        (str(tmp_path / place[0]), place[1]),
    )
    line = files[place[0]].split("\n")[use.place.line - 1]
    assert line[use.place.column :].startswith(symbol.rpartition(".")[2])


@pytest.mark.parametrize(
    "name",
    ["vendor/x/x.go", "testdata/x.go", ".hidden/x.go", "_x/x.go", "node_modules/x.go", "x_windows.go", "x.txt"],
)
def test_files_that_go_does_not_build_here_are_ignored(tmp_path, name):
    workspace = tree(tmp_path, {"go.mod": MOD, "lib/lib.go": LIB, name: importing("func f() { lib.Do() }")})
    with pytest.raises(DevserverError, match="no function call found"):
        find_use(workspace)


@pytest.mark.parametrize(
    "body",
    [
        "// nothing",
        "func f() { lib.Method() }",
        "func f() { lib.None() }",
        "func f() { mylib.Do() }",
        "func f() { x.lib.Do() }",
    ],
)
def test_other_text_is_not_a_call(tmp_path, body):
    workspace = tree(tmp_path, {"go.mod": MOD, "lib/lib.go": LIB, "main.go": importing(body)})
    with pytest.raises(DevserverError, match="no function call found"):
        find_use(workspace)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"main.go": "package main\n\nfunc f() {}\n\nfunc main() { f() }\n"},
        {"go.mod": MOD, "main.go": "//go:build never\n\npackage main\n\nfunc f() {}\n\nfunc main() { f() }\n"},
        {"go.work": "go 1.21\n\nuse ./gone\n"},
        two_modules({"a/main.go": importing("func main() { lib.Do() }", '"example.com/lib"')}),
    ],
    ids=["nothing", "no module", "constraint", "module gone", "separate modules"],
)
def test_without_a_sample_the_remedy_names_the_options(tmp_path, files):
    with pytest.raises(DevserverError, match="set files and symbol"):
        find_use(tree(tmp_path, files))


def test_only_the_given_files_are_searched(tmp_path):
    body = "func f() { lib.Do() }"
    files = {"go.mod": MOD, "lib/lib.go": LIB, "a.go": importing(body), "b.go": importing(body)}
    assert find_use(tree(tmp_path, files), [str(tmp_path / "b.go")]).place.file == str(tmp_path / "b.go")


def test_columns_count_utf_16_units(tmp_path):
    files = {"go.mod": MOD, "lib/lib.go": LIB, "main.go": importing('var _ = "é😀" + lib.Do()')}
    assert find_use(tree(tmp_path, files)).place.column == len('var _ = "é__" + lib.')


@pytest.mark.parametrize(
    ("symbol", "line", "place"),
    [
        ("lib.Do", None, (5, 15)),
        ("lib.Do", 6, (6, 15)),
        ("main", None, (1, 8)),
        ("Do", None, None),
        ("lib.D", None, None),
    ],
)
def test_a_given_symbol_is_located(tmp_path, symbol, line, place):
    file = tree(tmp_path, {"main.go": importing("func a() { lib.Do() }\nfunc b() { lib.Do() } // lib.D")}) + "/main.go"
    if place is None:
        with pytest.raises(DevserverError, match="not found in"):
            locate_symbol(file, symbol, line)
    else:
        assert locate_symbol(file, symbol, line).place == (file, *place)


def test_a_symbol_that_is_not_in_the_line_or_file_is_an_error(tmp_path):
    file = tree(tmp_path, {"main.go": importing("func a() { lib.Do() }")}) + "/main.go"
    with pytest.raises(DevserverError, match="not found in line 4 of"):
        locate_symbol(file, "lib.Do", 4)
    with pytest.raises(DevserverError, match="does not exist"):
        locate_symbol(file + "x", "lib.Do")


pieces = [
    "package a\n",
    "func F() {}\n",
    "F()",
    "import ",
    '"b"',
    "(",
    ")",
    "\n",
    "`",
    '"',
    "//",
    "/*",
    "*/",
    "func ",
    "'",
    "😀",
    "\\",
]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=20))
def test_the_place_is_that_of_the_symbol_in_any_text(tmp_path, words):
    text = "".join(words).encode("utf-8", "replace").decode()
    (tmp_path / "go.mod").write_text(MOD)
    (tmp_path / "a.go").write_bytes(text.encode())
    try:
        use = find_use(str(tmp_path))
    except DevserverError:
        return
    line = text.split("\n")[use.place.line - 1].encode("utf-16-le")
    assert line[2 * use.place.column :].decode("utf-16-le").startswith(use.symbol)
