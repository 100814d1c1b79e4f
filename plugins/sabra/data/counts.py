"""How much of what a relation data set holds."""

from collections import Counter

import numpy as np

from ..relations import NO_OBJECT, RelationSet
from .anomalies import relation_table


def count_set(data: RelationSet, prefix: str = '') -> dict[str, int]:
    """Images, objects and relations of a split, names prefixed."""
    missing = relation_table(data)[:, 2] == NO_OBJECT
    unannotated = sum(int((~image.annotated).sum()) for image in data.images)
    counts = {
        'images': len(data.images),
        'images without relations': sum(not len(image.relations) for image in data.images),
        'objects': sum(len(image.boxes) for image in data.images),
        'objects whose relations are not annotated': unannotated,
        'relations': len(missing),
        'relations without object': int(missing.sum()),
    }
    return {f'{prefix}{name}': count for name, count in counts.items()}


def count_objects(data: RelationSet) -> dict[str, int]:
    """Objects of each class, 0 included."""
    labels = [image.labels for image in data.images]
    return _by_name(np.concatenate([*labels, np.zeros(0, np.int64)]), data.names.objects)


def count_predicates(data: RelationSet) -> dict[str, int]:
    """Relations of each predicate, 0 included."""
    return _by_name(relation_table(data)[:, 3], data.names.predicates)


def count_triplets(data: RelationSet) -> np.ndarray:
    """(C,) int64: relations of each triplet of ``names``; C = 0 where there are none.

    A relation without object belongs to no triplet.
    """
    triplets = data.names.triplets
    if triplets is None:
        return np.zeros(0, np.int64)
    table = np.zeros((len(data.names.objects), len(data.names.predicates)), np.int64)
    for image in data.images:
        rows = image.relations[image.relations[:, 1] != NO_OBJECT]
        np.add.at(table, (image.labels[rows[:, 1]], rows[:, 2]), 1)
    return table[triplets[:, 0], triplets[:, 1]]


def count_anomalies(data: RelationSet) -> dict[str, int]:
    """Anomalies of each kind, the commonest first."""
    return dict(Counter(line.partition(':')[0] for line in data.anomalies).most_common())


def _by_name(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(names, np.bincount(labels, minlength=len(names)).tolist(), strict=True))
