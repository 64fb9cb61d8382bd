"""Training cases for the phantom weights: phantoms, altered to resemble flawed generated scans.

A segmenter that scores a generative model meets volumes that no scanner made. It is therefore
trained on phantoms with missing organs, with boxes from another phantom, with boxes of nonsense,
and on crops and blur. All arrays are (x, y, z) at 3 mm; intensities are HU.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.volume import BoolArray, FloatArray, LabelArray
from ldm.data.phantom.canvas import SHAPE_VOXELS, Organ
from ldm.data.phantom.phantom import make_phantom

FIRST_SEED = 100_000  # phantom cohorts use seeds below 10,000
LAST_LABEL = Organ.COLON  # organs with higher numbers count as background in the phantom weights
EDGE_VOXELS = 3  # width over which an inserted box fades into its surroundings
Box: TypeAlias = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCase:
    """One phantom for training.

    Attributes
    ----------
    hu
        Intensities in HU, shape (x, y, z).
    labels
        Labels of the same shape: 0 to ``LAST_LABEL``, or 0 and 1 for the model of the trunk.
    pancreas_box
        Bounding box of the pancreas, or of the place where it usually lies.
    """

    hu: FloatArray
    labels: LabelArray
    pancreas_box: Box


def load_cases(n: int, cache: Path) -> list[TrainingCase]:
    """Return the first ``n`` training phantoms.

    They are read from the folder ``cache``. Those that it lacks are generated and stored there.
    """
    cache.mkdir(parents=True, exist_ok=True)
    return [_load_case(FIRST_SEED + i, cache / f"{FIRST_SEED + i}.npz") for i in range(n)]


def _load_case(seed: int, path: Path) -> TrainingCase:
    if not path.exists():
        phantom = make_phantom(seed, omit=choose_omitted(np.random.default_rng(seed)))
        np.savez_compressed(path, hu=phantom.scan.array, organs=phantom.organs)
    with np.load(path) as stored:
        hu, organs = stored["hu"], stored["organs"]
    labels = np.where(organs <= LAST_LABEL, organs, 0).astype(np.uint8)
    return TrainingCase(hu=hu, labels=labels, pancreas_box=find_pancreas_box(labels))


def choose_omitted(rng: np.random.Generator) -> frozenset[Organ]:
    """Choose the organs that a phantom lacks.

    The pancreas is missing in 28 % of the phantoms. Independently, one or two other organs are
    missing in 30 %.
    """
    omitted: set[Organ] = set()
    if rng.random() < 0.28:
        omitted.add(Organ.PANCREAS)
    if rng.random() < 0.3:
        others = [organ for organ in Organ if organ != Organ.PANCREAS]
        omitted |= {others[i] for i in rng.choice(len(others), rng.integers(1, 3), replace=False)}
    return frozenset(omitted)


def find_pancreas_box(labels: LabelArray) -> Box:
    """Return the bounding box of the pancreas, or its usual place if there is none."""
    found = ndimage.find_objects((labels == Organ.PANCREAS).astype(np.uint8))
    if found:
        x, y, z = found[0]
        return (x, y, z)
    return (slice(24, 70), slice(36, 62), slice(18, 48))


def trunk_of(hu: FloatArray) -> BoolArray:
    """Return the mask of the trunk.

    It is the largest connected component above -400 HU after a morphological opening, with holes
    filled slice by slice.
    """
    tissue = ndimage.binary_opening(hu > -400)
    components, n = ndimage.label(tissue)
    sizes = ndimage.sum_labels(tissue, components, range(1, n + 1))
    trunk: BoolArray = components == 1 + int(np.argmax(sizes))
    for k in range(trunk.shape[2]):
        trunk[:, :, k] = ndimage.binary_fill_holes(trunk[:, :, k])
    return trunk


def body_case(case: TrainingCase) -> TrainingCase:
    """Return the same phantom with its trunk as the only label."""
    trunk = trunk_of(case.hu).astype(np.uint8)
    return TrainingCase(hu=case.hu, labels=trunk, pancreas_box=case.pancreas_box)


def alter_pancreas_box(
    case: TrainingCase, donor: TrainingCase, rng: np.random.Generator
) -> TrainingCase:
    """Return the case with its pancreas box replaced by nonsense, by the donor's, or unchanged.

    Nonsense, without any label, replaces the box in 22 % of the calls, and the box of the donor
    with its labels in 20 %.
    """
    draw = rng.random()
    if draw < 0.22:
        box = grow_box(case.pancreas_box, margin_voxels=int(rng.integers(1, 7)))
        content = _nonsense(case.hu[box], rng)
        return _put_box(case, box, content, np.zeros(content.shape, np.uint8))
    if draw < 0.42:
        margin_voxels = int(rng.integers(2, 7))
        here, there = _matching_boxes(case.pancreas_box, donor.pancreas_box, margin_voxels)
        return _put_box(case, here, donor.hu[there], donor.labels[there])
    return case


def grow_box(box: Box, *, margin_voxels: int) -> Box:
    """Return the box with a margin on all sides, cut off at the border of the phantom."""
    x, y, z = (
        slice(max(side.start - margin_voxels, 0), min(side.stop + margin_voxels, n))
        for side, n in zip(box, SHAPE_VOXELS, strict=True)
    )
    return (x, y, z)


def _matching_boxes(here: Box, there: Box, margin_voxels: int) -> tuple[Box, Box]:
    """Return two boxes of equal size, centered on the given ones as far as the border allows.

    They are large enough for either box plus the margin on all sides.
    """
    pairs = []
    for mine, other, n in zip(here, there, SHAPE_VOXELS, strict=True):
        length = max(mine.stop - mine.start, other.stop - other.start) + 2 * margin_voxels
        length = min(length, n)
        starts = [
            int(np.clip((side.start + side.stop - length) // 2, 0, n - length))
            for side in (mine, other)
        ]
        pairs.append([slice(start, start + length) for start in starts])
    (x, x_other), (y, y_other), (z, z_other) = pairs
    return (x, y, z), (x_other, y_other, z_other)


def _nonsense(content: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return HU that resemble tissue in mean and variance only.

    They are the content strongly blurred (one in four), its voxels shuffled (one in four), or
    smooth noise.
    """
    kind = rng.integers(4)
    if kind == 0:
        blurred: FloatArray = ndimage.gaussian_filter(content, rng.uniform(3.0, 8.0))
        return blurred
    if kind == 1:
        return rng.permuted(content.ravel()).reshape(content.shape)
    smooth = ndimage.gaussian_filter(
        rng.standard_normal(content.shape, np.float32), rng.uniform(0.7, 5.0), mode="wrap"
    )
    tissue = content[content > -300]
    mean_hu, deviation_hu = (tissue.mean(), tissue.std()) if tissue.size else (0.0, 60.0)
    scale = deviation_hu * rng.uniform(0.5, 1.5) / max(float(smooth.std()), 1e-6)
    noise: FloatArray = (mean_hu + smooth * scale).astype(np.float32)
    return noise


def _put_box(case: TrainingCase, box: Box, content: FloatArray, labels: LabelArray) -> TrainingCase:
    """Return the case with ``content`` and ``labels`` in place of a box.

    HU fade into the surroundings over ``EDGE_VOXELS`` voxels. The label of a pancreas outside the
    box is erased.
    """
    shape = content.shape
    share = np.ones(shape, np.float32)
    for axis, n in enumerate(shape):
        to_edge = np.minimum(np.arange(n), np.arange(n)[::-1]) + 1
        ramp = np.clip(to_edge / (EDGE_VOXELS + 1), 0, 1).astype(np.float32)
        share *= np.expand_dims(ramp, [a for a in range(3) if a != axis])
    hu, new_labels = case.hu.copy(), case.labels.copy()
    new_labels[new_labels == Organ.PANCREAS] = 0
    hu[box] = share * content + (1 - share) * hu[box]
    new_labels[box] = labels
    return TrainingCase(hu=hu, labels=new_labels, pancreas_box=box)


def crop_in_air(case: TrainingCase, rng: np.random.Generator) -> TrainingCase:
    """Return only the surroundings of the pancreas, centered in air.

    This is how a small volume looks after nnU-Net has padded it.
    """
    box = grow_box(case.pancreas_box, margin_voxels=int(rng.integers(0, 10)))
    shape = case.hu[box].shape
    x, y, z = (
        slice((n - k) // 2, (n - k) // 2 + k) for n, k in zip(SHAPE_VOXELS, shape, strict=True)
    )
    hu, labels = np.full(SHAPE_VOXELS, AIR_HU, np.float32), np.zeros(SHAPE_VOXELS, np.uint8)
    hu[x, y, z], labels[x, y, z] = case.hu[box], case.labels[box]
    return TrainingCase(hu=hu, labels=labels, pancreas_box=(x, y, z))


def degrade(hu: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the HU with a small random gain, shift and noise.

    In half of the calls they are blurred first, with a standard deviation of up to one voxel.
    """
    if rng.random() < 0.5:
        hu = ndimage.gaussian_filter(hu, rng.uniform(0.2, 1.0))
    gain, shift_hu, noise_hu = rng.uniform(0.95, 1.05), rng.normal(0, 8), rng.uniform(0, 14)
    noise = rng.standard_normal(hu.shape, np.float32)
    degraded: FloatArray = hu * np.float32(gain) + np.float32(shift_hu)
    degraded += np.float32(noise_hu) * noise
    return degraded


def normalize(hu: FloatArray, window_hu: tuple[float, float]) -> FloatArray:
    """Normalize HU as nnU-Net's CTNormalization does with the numbers in ``plans_of``.

    HU are clipped to the window, which becomes the range 0 to 4.
    """
    low_hu, high_hu = window_hu
    normalized: FloatArray = (np.clip(hu, low_hu, high_hu) - low_hu) / ((high_hu - low_hu) / 4)
    return normalized.astype(np.float32)


def regrid(hu: FloatArray, labels: LabelArray, factor: float) -> tuple[FloatArray, LabelArray]:
    """Resample HU linearly and labels by the nearest voxel, as TotalSegmentator does.

    ``factor`` is the number of voxels afterwards divided by that before, along each axis.
    """
    return (
        ndimage.zoom(hu, factor, order=1, mode="nearest"),
        ndimage.zoom(labels, factor, order=0, mode="nearest"),
    )
