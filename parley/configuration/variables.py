"""Fills what `models/limits/variables.py` describes from an environment, and collects what is
wrong.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from models.limits.variables import VARIABLE, Variable

Filled = TypeVar("Filled")


class SettingsError(Exception):
    """Sentences for the operator, one a line: which setting is missing or wrong, and what it must
    be.
    """


class Wrong(NamedTuple):
    """A variable that cannot be used as it is, and the sentence that says so."""

    name: str
    sentence: str


class Declared(NamedTuple):
    """A field that a variable sets, with the variable's name."""

    name: str
    field: str
    default: Any
    variable: Variable


def list_variables(kind: type[Any]) -> Iterator[Declared]:
    """Iterate over the variables of a dataclass, in the order of its fields."""
    for each in dataclasses.fields(kind):
        variable: Variable | None = each.metadata.get(VARIABLE)
        if variable is not None:
            name = variable.name or f"PARLEY_{each.name.upper()}"
            yield Declared(name, each.name, each.default, variable)


class Reading:
    """One reading of an environment. A value that is wrong is noted and its default stands in, so
    that the operator learns of all of them at once.
    """

    def __init__(self, environ: Mapping[str, str], *, development: bool) -> None:
        self._environ = environ
        self._development = development
        self._wrong: dict[str, str] = {}

    def fill(self, kind: type[Filled], **others: object) -> Filled:
        """Make a dataclass of its variables' values. `others` are fields without variables."""
        declared = list_variables(kind)
        return kind(**{each.field: self._value(each) for each in declared}, **others)

    def note(self, wrongs: Iterable[Wrong]) -> None:
        """Note what is wrong besides. Of one variable only the first fault is told: what follows
        from it is none of its own.
        """
        for name, sentence in wrongs:
            self._wrong.setdefault(name, sentence)

    def refuse(self) -> None:
        """Refuse what was noted, if anything.

        Raises:
            SettingsError: with a line for each variable that is wrong.
        """
        if self._wrong:
            raise SettingsError("\n".join(self._wrong.values()))

    def _value(self, declared: Declared) -> Any:
        name, _, default, variable = declared
        text = self._environ.get(name)
        if not text and variable.other_name is not None:
            name = variable.other_name
            text = self._environ.get(name)
        if text:
            try:
                return variable.read(text)
            except ValueError as error:
                self.note([Wrong(name, f"{name} {error}")])
        return default if variable.unset is None else variable.unset(self._development)
