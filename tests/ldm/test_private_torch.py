"""What is used of PyTorch's private modules does, in the installed version, what it is used for."""

import torch

from ldm.private_torch import FakeTensorMode, TorchDispatchMode, tree_leaves


class Names(TorchDispatchMode):
    """Keeps the name of each operation."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, _, args=(), kwargs=None):
        self.seen.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_fake_tensors_have_a_shape_and_take_no_memory():
    with FakeTensorMode():
        product = torch.empty(2**20, 2**20) @ torch.empty(2**20, 2**20)  # 4 TiB each
    assert product.shape == (2**20, 2**20)
    assert product.untyped_storage().nbytes() == 2**42


def test_a_dispatch_mode_sees_the_operations_of_the_backward_pass():
    weight = torch.ones(2, requires_grad=True)
    with Names() as names:
        weight.exp().sum().backward()
    assert names.seen[0] == "exp"
    assert "mul" in names.seen  # d exp(w) / dw = exp(w): times what comes from the sum


def test_leaves_are_the_tensors_of_whatever_an_operation_returned():
    one, other = torch.zeros(1), torch.ones(1)
    assert tree_leaves(one)[0] is one
    first, second = tree_leaves((one, [other]))
    assert first is one
    assert second is other
