"""What happens around a training of a relation detector: predicates that exist, and the log of sampled pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from detplug.engine.atomic_file import write_atomic
from detplug.engine.history import read_history
from detplug.engine.weights import classes_of
from detplug.errors import UserError

from .class_order import class_rows, reorder_classifier
from .sampling.picture import sampling_picture, total

FILE = 'relations.jsonl'


@HOOKS.register_module()
class RelationHook(Hook):
    """Tells the head which predicates an object class may have, and logs the kinds of pairs.

    Where the data set names the (object, predicate) that exist (HICO-DET's 600), only these are learned and predicted;
    the table is saved with the checkpoint. It is the head's buffer ``allowed`` (O, C); a head without it does not train
    on such data. The log is of the head's ``sampler``, see plugins/sabra/sampling; a head without one has no log.

    Args:
        interval: steps between two rows of ``relations.jsonl``: pairs of each kind, of all processes, that were there
            (available/KIND) and that were drawn (drawn/KIND), kinds are positive and n1..n5 of proposals.py; and the
            share of the images or batches of which every negative was drawn (scarce).

    A sampler that chooses nothing says so once, in a warning, and in the report beside a picture of the log.
    """

    def __init__(self, interval: int = 100):
        self.interval = interval
        self.warned = False

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

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the classifier of a detector that a training starts from in the order of its classes, by name.

        Raises:
            UserError: the same classes in another order, and a classifier that is not known.
        """
        dataset = getattr(runner.train_dataloader, 'dataset', None)
        found, wanted = classes_of(checkpoint), getattr(dataset, 'metainfo', {}).get('classes')
        if not found or not wanted or tuple(found) == tuple(wanted):
            return
        rows = class_rows(found, wanted)
        if rows is None:
            names = ', '.join(list(found)[:4])
            runner.logger.warning(f'load_from: classes: {names}, ...: other ones; what fits by its shape is taken')
        elif rows != sorted(rows):
            state = reorder_classifier(checkpoint['state_dict'], rows, 'load_from')
            checkpoint['state_dict'].update(state)
            runner.logger.info('load_from: the classifier was put in the order of the classes of the config, by name')

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        sampler = getattr(head_of(runner), 'sampler', None)
        if sampler is None or (runner.iter + 1) % self.interval:
            return
        row = dict(step=runner.iter + 1, **sampler.counts.take())
        if runner.rank == 0:
            with (Path(runner.work_dir) / FILE).open('a') as file:
                file.write(json.dumps(row) + '\n')
            advice = '' if self.warned else sampler.advice(row)
            if advice:
                runner.logger.warning(advice)
                self.warned = True

    def report_pictures(self, runner) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, picture) of the log, for report.html."""
        rows, sampler = read_history(Path(runner.work_dir) / FILE), getattr(head_of(runner), 'sampler', None)
        if not rows or sampler is None:
            return {}
        return sampling_picture(rows, sampler.advice(total(rows)))


def head_of(runner):
    """The relation head of the model, without the wrapper of several processes."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.relation_head
