"""Trains and exports the relation head that comes with detplug, and measures it on V-COCO's val split.

SABRA in `boxes` mode on V-COCO's train split (annotations alone, no picture), weights in float16. Writes
detplug/bundles/vcoco-relations: model.onnx, manifest.json, card.json. Figures, 0 to 100: AP_role of scenarios 1 and 2
over 24 roles, of the bundle in onnxruntime, with the boxes of the truth (truth_s1, truth_s2) and with the truth as a
detector would find it (noise_s1, noise_s2); prior_...: of a baseline without a network, how often a person does the
action with an object of the class in train, times the detection scores. bytes: of the bundle without its card.

python benchmarks/bundled_relations.py      (needs data/vcoco: tools/prepare_data.py vcoco DOWNLOAD --out data/vcoco;
a quarter of an hour on one core; resumable)
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from finetuning import ROOT, run_tool
from mmdet.registry import DATASETS
from record import commit, record
from sabra_variants import train, use_prepared_data

from detplug.cli.config import load_config
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.runtime.bundle import MANIFEST, MODEL, sha256
from detplug.runtime.detections import Detections
from plugins.sabra.boxes_engine import BoxesRelations
from plugins.sabra.detections import ImageDetections
from plugins.sabra.metrics.metric import RelationMetric
from plugins.sabra.relation_field import NO_OBJECT, relations_of
from plugins.sabra.relations import RelationResult

NAME = 'vcoco-relations'
CONFIG = 'configs/sabra/sabra_vcoco_boxes.py'
WORK = Path('work_dirs/benchmarks/bundled_relations')
BUNDLE = ROOT / 'detplug' / 'bundles' / NAME
BOXES = {'truth': ['test_dataloader.dataset.pipeline.1.clean=1.0'], 'noise': []}  # --cfg-options
FIGURES = {'s1': 'role_ap_s1', 's2': 'role_ap_s2'}
LARGE = 1000  # numbers from which an initializer is stored in float16
PERSON, POWER = 0, 0.75  # label; of the detection scores, as in the config
CARD = {
    'what': "what persons do with which object (26 actions) between boxes of COCO's classes that your detector finds",
    'data': "V-COCO's annotations without pictures: train split, 2,280 images and a tenth held out for choices; "
    'measured on its val split, 2,867 images',
    'licence': 'annotations: boxes of the COCO Consortium, CC BY 4.0, actions of V-COCO (Gupta and Malik, arXiv '
    '1505.04474), whose files name the Simplified BSD licence; weights: Apache-2.0',
    'intended use': 'to try relations on pictures of daily life with your own detector; research',
    'limits': 'it sees where boxes lie and what they are, not the picture: who looks at a laptop and who works on it '
    "are alike to it; at most 32 boxes a picture; class names are COCO's",
    'warning': 'not for decisions about persons',
}
Relate = Callable[[ImageDetections, tuple[int, int]], Detections]


def make() -> None:
    """Train, round the weights to float16, export, and put the files into detplug/bundles."""
    train(CONFIG, WORK / 'train', seed=0)
    half = WORK / 'half.pth'
    state = load_file(ROOT / WORK / 'train' / 'best.pth')
    state['state_dict'] = {
        name: x.half().to(x.dtype) if x.is_floating_point() else x for name, x in state['state_dict'].items()
    }
    save_atomic(state, ROOT / half)
    run_tool('export', CONFIG, str(half), '--format', 'onnx-boxes', '--out', str(WORK / 'bundle'))
    BUNDLE.mkdir(parents=True, exist_ok=True)
    store_half(ROOT / WORK / 'bundle' / MODEL, BUNDLE / MODEL)
    manifest = json.loads((ROOT / WORK / 'bundle' / MANIFEST).read_text())
    manifest['model']['sha256'] = sha256(BUNDLE / MODEL)
    (BUNDLE / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')


def store_half(source: Path, target: Path) -> None:
    """The same graph with its large weights, which float16 holds exactly, in half the bytes.

    Raises:
        ValueError: a weight that float16 does not hold.
    """
    model = onnx.load(source)
    del model.graph.value_info[:]
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        if not np.array_equal(values.astype(np.float16).astype(np.float32), values):
            raise ValueError(f'{source}: {tensor.name} is not in float16')
        casts.append(onnx.helper.make_node('Cast', [f'{tensor.name}_half'], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f'{tensor.name}_half'))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)


def evaluate(relate: Relate, options: list[str]) -> dict[str, float]:
    """Figures in percent of val, the config's test split; ``options`` say which boxes are given."""
    dataset = DATASETS.build(load_config(CONFIG, options).test_dataloader.dataset)
    metric = RelationMetric(protocol='vcoco')
    metric.dataset_meta = dataset.metainfo
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        truth, boxes = sample.relation_truth, sample.proposals.numpy()
        found = relate(ImageDetections(boxes.bboxes, boxes.labels, boxes.scores), (truth.width, truth.height))
        relations = found.fields['relations']
        result = RelationResult(found.boxes, found.labels, found.scores, relations.triplets, relations.scores)
        metric.process(None, [dict(relation_truth=truth, pred_relations=result)])
    figures = metric.evaluate(len(dataset))
    return {name: 100 * figures[key] for name, key in FIGURES.items()}


class Prior:
    """The baseline: chance of each action given the object's class, counted in the training split."""

    def __init__(self) -> None:
        config = load_config(CONFIG)
        dataset = DATASETS.build(config.train_dataloader.dataset.dataset)
        classes, predicates = len(config.classes), len(config.predicates)
        self.classes, self.predicates = tuple(config.classes), tuple(config.predicates)
        times, pairs = np.zeros((classes + 1, predicates)), np.zeros((classes + 1, 1))  # the last row: no object
        for i in range(len(dataset)):
            truth = dataset.get_data_info(i)['relation_truth']
            persons = int(((truth.labels == PERSON) & truth.annotated).sum())
            there = np.bincount(truth.labels, minlength=classes)
            there[PERSON] -= 1  # of a person itself
            pairs[:-1, 0] += persons * np.maximum(there, 0)
            pairs[-1] += persons
            for _, target, predicate in np.unique(truth.relations, axis=0).tolist():
                times[classes if target == NO_OBJECT else truth.labels[target], predicate] += 1
        self.chance = (times / np.maximum(pairs, 1)).clip(0, 1).astype(np.float32)

    def relate(self, given: ImageDetections, size: tuple[int, int]) -> Detections:
        """As :meth:`BoxesRelations.relate`."""
        order = np.argsort(-given.scores, kind='stable')
        boxes, scores, labels = given.boxes[order], given.scores[order], given.labels[order]
        person = (labels == PERSON)[:, None]
        prior = (scores[:, None] * scores) ** POWER * person * ~np.eye(len(scores), dtype=bool)
        alone = scores[:, None] ** POWER * person * self.chance[-1]
        relations = relations_of(prior[..., None] * self.chance[labels][None], alone, self.predicates)
        return Detections(boxes, scores, labels, self.classes, {'relations': relations})


def main() -> None:
    use_prepared_data()
    make()
    figures: dict[str, float] = {}
    for prefix, relate in {'': BoxesRelations(BUNDLE, 'cpu').relate, 'prior_': Prior().relate}.items():
        for boxes, options in BOXES.items():
            found = evaluate(relate, options)
            figures |= {f'{prefix}{boxes}_{name}': value for name, value in found.items()}
    figures['bytes'] = sum((BUNDLE / name).stat().st_size for name in (MODEL, MANIFEST))
    card = CARD | {
        'figures': {
            f'AP_role {name.upper()}, {text}': round(figures[f'{boxes}_{name}'] / 100, 3)
            for boxes, text in {'truth': 'true boxes', 'noise': 'boxes as a small detector finds them'}.items()
            for name in FIGURES
        },
        'measured on': "V-COCO's val split, in onnxruntime",
        'command': 'python benchmarks/bundled_relations.py',
        'commit': commit(),
    }
    (BUNDLE / 'card.json').write_text(json.dumps(card, indent=2) + '\n')
    record('bundled_relations', figures, [0])


if __name__ == '__main__':
    main()
