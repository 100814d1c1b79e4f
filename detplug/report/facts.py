"""What a report says of the run: date, versions and machine."""

import os
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import torch

PACKAGES = ('detplug', 'torch', 'onedl-mmcv', 'onedl-mmengine', 'onedl-mmdetection', 'numpy', 'faster-coco-eval')


def run_facts(**more: str | None) -> Mapping[str, str]:
    """Name -> text: ``more`` first (empty ones left out), then date, versions and machine."""
    versions = [f'python {platform.python_version()}']
    for name in PACKAGES:
        try:
            versions.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            continue  # run from a source folder that is not installed
    facts = {name: str(value) for name, value in more.items() if value}
    return facts | {
        'date': datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z'),
        'versions': ', '.join(versions),
        'machine': machine(),
    }


def machine() -> str:
    """Processor, cores, threads of a process, memory and GPU."""
    name = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo') as file:
            name = next((line.split(':')[1].strip() for line in file if line.startswith('model name')), name)
    except OSError:
        pass  # not Linux: the name of the platform will do
    gib = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    return f'{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {gib:.0f} GiB, {gpu}'
