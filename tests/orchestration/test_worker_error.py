"""The one-line reason of a failed Ray task."""

from ray.exceptions import RayActorError, RayTaskError

from ldm.errors import InputError
from orchestration.worker_error import worker_error


def failed(cause):
    """Return the error that ray.get raises for a task that raised ``cause``."""
    return RayTaskError("task", "Traceback\nof\nRay", cause).as_instanceof_cause()


def test_a_message_of_several_lines_becomes_one_line():
    alike = InputError("hosts must be alike", details=["Ray is 2.59 on b"], remedy="update b")
    told = "InputError: hosts must be alike: Ray is 2.59 on b update b"
    assert worker_error(failed(alike)) == told


def test_the_error_of_an_inner_task_is_returned():
    inner = RayTaskError("inner", "Traceback", ValueError("no scan"))
    assert worker_error(failed(inner)) == "ValueError: no scan"


def test_the_last_line_of_ray_is_returned_for_a_dead_process():
    error = RayActorError(error_msg="The actor died.\nIts node is gone.")
    assert worker_error(error) == "Its node is gone."
