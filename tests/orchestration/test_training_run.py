"""What a worker takes from Ray's object store."""

import sys
from pathlib import Path

import numpy as np
import pytest
import ray
import ray.cloudpickle

from orchestration.training_run import shared_tensors


@pytest.fixture(scope="module")
def local_ray():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    yield
    ray.shutdown()


def mapping_of(address):
    """The name of the memory mapping that an address of this process lies in."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(end, 16) for end in line.split()[0].split("-"))
        if low <= address < high:
            return line
    raise AssertionError(f"nothing is mapped at {address:x}")


@pytest.mark.usefixtures("local_ray")
def test_latents_are_read_in_the_nodes_shared_memory_not_copied():
    array = np.arange(1 << 20, dtype=np.float16).reshape(4, -1)
    references = (ray.put(array), ray.put(array))

    def look(given):
        tensors = shared_tensors(given)
        return [(mapping_of(t.data_ptr()), float(t[3, 5])) for t in tensors]

    found = ray.get(ray.remote(look).remote(references))
    assert [value for _, value in found] == [float(array[3, 5])] * 2
    assert all("/dev/shm" in line and "plasma" in line for line, _ in found)
