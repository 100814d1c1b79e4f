"""Sections that every report is made of: curves of the training, pictures, plots."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from detplug import html_page as page
from detplug.data.anomalies import FILE, AnnotationAudit
from detplug.evaluation.diagnosis import KINDS, Diagnosis
from detplug.report.class_figures import reliability_figure
from detplug.report.training_figures import AVERAGE_PRECISION, loss_figure, pace_figure, validation_figure

PICTURE_BYTES = 900_000  # of each embedded picture; keeps the page below 3 MB


def training_sections(
    folder: Path, history: Sequence[Mapping], lines: Mapping[str, str] = AVERAGE_PRECISION
) -> list[str]:
    """Losses, validation figures and pace of history.jsonl, if any; ``lines``: names of validation_figure."""
    plots = {'loss': loss_figure(history), 'map': validation_figure(history, lines), 'pace': pace_figure(history)}
    shown = [save_plot(folder, name, plot) for name, plot in plots.items() if plot is not None]
    for name, plot in plots.items():
        if plot is None:  # a picture of an earlier report would not belong to this one
            (folder / f'{name}.png').unlink(missing_ok=True)
    return [page.section('Training', '', *shown, kind='pair')] if shown else []


def anomaly_sections(audits: Sequence[AnnotationAudit]) -> list[str]:
    """What reading the data found odd: a row for each kind, with one example; no section where nothing was read."""
    if not audits:
        return []
    rows = [
        (audit.source, f'{audit.images} images, {audit.boxes} boxes', kind, str(count), example_of(audit, kind))
        for audit in audits
        for kind, count in audit.kinds.items()
    ]
    note = f'{FILE} beside this page lists each.' if rows else 'none'
    table = page.table(('annotations', 'of', 'kind', 'times', 'the first'), rows, kind='facts') if rows else ''
    return [page.section('Anomalies of the data', note, table, kind='wide')]


def example_of(audit: AnnotationAudit, kind: str) -> str:
    """File and details of the first anomaly of ``kind``."""
    return next(line.partition(': ')[2] for line in audit.anomalies if line.partition(': ')[0] == kind)


def fit_sections(lines: Sequence[tuple[str, str]]) -> list[str]:
    """How the boxes of the training suit the network's input: a row for each line of the fit report."""
    note = 'Sizes of the training boxes where the network sees them.'
    return [page.section('Fit of the boxes', note, page.table((), lines, kind='facts'))] if lines else []


def diagnosis_sections(folder: Path, diagnosis: Diagnosis | None, split: str) -> list[str]:
    """Kinds of errors with what mending each would bring, and precision against score; nothing without a diagnosis."""
    if diagnosis is None:
        (folder / 'calibration.png').unlink(missing_ok=True)
        return []
    rows = [
        (kind, meaning, str(diagnosis.counts[kind]), f'{diagnosis.gains[kind]:+.3f}') for kind, meaning in KINDS.items()
    ]
    note = (
        f'{split} split, IoU .50, kinds as TIDE defines them (Bolya et al. 2020), all scores. Gain: what AP50 '
        f'({diagnosis.ap50:.3f}) would gain if every error of the kind were mended.'
    )
    plot = save_plot(folder, 'calibration', reliability_figure(diagnosis.bins))
    error = f'{split} split. Expected calibration error {diagnosis.calibration_error:.3f}; 0: a score is a precision.'
    return [
        page.section('Errors', note, page.table(('kind', 'detection that is', 'number', 'gain'), rows, kind='facts')),
        page.section('Calibration of the scores', error, plot),
    ]


def picture_section(folder: Path, heading: str, note: str, picture: np.ndarray, name: str | None = None) -> str:
    """Save ``picture`` as PNG and return its section; the name of the file is the heading's by default."""
    cv2.imwrite(str(folder / f'{name or heading.lower().replace(" ", "_")}.png'), picture)
    return page.section(heading, note, page.image(small_jpeg(picture), heading, 'image/jpeg'), kind='wide')


def save_plot(folder: Path, name: str, plot: Figure) -> str:
    """Save ``plot`` as PNG and return it as html."""
    buffer = io.BytesIO()
    plot.savefig(buffer, format='png', dpi=110)
    (folder / f'{name}.png').write_bytes(buffer.getvalue())
    return page.image(buffer.getvalue(), name)


def small_jpeg(picture: np.ndarray) -> bytes:
    """``picture`` (H, W, 3) BGR as JPEG in the best quality that fits; the PNG beside the page has every pixel."""
    for quality in (88, 75, 60, 40):
        data = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
        if len(data) <= PICTURE_BYTES:
            break
    return data
