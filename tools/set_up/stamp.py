"""The stamp in .venv: set up from exactly these files, by this Python, for this folder, with these operators."""

import hashlib
import os
import sys
from pathlib import Path

OPS = ('torch', 'compiled')  # mmcv's operators: ours in plain torch, or its own
INPUTS = (
    'requirements/*.txt', 'tools/setup.py', 'tools/set_up/*.py', 'setup.cfg', 'setup.py', 'pyproject.toml',
    'mmcv_ops/*.toml', 'mmcv_ops/**/*.py',
)  # fmt: skip
BUILT = {'build', 'dist'}  # a copy of the sources that a build by hand leaves beside them


class Stamp:
    """Reads and writes ``.venv/.set-up-done`` of the project at ``root``: a digest, the operators, the folder."""

    def __init__(self, root: Path):
        self.root = root
        self.venv = root / '.venv'
        self.path = self.venv / '.set-up-done'

    @property
    def ops(self) -> str:
        """The operators of the environment, also after an interrupted set-up; the first of OPS for a new one."""
        return self._read()[1] or OPS[0]

    def is_current(self, ops: str) -> bool:
        """Whether the last set-up was completed with ``ops`` from what is here now, and its Python is still there."""
        return (self.venv / 'bin' / 'python').exists() and self._read() == (self._digest(), ops, str(self.root))

    def is_of_another_folder(self) -> bool:
        """Whether .venv was made elsewhere and moved or copied here: its commands name the other folder."""
        return self._read()[2] not in ('', str(self.root))

    def begin(self, ops: str) -> None:
        """From now on, until :meth:`complete`, the environment counts as incomplete."""
        self._write('incomplete', ops)

    def complete(self, ops: str) -> None:
        """Say that the environment is complete."""
        self._write(self._digest(), ops)

    def _digest(self) -> str:
        """Digest of all that the environment is made from."""
        digest = hashlib.sha256(f'{self.root}\n{sys.base_prefix}\n{sys.version}\n'.encode())
        paths = (path.relative_to(self.root) for pattern in INPUTS for path in self.root.glob(pattern))
        for path in sorted(path for path in paths if not BUILT & set(path.parts)):
            digest.update(f'{path}\n'.encode())
            digest.update((self.root / path).read_bytes())
        return digest.hexdigest()

    def _write(self, digest: str, ops: str) -> None:
        new = self.path.with_suffix('.new')
        new.write_text(f'{digest} {ops} {self.root}')
        os.replace(new, self.path)

    def _read(self) -> tuple[str, str, str]:
        words = self.path.read_text().split(' ', 2) if self.path.exists() else []
        return tuple(words) if len(words) == 3 and words[1] in OPS else ('', '', '')
