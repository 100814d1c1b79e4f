"""Law: training stops before an inf or nan changes a weight, and says where it came from."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from tiny_training import build, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.engine.non_finite_guard import NonFiniteError, NonFiniteGuard


class WeightsBeforeStep(Hook):
    """Remembers the weights and the image ids that each step starts from."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.weights = {name: x.detach().clone() for name, x in runner.model.named_parameters()}
        self.batch = data_batch


@pytest.mark.parametrize(
    ('kind', 'term'), [('loss', r'loss_number\[1\]'), ('gradient', 'gradient of features.0.weight')]
)
def test_stops_before_the_weights_change(kind, term, tmp_path):
    write_images(tmp_path)
    runner = build(tmp_path)
    runner.model.poisoned = (kind, 6)
    before = WeightsBeforeStep()
    runner.register_hook(before)
    with pytest.raises(NonFiniteError, match=rf'step 6: {term} is nan for images \d+, \d+, \d+; ') as caught:
        runner.train()
    ids = [sample.img_id for sample in before.batch['data_samples']]
    assert f'images {", ".join(map(str, ids))};' in str(caught.value) and '\n' not in str(caught.value)
    torch.testing.assert_close(dict(runner.model.named_parameters()), before.weights, rtol=0, atol=0)
    assert read_history(tmp_path / 'work' / 'history.jsonl')[-1]['step'] == 5

    record = load_file(tmp_path / 'work' / 'non_finite_batch.pth')
    assert record['step'] == 6 and record['image_ids'] == ids
    assert all(torch.equal(a, b) for a, b in zip(record['inputs'], before.batch['inputs'], strict=True))
    for sample, boxes, labels in zip(before.batch['data_samples'], record['boxes'], record['labels'], strict=True):
        assert torch.equal(sample.gt_instances.bboxes.tensor, boxes)
        assert torch.equal(sample.gt_instances.labels, labels)
    torch.testing.assert_close({name: record['state_dict'][name] for name in before.weights}, before.weights)


def test_finite_training_is_left_alone(tmp_path):
    write_images(tmp_path)
    runner = build(tmp_path, train_cfg__max_iters=3)
    runner.train()
    assert not (tmp_path / 'work' / 'non_finite_batch.pth').exists()
    assert not runner.model._forward_hooks and not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks


def test_each_of_several_processes_writes_its_own_file(tmp_path):
    model, named = torch.nn.Linear(1, 1), []
    for rank in (0, 1):
        guard = NonFiniteGuard()
        runner = SimpleNamespace(iter=6, rank=rank, world_size=2, work_dir=str(tmp_path))
        guard.batch = dict(inputs=[torch.full((3, 1, 1), rank)], data_samples=[])
        for term in ('loss_box', 'gradient of weight'):
            with pytest.raises(NonFiniteError) as caught:
                guard._stop(runner, model, term, torch.tensor(float('nan')))
            named.append(str(caught.value))
    for rank in (0, 1):
        path = tmp_path / f'non_finite_batch_rank{rank}.pth'
        assert load_file(path)['inputs'][0].unique() == rank
        loss, gradient = named[2 * rank : 2 * rank + 2]
        assert str(path) in loss and f'rank{1 - rank}' not in loss  # only this process's loss can be at fault
        assert str(path) in gradient and f'rank{1 - rank}.pth beside it' in gradient
