"""What the user sees of a set-up: one line a step with its seconds; everything else goes to the log file."""

import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .failures import explain
from .supported import SetUpError

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
        """Show ``[n/m] title`` while the block runs, and its seconds afterwards."""
        self.done += 1
        self.title = title
        start = time.monotonic()
        if self.live:
            self._line(f'{self._heading()}: ...')
        yield
        self._line(f'{self._heading()} ({time.monotonic() - start:.0f} s)\n')

    def run(self, command: Sequence, env: Mapping[str, str], name: str = '') -> str:
        """Run ``command`` with its output in the log, each line after ``name``, and return the output.

        Raises:
            SetUpError: the command failed; its message is the cure where we know the reason.
        """
        status, seen = self._run(command, env, name)
        if status:
            self._fail(seen, status)
        return ''.join(seen)

    def succeeds(self, command: Sequence, env: Mapping[str, str]) -> bool:
        """Whether ``command`` ends well; its output goes to the log."""
        return self._run(command, env, '')[0] == 0

    def run_together(self, commands: Mapping[str, Sequence], env: Mapping[str, str]) -> None:
        """Run the named ``commands`` at the same time.

        Raises:
            SetUpError: of the first one, in their order, that failed; the others were completed.
        """
        with ThreadPoolExecutor(len(commands)) as pool:
            running = [pool.submit(self.run, command, env, f'{name}: ') for name, command in commands.items()]
        for future in running:
            future.result()

    def _run(self, command: Sequence, env: Mapping[str, str], name: str) -> tuple[int, list[str]]:
        words = [str(word) for word in command]
        seen = []
        # a line at a time to the log, so that it is complete when the set-up is killed
        with self.log.open('a', buffering=1) as log:
            log.write(f'\n{name}$ ' + ' '.join(words) + '\n')
            process = subprocess.Popen(
                words, env=env, text=True, errors='replace', bufsize=1, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                for line in process.stdout:
                    log.write(name + line)
                    seen.append(line)
                    self._show_progress(line)
                status = process.wait()
            finally:
                process.kill()
                process.wait()
        return status, seen

    def _show_progress(self, line: str) -> None:
        """Beside the title, overwritten by the next: which package pip is at, or ninja's count of files."""
        if self.live and line.lstrip().startswith(('Collecting', 'Downloading', 'Installing', '[')):
            self._line(f'{self._heading()}: {line.strip()}')

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
