"""Why a task on another process failed, in one line."""

from ray.exceptions import RayError, RayTaskError


def worker_error(error: RayError) -> str:
    """The exception that the task raised, or what Ray says of a process that died.

    Ray's own text begins with the worker's traceback, so its last line is quoted.
    """
    cause: object = error
    while isinstance(cause, RayTaskError) and cause.cause is not None:
        cause = cause.cause
    if cause is not error and not isinstance(cause, RayTaskError):
        return " ".join(f"{type(cause).__name__}: {cause}".split())
    return str(error).strip().splitlines()[-1]
