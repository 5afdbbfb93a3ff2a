"""The architecture as data (paper, section 2.1; simple diffusion; DiMR; Matryoshka): frozen dataclasses, checked when made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from layered.fields import added, number, one_of, several, shown, whole

Prediction = Literal["x", "v", "posterior"]
PREDICTIONS: tuple[Prediction, ...] = ("x", "v", "posterior")

LevelInput = Literal["z", "detail", "band"]
LEVEL_INPUTS: tuple[LevelInput, ...] = (
    "z",  # the noisy picture as it is
    "detail",  # z less what the level below knows of it, and that knowledge: ``prediction.detail_input``
    "band",  # the same of that part of z alone which its 2×2 means do not hold: ``prediction.own_band``
)

Patching = Literal["conv", "wavelet"]
PATCHINGS: tuple[Patching, ...] = ("conv", "wavelet")

BlockKind = Literal["residual", "convnext"]
BLOCK_KINDS: tuple[BlockKind, ...] = ("residual", "convnext")

TrunkKind = Literal["u-vit", "u-net"]
TRUNK_KINDS: tuple[TrunkKind, ...] = ("u-vit", "u-net")

TimeMode = Literal["film", "td-ln"]
TIME_MODES: tuple[TimeMode, ...] = ("film", "td-ln")

Fusion = Literal["skip", "cascade"]
FUSIONS: tuple[Fusion, ...] = ("skip", "cascade")

Downsampling = Literal["isolated", "nested"]
DOWNSAMPLINGS: tuple[Downsampling, ...] = ("isolated", "nested")

ATTENTION_AT_MOST = 16  # side of the largest grid with attention in a U-Net (simple diffusion's attn_resolutions)


@dataclass(frozen=True)
class LevelConfig:
    """One scale of the layered U-Net (paper, section 2.1)."""

    size: int  # pixels on a side of this scale's picture
    patch: int  # side of the patch that the input and output convolutions take (1 is the paper's)
    width: int  # channels on this level's grid of size / patch
    blocks_down: int = 1  # residual blocks between the input convolution and the skip
    blocks_up: int = 2  # residual blocks after the fusion with the level below
    prediction: Prediction = "x"  # what the output convolution predicts
    input: LevelInput = "z"  # what of z the level is shown, see ``LEVEL_INPUTS``
    detail_std: float | None = None  # standard deviation of what this level adds to the enlarged one below; None: nothing below
    patching: Patching = added("conv")  # how patches become channels: a learned convolution, or the 5/3 wavelet and a 1 × 1 one
    blocks_down_single: int | None = added(None)  # ``blocks_down`` of the single-resolution twin; None: the same
    block: BlockKind = added("residual")  # two 3 × 3 convolutions (simple diffusion), or DiMR's gated ConvNeXt block

    def __post_init__(self) -> None:
        whole("size of a level", self.size, 1, 2**14)
        for name in ("patch", "width"):
            whole(f"{name} of level {self.size}", getattr(self, name), 1, 2**14)
        for name in ("blocks_down", "blocks_up"):
            whole(f"{name} of level {self.size}", getattr(self, name), 0, 256)
        if self.blocks_down_single is not None:
            whole(f"blocks_down_single of level {self.size}", self.blocks_down_single, 0, 256)
        one_of(f"prediction of level {self.size}", self.prediction, PREDICTIONS)
        one_of(f"input of level {self.size}", self.input, LEVEL_INPUTS)
        if self.detail_std is not None:
            number(f"detail_std of level {self.size}", self.detail_std, 0.0, 10.0)
        elif self.prediction == "posterior":
            raise ValueError(f'Level {self.size} predicts "posterior": it needs a detail_std, a number above 0.')
        elif self.input != "z":
            raise ValueError(f'Level {self.size} takes in "{self.input}": it needs a detail_std, a number above 0.')
        one_of(f"patching of level {self.size}", self.patching, PATCHINGS)
        one_of(f"block of level {self.size}", self.block, BLOCK_KINDS)
        if self.size % self.patch:
            raise ValueError(f"Patch {self.patch} does not divide the {self.size} pixels of its level.")
        if self.patching == "wavelet" and (self.patch == 1 or self.patch & (self.patch - 1)):
            raise ValueError(
                f"The wavelet halves its picture: level {self.size} needs a patch of 2, 4, 8, … for it, not {self.patch}."
            )

    @property
    def adds(self) -> bool:
        """Whether what it predicts is added to the level below: then it can count for more or less (``detail`` of a run)."""
        return self.prediction != "v"

    @property
    def grid(self) -> int:
        """Side of the feature grid."""
        return self.size // self.patch


@dataclass(frozen=True)
class TrunkConfig:
    """What lies under the base: ordinary downsampling stages, then blocks with attention (simple diffusion, appendix B)."""

    stages: tuple[tuple[int, int], ...] = ()  # (width, residual blocks) per further halving with convolutions
    width: int = 256  # channels of the lowest grid, one more halving below the last stage
    depth: int = 8  # blocks there, each with self- and cross-attention
    head_width: int = 64  # channels of one attention head
    kind: TrunkKind = added("u-vit")  # blocks of attention and an MLP, or of convolutions and attention, on stages up to 16² too

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "stages", tuple(several("trunk stages", stage) for stage in several("trunk stages", self.stages))
        )
        for stage in self.stages:
            if len(stage) != 2:
                raise ValueError(f"trunk stages: each is a width and a number of blocks, got {shown(stage)}.")
            whole("trunk stages: width", stage[0], 1, 2**14)
            whole("trunk stages: blocks", stage[1], 0, 256)
        whole("trunk width", self.width, 1, 2**14)
        whole("trunk depth", self.depth, 0, 256)
        whole("trunk head_width", self.head_width, 1, 2**14)
        one_of("trunk kind", self.kind, TRUNK_KINDS)
        if self.width % self.head_width:
            raise ValueError(f"Attention heads of {self.head_width} channels do not divide the trunk width of {self.width}.")

    def attends(self, grid: int) -> bool:
        """Whether a stage on this grid has attention: in a U-Net on small grids, in a U-ViT only the transformer has."""
        return self.kind == "u-net" and grid <= ATTENTION_AT_MOST


@dataclass(frozen=True)
class ModelConfig:
    """A whole layered U-Net."""

    levels: tuple[LevelConfig, ...]  # coarse to fine, each twice the size of the one before
    trunk: TrunkConfig = TrunkConfig()
    text_width: int = 384  # channels of the text encoder's token states
    time_width: int = 256  # channels of the conditioning vector
    layered: bool = True  # False: the single-resolution twin, one picture scale and ordinary downsampling
    time: TimeMode = added("film")  # what tells a block the time: scale and bias from the conditioning vector, or DiMR's TD-LN
    fusion: Fusion = added("skip")  # features from below: beside the skip on the way up, or added where a level is entered (DiMR)
    downsampling: Downsampling = added("isolated")  # or nested: a level's features go into the one below too (Matryoshka)
    dropout: float = added(0.0)  # probability, in training only, of leaving out a hidden feature of a block
    dropout_at_most: int = added(16)  # side of the largest feature grid whose blocks do so

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", several("levels", self.levels))
        if not self.levels:
            raise ValueError("A model needs at least one level.")
        whole("text_width", self.text_width, 1, 2**14)
        whole("time_width", self.time_width, 1, 2**14)
        if not isinstance(self.layered, bool):
            raise ValueError(f"layered: expected true or false, got {shown(self.layered)}.")
        if (coarsest := self.levels[0]).input != "z":
            raise ValueError(
                f'Level {coarsest.size} is the coarsest: nothing lies below it, so its input is "z", not "{coarsest.input}".'
            )
        for low, high in zip(self.levels, self.levels[1:], strict=False):
            if high.size != 2 * low.size:
                raise ValueError(f"Every level doubles the one below: {high.size} does not follow {low.size}.")
            if high.grid not in (low.grid, 2 * low.grid):
                raise ValueError(
                    f"The grid of level {high.size} is {high.grid}: it must equal the grid below ({low.grid}) or be twice it."
                )
        if self.levels[0].grid % 2 ** (len(self.trunk.stages) + 1):
            raise ValueError(f"The base grid of {self.levels[0].grid} cannot be halved {len(self.trunk.stages) + 1} times.")
        one_of("time", self.time, TIME_MODES)
        one_of("fusion", self.fusion, FUSIONS)
        one_of("downsampling", self.downsampling, DOWNSAMPLINGS)
        number("dropout", self.dropout, 0.0, 0.9)
        whole("dropout_at_most", self.dropout_at_most, 1, 2**14)
        self._check_parts()

    def _check_parts(self) -> None:
        """ValueError for choices that exclude each other."""
        if not self.layered and (self.fusion, self.downsampling) != ("skip", "isolated"):
            raise ValueError(
                'A single-resolution network is an ordinary U-Net: its fusion is "skip", its downsampling "isolated".'
            )
        if self.downsampling == "nested":
            if self.fusion == "cascade":
                raise ValueError('With downsampling "nested" features go down before they come up: its fusion is "skip".')
            if told := [level.size for level in self.levels if level.input != "z"]:
                raise ValueError(f'With downsampling "nested" nothing is known below on the way down: level {told[0]} takes "z".')
        for index, (width, _) in enumerate(self.trunk.stages):
            if self.trunk.attends(self.stage_grid(index)) and width % self.trunk.head_width:
                raise ValueError(f"Attention heads of {self.trunk.head_width} channels do not divide the stage width of {width}.")

    def stage_grid(self, index: int) -> int:
        """Side of the feature grid of a stage under the base; after the last stage, of the trunk."""
        return self.levels[0].grid // 2 ** (index + 1)

    def dropout_on(self, grid: int) -> float:
        """The dropout of blocks on this grid (simple diffusion, section 3.4)."""
        return self.dropout if grid <= self.dropout_at_most else 0.0

    @property
    def isolated(self) -> bool:
        """Whether a level sees nothing of the finer ones, so that the coarsest few can run alone and the others follow."""
        return self.layered and self.downsampling == "isolated"

    @property
    def banded(self) -> bool:
        """Whether every level above the base sees only what the means of its noisy picture do not hold."""
        return self.layered and len(self.levels) > 1 and all(level.input == "band" for level in self.levels[1:])

    @property
    def adds(self) -> bool:
        """Whether any level adds to the one below it."""
        return self.layered and any(level.adds for level in self.levels[1:])

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """Sizes of all levels, coarse to fine, whether or not they carry a picture of their own."""
        return tuple(level.size for level in self.levels)

    @property
    def scales(self) -> tuple[int, ...]:
        """Sizes of the pictures that go in and come out, coarse to fine."""
        return self.all_sizes if self.layered else self.all_sizes[-1:]

    def upto(self, size: int) -> ModelConfig:
        """The same model without the levels finer than ``size``."""
        if size not in self.all_sizes:
            raise ValueError(f"There is no level of {size} pixels: this model has {', '.join(map(str, self.all_sizes))}.")
        return dataclasses.replace(self, levels=tuple(level for level in self.levels if level.size <= size))

    def single_resolution(self) -> ModelConfig:
        """The baseline of the paper's table 1: one picture scale, identical widths, ordinary downsampling."""
        levels = (
            dataclasses.replace(
                level,
                prediction="v" if level.prediction == "v" else "x",
                input="z",  # nothing lies below the one picture
                detail_std=None,
                blocks_down=level.blocks_down if level.blocks_down_single is None else level.blocks_down_single,
                blocks_down_single=None,
            )
            for level in self.levels
        )
        return dataclasses.replace(self, levels=tuple(levels), layered=False, fusion="skip", downsampling="isolated")
