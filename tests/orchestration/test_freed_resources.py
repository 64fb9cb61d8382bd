"""A trial whose driver dies gives its CPUs back, with a second Ray on the host and a proxy set."""

import os
import signal
import sys
import time

import pytest

from orchestration.cluster import connect
from tests.support.mortal_nodes import ray_nodes
from tests.support.ports import free_port
from tests.support.sweep_process import fact, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
AT_MOST_S = 60.0  # it takes seconds, or for ever


def train_for_ever(given):
    given["started"].touch()
    while True:
        time.sleep(1)


class Driver:
    """Stands for Ray Tune's process of a trial, which runs Ray Train."""

    def process_id(self):
        return os.getpid()

    def fit(self, folder):
        from ray import train
        from ray.train.torch import TorchTrainer

        TorchTrainer(
            train_for_ever,
            train_loop_config={"started": folder / "started"},
            scaling_config=train.ScalingConfig(num_workers=1),
            run_config=train.RunConfig(name="trial", storage_path=str(folder)),
        ).fit()


@pytest.fixture
def crowded_ray(tmp_path_factory):
    """A local Ray on a host that has another one, and a proxy that answers no one."""
    import ray

    with ray_nodes(tmp_path_factory.mktemp("ray")) as another:  # a short path, for Ray's sockets
        another.start_head()
        proxy = f"http://127.0.0.1:{free_port()}"
        os.environ.update(dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), proxy))
        connect(None)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield ray
        ray.shutdown()


def n_free_cpus(ray):
    return ray.available_resources().get("CPU", 0)


def test_a_killed_driver_gives_its_cpu_back_within_seconds(crowded_ray, tmp_path):
    n_cpus = n_free_cpus(crowded_ray)
    driver = crowded_ray.remote(Driver).options(num_cpus=0, max_restarts=0).remote()
    process_id = crowded_ray.get(driver.process_id.remote())
    driver.fit.remote(tmp_path)
    wait_for((tmp_path / "started").exists, "the trial to train")
    assert n_free_cpus(crowded_ray) == n_cpus - 1
    os.kill(process_id, signal.SIGKILL)
    killed_at = time.monotonic()
    wait_for(lambda: n_free_cpus(crowded_ray) == n_cpus, "the CPU to be free", AT_MOST_S)
    fact(f"a trial's driver was killed: its CPU is free after {time.monotonic() - killed_at:.1f} s")
