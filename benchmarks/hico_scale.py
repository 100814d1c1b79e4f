"""Claim: an item of HICO-DET in `boxes` mode costs its loader at most 1.5 ms; the rest of a training is timed at size.

A dry run of HICO-DET's training at its real size, on generated data (hico_generated.py says what is real in it), with
the shipped config sabra_faster-rcnn-r50_hico.py. Each measure has a process of its own. ms and seconds are processor
time of one thread, MB (2**20 bytes) the largest resident memory of the process.

train_images, train_pairs, train_objects : that were generated
copies             : objects as annotated over those after merge_iou, which the config trains on
jpeg_kb, sizes     : mean size of a picture, and how many different (width, height) there are
prepare_seconds, prepare_mb : prepare_data.py hico-det, both splits: read, checked, pictures linked
imports_mb         : a process that has imported what a training does
items, held_out    : images of the training and of those to choose checkpoints by
read_seconds, held_out_seconds, read_mb : their annotations read and checked (one file, twice), objects merged, items
                     packed; the memory is that of a training process before its model
items_mb           : the packed items of both
boxes_ms           : an item from boxes alone: the true boxes with a detector's noise, batches of 16
pixels_ms          : an item of the config, in its one loader process: JPEG, resize to 1333 x 800, mirror, colours
worker_pss_mb      : memory of this loader process; a page that it shares with the trainer counts half
labels_ms, sampler_ms, head_ms : a step of batch_size images: labels of all pairs; the draw; loss of the relation head
                     with its gradient, labels and draw included. Boxes are the true ones and up to 32 with a
                     detector's noise; maps are constant, in FPN's shapes: no backbone, and nothing is said of a GPU
evaluation_seconds, figures_seconds, evaluation_mb : RelationMetric for 9,658 images x 100 relations, default and
                     known-object setting; of the seconds, those after the last image. Memory with imports and data set
boxes_epoch_minutes, pixels_epoch_minutes (_8_workers), head_epoch_minutes : of one pass over the training images:
                     arithmetic from the above; 8 workers are taken to have 8 cores and no other limit

python benchmarks/hico_scale.py --images 38118      (6 minutes, 200 MB of files; needs the hico, vcoco data)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2

ROOT = Path(__file__).resolve().parents[1]
CONFIG, BOXES = 'sabra/sabra_faster-rcnn-r50_hico.py', '_base_/datasets/relation_boxes.py'
FOLDER = 'hico_det'  # of the config's data_root
SEED = 0
STRIDES = (4, 8, 16, 32, 64)  # px a cell of FPN's maps
PADDED = 32  # px: sides of a batch are a multiple of it
WORKERS = 8


class Amounts(NamedTuple):
    """What is generated and measured."""

    images: int = 38118
    test_images: int = 9658
    boxes_items: int = 8000
    pixel_items: int = 600
    steps: int = 100


def config(name: str = CONFIG) -> Any:
    """A shipped config; its data are below the folder DETPLUG_DATA."""
    from detplug.engine.quiet import quiet_imports

    with quiet_imports():
        from mmengine.config import Config
        from mmengine.registry import init_default_scope

        import plugins.sabra.register  # noqa: F401
    init_default_scope('mmdet')
    return Config.fromfile(ROOT / 'configs' / name)


def prepare_download(amounts: Amounts) -> dict[str, float]:
    """Run ``prepare_data.py hico-det``."""
    from detplug.data.prepare import prepare
    from plugins.sabra.data.hico_det import read_hico_det

    root, start = Path(os.environ['DETPLUG_DATA']), time.process_time()
    counts = prepare(read_hico_det, root / 'download', root / FOLDER).counts
    return dict(
        prepare_seconds=time.process_time() - start,
        prepare_mb=peak_mb(),
        train_images=counts['train images'],
        train_pairs=counts['train relations'],
        train_objects=counts['train objects'],
    )


def read(amounts: Amounts) -> dict[str, float]:
    """Make the data sets that a training holds: its images, and those that are held out of the same file."""
    from mmdet.registry import DATASETS

    cfg = config()
    training = cfg.train_dataloader.dataset.dataset
    imports, times = peak_mb(), [time.process_time()]
    items = DATASETS.build(training)
    times.append(time.process_time())
    held_out = DATASETS.build(cfg.val_dataloader.dataset)
    times.append(time.process_time())
    figures = dict(imports_mb=imports, read_seconds=times[1] - times[0], held_out_seconds=times[2] - times[1])
    figures |= dict(read_mb=peak_mb(), items=len(items), held_out=len(held_out))
    figures |= dict(items_mb=(items.data_bytes.nbytes + held_out.data_bytes.nbytes) / 2**20)
    annotated = DATASETS.build(training | dict(merge_iou=None))
    return figures | dict(copies=objects_of(annotated) / objects_of(items))


def objects_of(dataset: Any) -> int:
    """Objects of all images."""
    return sum(len(dataset.get_data_info(i)['instances']) for i in range(len(dataset)))


def boxes(amounts: Amounts) -> dict[str, float]:
    """Items without pictures, in the training's own process, as configs from boxes have it."""
    loading, given = config().train_dataloader, config(BOXES)
    noisy = dict(type='NoisyProposals', classes=80)
    loading.dataset.dataset.pipeline = [given.labels, noisy, dict(type='PackRelations')]
    loading.update(batch_size=given.train_dataloader.batch_size, num_workers=0)
    batches = iter(loader_of(loading))
    next(batches)
    start, items = time.process_time(), taken(batches, amounts.boxes_items)
    return dict(boxes_ms=1000 * (time.process_time() - start) / items)


def pixels(amounts: Amounts) -> dict[str, float]:
    """Items of the config in one loader process."""
    import psutil

    me = psutil.Process()
    others = set(me.children())
    batches = iter(loader_of(config().train_dataloader | dict(num_workers=1)))
    next(batches)
    (worker,) = set(me.children()) - others
    start = worker.cpu_times()
    items = taken(batches, amounts.pixel_items)
    end, memory = worker.cpu_times(), worker.memory_full_info()
    seconds = end.user + end.system - start.user - start.system
    return dict(pixels_ms=1000 * seconds / items, worker_pss_mb=memory.pss / 2**20)


def loader_of(loading: Any) -> Any:
    """The loader as a run makes it."""
    from detplug.engine.runner import DetplugRunner

    return DetplugRunner.build_dataloader(loading, seed=SEED)


def taken(batches: Iterator[dict], items: int) -> int:
    """Take batches with at least so many items; how many they had."""
    count = 0
    while count < items:
        count += len(next(batches)['data_samples'])
    return count


def step(amounts: Amounts) -> dict[str, float]:
    """A training step of the relation head, from real batches of the config with noisy boxes as detections."""
    import torch
    from mmdet.registry import MODELS

    from plugins.sabra.detector import RelationDetector
    from plugins.sabra.proposals import label_proposals
    from plugins.sabra.training_truth import truth_of, with_truth

    cfg = config()
    torch.manual_seed(SEED)
    head, loading = MODELS.build(cfg.model.head), cfg.train_dataloader
    noisy = dict(type='NoisyProposals', classes=80, most=cfg.model.max_boxes)
    loading.dataset.dataset.pipeline.insert(1, noisy)  # before the image is resized or mirrored: in annotated px
    loading.num_workers = 0
    rows = []
    for batch in islice(loader_of(loading), amounts.steps):
        samples = batch['data_samples']
        for sample in samples:
            sample.proposals.bboxes *= sample.proposals.bboxes.new_tensor(sample.scale_factor).repeat(2)
        detections = RelationDetector.padded([with_truth(x.proposals, x) for x in samples], samples)
        truth, maps = truth_of(samples), maps_of(batch['inputs'])
        times = [time.process_time()]
        labels = label_proposals(detections, truth, head.iou_thr, head.same_class, head.subjects(detections))
        times.append(time.process_time())
        head.sampler(labels.kinds.flatten(1))
        times.append(time.process_time())
        sum(head.loss(detections, truth, maps).values()).backward()
        times.append(time.process_time())
        rows.append([1000 * (end - start) for start, end in pairwise(times)])
    means = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    names = ('labels_ms', 'sampler_ms', 'head_ms')
    return dict(zip(names, means, strict=True), batch_size=cfg.train_dataloader.batch_size)


def maps_of(images: list) -> list:
    """Ones in the shapes of FPN's maps of a batch of (3, H, W) images, padded as the config's preprocessor does."""
    import torch

    sides = [-(-max(x.shape[k] for x in images) // PADDED) * PADDED for k in (1, 2)]
    shapes = [(len(images), 256, *(-(-side // stride) for side in sides)) for stride in STRIDES]
    return [torch.ones(shape, requires_grad=True) for shape in shapes]


def evaluation(amounts: Amounts) -> dict[str, float]:
    """The config's test, after the model: relations near the true ones are matched and counted."""
    import numpy as np
    from mmdet.registry import DATASETS, METRICS
    from relation_metrics_speed import near_truth

    from plugins.sabra.metrics.metric import relation_names

    cfg = config()
    dataset, metric = DATASETS.build(cfg.test_dataloader.dataset), METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    names, rng, seconds = relation_names(dataset.metainfo), np.random.default_rng(SEED), 0.0
    for i in range(len(dataset)):
        truth = dataset.get_data_info(i)['relation_truth']
        sample = dict(relation_truth=truth, pred_relations=near_truth(truth, rng, names))
        start = time.process_time()
        metric.process(None, [sample])
        seconds += time.process_time() - start
    start = time.process_time()
    figures = metric.evaluate(len(dataset))
    end = time.process_time() - start
    assert figures['known_full'] > 0 and figures['map_full'] > 0
    return dict(evaluation_seconds=seconds + end, figures_seconds=end, evaluation_mb=peak_mb())


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    return next(int(x.split()[1]) for x in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in x) / 1024


MEASURES = (prepare_download, read, boxes, pixels, step, evaluation)


def in_subprocess(measure: Callable[[Amounts], dict], amounts: Amounts) -> dict[str, float]:
    """What ``measure`` returns in a fresh process."""
    command = [sys.executable, __file__, '--measure', measure.__name__, *(str(x) for x in amounts)]
    environment = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}  # one thread of torch, too
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def epochs(figures: Mapping[str, float]) -> dict[str, float]:
    """Minutes of one pass over the images of the training."""
    out = {f'{name}_epoch_minutes': figures['items'] * figures[f'{name}_ms'] / 60_000 for name in ('boxes', 'pixels')}
    out |= {f'{name}_{WORKERS}_workers': minutes / WORKERS for name, minutes in out.items()}
    return out | dict(head_epoch_minutes=figures['items'] / figures['batch_size'] * figures['head_ms'] / 60_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=Amounts().images, help='of the training split')
    parser.add_argument('--measure', nargs=len(Amounts._fields) + 1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, *amounts = args.measure
        cv2.setNumThreads(0)
        print(json.dumps(globals()[name](Amounts(*map(int, amounts)))))
        return
    from hico_generated import write_download
    from record import record

    amounts = Amounts(images=args.images)
    data = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
    with tempfile.TemporaryDirectory() as root:
        figures = write_download(data, Path(root, 'download'), amounts.images, amounts.test_images)
        os.environ |= dict(DETPLUG_DATA=root, DETPLUG_CACHE=str(Path(root, 'cache')))
        for measure in MEASURES:
            figures |= in_subprocess(measure, amounts)
            print(measure.__name__, flush=True)
    figures |= epochs(figures)
    record('hico_scale', {name: round(value, 3) for name, value in figures.items()}, [SEED])


if __name__ == '__main__':
    main()
