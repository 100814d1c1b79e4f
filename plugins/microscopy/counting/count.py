"""What ``detplug count`` does: choose thresholds on validation pictures, or count, tell the burden and judge slides."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from detplug.errors import UserError
from detplug.images.window import check_window
from detplug.outcome import note_outcome
from detplug.runtime.results import Results, detector_classes, read_results
from detplug.runtime.review_gallery import write_text
from detplug.runtime.run_folder import write_json
from detplug.runtime.thresholds import parse_thresholds

from ..inspection.appearance import read_profile
from .burden import Assumptions
from .calibration import Calibration, read_calibration, write_calibration
from .calibration import calibrate as calibration_of
from .diagnosis import Diagnosis, diagnose
from .estimates import Group
from .grouping import group_of
from .operating_point import Wish, score_classes
from .page import counts_page, share_text
from .tables import burden_rows, count_rows, csv_text
from .tally import tally, thresholds
from .truth import read_objects, true_counts
from .unlike import unlike_groups


def calibrate(args: argparse.Namespace) -> int:
    """Choose a threshold for each class and write what was seen at it; returns the exit status."""
    results, truth = read_results(args.results), read_objects(args.truth)
    scores, pictures, pixels = score_classes(results, truth)
    for name in sorted({*results.classes, *truth.names} - {one.name for one in scores}):
        where = 'the truth' if name in results.classes else 'the detector'
        print(f'{name}: not calibrated, {where} does not have it')
    wish = Wish(args.sensitivity, args.false_alarms)
    calibration = calibration_of(scores, pictures, pixels, wish, results.score_thr)
    for name, entry in calibration.classes.items():
        print(
            f'{name}: threshold {entry.threshold:.4g}: {entry.found} of {entry.objects} objects found, '
            f'{entry.false_alarms / pictures:.3g} false alarms a picture'
        )
    write_calibration(Path(args.calibrate), calibration)
    print(f'calibration {args.calibrate}')
    return 0


def count(args: argparse.Namespace) -> int:
    """Count, write the tables and the page; returns the exit status."""
    by, method, confidence = args.by or 'slide', args.interval or 'poisson', args.confidence or 0.95
    if args.calibration is not None and args.score_thr is not None:
        raise UserError('--score-thr: the calibration holds at its own thresholds; leave one of the two out')
    calibration = None if args.calibration is None else read_calibration(args.calibration)
    if classes := detector_classes(args.results):
        check_names(args, classes, calibration)  # before the tables are read, which may be many
    if args.truth is not None and not Path(args.truth).is_file():
        raise UserError(f'{args.truth}: --truth: not found; check the path')
    results, group = read_results(args.results), group_of(by, args.groups, args.pattern)
    given = assumptions(args, results, calibration)
    limits = thresholds(results, calibration, parse_thresholds(args.score_thr or ()))
    groups, pictures = tally(results, limits, group, calibration)
    unlike = unlike_training(args, results, group, limits.of)
    counts = count_rows(groups, calibration, by, method, confidence, unlike)
    burden = burden_rows(groups, given, calibration, by, method, confidence) if given.quantities() else None
    verdict = None
    if args.truth is not None:
        truth = true_counts(args.truth, pictures, group, by, results.classes)
        verdict = group_diagnosis(groups, truth, given, args, confidence)
    words = ', '.join(f'{name} {value:.3g}' for name, value in limits.of.items())
    facts = [('results', str(results.folder)), ('by', by), (f'thresholds {limits.origin}', words),
             ('confidence', f'{confidence:g}'), *_facts(given)]  # fmt: skip
    out = Path(args.out or args.results)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / 'counts.csv', csv_text(counts))
    if burden is not None:
        write_text(out / 'burden.csv', csv_text(burden))
    if verdict is not None:
        write_json(out / 'diagnosis.json', asdict(verdict))
    title = f'Counts of {len(groups)} {by}{"" if len(groups) == 1 else "s"}'
    write_text(out / 'counts.html', counts_page(title, facts, counts, burden, verdict, calibration))
    say(groups, results, by, f'thresholds {limits.origin}: {words}', verdict)
    for name in () if calibration is None else [x for x in results.classes if x not in calibration.classes]:
        print(f'{name}: not in the calibration, so from the score of the prediction on, and not corrected')
    names = ['counts.csv', 'counts.html', *(['burden.csv'] if burden else []), *(['diagnosis.json'] if verdict else [])]
    print(f'{out}: {", ".join(names)}')
    return 0


def unlike_training(
    args: argparse.Namespace, results: Results, group: Callable[[str], str], limits: dict[str, float]
) -> dict[str, list[str]] | None:
    """Group -> in what it does not look like the training pictures, said before any count; None where not asked for."""
    if args.appearance is None:
        return None
    profile, window = read_profile(args.appearance), check_window(args.window, '--window')
    found, unread = unlike_groups(results, group, profile, limits, window)
    for line in unread:
        print(line)
    for name, lines in found.items():
        print(f'{name}: unlike the training pictures, do not believe its counts: {", ".join(lines)}')
    return found


def assumptions(args: argparse.Namespace, results: Results, calibration: Calibration | None) -> Assumptions:
    """What the command line says of the burden.

    Raises:
        UserError: as :func:`check_names`.
    """
    check_names(args, results.classes, calibration)
    return Assumptions(
        args.targets or (), args.red_cells or (), args.white_cells or (), args.red_per_ul, args.white_per_ul, args.grams
    )


def check_names(args: argparse.Namespace, classes: tuple[str, ...], calibration: Calibration | None) -> None:
    """Refuse names that nothing can be counted by.

    Raises:
        UserError: a class that the detector (``classes``) or the calibration does not have, or that is named twice.
    """
    for option in ('targets', 'red_cells', 'white_cells'):
        names = getattr(args, option) or ()
        for name in names:
            flag = f'--{option.replace("_", "-")} {name}'
            if name not in classes:
                raise UserError(f'{flag}: no class of the detector; one of {", ".join(classes)}')
            if calibration is not None and name not in calibration.classes:
                raise UserError(f'{flag}: {args.calibration} has no such class; calibrate with a truth that has it')
            if list(names).count(name) > 1:
                raise UserError(f'{flag}: is named twice; leave one of them out')


def group_diagnosis(
    groups: list[Group],
    truth: dict[str, dict[str, int]],
    given: Assumptions,
    args: argparse.Namespace,
    confidence: float,
) -> Diagnosis:
    """Of the groups that have a picture, by the count of the targets."""
    seen = [group for group in groups if len(group.counts)]
    counts = {group.name: group.count(given.targets) for group in seen}
    true = {group.name: sum(truth[group.name].get(name, 0) for name in given.targets) for group in seen}
    return diagnose(counts, true, args.positive_from or 1, args.shares or 'wilson', confidence)


def say(groups: list[Group], results: Results, by: str, limits: str, verdict: Diagnosis | None) -> None:
    """What was counted, and what was left out, on the screen."""
    print(limits)
    totals = {name: sum(group.count([name]) for group in groups) for name in results.classes}
    note_outcome(groups={group.name: {name: group.count([name]) for name in results.classes} for group in groups})
    plural = '' if len(groups) == 1 else 's'
    print(f'{len(groups)} {by}{plural}: {", ".join(f"{count} {name}" for name, count in totals.items()) or "no box"}')
    if results.failed:
        print(f'{len(results.failed)} pictures could not be read and are in no count: {results.folder}/errors.parquet')
    if verdict is not None:
        print(f'positive from {verdict.positive_from} on: sensitivity {share_text(verdict.sensitivity)}, '
              f'specificity {share_text(verdict.specificity)}')  # fmt: skip
        print(f'limit of blank {verdict.limit_of_blank}, limit of detection {verdict.limit_of_detection}')


def _facts(given: Assumptions) -> list[tuple[str, str]]:
    """The assumptions that were given, for the page."""
    return [
        (name.replace('_', ' '), f'{value:g}' if isinstance(value, float) else ', '.join(value))
        for name, value in asdict(given).items()
        if value
    ]
