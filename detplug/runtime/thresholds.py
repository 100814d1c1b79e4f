"""The lowest score that is kept of each class: as given, else as chosen on validation pictures, else .25.

A bundle's manifest may hold thresholds that a command of a plugin chose: an entry with
``classes: {NAME: {threshold: T}}``, whatever the entry is called and whatever else it says.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detplug.errors import UserError

DEFAULT = 0.25
EVERY = ''  # stands for every class
OPTION = '--score-thr'


@dataclass(frozen=True)
class Chosen:
    """Thresholds of a bundle: class -> score; ``origin``: the file and entry, for the screen."""

    of: dict[str, float] = field(default_factory=dict)
    origin: str = ''


def parse_thresholds(texts: Sequence[str]) -> dict[str, float]:
    """Class -> threshold of ``T`` and ``CLASS=T``.

    Raises:
        UserError: not a score, or one class twice.
    """
    given: dict[str, float] = {}
    for text in texts:
        name, _, value = text.rpartition('=')
        if name in given:
            raise UserError(f'{OPTION} {text}: is given twice; leave one of them out')
        try:
            given[name] = float(value)
        except ValueError:
            raise UserError(f'{OPTION} {text}: {value} is not from 0 to 1; give T or CLASS=T') from None
    return given


def check_thresholds(given: Mapping[str, float], names: Sequence[str], what: str = OPTION) -> None:
    """Refuse what no detector of the classes ``names`` can keep.

    Raises:
        UserError: a class that it does not have, or a number that is no score.
    """
    for name, value in given.items():
        if name and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f'did you mean {near[0]}? ' if near else ''
            raise UserError(f'{what} {name}={value}: no class of the detector; {hint}it has {", ".join(names)}')
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UserError(f'{what} {name}{"=" if name else ""}{value}: not from 0 to 1; correct it')


def manifest_thresholds(manifest: Mapping[str, Any], file: str) -> Chosen:
    """The thresholds that a manifest holds; none where no entry has any.

    Raises:
        UserError: two entries have some, or they are none of this bundle's classes.
    """
    chosen = Chosen()
    for name, entry in manifest.items():
        classes = entry.get('classes') if isinstance(entry, dict) else None
        if not isinstance(classes, dict):
            continue
        of = {key: x['threshold'] for key, x in classes.items() if isinstance(x, dict) and 'threshold' in x}
        origin = f'{file} ({name})'
        if of and chosen.of:
            raise UserError(f'{origin}: thresholds, but so has {chosen.origin}; take one of them out')
        check_thresholds(of, manifest['classes'], f'{origin}: threshold')
        chosen = Chosen(of, origin) if of else chosen
    return chosen


def chosen_of(engine: Any) -> Chosen:
    """What was chosen for an engine; nothing for most."""
    return getattr(engine, 'chosen', Chosen())


def lowest_scores(
    given: Mapping[str, float], chosen: Chosen, names: Sequence[str], what: str = OPTION
) -> dict[str, float]:
    """Class -> lowest score, for every class: that of its name, that of all, the chosen one, or .25.

    Raises:
        UserError: as :func:`check_thresholds`.
    """
    check_thresholds(given, names, what)
    return {name: given.get(name, given.get(EVERY, chosen.of.get(name, DEFAULT))) for name in names}


def describe(given: Mapping[str, float], chosen: Chosen, names: Sequence[str]) -> str | None:
    """A line that says where thresholds come from and what they are; None where a single one, or none, was given."""
    named = ', '.join(f'{name} {score:.3g}' for name, score in lowest_scores(given, chosen, names).items())
    if not chosen.of:
        return f'thresholds: {named}' if given.keys() - {EVERY} else None
    if EVERY in given:
        return f'thresholds: {named}; not those of {chosen.origin}, because of {OPTION}'
    return f'thresholds of {chosen.origin}{f" and {OPTION}" if given else ""}: {named}'
