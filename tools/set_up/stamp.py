"""The stamp in .venv that says: set up completely, from exactly these files, by this Python, for this folder."""

import hashlib
import os
import sys
from pathlib import Path

INPUTS = ('requirements/*.txt', 'tools/setup.py', 'tools/set_up/*.py', 'setup.cfg', 'pyproject.toml')


class Stamp:
    """Reads and writes ``.venv/.set-up-done`` of the project at ``root``."""

    def __init__(self, root: Path):
        self.root = root
        self.venv = root / '.venv'
        self.path = self.venv / '.set-up-done'

    def wanted(self) -> str:
        """Digest of all that the environment is made from."""
        digest = hashlib.sha256(f'{self.root}\n{sys.base_prefix}\n{sys.version}\n'.encode())
        for path in sorted(path for pattern in INPUTS for path in self.root.glob(pattern)):
            digest.update(f'{path.relative_to(self.root)}\n'.encode())
            digest.update(path.read_bytes())
        return f'{digest.hexdigest()} {self.root}'

    def is_current(self) -> bool:
        """Whether the last set-up was completed from what is here now, and its Python is still there."""
        return (self.venv / 'bin' / 'python').exists() and self._read() == self.wanted()

    def is_of_another_folder(self) -> bool:
        """Whether .venv was made elsewhere and moved or copied here: its commands name the other folder."""
        made_for = self._read().partition(' ')[2]
        return made_for not in ('', str(self.root))

    def remove(self) -> None:
        """From now on, until :meth:`write`, the environment counts as incomplete."""
        self.path.unlink(missing_ok=True)

    def write(self) -> None:
        """Say that the environment is complete."""
        new = self.path.with_suffix('.new')
        new.write_text(self.wanted())
        os.replace(new, self.path)

    def _read(self) -> str:
        return self.path.read_text() if self.path.exists() else ''
