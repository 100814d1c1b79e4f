"""Small annotation and result files in the forms of public code, from random relations."""

import json
import pickle
from pathlib import Path

import numpy as np
from sabra_metric_cases import free_relations, random_result, random_truth

from plugins.sabra.data.coco_names import IDS, NAMES
from plugins.sabra.data.relation_file import write_relations
from plugins.sabra.data.vcoco_names import PREDICATES, VCOCO
from plugins.sabra.relations import RelationNames, RelationSet, relation_image

CLASSES, VERBS = ('person', 'cup', 'dog'), ('hold', 'see')
TRIPLETS = np.array([(1, 0), (1, 1), (2, 1)])  # of the small HICO; sorted by object, as the real one


def small_names(task: str) -> RelationNames:
    """Names of a task: COCO's objects for HICO-DET and V-COCO, since result files count on them."""
    if task == 'vcoco':
        return VCOCO
    if task == 'hico':
        objects = tuple(sorted(name.replace(' ', '_') for name in NAMES))
        labels = {name: objects.index(name) for name in CLASSES}
        rows = [(labels[CLASSES[thing]], verb) for thing, verb in TRIPLETS]
        return RelationNames(objects, VERBS, np.array(rows))
    return RelationNames(CLASSES, VERBS)


def small_set(task: str, seed: int = 0, images: int = 12) -> tuple[RelationSet, list]:
    """A truth and predictions, with whole pixels, so that no form rounds."""
    rng, names = np.random.default_rng(seed), small_names(task)
    labels = [names.objects.index(name) for name in CLASSES]

    def relations(kinds):
        rows = free_relations(rng, len(names.predicates), missing=task == 'vcoco')(kinds)
        if task == 'hico':
            pairs = {tuple(row) for row in TRIPLETS.tolist()}
            rows = [row for row in rows if (kinds[row[1]], row[2]) in pairs]
        if task == 'vcoco':
            rows = [row for row in rows if kinds[row[0]] == 0 and (row[1] < 0 or ' ' in PREDICATES[row[2]])]
        return rows

    truth = [random_truth(rng, i + 1, 3, relations) for i in range(images)]
    results = [random_result(rng, image, 3, len(names.predicates), task == 'vcoco') for image in truth]
    for image in [*truth, *results]:
        image.labels = np.array(labels, np.int64)[image.labels]
    return RelationSet(names, truth), results


def write_truth(folder: Path, data: RelationSet) -> Path:
    """The project's own form."""
    path = folder / 'truth.json'
    path.write_text(write_relations(data))
    return path


def ppdm(data: RelationSet, results, numbering: str) -> list[dict]:
    """As PPDM writes results; some numbers are texts with a line break."""
    names = [name.replace(' ', '_') for name in NAMES]
    content = []
    for image, result in zip(data.images, results, strict=True):
        place = [names.index(data.names.objects[label]) for label in result.labels]
        ids = [IDS[k] for k in place] if numbering == 'coco' else place
        base = numbering == 'coco'
        content.append(
            dict(
                file_name=image.file_name,
                predictions=[
                    dict(bbox=box, category_id=f'{number}\n')
                    for box, number in zip(result.boxes.tolist(), ids, strict=True)
                ],
                hoi_prediction=[
                    dict(subject_id=s, object_id=o, category_id=p + base, score=float(score))
                    for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores, strict=True)
                ],
            )
        )
    return content


def vcoco_pickle(results, images) -> bytes:
    """As V-COCO's script takes results: a detection for each triplet."""
    rows = []
    for image, result in zip(images, results, strict=True):
        for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores.tolist(), strict=True):
            row = dict(image_id=np.int64(image.img_id), person_box=result.boxes[s].tolist())
            name = PREDICATES[p]
            if ' ' in name:
                box = [np.nan] * 4 if o < 0 else result.boxes[o].tolist()
                row[name.replace(' ', '_')] = np.array([*box, score])
            else:
                row[f'{name}_agent'] = score
            rows.append(row)
    return pickle.dumps(rows, 2)


def scene_graph_files(folder: Path, data: RelationSet, results, all_scores: bool) -> Path:
    """custom_prediction.json and custom_data_info.json; classes in another order, boxes in the frame of 600 px."""
    classes, predicates = data.names.objects[::-1], data.names.predicates[::-1]
    content = {}
    for number, (image, result) in enumerate(zip(data.images, results, strict=True)):
        scale = 600 / min(image.width, image.height)
        scores = np.full(len(result.boxes), 0.5)
        pairs = {}
        for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores.tolist(), strict=True):
            row = pairs.setdefault((s, o), [0.0] * (len(predicates) + 1))
            k = 1 + predicates.index(data.names.predicates[p])
            row[k] = max(row[k], score)
        content[str(number)] = dict(
            bbox=(result.boxes * scale).tolist(),
            bbox_labels=[1 + classes.index(data.names.objects[label]) for label in result.labels],
            bbox_scores=scores.tolist(),
            rel_pairs=[list(pair) for pair in pairs],
            rel_labels=[1 + int(np.argmax(row[1:])) for row in pairs.values()],
            rel_scores=[max(row[1:]) for row in pairs.values()],
        )
        if all_scores:
            content[str(number)]['rel_all_scores'] = list(pairs.values())
    info = dict(
        idx_to_files=[f'some/folder/{image.file_name}' for image in data.images],
        ind_to_classes=['__background__', *classes],
        ind_to_predicates=['__background__', *predicates],
    )
    (folder / 'custom_data_info.json').write_text(json.dumps(info))
    path = folder / 'custom_prediction.json'
    path.write_text(json.dumps(content))
    return path


def predicted_folder(folder: Path, data: RelationSet, results) -> Path:
    """predictions.json and relations.json, as ``detplug predict`` writes them."""
    boxes, relations = [], []
    for image, result in zip(data.images, results, strict=True):
        start = len(boxes)
        for (x1, y1, x2, y2), label in zip(result.boxes.tolist(), result.labels, strict=True):
            word = data.names.objects[label]
            bbox = [x1, y1, x2 - x1, y2 - y1]
            boxes.append(dict(file_name=image.file_name, category_name=word, bbox=bbox, score=0.5))
        for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores.tolist(), strict=True):
            target = None if o < 0 else start + o
            row = dict(subject=start + s, object=target, predicate=data.names.predicates[p], score=score)
            relations.append(dict(file_name=image.file_name) | row)
    folder.mkdir(exist_ok=True)
    (folder / 'predictions.json').write_text(json.dumps(boxes))
    (folder / 'relations.json').write_text(json.dumps(relations))
    return folder


def one_pair(img_id=1):
    """A person who holds a cup."""
    boxes = [(0, 0, 20, 20), (40, 0, 60, 20)]
    return relation_image(img_id, f'{img_id}.jpg', (80, 60), boxes, [0, 1], [(0, 1, 0)])
