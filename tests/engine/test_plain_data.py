"""Laws: packed state comes back equal, and is readable without code."""

import random
from collections import Counter, OrderedDict

import numpy as np
import torch
from mmengine.logging import MessageHub

from detplug.engine.checkpoint import load_file, save_atomic
from detplug.engine.plain_data import pack_message_hub, plain, rng_state, set_rng_state, unpack_message_hub


def draw() -> tuple[float, float, float, float]:
    return torch.rand(1).item(), np.random.random(), np.random.standard_normal(), random.random()


def test_generators_continue_after_a_round_trip_through_a_file(tmp_path):
    np.random.standard_normal()  # leaves a second one in store
    save_atomic(dict(rng=rng_state()), tmp_path / 'a.pth')
    wanted = [draw() for _ in range(3)]
    set_rng_state(load_file(tmp_path / 'a.pth')['rng'])
    assert [draw() for _ in range(3)] == wanted


def test_message_hub_round_trip(tmp_path):
    hub = MessageHub('packed')
    for value in (1.5, 2.5, 3.5):
        hub.update_scalar('train/loss', value)
    hub.update_info('iter', 7)
    hub.update_info('cfg', 'model = dict()')
    hub.update_info('object', object())
    save_atomic(dict(hub=pack_message_hub(hub)), tmp_path / 'a.pth')
    other = MessageHub('unpacked')
    unpack_message_hub(load_file(tmp_path / 'a.pth')['hub'], other)
    assert other.get_scalar('train/loss').data[0].tolist() == [1.5, 2.5, 3.5]
    other.update_scalar('train/loss', 4.5)
    assert dict(other.runtime_info) == dict(iter=7)


def test_malformed_hubs_are_ignored():
    for packed in (None, 3, [], dict(scalars=3), dict(scalars=dict(a=dict(values=1)), info=[1])):
        hub = MessageHub('malformed')
        unpack_message_hub(packed, hub)
        assert not hub.log_scalars and not hub.runtime_info


def test_plain_keeps_values_and_order():
    value = OrderedDict(b=np.float32(0.5), a=[np.arange(3), (1, None)], c=Counter({3: 2}), d=torch.ones(2))
    found = plain(value)
    assert list(found) == ['b', 'a', 'c', 'd'] and found['b'] == 0.5 and type(found['b']) is float
    assert found['a'] == [[0, 1, 2], (1, None)] and found['c'][3] == 2 and found['c'][9] == 0
    assert found['d'] is value['d']
