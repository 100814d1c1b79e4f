"""The table of what few trainings need, for ``detplug train --data`` and for :meth:`detplug.Detector.train` alike."""

import argparse
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_type_hints

from detplug.engine.trackers import BACKENDS
from detplug.errors import UserError
from detplug.recipe.options import recipe_options

MICROSCOPY, NATURAL = 'microscopy', 'natural'
AUGMENTATIONS = (MICROSCOPY, NATURAL)
Reader = Callable[[str, Any], Any]  # (option, what was given) -> value; raises a UserError that names the option


def yes_or_no(option: str, given: Any) -> bool:
    """A flag."""
    if not isinstance(given, bool):
        raise UserError(f'{option} {given}: neither True nor False; correct it')
    return given


def whole(lowest: int, highest: int | None = None) -> Reader:
    """A whole number, or its text, from ``lowest`` on."""
    limit = 'on' if highest is None else f'to {highest}'

    def read(option: str, given: Any) -> int:
        number = int(given) if isinstance(given, str) and given.removeprefix('-').isdecimal() else given
        if type(number) is not int or number < lowest or (highest is not None and number > highest):
            raise UserError(f'{option} {given}: not a whole number from {lowest} {limit}; correct it')
        return number

    return read


def one_of(choices: Sequence[str]) -> Reader:
    """One of some words."""

    def read(option: str, given: Any) -> str:
        if given not in choices:
            raise UserError(f'{option} {given}: not known; one of {", ".join(choices)}')
        return given

    return read


def text(option: str, given: Any) -> str:
    """A path, a name or an address."""
    if not isinstance(given, str | Path):
        raise UserError(f'{option} {given}: neither a text nor a path; correct it')
    return str(given)


def texts(option: str, given: Any) -> tuple[str, ...]:
    """Names, or a single one."""
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, Sequence) or not all(isinstance(name, str) for name in several):
        raise UserError(f'{option} {given}: not a list of names; correct it')
    return tuple(several)


LENGTH_AND_SIZE = ('epochs', 'steps', 'minutes', 'size', 'batch', 'work_dir')  # arguments of every training


@dataclass(frozen=True)
class Argument:
    """An option ``--NAME VALUE`` of the command, and the argument ``name=value`` in Python.

    Attributes:
        help: of the command.
        read: what was given -> value.
        metavar: of the help; None of a flag.
        default: where it is not given.
        several: whether it takes more than one word.
    """

    help: str
    read: Reader
    metavar: str | None = None
    default: Any = None
    several: bool = False

    def add_to(self, parser: argparse.ArgumentParser, name: str) -> None:
        """Give ``parser`` the option; its words are read by :func:`split_options`."""
        value = dict(action='store_true') if self.metavar is None else dict(metavar=self.metavar)
        more = dict(nargs='+') if self.several else {}
        parser.add_argument(flag(name), default=argparse.SUPPRESS, help=self.help, **value, **more)


class TrainOptions(TypedDict, total=False):
    """What few trainings need: ``--NAME VALUE`` of ``detplug train --data``, ``name=value`` of ``Detector.train``.

    Those of installed plugins, such as ``compress='4x'``, are taken beside them; a type checker does not know these.
    """

    weights: Annotated[
        str | Path | None,
        Argument('checkpoint to start from, or what mmdet published; default: random weights', text, 'FILE|coco'),
    ]
    images: Annotated[
        str | Path | None, Argument('folder of the images, where they are not near the annotations', text, 'DIR')
    ]
    unknown: Annotated[
        str | Sequence[str],
        Argument('classes that are not learned, and told apart in the evaluation', texts, 'NAME', (), several=True),
    ]
    augmentation: Annotated[
        str,
        Argument(
            'for what kind of pictures; microscopy has no upside and one magnification; default: microscopy',
            one_of(AUGMENTATIONS),
            '|'.join(AUGMENTATIONS),
            MICROSCOPY,
        ),
    ]
    amp: Annotated[bool, Argument('mixed precision', yes_or_no, default=False)]
    patience: Annotated[int | None, Argument('end after N validations without a better one', whole(1), 'N')]
    log_to: Annotated[
        str | None,
        Argument('TensorBoard, W&B or MLflow get the figures too', one_of(tuple(BACKENDS)), '|'.join(BACKENDS)),
    ]
    seed: Annotated[int, Argument('of all that is drawn; default: 0', whole(0, 2**32 - 1), 'N', 0)]
    accept_anomalies: Annotated[
        bool, Argument('go on although more than 1 %% of the boxes cannot be used', yes_or_no, default=False)
    ]


@cache
def arguments() -> dict[str, Argument]:
    """The rows of the table :class:`TrainOptions` by name."""
    hints = get_type_hints(TrainOptions, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def flag(name: str) -> str:
    """How the command line calls the option."""
    return f'--{name.replace("_", "-")}'


def split_options(given: Mapping[str, Any]) -> tuple[TrainOptions, dict[str, str]]:
    """(every option of the table, defaults included; the texts of options of plugins); None is not given.

    Raises:
        UserError: a name that neither the table nor a plugin has, or a value that cannot be.
    """
    table, theirs = arguments(), recipe_options()
    given = {name: value for name, value in given.items() if value is not None}
    for name in given.keys() - table.keys() - theirs.keys():
        names = [*table, *theirs]
        near = difflib.get_close_matches(name, [*names, *LENGTH_AND_SIZE], n=1)
        hint = f'did you mean {near[0]}? ' if near else ''
        raise UserError(f'{name}: no such option of a training; {hint}further options are {", ".join(names)}')
    ours = {name: x.read(flag(name), given[name]) if name in given else x.default for name, x in table.items()}
    return ours, {name: str(value) for name, value in given.items() if name in theirs}


def default_options() -> TrainOptions:
    """The table's defaults."""
    return split_options({})[0]
