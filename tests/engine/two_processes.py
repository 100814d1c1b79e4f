"""Run by torchrun in test_distributed.py: ``two_processes.py FOLDER``; trains a little, trains until
it no longer improves, then tests given weights.

Each process writes FOLDER/rank_N.json: the images it evaluated, the metrics, a fingerprint of its trained weights,
and where the second training ended.
"""

import json
import os
import sys
from pathlib import Path

import torch
from tiny_training import MeanScore, build

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
    ended = train_until_no_better(folder)
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
    result = dict(metrics=metrics, evaluated=evaluated, weights=weights.tolist(), ended=ended)
    (folder / f'rank_{rank}.json').write_text(json.dumps(result))


def train_until_no_better(folder: Path) -> tuple[int, int]:
    """A training by epochs whose validations find less each time; (epoch, step) of its end."""
    found, compute = iter([0.5, 0.4, 0.3, 0.9]), MeanScore.compute_metrics
    MeanScore.compute_metrics = lambda self, results: dict(score=next(found))  # called in the first process alone
    runner = build(
        folder,
        launcher='pytorch',
        work_dir=str(folder / 'early'),
        train_dataloader__sampler=dict(type='DefaultSampler', shuffle=True),
        train_dataloader__batch_sampler=dict(type='EpochBatchSampler'),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=9, _delete_=True),
        param_scheduler=[dict(type='MultiStepLR', by_epoch=True, milestones=[1], gamma=0.5)],
        custom_hooks=[dict(type='EarlyStopHook', patience=2, metric='score')],
    )
    runner.train()
    MeanScore.compute_metrics = compute
    return runner.epoch, runner.iter


def threads() -> list[str]:
    """Names of the threads of this process."""
    return [(path / 'comm').read_text().strip() for path in Path('/proc/self/task').iterdir()]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
    assert any('gloo' in name for name in threads())
    leave_group()
    assert not any('gloo' in name for name in threads())  # one that outlives the interpreter aborts the process
