"""Generate abdominal CT with known organs from analytic shapes in mm.

The organs are drawn one over the other on warped coordinates, with the class numbers of
TotalSegmentator's ``total`` task. Blur and noise then make a scan of it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ldm.data.geometry.volume import BoolArray, FloatArray, LabelArray, Volume
from ldm.data.phantom.canvas import (
    SHAPE_VOXELS,
    SPACING_MM,
    Canvas,
    Organ,
    curve,
    point,
    smooth_field,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """One generated scan with the labels of its organs and the mask of its tumor.

    All three arrays have the shape and the affine of ``scan``. ``organs`` has TotalSegmentator's
    labels. ``tumor`` lies inside the pancreas and is empty if there is no tumor.
    """

    scan: Volume
    organs: LabelArray
    tumor: BoolArray

    @property
    def task07_mask(self) -> LabelArray:
        """The expert mask as Task07 stores it: pancreas 1, tumor 2."""
        mask: LabelArray = (self.organs == Organ.PANCREAS).astype(np.uint8)
        mask[self.tumor] = 2
        return mask


def make_phantom(seed: int, *, omit: frozenset[Organ] = frozenset()) -> Phantom:
    """Return the phantom that ``seed`` determines, with fat in place of the organs in ``omit``."""
    canvas = Canvas(np.random.default_rng(seed), omit)
    _draw_trunk(canvas)
    _draw_bowel_and_muscles(canvas)
    _draw_upper_abdomen(canvas)
    _draw_colon(canvas)
    _draw_kidneys(canvas)
    _draw_spine_and_vessels(canvas)
    head_mm = canvas.jittered((36, 12, -14), 4)
    _draw_duodenum_and_gallbladder(canvas, head_mm)
    tumor = _draw_pancreas(canvas, head_mm)
    hu = _scan(canvas)
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = -(np.array(SHAPE_VOXELS) - 1) / 2 * SPACING_MM
    return Phantom(scan=Volume(array=hu, affine=affine), organs=canvas.organs, tumor=tumor)


def _draw_trunk(canvas: Canvas) -> None:
    radius = (canvas.x / 138) ** 2 + (canvas.y / 99) ** 2
    wall_at = canvas.rng.uniform(0.72, 0.86)
    canvas.wall, canvas.cavity = radius < wall_at, radius < wall_at * 0.86
    canvas.hu[radius < 1] = -100 + canvas.jitter(5)
    canvas.hu[canvas.wall] = 45 + 10 * canvas.contrast + canvas.jitter(4)
    canvas.cavity &= ~canvas.ellipsoid(point(0, -75, 0), (75, 32, 1e4))
    canvas.hu[canvas.cavity] = -95 + canvas.jitter(6)


def _draw_bowel_and_muscles(canvas: Canvas) -> None:
    rng = canvas.rng
    for _ in range(rng.integers(10, 22)):
        radius_mm = rng.uniform(9, 15)
        center = point(rng.uniform(-75, 65), rng.uniform(5, 60), rng.uniform(-105, -25))
        loop = canvas.ellipsoid(center, (radius_mm * 1.3, radius_mm, radius_mm))
        canvas.paint(Organ.SMALL_BOWEL, loop, within=canvas.cavity)
    for side, organ in ((1, Organ.AUTOCHTHON_RIGHT), (-1, Organ.AUTOCHTHON_LEFT)):
        center = point(side * 27, -66 + canvas.jitter(2), 0)
        canvas.paint(organ, canvas.ellipsoid(center, (22, 15, 1e4)))


def _draw_upper_abdomen(canvas: Canvas) -> None:
    jitter = canvas.jitter
    lung_z_mm = 123 + jitter(8)
    for side, organ in ((1, Organ.LUNG_LOWER_LOBE_RIGHT), (-1, Organ.LUNG_LOWER_LOBE_LEFT)):
        canvas.paint(organ, canvas.ellipsoid(point(side * 62, -25, lung_z_mm), (52, 45, 62)))
    right_lobe = canvas.ellipsoid(
        canvas.jittered((58, 8, 35), 4),
        (62 + jitter(4), 60 + jitter(4), 62 + jitter(6)),
        jitter(0.1),
    )
    left_lobe = canvas.ellipsoid(
        canvas.jittered((0, 38, 50), 4), (55 + jitter(5), 28 + jitter(3), 30 + jitter(4))
    )
    canvas.paint(Organ.LIVER, right_lobe | left_lobe, within=canvas.cavity)
    spleen = canvas.ellipsoid(
        canvas.jittered((-88, -28, 45), 5),
        (22 + jitter(2), 36 + jitter(3), 42 + jitter(5)),
        0.35 + jitter(0.1),
    )
    canvas.paint(Organ.SPLEEN, spleen, within=canvas.cavity)
    shift = canvas.jittered((0, 0, 0), 3)
    stomach = canvas.tube(
        curve(point(-55, 5, 72) + shift, point(-85, 45, 20) + shift, point(5, 50, 5) + shift),
        np.linspace(27 + jitter(2), 15 + jitter(1), 28, dtype=np.float32),
    )
    canvas.paint(Organ.STOMACH, stomach, within=canvas.cavity & canvas.is_free_of(Organ.LIVER))
    if canvas.rng.random() < 0.7:  # gas rises, and the patient lies on the back
        canvas.hu[(canvas.organs == Organ.STOMACH) & (canvas.y > 38)] = -850


def _draw_colon(canvas: Canvas) -> None:
    flexure_z_mm = -35 + canvas.jitter(6)
    gas = smooth_field(canvas.rng, sigma_mm=18, amplitude=1.0) > 0.25
    courses = (
        (point(88, 0, -110), point(95, 5, -60), point(85, 25, flexure_z_mm)),
        (
            point(85, 30, flexure_z_mm),
            point(0, 75, flexure_z_mm - 30),
            point(-85, 25, flexure_z_mm + 25),
        ),
        (point(-88, 15, flexure_z_mm + 20), point(-98, -5, -50), point(-92, -10, -115)),
    )
    for course in courses:
        radii_mm = np.full(28, canvas.rng.uniform(13, 19), np.float32)
        part = canvas.tube(curve(*course), radii_mm)
        free = canvas.cavity & canvas.is_free_of(Organ.LIVER, Organ.STOMACH)
        canvas.paint(Organ.COLON, part, within=free)
    canvas.hu[(canvas.organs == Organ.COLON) & gas] = -800


def _draw_kidneys(canvas: Canvas) -> None:
    jitter = canvas.jitter
    shift = canvas.rng.normal(0, (3, 3, 6))
    for side, organ, z_mm in ((1, Organ.KIDNEY_RIGHT, -32), (-1, Organ.KIDNEY_LEFT, -18)):
        center = point(side * (60 + shift[0]), -38 + shift[1], z_mm + shift[2])
        turn_rad = side * 0.5
        kidney = canvas.ellipsoid(
            center, (25 + jitter(1.5), 24 + jitter(1.5), 50 + jitter(4)), turn_rad
        )
        hilum = canvas.ellipsoid(center + point(-side * 16, 8, 0), (12, 9, 20), turn_rad)
        fat = canvas.ellipsoid(center, (33, 31, 58), turn_rad) & canvas.cavity
        fat &= canvas.is_free_of(Organ.LIVER, Organ.SPLEEN)
        canvas.hu[fat], canvas.organs[fat] = -98, 0
        canvas.paint(organ, kidney & ~hilum, within=canvas.cavity)


def _draw_spine_and_vessels(canvas: Canvas) -> None:
    body = canvas.ellipsoid(point(0, -48, 0), (22, 18, 1e4))
    arch = canvas.ellipsoid(point(0, -74, 0), (20, 16, 1e4))
    arch &= ~canvas.ellipsoid(point(0, -70, 0), (10, 9, 1e4)) & (np.mod(canvas.z, 32) < 24)
    canvas.paint(Organ.VERTEBRAE_L1, body | arch)
    spine = canvas.organs == Organ.VERTEBRAE_L1
    canvas.hu[spine & (np.mod(canvas.z + 4, 32) < 6)] = 90  # discs
    canvas.hu[spine & ~ndimage.binary_erosion(spine)] += 180  # cortical bone
    for organ, x_mm, radius_mm in ((Organ.AORTA, -10, 10.5), (Organ.INFERIOR_VENA_CAVA, 20, 11)):
        center = point(x_mm + canvas.jitter(2), -19 + canvas.jitter(2), 0)
        radii_mm = (radius_mm + canvas.jitter(1), radius_mm + canvas.jitter(1), 1e4)
        canvas.paint(organ, canvas.ellipsoid(center, radii_mm))


def _draw_duodenum_and_gallbladder(canvas: Canvas, head_mm: FloatArray) -> None:
    descending = curve(
        head_mm + point(-8, 16, 26), head_mm + point(34, 8, 14), head_mm + point(18, -4, -20)
    )
    horizontal = curve(
        head_mm + point(18, -4, -20), head_mm + point(8, -12, -42), head_mm + point(-45, -6, -32)
    )
    course = np.concatenate([descending, horizontal])
    duodenum = canvas.tube(course, np.full(len(course), 10 + canvas.jitter(1), np.float32))
    free = canvas.is_free_of(Organ.VERTEBRAE_L1, Organ.AORTA, Organ.INFERIOR_VENA_CAVA)
    canvas.paint(Organ.DUODENUM, duodenum, within=canvas.wall & free)
    radii_mm = (13 + canvas.jitter(2), 16 + canvas.jitter(2), 20 + canvas.jitter(3))
    gallbladder = canvas.ellipsoid(head_mm + point(34, 24, 18), radii_mm)
    if canvas.rng.random() < 0.85:
        canvas.paint(Organ.GALLBLADDER, gallbladder)


def _draw_pancreas(canvas: Canvas, head_mm: FloatArray) -> BoolArray:
    """Draw the pancreas, and return the mask of its tumor, which is often empty.

    The pancreas is a curved, tapering, lobulated tube from head to tail. ``head_mm`` is where it
    starts.
    """
    rng, jitter = canvas.rng, canvas.jitter
    neck_mm, tail_mm = canvas.jittered((-8, 42, 10), 5), canvas.jittered((-66, -8, 26), 5)
    course = curve(head_mm, neck_mm, tail_mm)
    radii_mm = np.interp(
        np.linspace(0, 1, 28),
        [0, 0.18, 0.4, 1],
        [16 + jitter(1.5), 14, 10.5 + jitter(0.8), 9 + jitter(0.8)],
    )
    radii_mm = radii_mm + 1.3 * np.sin(np.arange(28) * rng.uniform(0.8, 1.6))
    free = canvas.is_free_of(
        Organ.KIDNEY_RIGHT,
        Organ.KIDNEY_LEFT,
        Organ.VERTEBRAE_L1,
        Organ.AORTA,
        Organ.INFERIOR_VENA_CAVA,
    )
    canvas.paint(
        Organ.PANCREAS,
        canvas.tube(course, radii_mm.astype(np.float32)),
        within=canvas.cavity & free,
    )
    pancreas = canvas.organs == Organ.PANCREAS
    fatty = smooth_field(rng, sigma_mm=7, amplitude=1.0) > 0.9
    if rng.random() < 0.5:
        canvas.hu[pancreas & fatty] -= 60
    radius_mm = rng.uniform(6, 12)
    ball = canvas.ellipsoid(course[rng.integers(3, 22)], (radius_mm, radius_mm, radius_mm))
    tumor: BoolArray = ball & pancreas if rng.random() < 0.5 else np.zeros_like(pancreas)
    canvas.hu[tumor] -= 25 + 20 * canvas.contrast  # adenocarcinoma enhances less than the pancreas
    return tumor


def _scan(canvas: Canvas) -> FloatArray:
    """Return the HU that a scanner would measure, rounded to whole numbers from -1024 to 3000.

    The scanner blurs the canvas by its point spread and adds texture and noise.
    """
    rng = canvas.rng
    hu = ndimage.gaussian_filter(canvas.hu, 0.45 * 3.0 / SPACING_MM)
    hu += smooth_field(rng, sigma_mm=12, amplitude=4.0)
    hu += np.float32(rng.uniform(6, 18)) * rng.standard_normal(SHAPE_VOXELS, np.float32)
    scanned: FloatArray = np.rint(hu.clip(-1024, 3000))
    return scanned
