"""What the user sees of a set-up: one line a step with its seconds; everything else goes to the log file."""

import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .failures import explain
from .prerequisites import SetUpError

TAIL = 15  # lines of the log that are shown when a command fails for a reason that we do not know


class Console:
    """Numbered steps on the screen, the output of their commands in ``log``."""

    def __init__(self, steps: int, log: Path):
        self.steps = steps
        self.done = 0
        self.log = log
        self.title = ''
        self.live = sys.stdout.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show ``[n/m] title`` while the block runs, and its seconds afterwards; the block may change ``title``."""
        self.done += 1
        self.title = title
        start = time.monotonic()
        if self.live:
            self.status('...')
        yield
        self._line(f'{self._heading()} ({time.monotonic() - start:.0f} s)\n')

    def status(self, text: str) -> None:
        """Show the progress ``text`` beside the title: overwritten on a terminal, a line of its own elsewhere."""
        self._line(f'{self._heading()}: {text}' + ('' if self.live else '\n'))

    def run(self, command: Sequence[str], env: dict[str, str], on_line: Callable[[str], None] | None = None) -> str:
        """Run ``command`` with its output in the log and return the output; ``on_line`` sees every line.

        Raises:
            SetUpError: the command failed; its message is the cure where we know the reason.
        """
        words = [str(word) for word in command]
        seen = []
        with self.log.open('a') as log:
            log.write('\n$ ' + ' '.join(words) + '\n')
            # unbuffered towards the log, so that it is complete when the set-up is killed
            process = subprocess.Popen(
                words, env=env, text=True, errors='replace', bufsize=1, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    seen.append(line)
                    if on_line:
                        on_line(line)
                status = process.wait()
            finally:
                process.kill()
                process.wait()
        if status:
            self._fail(seen, status)
        return ''.join(seen)

    def _fail(self, lines: list[str], status: int) -> None:
        cure = explain(lines)
        if cure is None:
            self._line(''.join(deque(lines, TAIL)))
            cure = f'{self._heading()} failed (status {status}, its last lines are above); read {self.log}'
        elif self.live:
            self._line('')
        raise SetUpError(cure)

    def _heading(self) -> str:
        return f'[{self.done}/{self.steps}] {self.title}'

    def _line(self, text: str) -> None:
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            first, newline, rest = text.partition('\n')
            text = '\r\033[K' + first[:width] + newline + rest
        print(text, end='', flush=True)
