"""Why a remote task failed, from the exception that it raised."""

from ray.exceptions import RayActorError, RayTaskError

from ldm.errors import InputError
from orchestration.worker_error import worker_error


def failed(cause):
    """What ray.get raises for a task that raised ``cause``."""
    return RayTaskError("task", "Traceback\nof\nRay", cause).as_instanceof_cause()


def test_the_whole_message_of_an_error_with_several_lines_is_told_in_one():
    alike = InputError("hosts must be alike", details=["Ray is 2.59 on b"], remedy="update b")
    told = "InputError: hosts must be alike: Ray is 2.59 on b update b"
    assert worker_error(failed(alike)) == told


def test_an_error_of_a_task_that_waited_for_a_task_is_that_of_the_first():
    inner = RayTaskError("inner", "Traceback", ValueError("no scan"))
    assert worker_error(failed(inner)) == "ValueError: no scan"


def test_of_a_process_that_died_rays_last_line_is_told():
    error = RayActorError(error_msg="The actor died.\nIts node is gone.")
    assert worker_error(error) == "Its node is gone."
