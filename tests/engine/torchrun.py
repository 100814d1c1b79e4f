"""Start a script in two processes, as the launcher flag does."""

import os
import subprocess
import sys
from pathlib import Path


def run_two(script: Path, folder: Path) -> None:
    """``script FOLDER`` under torchrun with two processes on this machine; it must end well."""
    words = ['--nproc-per-node', '2', '--master-port', '0', '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0']
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', *words, str(script), str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | dict(OMP_NUM_THREADS='1'),
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
