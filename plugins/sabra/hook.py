"""What happens around a training of a relation detector: predicates that exist, and the log of sampled pairs."""

import json
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from detplug.engine.atomic_file import write_atomic
from detplug.engine.history import read_history
from detplug.errors import UserError

FILE = 'relations.jsonl'


@HOOKS.register_module()
class RelationHook(Hook):
    """Tells the head which predicates an object class may have, and logs the kinds of pairs.

    Where the data set names the (object, predicate) that exist (HICO-DET's 600), only these are learned and predicted;
    the table is saved with the checkpoint.

    Args:
        interval: steps between two rows of ``relations.jsonl``: pairs of each kind that were there (found/KIND) and
            that were drawn (drawn/KIND); kinds are positive and n1..n5 of proposals.py.
    """

    def __init__(self, interval: int = 100):
        self.interval = interval

    def before_train(self, runner) -> None:
        head = head_of(runner)
        triplets = runner.train_dataloader.dataset.metainfo.get('triplets')
        if triplets is not None:
            if not hasattr(head, 'allowed'):
                raise UserError(
                    f'model.head: {type(head).__name__} has no table allowed, but the data set names triplets; '
                    'see plugins/sabra/heads/protocol.py'
                )
            head.allowed.zero_()
            head.allowed[tuple(torch.tensor(triplets).T)] = True
        if runner.rank == 0:
            path = Path(runner.work_dir) / FILE
            rows = [row for row in read_history(path) if row['step'] <= runner.iter]
            write_atomic(path, lambda file: file.write(''.join(json.dumps(row) + '\n' for row in rows).encode()))

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        sampler = getattr(head_of(runner), 'sampler', None)  # a head without one draws no pairs
        if sampler is not None and (runner.iter + 1) % self.interval == 0:
            row = dict(step=runner.iter + 1, **sampler.take_counts())
            if runner.rank == 0:
                with (Path(runner.work_dir) / FILE).open('a') as file:
                    file.write(json.dumps(row) + '\n')


def head_of(runner):
    """The relation head of the model, without the wrapper of several processes."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.relation_head
