"""The layered U-Net: several noisy pictures in, a prediction for each out (paper, section 2.1 and figure 1).

Every level has its own input convolution. Only the base goes on down, to a small grid of transformer blocks; the finer
levels are kept as skips (isolated downsampling) and are joined on the way up, where every level has an output of its own.
A level therefore sees nothing of the finer ones. With ``layered=False`` the same class is the single-resolution U-Net of
the paper's table 1: one input, ordinary downsampling through every level, one output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layered.config import LevelConfig, ModelConfig
from layered.layers import (
    Downsample,
    LevelCondition,
    Prompts,
    ResidualBlock,
    TextStates,
    Trunk,
    Upsample,
    channel_norm,
    prompt_at,
    zero_init,
)
from layered.prediction import detail_input, read_prediction
from layered.pyramid import enlarge_image


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
        return torch.stack(cuts)

    def of(self, part: slice) -> Window:
        """The windows of some of the pictures."""
        return Window(self.top[part], self.left[part], self.side)

    def halved(self) -> Window:
        """The same window in the pixels of the next coarser scale."""
        return Window(tuple(v // 2 for v in self.top), tuple(v // 2 for v in self.left), self.side // 2)


class Blocks(nn.ModuleList):
    """Residual blocks in a row that share one conditioning vector."""

    def __init__(self, count: int, width: int, time_width: int) -> None:
        super().__init__(ResidualBlock(width, time_width) for _ in range(count))

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        for block in self:
            h = block(h, condition)
        return h


class Level(nn.Module):
    """One scale: input convolution (or downsampling), blocks down, fusion with the features from below, blocks up, output."""

    def __init__(
        self,
        level: LevelConfig,
        config: ModelConfig,
        *,
        width_below: int,
        up_factor: int,
        width_in: int,
        down_factor: int,
        output: bool,
    ) -> None:
        """The features from below are ``width_below`` wide and enlarged ``up_factor`` times; what enters is ``width_in`` wide and
        shrunk ``down_factor`` times. ``output``: whether the level predicts a picture."""
        super().__init__()
        self.config, self.patch = level, level.patch
        self.condition = LevelCondition(config.text_width, config.time_width)
        self.input = Downsample(width_in, level.width, down_factor)
        self.down = Blocks(level.blocks_down, level.width, config.time_width)
        self.upsample = Upsample(width_below, level.width, up_factor)
        self.fuse = nn.Conv2d(2 * level.width, level.width, 1)
        self.up = Blocks(level.blocks_up, level.width, config.time_width)
        self.output = zero_init(nn.Conv2d(level.width, 3 * level.patch**2, 3, padding=1)) if output else None

    def enter(self, x: Tensor, condition: Tensor) -> Tensor:
        """The way down: a picture (or the features of the level above) → this level's skip (B, C, G, G)."""
        return self.down(self.input(x), condition)

    def leave(self, skip: Tensor, below: Tensor, condition: Tensor) -> Tensor:
        """The way up: skip and the features from below → this level's features (B, C, G, G)."""
        return self.up(self.fuse(torch.cat([skip, self.upsample(below)], dim=1)), condition)

    def predict(self, h: Tensor, z: Tensor, logsnr: Tensor, mean: Tensor | float) -> Tensor:
        """Features → x̂ (B, 3, S, S); ``mean`` is the enlarged prediction of the level below, 0 without one."""
        raw = F.pixel_shuffle(self.output(F.silu(channel_norm(h))), self.patch).float()
        return read_prediction(self.config, raw, z, logsnr, mean)


class Stage(nn.Module):
    """One ordinary halving under the base: blocks on the way down and on the way up around what lies below."""

    def __init__(self, width_in: int, width: int, blocks: int, inner_width: int, time_width: int) -> None:
        super().__init__()
        self.input = Downsample(width_in, width, 2)
        self.down = Blocks(blocks, width, time_width)
        self.upsample = Upsample(inner_width, width, 2)
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.up = Blocks(blocks, width, time_width)


class LayeredUNet(nn.Module):
    """The network. Parameters and buffers only: time, noise and windows are arguments."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        levels, trunk = config.levels, config.trunk
        stage_widths = [width for width, _ in trunk.stages]
        self.stages = nn.ModuleList(
            Stage(
                width_in=([levels[0].width] + stage_widths)[index],
                width=width,
                blocks=blocks,
                inner_width=(stage_widths + [trunk.width])[index + 1],
                time_width=config.time_width,
            )
            for index, (width, blocks) in enumerate(trunk.stages)
        )
        self.trunk_input = Downsample(([levels[0].width] + stage_widths)[-1], trunk.width, 2)
        grid = levels[0].grid // 2 ** (len(trunk.stages) + 1)
        self.trunk = Trunk(trunk.width, trunk.depth, grid, config.text_width, config.time_width, trunk.head_width)
        self.levels = nn.ModuleDict({str(level.size): self._level(index, level) for index, level in enumerate(levels)})
        self.to(memory_format=torch.channels_last)

    def _level(self, index: int, level: LevelConfig) -> Level:
        config = self.config
        first_width = config.trunk.stages[0][0] if config.trunk.stages else config.trunk.width
        below = config.levels[index - 1] if index else None
        above = config.levels[index + 1] if index + 1 < len(config.levels) else None
        own_input = config.layered or above is None
        return Level(
            level,
            config,
            width_below=below.width if below else first_width,
            up_factor=level.grid // below.grid if below else 2,
            width_in=above.width if not own_input else 6 if level.input == "detail" else 3,
            down_factor=level.patch if own_input else above.grid // level.grid,
            output=config.layered or above is None,
        )

    def level_parameters(self, size: int) -> list[nn.Parameter]:
        """The parameters that came with the level of ``size`` pixels; those of the base include the trunk."""
        own = list(self.levels[str(size)].parameters())
        if size == self.config.levels[0].size:
            own += [*self.stages.parameters(), *self.trunk_input.parameters(), *self.trunk.parameters()]
        return own

    def forward(
        self,
        z: Mapping[int, Tensor],
        logsnr: Mapping[int, Tensor],
        text: Prompts,
        shared_noise: Tensor,
        *,
        below: tuple[int, LevelOutput] | None = None,
        windows: Mapping[int, Window] | None = None,
    ) -> dict[int, LevelOutput]:
        """Run the levels whose pictures are in ``z``, coarse to fine.

        z: per scale (B, 3, S, S), or the cut-out of ``windows``; logsnr: per scale (B,); shared_noise: (B,), 1 where the
        scales share their noise and 0 where it is independent. text: one prompt for all scales, or each scale's own: the base
        attends to the tokens of its prompt, and every level is conditioned on the pooled vector of its own. ``below`` continues
        from a level computed before (its size and output): the scales of ``z`` are then those above it (and ``logsnr`` includes
        it). Returns the output per scale.
        """
        if not self.config.layered:
            return self._forward_single(z, logsnr, prompt_at(text, self.config.scales[0]), shared_noise)
        sizes = [size for size in self.config.all_sizes if size in z]
        start = self.config.all_sizes.index(below[0]) + 1 if below else 0
        if not sizes or sizes != list(self.config.all_sizes[start : start + len(sizes)]):
            raise ValueError(f"Expected the scales {self.config.all_sizes[start:]} from the coarsest on, got {tuple(z)}.")
        windows = windows or {}
        outputs: dict[int, LevelOutput] = {}
        previous_size, previous = below if below else (None, None)
        for size in sizes:
            level = self.levels[str(size)]
            lower = logsnr[size if previous_size is None else previous_size]
            prompt = prompt_at(text, size)
            condition = level.condition(logsnr[size], lower, prompt.pooled, shared_noise)
            if previous is None:
                mean: Tensor | float = 0.0
                skip = level.enter(z[size].contiguous(memory_format=torch.channels_last), condition)
                features = self._under_base(skip, condition, prompt)
            else:
                features, x0_below = previous
                if size in windows:
                    inner, outer = windows[size].halved(), windows.get(previous_size)
                    features = inner.crop(features, self.levels[str(previous_size)].patch, outer)
                    x0_below = inner.crop(x0_below, 1, outer)
                mean = enlarge_image(x0_below, z[size].shape[-1])
                shown = z[size]
                if level.config.input == "detail":
                    shown = detail_input(level.config, shown, logsnr[size], mean.detach())
                skip = level.enter(shown.contiguous(memory_format=torch.channels_last), condition)
            features = level.leave(skip, features, condition)
            outputs[size] = previous = LevelOutput(features, level.predict(features, z[size], logsnr[size], mean))
            previous_size = size
        return outputs

    def _under_base(self, h: Tensor, condition: Tensor, text: TextStates) -> Tensor:
        """The ordinary U-Net under the base: stages down, transformer, stages up."""
        skips = []
        for stage in self.stages:
            h = stage.down(stage.input(h), condition)
            skips.append(h)
        h = self.trunk(self.trunk_input(h), condition, text)
        for stage, skip in zip(reversed(self.stages), reversed(skips), strict=True):
            h = stage.up(stage.fuse(torch.cat([skip, stage.upsample(h)], dim=1)), condition)
        return h

    def _forward_single(
        self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], text: TextStates, shared_noise: Tensor
    ) -> dict[int, LevelOutput]:
        """The single-resolution baseline: down through every level, up through every level, one output."""
        top = self.config.all_sizes[-1]
        if tuple(z) != (top,):
            raise ValueError(f"The single-resolution network takes one picture of {top} pixels, got {tuple(z)}.")
        h = z[top].contiguous(memory_format=torch.channels_last)
        entered = []
        for size in reversed(self.config.all_sizes):
            level = self.levels[str(size)]
            condition = level.condition(logsnr[top], logsnr[top], text.pooled, shared_noise)
            h = level.enter(h, condition)
            entered.append((level, h, condition))
        h = self._under_base(h, entered[-1][2], text)
        for level, skip, condition in reversed(entered):
            h = level.leave(skip, h, condition)
        return {top: LevelOutput(h, level.predict(h, z[top], logsnr[top], 0.0))}
