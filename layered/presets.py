"""Architectures by name. Each takes the finest scale in pixels, or None for all of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layered.architecture import LevelInput
from layered.config import LevelConfig, ModelConfig, TrunkConfig

DETAIL_STD = {64: 0.065, 128: 0.057, 256: 0.049, 512: 0.040, 1024: 0.033}  # measured on vistas up to 512, continued to 1024


def _detail(size: int, input: LevelInput = "band", **parts: Any) -> LevelConfig:
    """A level that is shown, and adds, what the level below does not know."""
    return LevelConfig(size, prediction="posterior", input=input, detail_std=DETAIL_STD[size], **parts)


def _ladder(top: int | None, *levels: LevelConfig, **parts: Any) -> ModelConfig:
    config = ModelConfig(levels, **parts)
    return config if top is None else config.upto(top)


# ------------------------------------------------------------------ the two ladders of the papers


def compact(top: int | None = None) -> ModelConfig:
    """The compact ladder, 32 to 512 pixels: the paper's isolated downsampling carried on down to a base of 32."""
    return _ladder(
        top,
        LevelConfig(size=32, patch=2, width=96, blocks_down=1, blocks_up=2, prediction="x"),
        _detail(64, patch=2, width=96),
        _detail(128, patch=2, width=64),
        _detail(256, patch=2, width=48),
        _detail(512, patch=2, width=32),
    )


def vista(top: int | None = None) -> ModelConfig:
    """The bundled checkpoint's: ``compact`` with more blocks where edges are decided, at 64 to 256 pixels."""
    return _ladder(
        top,
        compact().levels[0],
        _detail(64, patch=2, width=128, blocks_down=2, blocks_up=6),
        _detail(128, patch=2, width=96, blocks_down=1, blocks_up=4),
        _detail(256, patch=2, width=48, blocks_down=1, blocks_up=3),
        _detail(512, patch=2, width=32),
    )


def paper_ladder(top: int | None = None) -> ModelConfig:
    """The paper's ladder, 128 to 512 pixels, with patches of 4 and a trunk on 16 × 16."""
    return _ladder(
        top,
        LevelConfig(size=128, patch=4, width=128, blocks_down=1, blocks_up=2, prediction="v"),
        LevelConfig(size=256, patch=4, width=64, blocks_down=1, blocks_up=2, prediction="v"),
        LevelConfig(size=512, patch=4, width=48, blocks_down=1, blocks_up=2, prediction="v"),
    )


def paper_scale(top: int | None = None) -> ModelConfig:
    """A network of the paper's size: its widths at 128 and 256 (section 2.1), half a billion parameters, a T5-XXL's states.

    The paper gives five FLOP counts (table 1) and says that layers do without high-resolution convolutions on the way down, not
    how many blocks there are. These are within 5 % of all five figures if a guided step is counted, two passes, a multiply-add
    as two operations: one reading among many, not evidence of what the authors ran.
    """
    return _ladder(
        top,
        LevelConfig(128, patch=1, width=256, blocks_down=2, blocks_up=2, prediction="v"),
        LevelConfig(256, patch=1, width=128, blocks_down=0, blocks_up=10, prediction="v", blocks_down_single=2),
        LevelConfig(512, patch=1, width=64, blocks_down=0, blocks_up=10, prediction="v", blocks_down_single=4),
        trunk=TrunkConfig(stages=((512, 2), (1024, 2)), width=1024, depth=12),
        text_width=4096,
        time_width=1024,
    )


# ------------------------------------------------------------------ other ladders


def ladder_64_256(top: int | None = None) -> ModelConfig:
    """64 to 256 pixels over a trunk on 8 × 8."""
    return _ladder(
        top,
        LevelConfig(64, patch=4, width=128),
        _detail(128, patch=4, width=96),
        _detail(256, patch=4, width=64),
    )


def ladder_256_512(top: int | None = None) -> ModelConfig:
    """256 and 512 pixels: an ordinary stage under the base, then a trunk on 16 × 16."""
    return _ladder(
        top,
        LevelConfig(256, patch=4, width=96),
        _detail(512, patch=4, width=64),
        trunk=TrunkConfig(stages=((160, 2),)),
    )


def ladder_128_1024(top: int | None = None) -> ModelConfig:
    """128 to 1024 pixels over a trunk on 16 × 16."""
    return _ladder(
        top,
        LevelConfig(128, patch=4, width=128),
        _detail(256, patch=4, width=64),
        _detail(512, patch=4, width=48),
        _detail(1024, patch=4, width=32),
    )


# ------------------------------------------------------------------ small ones, to compare


def miniature(top: int | None = None) -> ModelConfig:
    """32 to 128 pixels, so small that a choice is tried in minutes. Its levels see their noisy pictures whole, so that it matters
    how the scales share their noise."""
    return _ladder(
        top,
        LevelConfig(32, patch=2, width=48),
        _detail(64, "detail", patch=2, width=32),
        _detail(128, "detail", patch=2, width=24),
        trunk=TrunkConfig(width=128, depth=4, head_width=32),
        time_width=128,
    )


def dimr(top: int | None = None) -> ModelConfig:
    """The miniature with the parts of DiMR (arXiv 2406.09416): TD-LN, a feature cascade, ConvNeXt blocks above the base.

    Predictions are the miniature's, so that the two compare: DiMR's own predict noise and sample with the finest alone.
    """
    config = miniature(top)
    levels = (config.levels[0], *(replace(level, block="convnext") for level in config.levels[1:]))
    return replace(config, levels=levels, time="td-ln", fusion="cascade")


def matryoshka(top: int | None = None) -> ModelConfig:
    """The miniature with Matryoshka's nested downsampling (arXiv 2310.15111), where nothing is known below on the way down."""
    config = miniature(top)
    return replace(config, levels=tuple(replace(level, input="z") for level in config.levels), downsampling="nested")


MODELS = {  # million parameters and GFLOP of one forward pass, as tests/test_presets.py counts them
    "compact": compact,  # 15.4 M, 17.3
    "vista": vista,  # 18.5 M, 27.7
    "paper": paper_ladder,  # 14.8 M, 13.8
    "paper-scale": paper_scale,  # 506.9 M, 1387
    "ladder-64-256": ladder_64_256,  # 15.3 M, 5.0
    "ladder-256-512": ladder_256_512,  # 16.3 M, 22.1
    "ladder-128-1024": ladder_128_1024,  # 15.2 M, 23.9
    "miniature": miniature,  # 2.3 M, 0.64
    "dimr": dimr,  # 1.8 M, 0.42
    "matryoshka": matryoshka,  # 2.4 M, 0.65
}
