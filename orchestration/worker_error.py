"""Describe in one line why a Ray task failed."""

from ray.exceptions import RayError, RayTaskError


def worker_error(error: RayError) -> str:
    """Return the exception that a task raised, or Ray's reason if its process died.

    Ray's text starts with the traceback of the worker, so only its last line is used.
    """
    cause: object = error
    while isinstance(cause, RayTaskError) and cause.cause is not None:
        cause = cause.cause
    if cause is not error and not isinstance(cause, RayTaskError):
        return " ".join(f"{type(cause).__name__}: {cause}".split())
    return str(error).strip().splitlines()[-1]
