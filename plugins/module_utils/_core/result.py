# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs and exits."""

from __future__ import annotations

import os
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule

# The first import, for its effect alone: it accelerates those that follow.
from . import archive_imports  # noqa: F401  # pylint: disable=unused-import
from .ending import end_with_connection
from .errors import DevserverError
from .redaction import SHORTEST, presentable, redacted, secrets_in, texts_in

Params = t.Mapping[str, t.Any]
Spec = t.Mapping[str, t.Mapping[str, t.Any]]

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

# Users read what the modules write for all of them, also where root has a stricter mask.
_UMASK = 0o022


class Outcome(t.NamedTuple):
    """The keys of a module's result; a writer's has ``changed`` and ``diff``, what it changed or would change.

    ``warnings`` are for people. With a ``failure`` the module did all it could, and fails at its end: the failed result
    has all keys of ``result`` and, where ``result`` does not have them, the details of the failure.
    """

    result: dict[str, t.Any]
    warnings: t.Sequence[str] = ()
    failure: DevserverError | None = None


class Converge(t.Protocol):
    """Plans what a module changes and, without ``check``, applies it. Raises DevserverError for invalid input."""

    def __call__(self, params: Params, *, check: bool) -> Outcome: ...


class DevserverModule(AnsibleModule):  # type: ignore[misc]  # ansible ships no types: its classes are Any
    """A module that keeps the secrets in its options out of the host's log and of its result.

    An option with ``no_log`` is a secret or, if it has variables, contains values that nothing else shows. Of these
    values only the secret ones are masked in the result: a variable of "1" would leave no port readable.
    """

    _secrets: t.Collection[str] | None = None

    def log(self, msg: str, log_args: t.Mapping[str, t.Any] | None = None) -> None:
        """Write to the host's log; of the options, which Ansible logs before a module can do anything, the names."""
        super().log(f"Invoked with {', '.join(log_args)}" if log_args else redacted(msg))

    def take_params(self) -> Params:
        """Return the options for the module's own use, and hide their secrets in what Ansible shows."""
        params: Params = t.cast(t.Any, self).params
        self.no_log_values.clear()
        self.add_secrets(secrets_of(self.argument_spec, params))
        self.params = self.show(_hidden(self.argument_spec, params))
        return params

    def add_secrets(self, secrets: t.Collection[str]) -> None:
        self.no_log_values.update(secrets)
        self._secrets = {*(self._secrets or ()), *secrets}

    def show(self, value: t.Any) -> t.Any:
        """Return text, or a structure of it, as a result contains it."""
        return presentable(value, self._secrets or ())

    def exit(self, result: t.Mapping[str, t.Any], warnings: t.Iterable[str] = (), *, failed: bool = False) -> None:
        for warning in warnings:
            self.warn(self.show(warning))
        finish = self.fail_json if failed else self.exit_json
        finish(**self.show(result))

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        if self._secrets is None:
            # Ansible itself rejects invalid options, with all options in the result.
            self.no_log_values.update(_long(secrets_in(self.params)))
        super().fail_json(msg, **kwargs)
        raise AssertionError("unreachable")


def run(spec: Spec, converge: Converge) -> None:
    """Do the work of a module with these options, and exit with the result."""
    os.umask(_UMASK)
    module = _module(spec)
    _finish(module, lambda params: converge(params, check=module.check_mode))


def run_reader(spec: Spec, read: t.Callable[[Params], Outcome], **constraints: t.Any) -> None:
    """Do the same for a module that changes nothing, in any mode. ``constraints`` are those of AnsibleModule."""
    _finish(_module(spec, **constraints), read)


def _module(spec: Spec, **constraints: t.Any) -> DevserverModule:
    return DevserverModule(argument_spec=spec, supports_check_mode=True, **constraints)


def _finish(module: DevserverModule, read: t.Callable[[Params], Outcome]) -> None:
    end_with_connection()
    try:
        outcome = read(module.take_params())
    except DevserverError as error:
        module.exit(error.result(), failed=True)
        return
    except Exception as error:
        # Ansible would return the traceback as it is, and the message of any exception may contain a value.
        msg = f"an unexpected error occurred: {type(error).__name__}: {error}"
        module.exit({"msg": msg, "exception": traceback.format_exc()}, failed=True)
        return
    result = {"changed": False, **outcome.result}
    if not module._diff:
        # It holds whole files of users, which must not stay in registered results and logs.
        result.pop("diff", None)
    if outcome.failure:
        result = {**outcome.failure.result(), **result}
    module.exit(result, outcome.warnings, failed=outcome.failure is not None)


def secrets_of(spec: Spec, params: Params) -> set[str]:
    """Return the secrets in options: values of ``no_log``, and what is secret by the name of a variable or by form."""
    secrets: set[str] = set()
    for name, option in spec.items():
        value = params.get(name)
        if "options" in option:
            entries = value if isinstance(value, list) else [value]
            secrets.update(*(secrets_of(option["options"], entry) for entry in entries if isinstance(entry, dict)))
            continue
        secrets |= secrets_in(value)
        if option.get("no_log") and not _has_variables(value):
            secrets.update(texts_in(value))
    return _long(secrets)


def _hidden(spec: Spec, params: Params) -> dict[str, t.Any]:
    """Return options as Ansible shows them: of variables in an option with ``no_log`` only the names."""
    return {name: _hidden_value(spec.get(name, {}), value) for name, value in params.items()}


def _hidden_value(option: t.Mapping[str, t.Any], value: t.Any) -> t.Any:
    if value and option.get("no_log"):
        return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN
    if isinstance(value, list):
        return [_hidden_value(option, entry) for entry in value]
    return _hidden(option["options"], value) if isinstance(value, dict) and "options" in option else value


def _has_variables(value: t.Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_variables, value)))


def _long(secrets: t.Iterable[str]) -> set[str]:
    return {secret for secret in secrets if len(secret) >= SHORTEST}
