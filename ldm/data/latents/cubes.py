"""Say how many semi-body cubes hold the pancreas, where masks show it."""

from collections.abc import Mapping, Sequence

from ldm.data.latents.store import PreparedScan

N_SHOWN = 5


def describe_cubes(scans: Sequence[PreparedScan]) -> str | None:
    """Return how many semi-body cubes hold the whole pancreas, and which hold the least of it.

    None if no scan has a mask, or if the crop is another.
    """
    return describe_shares({scan.case_id: scan.pancreas_share for scan in scans})


def describe_shares(shares: Mapping[str, float | None]) -> str | None:
    """Return the same from the share of the pancreas in the cube of each case.

    A share is None if the case has no mask.
    """
    known = {case_id: share for case_id, share in shares.items() if share is not None}
    if not known:
        return None
    cut = {case_id: share for case_id, share in known.items() if share < 1}
    text = f"{len(known) - len(cut)} of {len(known)} semi-body cubes hold the whole pancreas"
    least = sorted(cut, key=lambda case_id: known[case_id])
    shown = [f"scan {case_id} holds {_percent(known[case_id])}" for case_id in least[:N_SHOWN]]
    more = [f"and {len(least) - N_SHOWN} more hold less than all"] if len(least) > N_SHOWN else []
    n_unknown = len(shares) - len(known)
    unknown = f" (scans without a mask: {n_unknown})" if n_unknown else ""
    return "; ".join([text + unknown, *shown, *more])


def _percent(share: float) -> str:
    """Return a share below 1 in percent, never rounded up to 100 %."""
    return f"{min(share, 0.99):.0%}" if share else "nothing of it"
