"""Write the result of a benchmark with what is needed to repeat it: commit, machine, versions, command, seeds."""

import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / 'results'
PACKAGES = ('torch', 'onedl-mmcv', 'onedl-mmengine', 'onedl-mmdetection', 'numpy', 'onnx', 'onnxruntime')


def commit() -> str:
    """The commit that is checked out, with '-dirty' where code (not a result file or a bundle) differs from it."""
    root = RESULTS.parent.parent

    def git(*words):
        return subprocess.run(('git', '-C', root, *words), capture_output=True, text=True, check=True).stdout.strip()

    made = (':!benchmarks/results', ':!detplug/bundles', ':!*.md')
    changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', *made)
    return git('rev-parse', 'HEAD') + ('-dirty' if changed else '')


def machine() -> str:
    """Processor name, number of cores, threads of a process (figures of trainings depend on them) and memory."""
    import torch  # late: a benchmark may measure the memory of a process without it

    cpuinfo = Path('/proc/cpuinfo')
    names = (
        [x.split(':')[1].strip() for x in cpuinfo.read_text().splitlines() if x.startswith('model name')]
        if cpuinfo.exists()
        else []
    )
    threads = f'{os.cpu_count()} cores, {torch.get_num_threads()} threads'
    gib = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return f'{names[0] if names else platform.processor()}, {threads}, {gib:.0f} GiB, no GPU'


def record(name: str, figures: dict[str, float], seeds: list[int], command: str | None = None) -> Path:
    """Write ``benchmarks/results/NAME.json`` and return its path.

    Args:
        figures: flat name -> number.
        seeds: the seeds that were run; empty where nothing is random.
        command: the command that made the figures; by default the one that is running.
    """
    result = {
        'commit': commit(),
        'date': date.today().isoformat(),
        'machine': machine(),
        'versions': {'python': platform.python_version()} | {name: version(name) for name in PACKAGES},
        'command': command or ' '.join(['python', *sys.argv]),
        'seeds': seeds,
        'figures': figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f'{name}.json'
    path.write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(figures, indent=2))
    return path
