"""What `ray up` does with a cluster file before it starts anything; Ray has no public way to ask.

Without it, the cluster files that ship could only be checked by starting clusters.
"""

from typing import Any


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """The cluster file with Ray's defaults filled in. Raises what `ray up` does for a wrong one."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(document)
    validate_config(prepared)
    return prepared
