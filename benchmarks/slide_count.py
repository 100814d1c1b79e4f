"""Counts of eggs on 100 slides of 4,000 x 4,000 px with known counts: 50 negative, 50 with 1 to 40 eggs.

``simulated`` (a minute): no pixels, mean of ten seeds. A detector is simulated: each egg gets a score
sigmoid(normal(EGG + slide)), each slide Poisson(LOOK_ALIKES x gamma) false ones sigmoid(normal(FALSE + slide));
``slide`` is a shift of the slide, as stain and focus make it. It shows what counting and the order of a review
do, not how good any detector is. covered_least: of the ten seeds.
``drawn BUNDLE`` (hours on two cores, goes on where it was stopped): the slides are drawn and predicted in tiles
by ``detplug predict``; the bundle is one of configs/yolov5/yolov5n_parasite-samples.py.

Figures of each, with its name in front. slides, negative; threshold: chosen on 60 other slides for at most .05 false
alarms a slide; covered: share of slides whose 95 % interval of ``corrected`` holds the true count, covered_positive: of
those with eggs. sensitivity, specificity: a slide is positive from one box on, without review. reviewed_: after a
reader who is always right has judged the 30 boxes a slide that come first in predict's order ``uncertain``; random_: 30
random boxes. Boxes that were not judged keep the verdict of the threshold. boxes: on a slide, from the lowest score on.

python benchmarks/slide_count.py [simulated] [drawn BUNDLE]
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from record import RESULTS, record

from detplug.cli.main import main as detplug
from detplug.images.sources import Item
from detplug.runtime.detections import Detections
from detplug.runtime.matching import match_by_score, overlaps
from detplug.runtime.results import Picture, read_results
from detplug.runtime.review_queue import orders
from detplug.runtime.shard import Rows, Settings
from plugins.microscopy.counting.operating_point import IOU

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'work_dirs' / 'benchmarks' / 'slide_count'
SIDE, FIELD, EGG_SIDE = 4000, 400, 60  # px of a slide, of a drawn field of view, of a simulated egg
SLIDES, VALIDATION, SEED, SEEDS = 100, 60, 0, list(range(10))
NAME, FALSE_ALARMS, LOWEST, DECISIONS = 'egg', 0.05, 0.02, 30
EGG, FALSE, SPREAD, SHIFT, LOOK_ALIKES, CLUMPED = 1.2, -2.2, 1.0, 0.25, 60.0, 4.0
Truth = dict[str, np.ndarray]  # slide -> (G, 4) xyxy px


def main() -> None:
    words = sys.argv[1:] or ['simulated']
    path = RESULTS / 'slide_count.json'
    figures = json.loads(path.read_text())['figures'] if path.exists() else {}
    if 'simulated' in words:
        runs = []
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(measure(Path(folder), *simulated(Path(folder), seed)))
        means = {key: float(np.mean([figures[key] for figures in runs])) for key in runs[0]}
        figures |= named('simulated', means | dict(covered_least=min(x['covered'] for x in runs)))
    if 'drawn' in words:
        figures |= named('drawn', measure(FOLDER, *drawn(words[words.index('drawn') + 1])))
    record('slide_count', figures, SEEDS)


def named(name: str, figures: dict[str, float]) -> dict[str, float]:
    return {f'{name}_{key}': value for key, value in figures.items()}


def burdens(count: int, rng: np.random.Generator) -> list[int]:
    """Eggs of each slide: none on half of them, else 1 to 10 on most and up to 40."""
    positive = [int(x) for x in np.concatenate([np.arange(1, 11).repeat(3), rng.integers(11, 41, 20)])]
    return [0 if i % 2 == 0 else positive[(i // 2) % len(positive)] for i in range(count)]


# -- slides without pixels ---------------------------------------------------------------------------------------------


def simulated(folder: Path, seed: int) -> tuple[tuple[Path, Truth], tuple[Path, Truth]]:
    """(results, truth) of validation slides and of the slides."""
    rng = np.random.default_rng(seed)
    return tuple(simulate(folder / name, name, count, rng) for name, count in (('val', VALIDATION), ('test', SLIDES)))


def simulate(out: Path, name: str, count: int, rng: np.random.Generator) -> tuple[Path, Truth]:
    """Results as ``predict`` writes them."""
    out.mkdir(parents=True)
    rows, truth = Rows({}, Settings(score_thr=LOWEST)), {}
    for number, eggs in enumerate(burdens(count, rng)):
        shift = rng.normal(0, SHIFT)
        false = rng.poisson(LOOK_ALIKES * rng.gamma(CLUMPED, 1 / CLUMPED))
        cells = rng.permutation((SIDE // 100) ** 2)[: eggs + false]  # so that no two overlap
        corners = np.stack([cells % (SIDE // 100), cells // (SIDE // 100)], 1) * 100.0
        boxes = np.concatenate([corners, corners + EGG_SIDE], 1)
        centre = np.where(np.arange(len(boxes)) < eggs, EGG, FALSE) + shift
        scores = 1 / (1 + np.exp(-rng.normal(centre, SPREAD)))
        order = np.argsort(-scores)
        detections = Detections(boxes[order].astype(np.float32), scores[order].astype(np.float32),
                                np.zeros(len(order), np.int64), (NAME,))  # fmt: skip
        slide = f'{name}_{number:03d}.png'
        truth[slide] = boxes[:eggs]
        rows.add(Item(number, slide, Path(slide)), number + 1, Blank(), detections)
    rows.write(out, 0)
    run = dict(files=count, shard_size=count, settings=dict(score_thr=LOWEST), engine=dict(classes=[NAME]))
    (out / 'run.json').write_text(json.dumps(run))
    return out, truth


class Blank:
    """A slide that only has a size."""

    size = (SIDE, SIDE)


# -- drawn slides ------------------------------------------------------------------------------------------------------


def drawn(bundle: str) -> tuple[tuple[Path, Truth], tuple[Path, Truth]]:
    """Draw what is missing, predict what is missing."""
    rng = np.random.default_rng(SEED)
    sets = []
    for name, count in (('val', VALIDATION), ('test', SLIDES)):
        truth = {}
        for number, eggs in enumerate(burdens(count, rng)):
            slide = FOLDER / name / f'{name}_{number:03d}.jpg'
            truth[slide.name] = draw(slide, eggs, (SEED, name == 'test', number))
        words = ['predict', bundle, FOLDER / name, '--out', FOLDER / f'{name}_results', '--tile', '320',
                 '--overlap', '0.25', '--score-thr', LOWEST, '--no-pictures']  # fmt: skip
        subprocess.run([sys.executable, '-m', 'detplug', *map(str, words)], check=True, cwd=ROOT)
        sets.append((FOLDER / f'{name}_results', truth))
    return tuple(sets)


def draw(path: Path, eggs: int, seed: tuple) -> np.ndarray:
    """A slide of fields of view with ``eggs`` eggs of ascaris; its boxes, also of a slide that was drawn before."""
    from plugins.samples.parasites import draw_slide

    labels = path.with_suffix('.json')
    if not labels.exists():
        rng = np.random.default_rng([int(x) for x in seed])
        side = SIDE // FIELD
        counts = np.bincount(rng.integers(0, side**2, eggs), minlength=side**2)
        slide, boxes = np.empty((SIDE, SIDE, 3), np.uint8), []
        for place, count in enumerate(counts.tolist()):
            x, y = place % side * FIELD, place // side * FIELD
            slide[y : y + FIELD, x : x + FIELD], detections = draw_slide([0] * count, FIELD, rng)
            boxes += [
                [x + b[0], y + b[1], x + b[0] + b[2], y + b[1] + b[3]] for b in (label.box for label in detections)
            ]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), slide[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        labels.write_text(json.dumps(boxes))  # last: with it the slide is whole
    return np.array(json.loads(labels.read_text()), np.float64).reshape(-1, 4)


# -- figures -----------------------------------------------------------------------------------------------------------


def measure(folder: Path, validation: tuple[Path, Truth], test: tuple[Path, Truth]) -> dict[str, float]:
    """Calibrate on the validation slides, count the others, review them."""
    names = read_results(validation[0]).classes
    name = NAME if NAME in names else 'ascaris'
    truths = [coco(folder / f'{key}.json', truth, name) for key, (_, truth) in (('v', validation), ('t', test))]
    calibration = folder / 'calibration.json'
    run('count', validation[0], '--truth', truths[0], '--false-alarms', FALSE_ALARMS, '--calibrate', calibration)
    run('count', test[0], '--calibration', calibration, '--truth', truths[1], '--targets', name)
    with open(test[0] / 'counts.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['class'] == name]
    covered = {Path(row['slide']).name: float(row['corrected_low']) <= len(test[1][Path(row['slide']).name])
               <= float(row['corrected_high']) for row in rows}  # fmt: skip
    positive = [slide for slide, boxes in test[1].items() if len(boxes)]
    diagnosis = json.loads((test[0] / 'diagnosis.json').read_text())
    threshold = json.loads(calibration.read_text())['classes'][name]['threshold']
    figures = {
        'slides': len(rows),
        'negative': len(rows) - len(positive),
        'threshold': threshold,
        'boxes': float(np.mean([len(picture.scores) for picture in read_results(test[0]).pictures()])),
        'covered': float(np.mean(list(covered.values()))),
        'covered_positive': float(np.mean([covered[slide] for slide in positive])),
        'sensitivity': diagnosis['sensitivity']['hits'] / diagnosis['sensitivity']['trials'],
        'specificity': diagnosis['specificity']['hits'] / diagnosis['specificity']['trials'],
    }
    for order in ('reviewed', 'random'):
        sensitivity, specificity = review(test[0], test[1], name, threshold, order)
        figures |= {f'{order}_sensitivity': sensitivity, f'{order}_specificity': specificity}
    return figures


def review(results: Path, truth: Truth, name: str, threshold: float, order: str) -> tuple[float, float]:
    """(sensitivity, specificity) a slide after DECISIONS right decisions on each."""
    rng = np.random.default_rng(SEED)
    verdicts = []
    for picture in read_results(results).pictures():
        boxes = truth[Path(picture.name).name]
        own = picture.names == name
        scores, detections = picture.scores[own], matched(picture, own, boxes)
        uncertain = orders()['uncertain'].priority(dict(score=scores.tolist()))
        rank = np.argsort(-uncertain, kind='stable') if order == 'reviewed' else rng.permutation(len(scores))
        verdict = scores >= threshold
        verdict[rank[:DECISIONS]] = detections[rank[:DECISIONS]]
        verdicts.append((len(boxes) > 0, bool(verdict.any())))
    hits = [said for is_positive, said in verdicts if is_positive]
    passed = [not said for is_positive, said in verdicts if not is_positive]
    return float(np.mean(hits)), float(np.mean(passed))


def matched(picture: Picture, own: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(D,) bool which detections find an egg."""
    return match_by_score(overlaps(picture.boxes[own], boxes), picture.scores[own], IOU) >= 0


def coco(path: Path, truth: Truth, name: str) -> Path:
    """The truth as COCO json."""
    images = [dict(id=i, file_name=slide, width=SIDE, height=SIDE) for i, slide in enumerate(truth)]
    boxes = [(i, box) for i, of_slide in enumerate(truth.values()) for box in of_slide.tolist()]
    annotations = [dict(id=k, image_id=i, category_id=1, iscrowd=0, bbox=[b[0], b[1], b[2] - b[0], b[3] - b[1]])
                   for k, (i, b) in enumerate(boxes, start=1)]  # fmt: skip
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name=name)])
    path.write_text(json.dumps(content))
    return path


def run(*words) -> None:
    """A command of detplug, in this process."""
    status = detplug([str(word) for word in words])
    assert status == 0, words


if __name__ == '__main__':
    main()
