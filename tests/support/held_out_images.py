"""The image files of the held-out scans of a latent store, which a sweep knows from its cohort."""

from pathlib import Path

from ldm.data.cohort.cohort import Split
from ldm.data.latents.store import read_manifest


def held_out_images(store):
    return {scan.case_id: Path(scan.image) for scan in read_manifest(store).of(Split.VALIDATION)}
