"""The capabilities and the free memory of a device."""

import torch

from ldm.device import free_memory_gib, is_bfloat16_fast


def test_whether_bfloat16_pays_is_known_for_this_machine():
    assert is_bfloat16_fast(torch.device("cpu")) in {True, False}


def test_memory_is_free():
    assert 0.01 < free_memory_gib(torch.device("cpu")) < 2**14
