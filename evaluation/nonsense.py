"""Generate the volumes that set the floor of every score: smooth noise that resembles tissue."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from ldm.data.geometry.body import body_mask
from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.volume import FloatArray, Volume

SIGMA_MM = 8.0  # standard deviation of the blur, about the size of structures in a pancreas


def nonsense_volumes(
    reference: Sequence[Volume], n: int, *, seed: int = 0
) -> Iterator[tuple[str, Volume]]:
    """Yield ``n`` named volumes of smooth noise, modeled on real scans.

    Volume i has the shape, spacing and body outline of scan i of ``reference``, which must not be
    empty; after the last scan, the first one is used again. Inside the body it holds Gaussian noise
    that was blurred by 8 mm and has the mean and standard deviation of the tissue in that body.
    Outside it is air. A scan without a body gives a volume of air.
    """
    for index in range(n):
        scan = reference[index % len(reference)]
        rng = np.random.default_rng((seed, index))
        array = _noise_in_body(scan, rng)
        yield f"nonsense_{index:02d}", Volume(array=array, affine=scan.affine)


def _noise_in_body(scan: Volume, rng: np.random.Generator) -> FloatArray:
    body = body_mask(scan.array)
    tissue = scan.array[body]
    array = np.full(scan.array.shape, AIR_HU, np.float32)
    if tissue.size:
        noise = rng.standard_normal(scan.array.shape, np.float32)
        noise = ndimage.gaussian_filter(noise, SIGMA_MM / scan.spacing_mm, mode="wrap")
        inside = noise[body] - noise[body].mean()
        inside *= tissue.std() / max(float(inside.std()), 1e-6)
        array[body] = (tissue.mean() + inside).clip(AIR_HU, None)
    return array
