"""The canvas of a phantom: warped coordinates in mm, HU and labels, and shapes to paint."""

from enum import IntEnum

import numpy as np

from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.volume import BoolArray, FloatArray, LabelArray

SHAPE_VOXELS = (96, 80, 64)
SPACING_MM = 3.0


class Organ(IntEnum):
    """The organs of a phantom, with their labels in TotalSegmentator's task ``total``."""

    SPLEEN = 1
    KIDNEY_RIGHT = 2
    KIDNEY_LEFT = 3
    GALLBLADDER = 4
    LIVER = 5
    STOMACH = 6
    PANCREAS = 7
    LUNG_LOWER_LOBE_LEFT = 11
    LUNG_LOWER_LOBE_RIGHT = 14
    SMALL_BOWEL = 18
    DUODENUM = 19
    COLON = 20
    VERTEBRAE_L1 = 31
    AORTA = 52
    INFERIOR_VENA_CAVA = 63
    AUTOCHTHON_LEFT = 86
    AUTOCHTHON_RIGHT = 87


# Mean HU without contrast and in the portal venous phase; a phantom mixes the two.
ORGAN_HU: dict[Organ, tuple[float, float]] = {
    Organ.SPLEEN: (48, 122),
    Organ.KIDNEY_RIGHT: (32, 185),
    Organ.KIDNEY_LEFT: (32, 185),
    Organ.GALLBLADDER: (8, 12),
    Organ.LIVER: (55, 108),
    Organ.STOMACH: (25, 35),
    Organ.PANCREAS: (40, 95),
    Organ.LUNG_LOWER_LOBE_LEFT: (-820, -820),
    Organ.LUNG_LOWER_LOBE_RIGHT: (-820, -820),
    Organ.SMALL_BOWEL: (25, 50),
    Organ.DUODENUM: (25, 45),
    Organ.COLON: (0, 10),
    Organ.VERTEBRAE_L1: (230, 260),
    Organ.AORTA: (42, 165),
    Organ.INFERIOR_VENA_CAVA: (40, 140),
    Organ.AUTOCHTHON_LEFT: (48, 58),
    Organ.AUTOCHTHON_RIGHT: (48, 58),
}


class Canvas:
    """The coordinates, HU and labels of a phantom while it is drawn.

    ``rng`` makes all random choices. Organs in ``omit`` are never painted. Coordinates are in mm
    and randomly warped, so that no two phantoms have the same shape.
    """

    def __init__(self, rng: np.random.Generator, omit: frozenset[Organ]) -> None:
        self.rng = rng
        self.omit = omit
        self.contrast = 0.0 if rng.random() < 0.3 else rng.uniform(0.5, 1.15)
        self.hu = np.full(SHAPE_VOXELS, AIR_HU, np.float32)
        self.organs: LabelArray = np.zeros(SHAPE_VOXELS, np.uint8)
        self.x, self.y, self.z = self._warped_coordinates_mm()
        self.wall = self.cavity = np.zeros(SHAPE_VOXELS, bool)

    def _warped_coordinates_mm(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        axes = [
            ((np.arange(n) - (n - 1) / 2) * SPACING_MM).astype(np.float32) for n in SHAPE_VOXELS
        ]
        warp_mm = self.rng.uniform(2.0, 5.0)
        x, y, z = (
            axis + smooth_field(self.rng, sigma_mm=45.0, amplitude=warp_mm)
            for axis in np.meshgrid(*axes, indexing="ij")
        )
        half_width_mm, half_depth_mm = self.rng.uniform(118, 136), self.rng.uniform(86, 106)
        shift_mm = self.rng.normal(0, (2, 3, 14))
        return (
            (x - shift_mm[0]) * np.float32(138 / half_width_mm),
            (y - shift_mm[1]) * np.float32(99 / half_depth_mm),
            z - np.float32(shift_mm[2]),
        )

    def jitter(self, sigma: float) -> float:
        """Return a random number from N(0, sigma^2)."""
        return float(self.rng.normal(0, sigma))

    def jittered(self, point_mm: tuple[float, float, float], sigma_mm: float) -> FloatArray:
        """Return a point with a random offset of N(0, sigma_mm^2) along each axis, shape (3,)."""
        return np.asarray(point_mm, np.float32) + self.rng.normal(0, sigma_mm, 3).astype(np.float32)

    def ellipsoid(
        self, center_mm: FloatArray, radii_mm: tuple[float, float, float], turn_rad: float = 0.0
    ) -> BoolArray:
        """Return the mask of an ellipsoid, rotated about the z axis by ``turn_rad``."""
        x, y, z = self.x - center_mm[0], self.y - center_mm[1], self.z - center_mm[2]
        if turn_rad:
            cos, sin = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
            x, y = cos * x + sin * y, cos * y - sin * x
        scaled = (
            offset * np.float32(1 / radius_mm)
            for offset, radius_mm in zip((x, y, z), radii_mm, strict=True)
        )
        inside: BoolArray = sum(offset * offset for offset in scaled) < 1
        return inside

    def tube(self, points_mm: FloatArray, radii_mm: FloatArray) -> BoolArray:
        """Return the mask of a tube along a curve: the union of balls around its points.

        ``points_mm`` has shape (n, 3), and ``radii_mm`` shape (n,).
        """
        low = points_mm.min(0) - radii_mm.max()
        high = points_mm.max(0) + radii_mm.max()
        near = np.ones(SHAPE_VOXELS, bool)
        for axis, coordinate in enumerate((self.x, self.y, self.z)):
            near &= (coordinate > low[axis]) & (coordinate < high[axis])
        candidates = np.stack([self.x[near], self.y[near], self.z[near]], axis=1)
        gap_mm = np.full(len(candidates), np.inf, np.float32)
        for point, radius in zip(points_mm, radii_mm, strict=True):
            gap_mm = np.minimum(gap_mm, ((candidates - point) ** 2).sum(1) - radius**2)
        inside = np.zeros(SHAPE_VOXELS, bool)
        inside[near] = gap_mm < 0
        return inside

    def paint(self, organ: Organ, where: BoolArray, *, within: BoolArray | None = None) -> None:
        """Give the voxels of the mask ``where`` the HU and the label of an organ.

        Voxels outside the mask ``within``, by default the body wall with what it encloses, stay as
        they are. An organ in ``omit`` is not painted.
        """
        if organ in self.omit:
            return
        where = where & (self.wall if within is None else within)
        plain, enhanced = ORGAN_HU[organ]
        self.hu[where] = plain + (enhanced - plain) * self.contrast + self.jitter(4.0)
        self.organs[where] = organ

    def is_free_of(self, *organs: Organ) -> BoolArray:
        """Return the mask of the voxels that belong to none of the organs."""
        return ~np.isin(self.organs, organs)


def smooth_field(rng: np.random.Generator, *, sigma_mm: float, amplitude: float) -> FloatArray:
    """Draw a smooth random field of shape ``SHAPE_VOXELS``.

    It is coarse noise, interpolated linearly, that varies over a length of about ``sigma_mm``. Its
    standard deviation is close to ``amplitude``.
    """
    spacing_voxels = sigma_mm / SPACING_MM
    shape = [int(n / spacing_voxels) + 2 for n in SHAPE_VOXELS]
    field = rng.standard_normal(shape, np.float32) * np.float32(amplitude)
    for n_fine, n_coarse in zip(SHAPE_VOXELS, shape, strict=True):  # one axis at a time, linearly
        position = np.arange(n_fine)[:, None] / spacing_voxels - np.arange(n_coarse)
        weights = np.clip(1 - np.abs(position), 0, None).astype(np.float32)
        field = np.tensordot(field, weights, axes=(0, 1))
    return field


def curve(*control_mm: FloatArray, n: int = 28) -> FloatArray:
    """Return points in mm, shape (n, 3), on the quadratic Bezier curve of three control points.

    The curve begins at the first control point and ends at the third; the second attracts it. The
    points are equally spaced in the parameter of the curve, not in its length.
    """
    t = np.linspace(0, 1, n, dtype=np.float32)[:, None]
    a, b, c = control_mm
    points: FloatArray = ((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c).astype(np.float32)
    return points


def point(x_mm: float, y_mm: float, z_mm: float) -> FloatArray:
    """Return a point in mm, shape (3,)."""
    return np.array([x_mm, y_mm, z_mm], np.float32)
