"""Write report.html and its pictures from the results of an evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detplug import html_page as page
from detplug.evaluation.confusion import confusion_matrix
from detplug.evaluation.count_errors import count_errors
from detplug.evaluation.curves import ClassCurve, class_curves
from detplug.evaluation.diagnosis import diagnose
from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.per_image import worst_first
from detplug.evaluation.table import HEADLINES, figure
from detplug.report.class_figures import confusion_figure, curve_figure, label_figure
from detplug.report.mosaic import mosaic
from detplug.report.sections import diagnosis_sections, picture_section, save_plot, training_sections

SHOWN = 6  # images in each mosaic
TABLE_ROWS = 30  # classes in one table; more are set in two tables side by side
SCORE_THR = 0.25  # where no score is best


class Evaluation(NamedTuple):
    """What a report is of: results of a split, may be none, with figures as BoxAP gives them for ``max_dets``."""

    split: str
    classes: Sequence[str]
    images: Sequence[ImageResult]
    metrics: Mapping[str, float]
    max_dets: int = 300


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    *,
    title: str,
    history: Sequence[Mapping] = (),
    label_counts: Mapping[str, Mapping[str, int]] | None = None,
    facts: Mapping[str, str] | None = None,
    pictures: Mapping[str, tuple[str, np.ndarray]] | None = None,
    sections: Sequence[str] = (),
) -> Path:
    """Write ``folder``/report.html, one self-contained file, and the same pictures as PNG beside it.

    Args:
        history: rows of history.jsonl; may be empty.
        label_counts: split -> class name -> number of objects; the evaluation's split is counted here if not given.
        facts: name -> text for the run information.
        pictures: heading -> (explanation, (H, W, 3) uint8 BGR), shown after those of the split.
        sections: more of the page, as :mod:`detplug.html_page` makes them.

    Returns:
        Path of report.html.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    split, classes, images, metrics, max_dets = evaluation
    counts = dict(label_counts or {})
    counts.setdefault(split, count_objects(images, classes))
    curves = class_curves(images, len(classes))
    best = curves[-1].best
    sections = [
        _headline(metrics, split, images, best),
        *training_sections(folder, history),
        page.section(
            'Classes',
            "AP is COCO's (IoU .50 to .95), AP50 at IoU .50; best F1 at IoU .50 and the score that "
            'gives it. – : no such objects.',
            _class_tables(metrics, classes, curves),
            kind='tables',
        ),
        _counts(evaluation, curves),
        *_class_plots(folder, evaluation, curves),
        *diagnosis_sections(folder, diagnose(images, classes, max_dets), split),
        page.section('Objects a class', '', save_plot(folder, 'labels', label_figure(counts, classes))),
        *_pictures(folder, images, classes, best[0] if best else SCORE_THR),
        *(picture_section(folder, heading, note, picture) for heading, (note, picture) in (pictures or {}).items()),
        *sections,
        page.section('Run', '', page.table((), list((facts or {}).items()), kind='facts')),
    ]
    path = folder / 'report.html'
    path.write_text(page.page(title, sections), encoding='utf-8')
    return path


def count_objects(images: Sequence[ImageResult], classes: Sequence[str]) -> dict[str, int]:
    """Class name -> number of objects in ``images`` that are not ignored."""
    labels = [image.gt_labels[~image.gt_ignored] for image in images]
    counts = np.bincount(np.concatenate([np.empty(0, np.int64), *labels]), minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=False))


def _headline(
    metrics: Mapping[str, float], split: str, images: Sequence[ImageResult], best: tuple[float, float] | None
) -> str:
    figures = {name: figure(metrics[key]) for key, name in HEADLINES.items() if key in metrics}
    if best:
        figures[f'best F1, at score {best[0]:.2g}'] = figure(best[1])
    objects = sum(int((~image.gt_ignored).sum()) for image in images)
    return page.section(
        f'Figures on the {split} split', f'{len(images)} images, {objects} objects', page.tiles(figures), kind='figures'
    )


def _class_plots(folder: Path, evaluation: Evaluation, curves: Sequence[ClassCurve]) -> list[str]:
    split, classes, images, *_ = evaluation
    plots = [
        save_plot(folder, name, curve_figure(curves, classes, kind))
        for name, kind in (('precision_recall', 'pr'), ('f1', 'f1'))
    ]
    confusion = confusion_figure(confusion_matrix(images, len(classes)), classes)
    note = (
        f'{split} split, score from .25, IoU from .45. Row "background": detections without object; '
        'column "background": objects that were missed.'
    )
    return [
        page.section('Precision, recall and F1', f'{split} split, IoU .50', *plots, kind='pair'),
        page.section('Confusion matrix', note, save_plot(folder, 'confusion', confusion)),
    ]


def _class_tables(metrics: Mapping[str, float], classes: Sequence[str], curves: Sequence[ClassCurve]) -> str:
    keys = [('map', 'map50'), *((f'ap/{name}', f'ap50/{name}') for name in classes)]
    rows = []
    for name, (ap, ap50), curve in zip(['all', *classes], keys, [curves[-1], *curves[:-1]], strict=True):
        score, f1 = curve.best or (None, None)
        rows.append(
            (name, str(curve.objects), figure(metrics.get(ap)), figure(metrics.get(ap50)), figure(f1), figure(score))
        )
    head = ('class', 'objects', 'AP', 'AP50', 'best F1', 'at score')
    step = max(TABLE_ROWS, -(-len(rows) // 2))
    return ''.join(page.table(head, rows[i : i + step]) for i in range(0, len(rows), step))


def _counts(evaluation: Evaluation, curves: Sequence[ClassCurve]) -> str:
    thresholds = [curve.best[0] if curve.best else SCORE_THR for curve in curves[:-1]]
    errors = count_errors(evaluation.images, thresholds)
    rows = [
        (name, f'{score:.2f}', str(error.objects), str(error.counted), f'{error.bias:+.2f}', f'{error.absolute:.2f}',
         f'{error.limits[0]:+.0f} to {error.limits[1]:+.0f}', figure(error.exact))
        for name, score, error in zip(evaluation.classes, thresholds, errors, strict=bool(errors))
    ]  # fmt: skip
    head = ('class', 'from score', 'objects', 'counted', 'mean error', 'mean |error|', '95 % of errors', 'exact images')
    note = (
        f'Detections of an image against its objects, {evaluation.split} split, from the score of best F1 on, '
        'which was chosen on these images: on others expect more. A missed object and a false one cancel.'
    )
    return page.section('Counts', note, page.table(head, rows) if rows else '', kind='wide')


def _pictures(folder: Path, images: Sequence[ImageResult], classes: Sequence[str], score_thr: float) -> list[str]:
    positions = np.unique(np.linspace(0, len(images) - 1, SHOWN if images else 0).round().astype(int))
    spread = [images[i] for i in positions]
    worst = [image for image, score in worst_first(images, score_thr)[:SHOWN] if score.f1 < 1]
    drawn = f'Left the truth, right the detections with score from {score_thr:.2f} (best F1 over all classes).'
    if any(len(image.unknown_boxes) for image in images):
        drawn += (
            ' Black and white dashes: objects of unknown classes; a detection on one counts neither as right nor as '
            'false here (the figures above count it as false).'
        )
    rule = (
        'Lowest F1 of the image first (same threshold, IoU .50), of equal F1 the image with more missed and false '
        'boxes. '
    )
    parts = []
    for name, heading, note, chosen in (
        ('images', 'Images', f'Evenly spaced over the split. {drawn}', spread),
        ('worst_images', 'Worst images', rule + drawn, worst),
    ):
        if chosen:
            parts.append(picture_section(folder, heading, note, mosaic(chosen, classes, score_thr), name))
        else:
            (folder / f'{name}.png').unlink(missing_ok=True)
            parts.append(page.section(heading, 'none'))
    return parts
