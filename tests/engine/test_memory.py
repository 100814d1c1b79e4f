"""Freed memory stays in the process: taking it again costs no page faults."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from detplug.engine.memory import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
for _ in range(8):  # the free blocks must first grow to fit
    torch.ones(2**24)  # 64 MB, above glibc's largest threshold
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='mallopt is of the GNU C library on Linux')
def test_large_blocks_are_reused():
    faults = {
        word: int(
            subprocess.run((sys.executable, '-c', PROGRAM, word), capture_output=True, text=True, check=True).stdout
        )
        for word in ('keep', 'default')
    }
    assert faults['keep'] < faults['default'] / 2
