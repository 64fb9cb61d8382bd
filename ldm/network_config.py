"""The architecture of both networks, as the arguments of MONAI's classes. Standard library only."""

from dataclasses import dataclass

from ldm.errors import require


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """Arguments of MONAI's AutoencoderKL.

    Attributes
    ----------
    latent_channels
        Channels of the latent.
    channels
        Channels at each resolution level. Each level has half the resolution of the one before.
    n_res_blocks
        Residual blocks per level.
    norm_groups
        Groups of each group normalization.
    transposed_upsampling
        Whether to upsample by transposed convolution instead of interpolation and convolution.
    """

    latent_channels: int
    channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int
    transposed_upsampling: bool = False

    def __post_init__(self) -> None:
        require(
            self.latent_channels >= 1, "latent_channels must be 1 or more", self.latent_channels
        )
        _require_levels(self.channels, self.n_res_blocks, self.norm_groups)

    @property
    def downsampling(self) -> int:
        """Voxels per latent element along each axis."""
        return int(2 ** (len(self.channels) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserConfig:
    """Arguments of MONAI's DiffusionModelUNet.

    The tuples have one entry per resolution level.

    Attributes
    ----------
    channels
        Channels at each level.
    attention_levels
        Whether each level has self-attention.
    head_channels
        Channels per attention head at each level; 0 at levels without attention.
    n_res_blocks
        Residual blocks per level.
    norm_groups
        Groups of each group normalization.
    """

    channels: tuple[int, ...]
    attention_levels: tuple[bool, ...]
    head_channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int

    def __post_init__(self) -> None:
        lengths = {len(self.channels), len(self.attention_levels), len(self.head_channels)}
        require(
            len(lengths) == 1,
            "channels, attention_levels and head_channels must have the same length",
            lengths,
        )
        _require_levels(self.channels, self.n_res_blocks, self.norm_groups)
        for channels, has_attention, head in zip(
            self.channels, self.attention_levels, self.head_channels, strict=True
        ):
            require(
                not has_attention or (head >= 1 and channels % head == 0),
                f"head_channels must divide the {channels} channels of a level with attention",
                self.head_channels,
            )


def _require_levels(channels: tuple[int, ...], n_res_blocks: int, norm_groups: int) -> None:
    """Raise ``InputError`` if no network can have these channels, blocks and groups."""
    require(
        len(channels) >= 1 and min(channels) >= 1,
        "channels must have one or more positive numbers",
        channels,
    )
    require(n_res_blocks >= 1, "n_res_blocks must be 1 or more", n_res_blocks)
    require(
        norm_groups >= 1 and all(n % norm_groups == 0 for n in channels),
        f"norm_groups must divide the channels {channels} of each group normalization",
        norm_groups,
    )
