"""The configuration of one trial: what is trained, on what, for how long. Standard library only.

Every dataclass checks its values where it is made. ``to_dict`` and ``from_dict`` are exact
inverses through JSON, unknown keys raise, and ``fingerprint`` names a configuration by content.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ldm.errors import InputError

Config = TypeVar("Config")
_TYPES: dict[type, dict[str, Any]] = {}


class Crop(StrEnum):
    """Where a scan is cut (DESIGN section 3)."""

    FULL_BODY = "full-body"
    SEMI_BODY = "semi-body"
    PANCREAS = "pancreas"


class InputSize(StrEnum):
    """How a crop is sized onto the model's grid (``ldm.data.field_of_view``).

    Resized to the scan's own voxels or to 240 x 240 x 155 of 1 mm, of which the model sees the
    center; or ``fit``, which shows it the whole crop.
    """

    SCAN = "512x512xZ"
    ISOTROPIC = "240x240x155"
    FIT = "fit"


class Objective(StrEnum):
    """What the denoiser predicts; the equations are in ``ldm.objective``."""

    EPSILON = "epsilon"
    V = "v"
    RECTIFIED_FLOW = "rectified_flow"


class SamplingMethod(StrEnum):
    """How noise becomes a sample; ``auto`` is the objective's own, ``ldm.sample`` has the rest."""

    AUTO = "auto"
    EULER = "euler"
    DDIM = "ddim"
    DDPM = "ddpm"


# The first is what ``auto`` stands for.
FITTING_METHODS = {
    Objective.EPSILON: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.V: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.RECTIFIED_FLOW: (SamplingMethod.EULER,),
}
N_NOISE_STEPS = 1000  # that epsilon and v are trained on


class Whitening(StrEnum):
    """How latents are brought to unit variance; the equations are in ``ldm.data.latents``."""

    SCALAR = "scalar"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The box of a scan that is modeled, and the voxel grid it is put on.

    ``resampled_mm`` is the voxel spacing that a sized crop is resampled to before its center is
    kept: 1.1 mm in the MONAI bundle, in a recipe of a smaller grid as much larger.
    """

    crop: Crop
    input_size: InputSize = InputSize.FIT
    grid_voxels: tuple[int, int, int]
    margin_mm: float = 0.0
    resampled_mm: float = 1.1

    def __post_init__(self) -> None:
        _require(
            all(n >= 16 and n % 16 == 0 for n in self.grid_voxels),
            "grid_voxels must be multiples of 16, so that two downsamplings divide the latent",
            self.grid_voxels,
        )
        _require(self.margin_mm >= 0, "margin_mm must not be negative", self.margin_mm)
        _require(self.resampled_mm > 0, "resampled_mm must be positive", self.resampled_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """MONAI's AutoencoderKL: one downsampling by two between neighboring entries of channels."""

    latent_channels: int
    channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int
    transposed_upsampling: bool = False

    @property
    def downsampling(self) -> int:
        """Voxels along an axis for each latent element."""
        return int(2 ** (len(self.channels) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserConfig:
    """MONAI's DiffusionModelUNet; one entry of each tuple a level."""

    channels: tuple[int, ...]
    attention_levels: tuple[bool, ...]
    head_channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int

    def __post_init__(self) -> None:
        lengths = {len(self.channels), len(self.attention_levels), len(self.head_channels)}
        _require(len(lengths) == 1, "a denoiser needs one entry a level in each tuple", lengths)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Learning rate: linear warm-up, then times gamma at each milestone (MultiStepLR)."""

    learning_rate: float
    milestones_epochs: tuple[int, ...]
    gamma: float
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        _require(0 < self.learning_rate < 1, "learning_rate must be in (0, 1)", self.learning_rate)
        _require(0 < self.gamma <= 1, "gamma must be in (0, 1]", self.gamma)
        ordered = list(self.milestones_epochs) == sorted(set(self.milestones_epochs))
        _require(
            ordered and all(m >= 1 for m in self.milestones_epochs),
            "milestones_epochs must increase from 1 or more",
            self.milestones_epochs,
        )
        _require(self.warmup_steps >= 0, "warmup_steps must not be negative", self.warmup_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the denoiser is trained."""

    objective: Objective
    whitening: Whitening
    epochs: int
    batch_size: int
    schedule: ScheduleConfig
    gradient_clip_norm: float | None = None
    ema_half_life_samples: float
    checkpoint_every_epochs: int
    evaluate_every_epochs: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_every_epochs", "evaluate_every_epochs"):
            _require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        _require(
            self.ema_half_life_samples > 0,
            "ema_half_life_samples must be positive",
            self.ema_half_life_samples,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How samples are drawn for an evaluation; the same seed gives every trial the same noise."""

    n_samples: int
    n_steps: int
    method: SamplingMethod = SamplingMethod.AUTO
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.n_samples >= 1, "n_samples must be 1 or more", self.n_samples)
        _require(1 <= self.n_steps <= 1000, "n_steps must be in 1..1000", self.n_steps)
        _require(
            self.method is not SamplingMethod.DDPM or self.n_steps == N_NOISE_STEPS,
            f"ddpm takes every step of the training, n_steps must be {N_NOISE_STEPS}",
            self.n_steps,
        )

    def method_for(self, objective: Objective) -> SamplingMethod:
        """What ``method`` means for an objective, never ``auto``; InputError if it does not fit."""
        fitting = FITTING_METHODS[objective]
        method = fitting[0] if self.method is SamplingMethod.AUTO else self.method
        _require(
            method in fitting,
            f"objective {objective} is sampled by {' or '.join(fitting)}: choose that, or auto",
            method,
        )
        return method


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that decides a trial's result, given the latents it trains on."""

    recipe: str
    image: ImageConfig
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    training: TrainingConfig
    sampling: SamplingConfig

    def __post_init__(self) -> None:
        self.sampling.method_for(self.training.objective)  # raises where they do not fit

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Channels, then latent elements along x, y, z."""
        x, y, z = (n // self.autoencoder.downsampling for n in self.image.grid_voxels)
        return self.autoencoder.latent_channels, x, y, z


def to_dict(config: object) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]
    return plain


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``; raises InputError on unknown or missing keys."""
    _require(isinstance(values, dict), f"expected the fields of {kind.__name__}", repr(values))
    hints = _hints(kind)
    unknown, missing = set(values) - set(hints), _required(kind) - set(values)
    if unknown or missing:
        raise InputError(
            f"{kind.__name__} has unknown keys {sorted(unknown)} and lacks {sorted(missing)}: "
            "was it written by another version?"
        )
    return kind(**{name: _value(hints[name], value) for name, value in values.items()})


def flat(config: object) -> dict[str, str | int | float | bool | None]:
    """Every field by its dotted path, tuples as text: the parameters that tracking shows."""
    found: dict[str, str | int | float | bool | None] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = ", ".join(map(str, value)) if isinstance(value, list) else value

    visit("", to_dict(config))
    return found


def fingerprint(config: object) -> str:
    """Twelve hexadecimal digits that change whenever any field does; 1 and 1.0 are one value."""
    canonical = from_dict(type(config), to_dict(config))
    return digest(json.dumps(to_dict(canonical), sort_keys=True))


def digest(text: str) -> str:
    """Twelve hexadecimal digits of SHA-256: short names for what made an artifact."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass' fields, resolved once."""
    if kind not in _TYPES:
        _TYPES[kind] = get_type_hints(kind)
    return _TYPES[kind]


def _required(kind: type) -> set[str]:
    return {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }


def _value(hint: Any, value: Any) -> Any:
    """``value`` as the type that a field asks for."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(inner for inner in get_args(hint) if inner is not type(None))
    if get_origin(hint) is tuple:
        return _items(get_args(hint), value)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        _require(value in list(hint), f"expected one of {[str(m) for m in hint]}", repr(value))
        return hint(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = get_origin(hint) or hint
    is_finite = not isinstance(value, float) or math.isfinite(value)
    is_number_bool = isinstance(value, bool) and plain is not bool
    if not isinstance(value, plain) or not is_finite or is_number_bool:
        raise InputError(f"expected a finite {plain.__name__}, got {value!r}")
    return value


def _items(kinds: tuple[Any, ...], values: Any) -> tuple[Any, ...]:
    """A tuple of any length (``kinds`` ends with an ellipsis) or of one item a kind."""
    _require(isinstance(values, list), "expected a list", repr(values))
    n = len(values) if kinds[-1] is Ellipsis else len(kinds)
    _require(len(values) == n, f"expected {n} items", repr(values))
    return tuple(_value(kinds[0], item) for item in values)


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise InputError(f"{rule}, got {value}")
