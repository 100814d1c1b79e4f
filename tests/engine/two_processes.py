"""Run by torchrun in test_distributed.py: ``two_processes.py FOLDER``; trains a little, then tests given weights.

Each process writes FOLDER/rank_N.json: the images it evaluated, the metrics, and a fingerprint of its trained weights.
"""

import json
import os
import sys
from pathlib import Path

import torch
from tiny_training import build

import detplug.evaluation  # noqa: F401 - registers BoxAP
from detplug.engine.distributed import leave_group


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    rank = int(os.environ['RANK'])
    trained = build(
        folder, launcher='pytorch', train_cfg__max_iters=3, train_cfg__val_interval=3, work_dir=str(folder / 'two')
    )
    trained.train()
    weights = torch.cat([x.flatten() for x in trained.model.parameters()])
    tested = build(
        folder,
        launcher='pytorch',
        load_from=str(folder / 'weights.pth'),
        work_dir=str(folder / 'test'),
        test_evaluator__type='BoxAP',
    )
    metrics = tested.test()
    dataset, sampler = tested.test_dataloader.dataset, tested.test_dataloader.sampler
    evaluated = [dataset.get_data_info(i)['img_id'] for i in sampler]
    result = dict(metrics=metrics, evaluated=evaluated, weights=weights.tolist())
    (folder / f'rank_{rank}.json').write_text(json.dumps(result))


def threads() -> list[str]:
    """Names of the threads of this process."""
    return [(path / 'comm').read_text().strip() for path in Path('/proc/self/task').iterdir()]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
    assert any('gloo' in name for name in threads())
    leave_group()
    assert not any('gloo' in name for name in threads())  # one that outlives the interpreter aborts the process
