"""Options that plugins add to ``train --data`` (``PACKAGE/recipe_options.py``: OPTIONS, name -> RecipeOption)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detplug.entry_points import plugin_table

if TYPE_CHECKING:
    from detplug.recipe.config_text import RecipeConfig


@dataclass(frozen=True)
class TrainedRun:
    """A training that has ended: its folder, config and best checkpoint, and the steps that it took."""

    work_dir: Path
    config: Path
    checkpoint: Path
    steps: int


@dataclass(frozen=True)
class RecipeOption:
    """An option ``--NAME VALUE``.

    Attributes:
        metavar, help: for the help of the command.
        read: text -> value; raises a UserError that names the option.
        change: what the value changes in the config before it is written.
        after: what is done with the trained detector; returns the run that replaces it.
        every: what the plugin changes in any recipe, whether the option is given or not.
        plain: whether ``after`` takes only a model that no other option has put into another one.
    """

    metavar: str
    help: str
    read: Callable[[str], Any]
    change: Callable[['RecipeConfig', Any], None] | None = None
    after: Callable[[TrainedRun, Any], TrainedRun] | None = None
    every: Callable[['RecipeConfig'], None] | None = None
    plain: bool = False


def recipe_options() -> dict[str, RecipeOption]:
    """The options of all plugins by name."""
    return plugin_table('recipe_options', 'OPTIONS', {})


def read_options(given: Mapping[str, str]) -> dict[str, tuple[RecipeOption, Any]]:
    """(option, value) by name, of texts that :func:`detplug.recipe.train_options.split_options` found to be options.

    Raises:
        UserError: a wrong value.
    """
    known = recipe_options()
    return {name: (known[name], known[name].read(text)) for name, text in given.items()}
