"""Results of any code as predictions of the images of the truth: the form is recognised by what is in the file."""

from pathlib import Path

from detplug.data.coco_file import read_json
from detplug.errors import UserError

from ..relations import RelationResult, RelationSet
from .detplug_predictions import BOXES, read_npz, read_predicted_folder
from .fields import result
from .graph_predictions import FRAME, read_graphs
from .hicodet_predictions import PATTERN, read_hicodet
from .ppdm_predictions import read_ppdm
from .vcoco_predictions import read_vcoco
from .vrd_predictions import read_vrd


def read_predictions(
    path: Path,
    data: RelationSet,
    task: str,
    numbering: str = 'coco',
    frame: tuple[int, int] | None = FRAME,
) -> tuple[list[RelationResult], list[str]]:
    """One result an image of ``data``, and a line for what the file lacks.

    Args:
        path: a file or a folder; docs/relation_evaluator.md lists the forms.
        task: of :data:`.command.TASKS`.
        numbering: see :mod:`.ppdm_predictions`.
        frame: see :mod:`.graph_predictions`.

    Raises:
        UserError: a form that is not known or not of the task, a broken file, an image or a name that the truth has
            not, no image in common.
    """
    predicted = _read(path, data, task, numbering, frame)
    if not predicted and data.images:
        raise UserError(f'{path}: no image of the truth has a prediction; evaluate on the split that was predicted')
    missing = len(data.images) - len(predicted)
    lines = [f'{missing} of {len(data.images)} images have no prediction; they count as empty'] if missing else []
    return [predicted.get(position) or result([], [], [], [], []) for position in range(len(data.images))], lines


def _read(path: Path, data: RelationSet, task: str, numbering: str, frame) -> dict[int, RelationResult]:
    if path.is_dir():
        if (path / BOXES).is_file():
            return read_predicted_folder(path, data)
        if (path / PATTERN.format(1)).is_file() and task == 'hico':
            return read_hicodet(path, data)
        raise UserError(f'{path}: neither {BOXES} nor, for the task hico, {PATTERN.format(1)}; give a folder with one')
    if not path.is_file():
        raise UserError(f'{path}: not found; give the result file')
    if path.suffix == '.npz':
        return read_npz(path, data)
    if path.suffix == '.mat':
        if task not in ('vrd', 'vrd_predicate'):
            raise UserError(f'{path}: a single .mat is read for the tasks vrd and vrd-predicate; not for {task}')
        return read_vrd(path, data, given=task == 'vrd_predicate')
    if path.suffix in ('.pkl', '.pickle'):
        if task != 'vcoco':
            raise UserError(
                f'{path}: a pickled list is read for the task vcoco, whose script asks for it; not for {task}'
            )
        return read_vcoco(path, data)
    content = read_json(path)
    entries = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    first = next(iter(entries), None)
    keys = set(first) if isinstance(first, dict) else set()
    if isinstance(content, list) and 'hoi_prediction' in keys:
        if task != 'hico':
            raise UserError(
                f'{path}: hoi_prediction: read for the task hico, whose verbs the numbers are; not for {task}'
            )
        return read_ppdm(path, content, data, numbering)
    if isinstance(content, dict) and 'rel_pairs' in keys:
        return read_graphs(path, content, data, frame)
    raise UserError(f'{path}: not a form that is known; docs/relation_evaluator.md lists them')
