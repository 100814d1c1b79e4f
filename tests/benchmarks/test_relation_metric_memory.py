"""The predictions whose memory is measured are all there are, and are found."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))
import relation_metric_memory as benchmark  # noqa: E402

from plugins.sabra.data.vcoco_names import VCOCO  # noqa: E402
from plugins.sabra.relations import NO_OBJECT, RelationNames, RelationSet, relation_image  # noqa: E402

VRD = RelationNames(tuple(map(str, range(100))), tuple(map(str, range(70))))
CHAIR = VCOCO.objects.index('chair')
SIT, WALK = VCOCO.predicates.index('sit instr'), VCOCO.predicates.index('walk')


@pytest.mark.parametrize(
    ('case', 'names', 'triplets'),
    [
        ('vrd', VRD, 32 * 31 * 70),
        ('vcoco', VCOCO, 16 * (31 + 1) * 29),
        ('vcoco_all_persons', VCOCO, 32 * (31 + 1) * 29),
    ],
)
def test_every_pair_has_every_predicate_once(case, names, triplets):
    boxes = [(40, 0, 60, 20), (0, 0, 20, 20)]  # a chair before the person who sits on it
    image = relation_image(
        1, '1.jpg', (80, 60), boxes, [CHAIR, 0], [(1, 0, SIT)] + [(1, NO_OBJECT, WALK)] * (names is VCOCO)
    )
    data = RelationSet(names, [image])
    (sample,) = benchmark.samples(data, benchmark.CASES[case][2])
    found = sample['pred_relations'].triplets
    assert len(np.unique(found, axis=0)) == len(found) == triplets
    assert (found[:, 1] == NO_OBJECT).any() == (case != 'vrd')
    figures = benchmark.measure(case, data)
    assert figures[f'{case}_figure'] == 1
    assert figures[f'{case}_triplets_mb'] == pytest.approx(triplets * 28 / 2**20)
