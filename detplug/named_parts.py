"""Tables of parts that plugins add by name: export formats, compressors, rank selectors, weight converters."""

from collections.abc import Callable
from typing import Generic, TypeVar

from detplug.errors import UserError

Part = TypeVar('Part', bound=Callable)


class NamedParts(dict[str, Part], Generic[Part]):
    """Functions or classes by the names that a user types.

    Args:
        option: what the name follows on the command line, with a space, ``--format ``.
        what: what one part is, ``format``.
    """

    def __init__(self, option: str, what: str):
        super().__init__()
        self.option, self.what = option, what

    def adder(self, name: str) -> Callable[[Part], Part]:
        """Decorator that adds a part under ``name``; a module that is imported again adds the same part.

        Raises:
            KeyError: the name is taken by another part.
        """

        def add(part: Part) -> Part:
            known = self.setdefault(name, part)
            if (known.__module__, known.__qualname__) != (part.__module__, part.__qualname__):
                raise KeyError(f'{self.what} {name!r} is registered already: {known.__module__}')
            return part

        return add

    def find(self, name: str) -> Part:
        """The part of this name.

        Raises:
            UserError: there is none.
        """
        if name not in self:
            known = f'one of {", ".join(sorted(self))}' if self else 'no plugin that was imported adds one'
            cure = ' (plugins add theirs through custom_imports of the config)' if self.option else ''
            raise UserError(f'{self.option}{name}: no such {self.what}; {known}{cure}')
        return self[name]
