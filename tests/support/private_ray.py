"""Validate a cluster file as `ray up` does. Ray has no public function for it.

Without it, the cluster files of this repository could only be tested by starting clusters.
"""

from typing import Any


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """Return the cluster file with Ray's defaults. Raises what `ray up` raises for a wrong file."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(document)
    validate_config(prepared)
    return prepared
