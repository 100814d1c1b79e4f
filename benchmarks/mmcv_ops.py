"""mmcv's operators in plain torch against the compiled ones: equal results, and the time of each, on one thread.

Both are called in turn, in one process, as mmcv calls them; a ratio is the median time of torch over that of compiled.

scattered  : boxes of 10-70 px anywhere in an image whose area grows with their number
clustered  : boxes of 40-50 px around one of N / 40 centres, 4 px apart: what a dense detector predicts
The worse of the two counts. mismatches counts random cases: 1,000 of NMS with distinct scores that are not identical,
and 200 of RoIAlign (mean and largest, forward and backward), 100 of deformable convolution (all gradients) and 100 of
box overlaps that differ by more than 1e-5 of the largest value. The compiled RoIPool, focal loss and deformable
attention have no form for CPU and can not be compared here; tests/mmcv_ops compares ours with their definitions.

python benchmarks/mmcv_ops.py --compiled SITE_PACKAGES_OR_SO      (about 3 minutes)
"""

import argparse
import importlib.util
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from detplug_mmcv_ops import box_overlaps, deform_conv, nms, roi_align
from record import record

SEED = 0
ROI = {'aligned_height': 7, 'aligned_width': 7, 'spatial_scale': 0.25, 'sampling_ratio': 0, 'aligned': True}


def load_compiled(path: Path):
    """The compiled ``mmcv._ext`` of a site-packages folder, or the file itself."""
    file = path if path.is_file() else next((path / 'mmcv').glob('_ext.*'), None)
    if file is None or file.suffix == '.py':
        raise SystemExit(f'{path}: no compiled mmcv/_ext here; `make setup OPS=compiled` builds one')
    spec = importlib.util.spec_from_file_location('_ext', file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_boxes(count: int, clustered: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 4) boxes and (N,) distinct scores."""
    extent = 25 * max(count, 1) ** 0.5
    if clustered:
        centres = (torch.rand(count // 40 + 1, 2) * extent)[torch.randint(count // 40 + 1, (count,))]
        centres, sides = centres + 4 * torch.randn(count, 2), 40 + 10 * torch.rand(count, 2)
    else:
        centres, sides = torch.rand(count, 2) * extent, 10 + 60 * torch.rand(count, 2)
    return torch.cat((centres - sides / 2, centres + sides / 2), 1), torch.randperm(count) / max(count, 1)


def random_rois(count: int, images: int, extent: float) -> torch.Tensor:
    centres, sides = torch.rand(count, 2) * extent, 8 + torch.rand(count, 2) * 0.3 * extent
    boxes = torch.cat((centres - sides / 2, centres + sides / 2), 1).clamp(0, extent)
    return torch.cat((torch.randint(images, (count, 1)).float(), boxes), 1)


def ratio(ours, compiled, rounds: int) -> tuple[float, float, float]:
    """Ratio of the medians, and both in milliseconds."""
    seconds = ([], [])
    for _ in range(rounds + 1):  # the first one warms up
        for run, spent in zip((ours, compiled), seconds, strict=True):
            began = time.perf_counter()
            run()
            spent.append(time.perf_counter() - began)
    medians = [statistics.median(spent[1:]) * 1000 for spent in seconds]
    return medians[0] / medians[1], *medians


def nms_figures(compiled) -> dict[str, float]:
    figures = {}
    for count, rounds in ((300, 101), (1200, 51), (4800, 15), (20000, 5)):
        ratios = []
        for kind in ('scattered', 'clustered'):
            boxes, scores = random_boxes(count, kind == 'clustered')
            ours, theirs = (partial(of.nms, boxes, scores, 0.5, 0) for of in (nms, compiled))
            found = ratio(ours, theirs, rounds)
            ratios.append(found[0])
            for name, value in zip(('ratio', 'ms', 'compiled_ms'), found, strict=True):
                figures[f'nms_{count}_{kind}_{name}'] = round(value, 3)
        figures[f'nms_{count}_ratio'] = round(max(ratios), 3)
    return figures


def roi_align_figures(compiled) -> dict[str, float]:
    maps, rois, none = torch.randn(1, 256, 100, 100), random_rois(512, 1, 400.0), torch.zeros(0)
    output, gradient = torch.zeros(512, 256, 7, 7), torch.zeros_like(maps)
    calls = {
        'roi_align': lambda of: of.roi_align_forward(maps, rois, output, none, none, pool_mode=1, **ROI),
        'roi_align_backward': lambda of: of.roi_align_backward(
            output, rois, none, none, gradient.zero_(), pool_mode=1, **ROI
        ),
    }
    figures = {}
    for name, call in calls.items():
        found = ratio(lambda call=call: call(roi_align), lambda call=call: call(compiled), 7)
        figures |= {
            f'{name}_{word}': round(x, 3) for word, x in zip(('ratio', 'ms', 'compiled_ms'), found, strict=True)
        }
    return figures


def differs(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return any((a - b).abs().max() > 1e-5 * max(b.abs().max(), 1) for a, b in zip(ours, theirs, strict=True))


def nms_mismatch(compiled, case: int) -> bool:
    boxes, scores = random_boxes(int(torch.randint(1, 1500, ())), case % 2 == 1)
    threshold, offset = float(torch.rand(())), case // 2 % 2
    return not torch.equal(nms.nms(boxes, scores, threshold, offset), compiled.nms(boxes, scores, threshold, offset))


def roi_align_mismatch(compiled, case: int) -> bool:
    maps, rois = torch.randn(2, 3, 24, 31), random_rois(12, 2, 110.0)
    options = ROI | {'sampling_ratio': case % 3, 'aligned': case // 3 % 2 == 1, 'pool_mode': case // 6 % 2}
    factor = torch.randn(12, 3, 7, 7)

    def run(of):
        output, argmax_y, argmax_x = (torch.zeros(12, 3, 7, 7) for _ in range(3))
        gradient = torch.zeros_like(maps)
        of.roi_align_forward(maps, rois, output, argmax_y, argmax_x, **options)
        of.roi_align_backward(factor, rois, argmax_y, argmax_x, gradient, **options)
        return [output, gradient]

    return differs(run(roi_align), run(compiled))


def deform_conv_mismatch(compiled, case: int) -> bool:
    stride, groups, offset_groups = 1 + case % 2, 1 + case // 2 % 2, 1 + case // 4 % 2
    size = (9 - 1) // stride + 1
    x, weight, bias = torch.randn(2, 4, 9, 9), torch.randn(6, 4 // groups, 3, 3), torch.randn(6)
    offset, mask = torch.randn(2, 18 * offset_groups, size, size), torch.rand(2, 9 * offset_groups, size, size)
    factor, words = torch.randn(2, 6, size, size), ('stride', 'pad', 'dilation')
    modulated = {f'{word}_{side}': value for word, value in zip(words, (stride, 1, 1), strict=True) for side in 'hw'}
    modulated |= {'kernel_h': 3, 'kernel_w': 3, 'group': groups, 'deformable_group': offset_groups, 'with_bias': True}
    sides = (3, stride, 1, 1)
    plain = {f'{word}{side}': v for word, v in zip(('k', 'd', 'pad', 'dilation'), sides, strict=True) for side in 'HW'}
    plain |= {'group': groups, 'deformable_group': offset_groups, 'im2col_step': 2}

    def run(of):
        space = [torch.zeros(0), torch.zeros(0)]
        outputs = [torch.zeros_like(factor) for _ in range(2)]
        found = [torch.zeros_like(t) for t in (x, weight, bias, offset, mask)]
        of.modulated_deform_conv_forward(x, weight, bias, space[0], offset, mask, outputs[0], space[1], **modulated)
        of.modulated_deform_conv_backward(
            x, weight, bias, space[0], offset, mask, space[1], *found, factor.clone(), **modulated
        )
        of.deform_conv_forward(x, weight, offset, outputs[1], *space, **plain)
        more = [torch.zeros_like(t) for t in (x, offset, weight)]
        of.deform_conv_backward_input(x, offset, factor.clone(), *more[:2], weight, space[0], **plain)
        of.deform_conv_backward_parameters(x, offset, factor.clone(), more[2], *space, scale=1, **plain)
        return outputs + found + more

    return differs(run(deform_conv), run(compiled))


def overlaps_mismatch(compiled, case: int) -> bool:
    first, second = random_boxes(30, False)[0], random_boxes(30, True)[0]
    found = [torch.zeros(30) if case % 2 else torch.zeros(30, 30) for _ in range(2)]
    for output, of in zip(found, (box_overlaps, compiled), strict=True):
        of.bbox_overlaps(first, second, output, mode=case // 2 % 2, aligned=case % 2 == 1, offset=case // 4 % 2)
    return differs(found[:1], found[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--compiled', type=Path, required=True, help='site-packages with, or file of, a compiled _ext')
    compiled = load_compiled(parser.parse_args().compiled)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    cases = {
        'nms': (nms_mismatch, 1000),
        'roi_align': (roi_align_mismatch, 200),
        'deform_conv': (deform_conv_mismatch, 100),
        'bbox_overlaps': (overlaps_mismatch, 100),
    }
    mismatches = {
        f'{name}_mismatches': sum(check(compiled, case) for case in range(count))
        for name, (check, count) in cases.items()
    }
    figures = (
        {'mismatches': sum(mismatches.values())} | mismatches | nms_figures(compiled) | roi_align_figures(compiled)
    )
    command = 'python benchmarks/mmcv_ops.py --compiled SITE_PACKAGES'
    record('mmcv_ops', figures, [SEED], command)


if __name__ == '__main__':
    main()
