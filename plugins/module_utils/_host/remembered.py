# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that stay for the time of one report: several contexts read the same files and query the same programs."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import threading
import typing as t

_Function = t.TypeVar("_Function", bound=t.Callable[..., t.Any])

_Results = t.Dict[t.Any, "concurrent.futures.Future[t.Any]"]
_LOCK = threading.Lock()
# The results of each block that is being run, the innermost last.
_BLOCKS: list[_Results] = []


@contextlib.contextmanager
def remembering() -> t.Iterator[None]:
    """Keep the results of all ``remembered`` functions until this block ends."""
    _BLOCKS.append({})
    try:
        yield
    finally:
        _BLOCKS.pop()


def remembered(function: _Function) -> _Function:
    """Call ``function`` only once with the same arguments inside of ``remembering``, also from several threads.

    Its result, which the callers share, must not be changed.
    """

    @functools.wraps(function)
    def call(*args: t.Any) -> t.Any:
        if not _BLOCKS:
            return function(*args)
        with _LOCK:
            results, key = _BLOCKS[-1], (function, args)
            known = results.get(key)
            result = results.setdefault(key, concurrent.futures.Future())
        if known is None:
            try:
                result.set_result(function(*args))
            except BaseException as error:
                result.set_exception(error)
        return result.result()

    return t.cast("_Function", call)
