"""The layered U-Net: several noisy pictures in, a prediction for each out (paper, section 2.1 and figure 1).

Every level has its own input convolution. Only the base goes on down, to a small grid of transformer blocks; the finer
levels are kept as skips (isolated downsampling) and are joined on the way up, where every level has an output of its own.
A level therefore sees nothing of the finer ones. With ``layered=False`` the same class is the single-resolution U-Net of
the paper's table 1: one input, ordinary downsampling through every level, one output. With ``downsampling="nested"`` it is a
Matryoshka (arXiv 2310.15111): as many inputs and outputs, but features go down from level to level, so that no scale runs alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from layered.attention import Trunk
from layered.config import LevelConfig, ModelConfig
from layered.layers import Downsample, Prompts, TextStates, prompt_at
from layered.level import Level, LevelOutput, Stage, Told, Window
from layered.prediction import detail_input, own_band
from layered.pyramid import enlarge_image, with_means


class LayeredUNet(nn.Module):
    """The network. Parameters and buffers only: time, noise and windows are arguments."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        levels, trunk = config.levels, config.trunk
        self.stages = nn.ModuleList(Stage(config, index) for index in range(len(trunk.stages)))
        self.trunk_input = Downsample([levels[0].width, *(width for width, _ in trunk.stages)][-1], trunk.width, 2)
        grid = config.stage_grid(len(trunk.stages))
        known = (config.text_width, config.time_width, trunk.head_width)
        self.trunk = Trunk(trunk.width, trunk.depth, grid, *known, trunk.kind, config.time, config.dropout_on(grid))
        self.levels = nn.ModuleDict({str(level.size): self._level(index, level) for index, level in enumerate(levels)})
        self.to(memory_format=torch.channels_last)

    def _level(self, index: int, level: LevelConfig) -> Level:
        config = self.config
        first_width = config.trunk.stages[0][0] if config.trunk.stages else config.trunk.width
        below = config.levels[index - 1] if index else None
        above = config.levels[index + 1] if index + 1 < len(config.levels) else None
        own_picture = config.layered or above is None
        return Level(
            level,
            config,
            width_below=below.width if below else first_width,
            up_factor=level.grid // below.grid if below else 2,
            width_in=above.width if not own_picture else 3 if level.input == "z" else 6,
            down_factor=level.patch if own_picture else above.grid // level.grid,
            own_picture=own_picture,
            base=below is None,
        )

    def level_modules(self, size: int) -> list[nn.Module]:
        """The parts that came with the level of ``size`` pixels; those of the base include the trunk."""
        base = size == self.config.levels[0].size
        return [self.levels[str(size)], *([self.stages, self.trunk_input, self.trunk] if base else [])]

    def level_parameters(self, size: int) -> list[nn.Parameter]:
        """The parameters of ``level_modules``."""
        return [parameter for module in self.level_modules(size) for parameter in module.parameters()]

    def forward(
        self,
        z: Mapping[int, Tensor],
        logsnr: Mapping[int, Tensor],
        text: Prompts,
        shared_noise: Tensor,
        *,
        below: tuple[int, LevelOutput] | None = None,
        windows: Mapping[int, Window] | None = None,
        detail: float = 1.0,
    ) -> dict[int, LevelOutput]:
        """Run the levels whose pictures are in ``z``, coarse to fine.

        z: per scale (B, 3, S, S), or the cut-out of ``windows``; logsnr: per scale (B,); shared_noise: (B,), 1 where the
        scales share their noise and 0 where it is independent. text: one prompt for all scales, or each scale's own: the base
        attends to the tokens of its prompt, and every level is conditioned on the pooled vector of its own. ``below`` continues
        from a level computed before (its size and output): the scales of ``z`` are then those above it (and ``logsnr`` includes
        it). ``detail`` weighs what every level adds to the one below (``Level.predict``). Returns the output per scale.

        Only an isolated network takes the coarsest scales alone, ``below`` or ``windows``: ValueError for another.
        """
        if not self.config.isolated:
            if below or windows:
                raise ValueError("Only a layered network with isolated downsampling can continue from a level or take windows.")
            if not self.config.layered:
                return self._forward_single(z, logsnr, prompt_at(text, self.config.scales[0]), shared_noise)
            return self._forward_nested(z, logsnr, text, shared_noise, detail)
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
            told = level.told(logsnr[size], lower, prompt.pooled, shared_noise)
            seen = z[size]
            if previous is None:
                mean: Tensor | float = 0.0
                skip = level.enter(seen.contiguous(memory_format=torch.channels_last), told)
                features = self._under_base(skip, told, prompt)
            else:
                features, x0_below = previous
                if size in windows:
                    inner, outer = windows[size].halved(), windows.get(previous_size)
                    features = inner.crop(features, self.levels[str(previous_size)].patch, outer)
                    x0_below = inner.crop(x0_below, 1, outer)
                mean = enlarge_image(x0_below, seen.shape[-1])
                if level.config.input == "band":
                    mean = with_means(mean, x0_below)
                    seen = own_band(seen, logsnr[size], x0_below)
                shown = seen if level.config.input == "z" else detail_input(level.config, seen, logsnr[size], mean).detach()
                added = level.upsample(features) if level.fuse is None else None
                skip = level.enter(shown.contiguous(memory_format=torch.channels_last), told, added)
            features = level.leave(skip, features, told)
            outputs[size] = previous = LevelOutput(features, level.predict(features, seen, logsnr[size], mean, detail))
            previous_size = size
        return outputs

    def _under_base(self, h: Tensor, told: Told, text: TextStates) -> Tensor:
        """The ordinary U-Net under the base: stages down, trunk, stages up."""
        condition, attended = told.blocks, self.trunk.attended(text)
        skips = []
        for stage in self.stages:
            h = stage.down(stage.input(h), condition, *(attended if stage.attends else ()))
            skips.append(h)
        h = self.trunk(self.trunk_input(h), condition, *attended)
        for stage, skip in zip(reversed(self.stages), reversed(skips), strict=True):
            h = stage.fuse(torch.cat([skip, stage.upsample(h)], dim=1))
            h = stage.up(h, condition, *(attended if stage.attends else ()))
        return h

    def _forward_nested(
        self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], text: Prompts, shared_noise: Tensor, detail: float
    ) -> dict[int, LevelOutput]:
        """Matryoshka: down through every level, each with its picture and what comes from above; up through every level."""
        sizes = self.config.all_sizes
        if sorted(z) != list(sizes):
            raise ValueError(f"A nested network computes all its scales {sizes} in one pass, got {tuple(sorted(z))}.")
        entered, inward = [], None
        for size in reversed(sizes):
            level = self.levels[str(size)]
            told = level.told(logsnr[size], logsnr[max(size // 2, sizes[0])], prompt_at(text, size).pooled, shared_noise)
            skip = level.enter(z[size].contiguous(memory_format=torch.channels_last), told, inward)
            inward = None if level.inward is None else level.inward(skip)
            entered.append((size, level, told, skip))
        features: Tensor = self._under_base(skip, told, prompt_at(text, sizes[0]))
        outputs: dict[int, LevelOutput] = {}
        for size, level, told, skip in reversed(entered):
            mean = enlarge_image(outputs[size // 2].x0, size) if outputs else 0.0
            features = level.leave(skip, features, told)
            outputs[size] = LevelOutput(features, level.predict(features, z[size], logsnr[size], mean, detail))
        return outputs

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
            told = level.told(logsnr[top], logsnr[top], text.pooled, shared_noise)
            h = level.enter(h, told)
            entered.append((level, h, told))
        h = self._under_base(h, entered[-1][2], text)
        for level, skip, told in reversed(entered):
            h = level.leave(skip, h, told)
        return {top: LevelOutput(h, level.predict(h, z[top], logsnr[top], 0.0))}
