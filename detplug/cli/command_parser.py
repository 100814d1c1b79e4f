"""The parser of a command: what is typed wrong is answered with what was meant."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """argparse's, whose usage begins with ``detplug``, and which names the option that a misspelt one is near to.

    Args:
        elsewhere: option -> what has it, where this command line does not; None for no such option at all.
    """

    def __init__(self, *args: Any, elsewhere: Callable[[str], str | None] | None = None, **options: Any):
        super().__init__(*args, **options)
        self._elsewhere = elsewhere or (lambda name: None)
        self.prog = f'detplug {self.prog.removeprefix("detplug ")}'
        self._typed: list[str] = []

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> argparse.Namespace:
        """As argparse's."""
        self._typed = list(sys.argv[1:] if args is None else args)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the usage and one line, and exit with status 2.

        A misspelt option is named before what is missing because of it.
        """
        options = [option for option in self._option_string_actions if option.startswith('--')]
        for word in self._typed:
            name = word.partition('=')[0]
            if name.startswith('--') and name != '--' and not any(option.startswith(name) for option in options):
                near = difflib.get_close_matches(name, options, n=1)
                hint = self._elsewhere(name) or (f'did you mean {near[0]}?' if near else '--help lists all')
                super().error(f'{name}: no such option; {hint}')
        super().error(message)
