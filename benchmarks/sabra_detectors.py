"""Ten detectors of mmdet in front of relation heads: each trains two steps, tests, and predicts pictures.

detectors      how many were tried: YOLOv5, YOLOX, RTMDet, FCOS, RetinaNet, Faster and Cascade R-CNN, DETR, Deformable
               DETR, DINO
failures       of them: no finite loss, a parameter of the detector or of the head that did not move where it should, a
               backbone pass too many, no relation in the test, a prediction that ended with another status than 0
seconds_NAME   of each, building included

The structure is that of the config files which mmdet ships and of our YOLOv5. ResNets have an eighth of their width,
YOLOv5 half of n's, YOLOX and RTMDet are the tiny ones, transformers have 20 queries, 1 and 2 layers; pictures are
scenes of 96 px. So this shows that they run, not how good they are. The detectors learn with the head, those with
queries give it the states of their queries, the others pooled maps of all their levels.

python benchmarks/sabra_detectors.py      (two minutes)
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from record import record

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import mmdet
    from mmdet.registry import RUNNERS
    from mmengine.config import Config
    from mmengine.model import is_model_wrapper

    from detplug.cli.config import load_config
    from detplug.cli.predict import main as predict
    from plugins.samples.scenes import generate

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = Path(mmdet.__file__).parent / '.mim' / 'configs'
BASE = ROOT / 'configs/sabra/sabra_yolov5n_samples.py'
FILES = {
    'yolov5': None,
    'yolox': 'yolox/yolox_tiny_8xb8-300e_coco.py',
    'rtmdet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'fcos': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'retinanet': 'retinanet/retinanet_r50_fpn_1x_coco.py',
    'faster_rcnn': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'cascade_rcnn': 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'detr': 'detr/detr_r50_8xb2-150e_coco.py',
    'deformable_detr': 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'dino': 'dino/dino-4scale_r50_8xb2-12e_coco.py',
}
STRIDES = {  # px a cell of each map, and channels of all
    'yolov5': ([8, 16, 32], 32),
    'yolox': ([8, 16, 32], 96),
    'rtmdet': ([8, 16, 32], 96),
    'fcos': ([8, 16, 32, 64, 128], 256),
    'retinanet': ([8, 16, 32, 64, 128], 256),
    'faster_rcnn': ([4, 8, 16, 32], 256),
    'cascade_rcnn': ([4, 8, 16, 32], 256),
}
CLASSES, SIDE, IMAGES, QUERIES = 7, 96, 3, 256
LOWEST = 1e-6  # score of boxes that are kept: of untrained detectors


def detector_of(name: str) -> dict:
    """Config of the detector, narrowed."""
    if FILES[name] is None:
        model = load_config(BASE).model.detector
        model.backbone.width, model.neck.in_channels = 0.125, [32, 64, 128]
        model.bbox_head.in_channels = [32, 64, 128]
        return model
    model = Config.fromfile(SHIPPED / FILES[name]).model
    model.pop('data_preprocessor')
    model.backbone.init_cfg = None
    if model.backbone.type == 'ResNet':
        model.backbone.base_channels = 8
        model.neck.in_channels = [width // 8 for width in model.neck.in_channels]
    heads = model.roi_head.bbox_head if 'roi_head' in model else model.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        head.num_classes = CLASSES
        if 'roi_head' in model:
            head.fc_out_channels = 64
    if 'roi_head' in model:
        model.train_cfg.rpn_proposal.max_per_img = model.test_cfg.rpn.max_per_img = 40
    for cfg in (model.test_cfg, model.test_cfg.get('rcnn', {})):
        if 'score_thr' in cfg:
            cfg.score_thr = LOWEST
    if 'num_queries' in model:
        model.num_queries = 20
        model.test_cfg.max_per_img = 20
        model.encoder.num_layers, model.decoder.num_layers = 1, 2
    return model


def visual_of(name: str) -> dict:
    """What the head sees of this detector."""
    if name not in STRIDES:
        return dict(_delete_=True, type='BoxFeatures', channels=QUERIES, dims=16)
    strides, channels = STRIDES[name]
    if name == 'yolov5':  # its maps differ in channels
        strides, levels = strides[0], 0
    else:
        levels = list(range(len(strides)))
    return dict(_delete_=True, channels=channels, stride=strides, level=levels, dims=16, side=3)


def head_of(kind: str, name: str) -> dict:
    """SABRA's head or the one after UPT."""
    if kind == 'upt':
        seen = {key: value for key, value in visual_of(name).items() if key != '_delete_'}
        own = dict(predicates=5, object_classes=CLASSES, visual=seen, dims=16, heads=2)
        return dict(own, _delete_=True, type='UPTHead')
    small = dict(graph=dict(dims=16, heads=2, class_width=4), dims=16, class_width=4)
    return dict(small, subject_labels=None, visual=visual_of(name))  # an untrained detector may find no person


def config_of(name: str, folder: Path, head: str = 'sabra') -> Config:
    """The whole config: scenes in ``folder``, two steps, a test."""
    options = [f'data_root={folder}/', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2']
    config = load_config(BASE, options)
    config = Config(_small(config.to_dict()), filename=config.filename)
    detector = detector_of(name)
    changes = dict(score_thr=LOWEST, head=head_of(head, name), max_boxes=12)
    changes |= dict(with_truth=name in STRIDES, map_gradient=1.0)
    config.merge_from_dict(dict(model=changes))
    config.model.detector = detector
    config.optim_wrapper.paramwise_cfg.bypass_duplicate = True  # RTMDet's levels share convolutions
    config.train_dataloader.batch_size = config.test_dataloader.batch_size = config.val_dataloader.batch_size = 2
    config.custom_hooks = [dict(type='RelationHook', interval=1)]
    config.default_hooks.progress = None
    config.update(work_dir=str(folder / f'{name}_{head}'), launcher='none', resume=False, randomness=dict(seed=0))
    return config


def _small(part):
    """Pictures of SIDE px."""
    if isinstance(part, list):
        return [SIDE, SIDE] if part == [320, 320] else [_small(x) for x in part]
    if isinstance(part, tuple):
        return (SIDE, SIDE) if part == (320, 320) else tuple(_small(x) for x in part)
    return {key: _small(value) for key, value in part.items()} if isinstance(part, Mapping) else part


def check(name: str, folder: Path, head: str = 'sabra') -> list[str]:
    """What is wrong with a detector; empty when nothing is.

    Args:
        folder: with the generated scenes; results go below it.
    """
    config = config_of(name, folder, head)
    runner = RUNNERS.get(config.runner_type).from_cfg(config)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    passes = []
    model.detector.backbone.register_forward_hook(lambda *_: passes.append(model.training))
    before = {key: value.detach().clone() for key, value in model.named_parameters() if value.requires_grad}
    runner.train()
    after = dict(model.named_parameters())
    still = [key for key, value in before.items() if torch.equal(value, after[key])]
    wrong = [f'{sum(passes)} passes of the backbone in two steps'] if sum(passes) != 2 else []
    for part in ('detector.', 'relation_head.'):
        own = [key for key in before if key.startswith(part)]
        stuck = [key for key in still if key.startswith(part)]
        if len(stuck) > 0.2 * len(own):
            wrong.append(f'{len(stuck)} of {len(own)} parameters of {part} did not move, such as {stuck[0]}')
    if not all(value.isfinite().all() for value in after.values()):
        wrong.append('parameters that are not finite')
    runner.test()
    results = [x.result for x in runner.test_evaluator.metrics[0].images]
    if len(results) != IMAGES or not any(len(x.triplets) for x in results):
        wrong.append(f'{len(results)} images tested, {sum(len(x.triplets) for x in results)} relations')
    return wrong + _predicted(config, runner, folder)


def _predicted(config: Config, runner, folder: Path) -> list[str]:
    """What is wrong with ``predict`` of the trained checkpoint on the pictures."""
    path, out = Path(config.work_dir) / 'config.py', Path(config.work_dir) / 'predicted'
    config.dump(path)
    checkpoint = Path(config.work_dir) / 'last.pth'
    pictures = sorted(str(x) for x in (folder / 'images').iterdir())[:2]
    words = [str(path), str(checkpoint), *pictures, '--out', str(out), '--score-thr', '0', '--relation-thr', '0']
    status = predict([*words, '--no-pictures', '--device', 'cpu'])
    there = (out / 'relations.json').exists()
    return [] if status == 0 and there else [f'predict ended with {status}, relations.json: {there}']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--names', nargs='+', default=list(FILES), choices=list(FILES))
    args = parser.parse_args()
    figures, failures = {}, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate(folder, counts=dict(train=IMAGES, val=IMAGES, test=IMAGES), size=SIDE)
        for name in args.names:
            began = time.perf_counter()
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    wrong = check(name, folder)
            except Exception as error:  # a detector that does not run is a failure to be counted
                wrong = [f'{type(error).__name__}: {error}']
            figures[f'seconds_{name}'] = round(time.perf_counter() - began, 1)
            failures += bool(wrong)
            print(name, figures[f'seconds_{name}'], '; '.join(wrong) or 'ok', flush=True)
    print(record('sabra_detectors', dict(detectors=len(args.names), failures=failures) | figures, [0]))


if __name__ == '__main__':
    main()
