"""The battery in a process of its own: every stage of every case on one device; results go to a json file.

python tests/device/battery.py DEVICE FOLDER OUT.json [--all] [--only NAME ...]

DEVICE: pretend, cuda, cuda:1, cpu. FOLDER is emptied.
"""

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from unittest import mock

os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]


def main() -> None:
    """Run the cases one after the other; a stage that fails ends its case alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument('device')
    parser.add_argument('folder', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--only', nargs='*', help='names of cases or families')
    args = parser.parse_args()
    if args.device.startswith('pretend'):
        from pretend_accelerator import install

        install()
    from device_cases import every_case, one_of_each
    from stages import Run

    mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (f'{text}\n', True)).start()  # seconds a config
    rows = []
    shutil.rmtree(args.folder, ignore_errors=True)
    for case in every_case() if args.all else one_of_each():
        if args.only and not {case.name, case.family} & set(args.only):
            continue
        run = Run(case, args.device, args.folder / case.name.replace('/', '_'))
        for stage in case.stages:
            started, error = time.process_time(), None
            try:
                facts = getattr(run, stage)() or {}
            except (Exception, SystemExit) as failure:
                facts, error = {}, f'{type(failure).__name__}: {failure}'
                traceback.print_exc()
            seconds = round(time.process_time() - started, 2)
            row = dict(
                case=case.name, family=case.family, config=case.config, stage=stage, error=error, seconds=seconds
            )
            rows.append(row | facts)
            print('stage', json.dumps(rows[-1]), flush=True)
            args.out.write_text(json.dumps(rows))
            if error and stage == 'train':
                break


if __name__ == '__main__':
    main()
