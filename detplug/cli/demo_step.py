"""Steps of ``demo``, which plugins bring in ``PACKAGE/demo_steps.py``; the module imports nothing heavy::

    STEPS = {'count': DemoStep('count the eggs', count, after=('unknown',))}

A step runs commands of ``detplug`` as a user types them, and says what they made and what is worth seeing of it.
"""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detplug.cli.main import dispatch
from detplug.errors import UserError


@dataclass(frozen=True)
class StepResult:
    """What a step made; the page and demo.json are written from it.

    Attributes:
        made: name -> file or folder that other steps work from.
        text: what the figures say, in a sentence or two.
        figures: name -> number, for demo.json; no other step has one of these names.
        shown: name -> text, the figures on the screen and on the page.
        files: name -> file or folder that the page links.
        pictures: files that the page shows small and links.
        go_on: what for, and the words after ``detplug`` with which the user goes on from here.
    """

    made: Mapping[str, Path] = field(default_factory=dict)
    text: str = ''
    figures: Mapping[str, float] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    pictures: Sequence[Path] = ()
    go_on: tuple[str, Sequence[str | Path]] | None = None


class Demo:
    """What a step works with.

    Args:
        root: folder of the results.
        seed: of trainings.
    """

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.root, self.seed = root, seed
        self.data = Path(os.environ.get('DETPLUG_DATA', 'data'))  # where configs read
        self.results: dict[str, StepResult] = {}  # of the steps so far, by name
        self.commands: dict[str, list[str]] = {}  # of each step, as a user would type them
        self.step = ''  # that runs

    def made(self, step: str, name: str) -> Path:
        """What an earlier step made under this name."""
        return self.results[step].made[name]

    def run(self, *words: str | Path) -> None:
        """Run ``detplug WORDS``.

        Raises:
            UserError: the command's own, or it ends with another exit status than 0.
        """
        argv, line = [str(word) for word in words], command_line(words)
        self.commands.setdefault(self.step, []).append(line)
        if status := dispatch(argv):
            raise UserError(f'{line}: ended with exit status {status}')

    def evaluate(self, config: str | Path, checkpoint: Path, name: str) -> dict[str, float]:
        """``test`` on the test split; its report and metrics.json are in the folder ``name`` of the results."""
        folder = self.root / name
        self.run('test', config, checkpoint, '--work-dir', folder, '--out', folder / 'metrics.json')
        return json.loads((folder / 'metrics.json').read_text())


def command_line(words: Sequence[str | Path]) -> str:
    """What a user types."""
    return f'detplug {shlex.join(map(str, words))}'


@dataclass(frozen=True)
class DemoStep:
    """One step.

    Attributes:
        title: what it does, one line.
        run: does it.
        after: names of the steps whose results it works from.
        lacking: -> what this machine lacks for it, '' where all is there.
    """

    title: str
    run: Callable[[Demo], StepResult]
    after: tuple[str, ...] = ()
    lacking: Callable[[], str] = str  # str() is ''


def in_order(steps: Mapping[str, DemoStep]) -> tuple[list[str], dict[str, str]]:
    """The names of the steps in the order in which they run, and of those that are left out with the reason.

    A step comes as soon as those it works from are done, so that what belongs together is together.
    """
    left_out = {name: reason for name, step in steps.items() if (reason := step.lacking())}
    order: list[str] = []

    def ready(name: str) -> bool:
        return name not in left_out and name not in order and all(other in order for other in steps[name].after)

    def follow(names: Sequence[str]) -> None:
        for name in names:
            if ready(name):
                order.append(name)
                follow([other for other, step in steps.items() if name in step.after])

    follow(list(steps))
    for name, step in steps.items():
        missing = [other for other in step.after if other not in order]
        if missing and name not in left_out:
            left_out[name] = f'it works from {", ".join(missing)}, which is left out'
    return order, left_out
