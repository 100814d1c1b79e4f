"""What each part of the int8 calibration does to the detections, on val: a measure of less noise than mAP.

Every box that the float detector gives a score above .25 before suppression is compared with the int8 detector's from
the same prior: ``iou_lost`` is 1 - IoU of both, ``score_change`` the absolute change of the score, ``score_bias`` the
change with its sign; means over the boxes of a class, then over classes of 20 boxes and more.
A variant leaves one part out: ``narrow_index`` looks activations up by 8 bits in place of 10; ``signed_sums``: maps
that are added have a sign in place of a zero point (zero_points.py); ``clipped``: maps hold half of their range;
``no_gains`` of maps (gains.py), ``no_neck_gains`` of those that the head reads; ``no_move`` of kernels towards their
float sums, ``little_ridge`` moves them farther;
``nearest`` rounds kernels without any feedback (error_feedback.py); ``no_balance`` of maps inside of chains
(chain_balance.py). ``two_bits_less`` is planted: the maps lose two of their bits, which the measure has to show.

DETECTOR.VARIANT.NAME: dense and tt4x of benchmarks/fpga_accuracy.py (BCCD, SiLU, 320 px, means over seeds), coco: the
official YOLOv5n on coco_tiny, 640 px. Rows: results/fpga_calibration_runs.jsonl; a row that is there is not repeated.

python benchmarks/fpga_calibration.py [--detectors dense tt4x coco] [--seeds 0]
"""

import argparse
import copy
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

import torch
from finetuning import WEIGHTS, convert_weights, summary
from fpga_accuracy import COCO, float_detector
from record import RESULTS, commit, record
from torch import Tensor, nn

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.engine.history import read_history
from plugins.fpga.calibration_images import calibration_images
from plugins.fpga.compressor import DEFAULTS
from plugins.fpga.model import quantised_detector
from plugins.fpga.quantised import activation_table, calibration, error_feedback, gains, quantisers, structure
from plugins.fpga.quantised.raw_network import RawNetwork
from plugins.fpga.quantised.structure import Structure

DETECTORS = ('dense', 'tt4x', 'coco')
SIDES = {'dense': 320, 'tt4x': 320, 'coco': 640}
SCORE = 0.25
HEAD = 'bbox_head.'
LEAST = 20  # boxes of a class
ALL = 10**6  # images
ROWS = RESULTS / 'fpga_calibration_runs.jsonl'


def finer(choose: Callable, bits: int) -> Callable:
    """``fitting_fracs`` whose maps have finer steps and a smaller range; or, with bits below 0, the reverse."""
    return lambda *args: {name: frac + bits for name, frac in choose(*args).items()}


def neck_as_it_is(choose: Callable) -> Callable:
    """``fixed_groups`` that also keep the maps which the head reads."""

    def fixed(network: nn.Module, structure: Structure) -> set[str]:
        read = {x for name, x in structure.reads.items() if name.startswith(HEAD) and not x.startswith(HEAD)}
        return choose(network, structure) | {structure.shared.of(name) for name in read}

    return fixed


VARIANTS = {
    'all': (),
    'narrow_index': (
        (gains, 'INDEX_BITS', 8),
        (activation_table, 'FrozenIndex', quantisers.FrozenInt8),
        (activation_table, 'LOW', -128),
        (activation_table, 'HIGH', 127),
    ),
    'signed_sums': ((structure, 'zero_multiples', lambda sums, same: None),),
    'clipped': ((calibration, 'fitting_fracs', finer(calibration.fitting_fracs, 1)),),
    'no_gains': ((gains, 'QUARTERS', (0,)),),
    'no_neck_gains': ((gains, 'fixed_groups', neck_as_it_is(gains.fixed_groups)),),
    'no_move': ((error_feedback, 'moved', lambda weight, *_: weight.double()),),
    'little_ridge': ((error_feedback, 'RIDGE', 0.01),),
    'nearest': ((calibration, 'round_kernels', lambda *_: None),),
    'no_balance': ((calibration, 'balance_chains', lambda *_: None),),
    'two_bits_less': ((calibration, 'fitting_fracs', finer(calibration.fitting_fracs, -2)),),
}


def quantised(model: nn.Module, images: list[Tensor], variant: str) -> nn.Module:
    """The int8 form of a float detector, calibrated without what the variant leaves out."""
    with ExitStack() as stack:
        for patch in VARIANTS[variant]:
            stack.enter_context(mock.patch.object(*patch))
        made = quantised_detector(copy.deepcopy(model), DEFAULTS['form'])
        calibration.calibrate(RawNetwork(made), images)
    return made


@torch.no_grad()
def detections(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, A, 4) xyxy and scores (N, A, C) of all priors."""
    return model.bbox_head.dense_predictions(model.extract_feat(images))


def change(model: nn.Module, other: nn.Module, batches: list[Tensor]) -> dict[str, float]:
    """``iou_lost``, ``score_change`` and ``score_bias`` of ``other``, and how many ``boxes`` were compared."""
    lost, changed, labels = [], [], []
    for images in batches:
        (boxes, scores), (others, other_scores) = detections(model, images), detections(other, images)
        best, label = scores.max(-1)
        keep = best > SCORE
        a, b = boxes[keep].double(), others[keep].double()
        inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
        areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
        lost.append(1 - inner / (areas - inner))
        changed.append((other_scores.gather(-1, label[..., None])[..., 0] - best)[keep])
        labels.append(label[keep])
    lost, changed, labels = torch.cat(lost), torch.cat(changed), torch.cat(labels)
    classes = [labels == label for label in labels.unique() if (labels == label).sum() >= LEAST]
    found = dict(iou_lost=lost, score_change=changed.abs(), score_bias=changed)
    means = {name: float(torch.stack([x[mine].mean() for mine in classes]).mean()) for name, x in found.items()}
    return means | dict(boxes=len(lost))


def measured(detector: str, seed: int, variants: list[str]) -> Iterator[dict]:
    """A row of each variant of one detector."""
    if detector == 'coco':
        convert_weights('../shared/weights/yolov5n.pt')
        config, checkpoint = COCO, WEIGHTS
    else:
        config, checkpoint = float_detector('silu', detector, seed)
    cfg = load_config(config)
    model = build_detector(cfg, str(checkpoint)).eval()
    images = calibration_images(model, cfg, SIDES[detector], DEFAULTS['images'])
    batches = calibration_images(model, cfg, SIDES[detector], ALL, 'val')
    for variant in variants:
        figures = change(model, quantised(model, images, variant), batches)
        yield dict(detector=detector, variant=variant, seed=seed, commit=commit(), figures=figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--detectors', nargs='+', choices=DETECTORS, default=DETECTORS)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='of BCCD')
    args = parser.parse_args()
    for detector, seed in itertools.product(args.detectors, args.seeds):
        done = {(row['detector'], row['variant'], row['seed']) for row in read_history(ROWS)}
        variants = [x for x in VARIANTS if detector == 'tt4x' or x != 'no_balance']
        missing = [variant for variant in variants if (detector, variant, seed) not in done]
        if missing and (detector != 'coco' or seed == args.seeds[0]):
            for row in measured(detector, seed, missing):
                with ROWS.open('a') as file:
                    file.write(json.dumps(row) + '\n')
    rows, figures = read_history(ROWS), {}
    for detector, variant in itertools.product(DETECTORS, VARIANTS):
        found = [row['figures'] for row in rows if (row['detector'], row['variant']) == (detector, variant)]
        if found:
            figures |= {f'{detector}.{variant}.{name}': value for name, value in summary(found).items()}
            figures[f'{detector}.{variant}.seeds'] = len(found)
    record('fpga_calibration', figures, sorted({row['seed'] for row in rows}), 'python benchmarks/fpga_calibration.py')


if __name__ == '__main__':
    main()
