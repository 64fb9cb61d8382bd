"""The capabilities and the free memory of a device."""

from pathlib import Path

import pytest
import torch

from ldm.config import Precision
from ldm.device import free_memory_gib, is_bfloat16_fast, uses_bfloat16

CPU = torch.device("cpu")


def test_bfloat16_is_fast_where_the_kernel_lists_an_instruction_for_it():
    listed = set(Path("/proc/cpuinfo").read_text().split())
    assert is_bfloat16_fast(CPU) == bool({"avx512_bf16", "amx_tile"} & listed)


@pytest.mark.parametrize(
    ("capabilities", "is_fast"),
    [
        ({"avx512_bf16": True, "amx_tile": False}, True),
        ({"avx512_bf16": False, "amx_tile": True}, True),
        ({"avx512_bf16": False, "amx_tile": False, "avx512_f": True}, False),
        ({"architecture": "aarch64", "bf16": True}, False),
    ],
)
def test_bfloat16_is_fast_on_processors_with_either_instruction(monkeypatch, capabilities, is_fast):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert is_bfloat16_fast(CPU) is is_fast


def test_free_memory_is_that_of_the_machine_in_gib():
    total_kib = int(Path("/proc/meminfo").read_text().split()[1])
    assert 0.01 < free_memory_gib(CPU) <= total_kib / 2**20


def test_float32_is_float32_on_any_hardware(monkeypatch):
    monkeypatch.setattr("ldm.device.is_bfloat16_fast", lambda _: True)
    assert uses_bfloat16(Precision.AUTO, CPU)
    assert not uses_bfloat16(Precision.FLOAT32, CPU)
