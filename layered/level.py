"""One level of the layered U-Net and one stage under its base, with what they are given and hand on (paper, section 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layered.attention import AttentionBlock
from layered.config import LevelConfig, ModelConfig
from layered.layers import (
    CascadeUpsample,
    ConvNeXtBlock,
    Downsample,
    LevelBias,
    LevelCondition,
    ResidualBlock,
    Upsample,
    channel_norm,
    zero_init,
)
from layered.prediction import read_prediction
from layered.schedule import time_of_logsnr
from layered.wavelet import from_bands, to_bands


class LevelOutput(NamedTuple):
    """What one level hands on."""

    features: Tensor  # (B, C, G, G), for the level above
    x0: Tensor  # (B, 3, S, S), the predicted picture, float32

    def part(self, samples: slice) -> LevelOutput:
        """The output of some of the batch."""
        return LevelOutput(self.features[samples], self.x0[samples])

    def joined(self, other: LevelOutput) -> LevelOutput:
        """Both outputs as one batch."""
        return LevelOutput(torch.cat([self.features, other.features]), torch.cat([self.x0, other.x0]))

    def copied(self) -> LevelOutput:
        """The same in memory of its own."""
        return LevelOutput(self.features.clone(), self.x0.clone())


@dataclass(frozen=True)
class Window:
    """A square cut out of every picture of a batch, in pixels of its scale (strategic cropping, paper section 3.1)."""

    top: tuple[int, ...]
    left: tuple[int, ...]
    side: int

    def crop(self, x: Tensor, pixels_per_cell: int = 1, outer: Window | None = None) -> Tensor:
        """Cut the window out of ``x`` (B, C, H, W), whose cells are ``pixels_per_cell`` wide and which covers ``outer``."""
        side = self.side // pixels_per_cell
        if outer is None and side == x.shape[-1]:
            return x
        cuts = []
        for index, (top, left) in enumerate(zip(self.top, self.left, strict=True)):
            y = (top - (outer.top[index] if outer else 0)) // pixels_per_cell
            z = (left - (outer.left[index] if outer else 0)) // pixels_per_cell
            cuts.append(x[index, :, y : y + side, z : z + side])
        return torch.stack(cuts) if cuts else x[..., :side, :side]

    def of(self, part: slice) -> Window:
        """The windows of some of the pictures."""
        return Window(self.top[part], self.left[part], self.side)

    def halved(self) -> Window:
        """The same window in the pixels of the next coarser scale."""
        return Window(tuple(v // 2 for v in self.top), tuple(v // 2 for v in self.left), self.side // 2)


class Blocks(nn.ModuleList):
    """Blocks in a row that are told the same."""

    def forward(self, h: Tensor, *told: Tensor) -> Tensor:
        for block in self:
            h = block(h, *told)
        return h


class WaveletInput(nn.Module):
    """The 5/3 wavelet of a picture, then a 1 × 1 convolution. (B, C, H, W) → (B, C', H/k, W/k), k a power of 2."""

    def __init__(self, width_in: int, width_out: int, patch: int) -> None:
        super().__init__()
        self.levels = patch.bit_length() - 1
        self.conv = nn.Conv2d(width_in * patch**2, width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(to_bands(x, self.levels).contiguous(memory_format=torch.channels_last))


class Told(NamedTuple):
    """What a level is told of the noise, the prompt and how noise is shared."""

    blocks: Tensor  # every block: the conditioning vector (B, T), or, for time-dependent norms, the time u (B,)
    entry: Tensor | None = None  # (B, C), added where the level is entered: with such norms, all the rest


class Level(nn.Module):
    """One scale: input convolution (or downsampling), blocks down, fusion with the features from below, blocks up, output.

    In a cascade the features from below are added to those of the input convolution instead, and there is no fusion.
    """

    def __init__(
        self,
        level: LevelConfig,
        config: ModelConfig,
        *,
        width_below: int,
        up_factor: int,
        width_in: int,
        down_factor: int,
        own_picture: bool,
        base: bool,
    ) -> None:
        """The features from below are ``width_below`` wide and enlarged ``up_factor`` times; what enters is ``width_in`` wide and
        shrunk ``down_factor`` times. ``own_picture``: whether that is a picture, and one is predicted; ``base``: the coarsest."""
        super().__init__()
        self.config, self.patch, self.time = level, level.patch, config.time
        cascade = config.fusion == "cascade" and not base
        if config.time == "film":
            self.condition = LevelCondition(config.text_width, config.time_width)
        else:
            self.condition = LevelBias(config.text_width, config.time_width, level.width)
        self.wavelet = own_picture and level.patching == "wavelet"
        self.input = (WaveletInput if self.wavelet else Downsample)(width_in, level.width, down_factor)
        self.down = self._blocks(level.blocks_down, config)
        self.upsample = (CascadeUpsample if cascade else Upsample)(width_below, level.width, up_factor)
        self.fuse = None if cascade else nn.Conv2d(2 * level.width, level.width, 1)
        self.up = self._blocks(level.blocks_up, config)
        self.output = zero_init(nn.Conv2d(level.width, 3 * level.patch**2, 3, padding=1)) if own_picture else None
        nested = config.downsampling == "nested" and not base
        self.inward = zero_init(Downsample(level.width, width_below, up_factor)) if nested else None

    def _blocks(self, count: int, config: ModelConfig) -> Blocks:
        level = self.config
        kind = ConvNeXtBlock if level.block == "convnext" else ResidualBlock
        dropout = config.dropout_on(level.grid)
        return Blocks(kind(level.width, config.time_width, config.time, dropout) for _ in range(count))

    def told(self, logsnr: Tensor, logsnr_below: Tensor, pooled: Tensor, shared_noise: Tensor) -> Told:
        """logsnr, logsnr_below, shared_noise (B,), pooled (B, D): what this level's parts need of them.

        The time of time-dependent norms is that at which the unshifted schedule has the level's log-SNR, brought to [−1, 1].
        """
        condition = self.condition(logsnr, logsnr_below, pooled, shared_noise)
        if self.time == "film":
            return Told(condition)
        return Told(2 * time_of_logsnr(logsnr.float()) - 1, condition)

    def enter(self, x: Tensor, told: Told, added: Tensor | None = None) -> Tensor:
        """The way down: a picture (or the features of the level above) → this level's skip (B, C, G, G), with other features
        ``added`` where it begins."""
        h = self.input(x)
        if told.entry is not None:
            h = h + told.entry[:, :, None, None]
        if added is not None:
            h = h + added
        return self.down(h, told.blocks)

    def leave(self, skip: Tensor, below: Tensor, told: Told) -> Tensor:
        """The way up: skip and the features from below → this level's features (B, C, G, G)."""
        h = skip if self.fuse is None else self.fuse(torch.cat([skip, self.upsample(below)], dim=1))
        return self.up(h, told.blocks)

    def predict(self, h: Tensor, z: Tensor, logsnr: Tensor, mean: Tensor | float, detail: float = 1.0) -> Tensor:
        """Features → x̂ (B, 3, S, S); ``mean`` is the enlarged prediction of the level below, 0 without one.

        ``detail`` weighs what the network itself adds to that mean, or, where it predicts around the posterior mean of z and that
        mean, to this: 1 as it was trained. It is nothing to the base and to levels that predict v (``LevelConfig.adds``).
        """
        cells = self.output(F.silu(channel_norm(h)))
        raw = from_bands(cells.float(), self.input.levels) if self.wavelet else F.pixel_shuffle(cells, self.patch).float()
        raw = raw * detail if self.config.adds and isinstance(mean, Tensor) else raw
        return read_prediction(self.config, raw, z, logsnr, mean)


class Stage(nn.Module):
    """One ordinary halving under the base: blocks on the way down and on the way up around what lies below."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        trunk, grid = config.trunk, config.stage_grid(index)
        widths = [config.levels[0].width, *(width for width, _ in trunk.stages), trunk.width]
        width_in, width, inner_width = widths[index : index + 3]
        self.attends = trunk.attends(grid)

        def blocks() -> Blocks:
            own = (config.time, config.dropout_on(grid))
            if self.attends:
                made = (config.text_width, config.time_width, trunk.head_width, *own)
                return Blocks(AttentionBlock(width, *made) for _ in range(trunk.stages[index][1]))
            return Blocks(ResidualBlock(width, config.time_width, *own) for _ in range(trunk.stages[index][1]))

        self.input = Downsample(width_in, width, 2)
        self.down = blocks()
        self.upsample = Upsample(inner_width, width, 2)
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.up = blocks()
