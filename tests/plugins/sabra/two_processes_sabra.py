"""Run by torchrun in test_sabra_degenerate.py: each process writes FOLDER/rank_N.json.

Every degenerate batch is learned from twice: first in one process while the other has a usual one, then in both.
"""

import hashlib
import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from sabra_detector_cases import (
    BOX,
    DEGENERATE,
    DETECTOR_LIMITS,
    USUAL,
    assert_valid,
    batch,
    model,
    pixels_model,
    sample,
)

from detplug.engine.distributed import leave_group, start_group, wrap
from plugins.sabra.sampling import UniformSampler

MODELS = {
    'boxes': model,
    'boxes, persons and missing objects': partial(model, subject_labels=[0], intransitive=True),
    'boxes, exclusive': partial(model, exclusive=True),
    'boxes, no masks': partial(model, mask_weight=0.0),
    'boxes, hard negatives': partial(model, sampler=dict(type='HardNegativeSampler', num_pairs=8)),
    **{f'pictures, {name}': partial(pixels_model, **found) for name, found in DETECTOR_LIMITS.items()},
}
TWO_IMAGES = USUAL, dict(boxes=BOX[::-1], labels=[0, 0, 1, 3], relations=[(0, 2, 1)])


def same_draws():
    """A model whose step depends on nothing random."""
    return model(sampler=dict(type='AllPairsSampler'), dropout=0.0)


def weights_after_a_step(net, data) -> torch.Tensor:
    """All weights of ``net`` in one row after a step of gradient descent."""
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    own = getattr(net, 'module', net)
    losses = net(**own.data_preprocessor(data, training=True), mode='loss')
    own.parse_losses(losses)[0].backward()
    optimizer.step()
    return torch.cat([x.detach().flatten() for x in own.parameters()])


def learn(net, pictures: bool) -> dict:
    """Steps that were taken, digests of the weights before and after."""
    wrapped, before, steps = wrap(net.train()), digest(net), []
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    for case, content in DEGENERATE.items():
        for who in ('one', 'both'):
            mine = content if who == 'both' or os.environ['RANK'] == '0' else USUAL
            data = net.data_preprocessor(batch([sample(**mine)], pictures), training=True)
            losses = wrapped(**data, mode='loss')
            total = net.parse_losses(losses)[0]
            assert total.isfinite(), (case, losses)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            steps.append([case, who])
    net.eval()
    for content in DEGENERATE.values():
        with torch.no_grad():
            assert_valid(net.test_step(batch([sample(**content)], pictures))[0])
    return dict(steps=steps, before=before, weights=digest(net))


def digest(net) -> str:
    return hashlib.sha256(torch.cat([x.detach().flatten() for x in net.parameters()]).numpy().tobytes()).hexdigest()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    start_group('pytorch')
    rank = int(os.environ['RANK'])
    results = {name: learn(make(), name.startswith('pictures')) for name, make in MODELS.items()}
    one = batch([sample(**TWO_IMAGES[rank])])
    results['one step'] = weights_after_a_step(wrap(same_draws()), one).tolist()
    sampler = UniformSampler(num_pairs=8)
    sampler(torch.full((1, 5), 1 + rank))
    results['counts'] = sampler.counts.take()
    (folder / f'rank_{rank}.json').write_text(json.dumps(results))
    leave_group()


if __name__ == '__main__':
    main(Path(sys.argv[1]))
