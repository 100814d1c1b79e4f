"""Run by torchrun in test_sabra_metrics_metric.py: each process evaluates its half of seven images, one of them twice.

Each process writes FOLDER/rank_N.json: the figures, those of an evaluation that must fail, and how that failed.
"""

import json
import os
import sys
from pathlib import Path

import torch.distributed
from sabra_metric_cases import META, data_sample, seven_images

from detplug.engine.distributed import leave_group
from detplug.errors import UserError
from plugins.sabra.metrics.metric import RelationMetric


def main(folder: Path) -> None:
    torch.distributed.init_process_group('gloo')
    rank = int(os.environ['RANK'])
    metric = RelationMetric('map')
    metric.dataset_meta = META
    samples = [data_sample(*pair) for pair in zip(*seven_images(), strict=True)]
    metric.process({}, [samples[i % 7] for i in range(rank, 8, 2)])  # the second process evaluates the first image too
    result = dict(metrics=metric.evaluate(7), images=[image.img_id for image in metric.images])
    errors = []
    for chosen, names in ((range(rank, 6, 2), META), (range(rank, 7, 2), dict(META, predicates=('on',)))):
        metric.dataset_meta = names
        metric.process({}, [samples[i] for i in chosen])
        try:
            metric.evaluate(7)
        except UserError as error:
            errors.append(str(error))
    (folder / f'rank_{rank}.json').write_text(json.dumps(result | dict(errors=errors)))
    leave_group()


if __name__ == '__main__':
    main(Path(sys.argv[1]))
