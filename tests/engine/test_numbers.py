import torch

from detplug.engine.numbers import to_floats


def test_numbers_and_tensors_of_one_element():
    assert to_floats([1, 0.5, torch.tensor(2), torch.tensor([0.25], requires_grad=True)]) == [1.0, 0.5, 2.0, 0.25]
    assert to_floats([]) == []
