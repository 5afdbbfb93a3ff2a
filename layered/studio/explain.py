"""What each part of the network is, in one or two sentences: title, sentences, and the section that it comes from."""

from __future__ import annotations

from layered.config import LevelConfig, ModelConfig, TrunkConfig
from layered.cost import WORDS

Said = tuple[str, str, str]

PAPER = "Paper, section 2.1"
BLOCKS = "simple diffusion, appendix B"
U_VIT = "simple diffusion, section 3.5 (U-ViT)"
U_NET = "simple diffusion, appendix B.1 (U-Net)"
DIMR = "DiMR, arXiv 2406.09416"
MATRYOSHKA = "Matryoshka, arXiv 2310.15111"

BLOCK = {  # what a block is, and where it comes from
    "residual": ("residual block{s} of two 3×3 convolutions", BLOCKS),
    "attention": ("residual block{s} of two 3×3 convolutions with attention to all cells and to the prompt", U_NET),
    "convnext": ("ConvNeXt block{s} of a 7×7 convolution per channel and a gated MLP", DIMR),
}


def summary(config: ModelConfig) -> str:
    """The whole network in a sentence or two."""
    top, base = config.all_sizes[-1], config.all_sizes[0]
    if len(config.levels) == 1:
        return f"A base alone: one noisy picture of {top} px in, one prediction out, with a transformer in between."
    if not config.layered:
        return (
            f"An ordinary U-Net, the baseline of the paper's table 1: one noisy picture of {top} px goes down through every "
            "level and up again."
        )
    below = "transformer" if config.trunk.kind == "u-vit" else "attention blocks"
    if not config.isolated:
        return (
            "Noisy pictures come in on the left, predictions leave on the right. Features go down from level to level to the "
            f"{below} and up again, so every level sees all the others, and one pass computes them all."
        )
    joins = "on the way up" if config.fusion == "skip" else "where it begins, with the features from below added to its own"
    return (
        f"Noisy pictures come in on the left, predictions leave on the right. Only the base ({base} px) goes on down to the "
        f"{below}; a finer level joins {joins}, so no level sees a finer one."
    )


# ------------------------------------------------------------------ pictures and conditioning


def noisy(config: ModelConfig, level: LevelConfig) -> Said:
    """The picture that goes in."""
    title = f"Noisy picture z, {level.size} px"
    if len(config.scales) == 1:
        return title, "The one noisy picture that goes in.", PAPER
    return (
        title,
        f"One of {len(config.scales)} noisy pictures that go in together: one scene at several sizes and, as a rule, one noise "
        "brought down by sinc resampling. Each has its own noise level.",
        f"{PAPER}, multiple inputs, and section 2.2",
    )


def clean(config: ModelConfig, level: LevelConfig) -> Said:
    """The picture that comes out."""
    say = f"What the network takes the clean picture to be at {level.size} px."
    if len(config.scales) > 1:
        say += " Every scale's is part of the loss."
    return f"Predicted picture x̂, {level.size} px", say, f"{PAPER}, multiple outputs, and equation 3"


def condition(config: ModelConfig, index: int) -> Said:
    """The conditioning vector of a level."""
    if not config.layered:
        whose = "the log-SNR λ of the picture"
    else:
        whose = "its own log-SNR λ, that of the level below" if index else "its own log-SNR λ"
    reach = " and of all that lies under it" if index == 0 else ""
    if config.time == "td-ln":
        return (
            f"Conditioning of {config.levels[index].size}",
            f"A small network of {whose}, the prompt as a whole and how noise is shared. What it says is added once, where the "
            f"level begins; the blocks of the level{reach} know the time by their norms, whose gain and bias move with it.",
            f"{DIMR}, TD-LN; the sum: not in the papers",
        )
    return (
        f"Conditioning of {config.levels[index].size}",
        f"A small network of {whose}, the prompt as a whole and how noise is shared. Its one vector scales and shifts every "
        f"block of the level{reach}.",
        f"Not in the paper, which does not say how; blocks: {BLOCKS}",
    )


def prompt(config: ModelConfig) -> Said:
    """What the transformer attends to besides."""
    return (
        "Prompt",
        f"States of the prompt's tokens from a frozen text encoder, {config.text_width} wide. The encoder is not part of these "
        f"numbers; attention to the prompt is counted with {WORDS} tokens.",
        "simple diffusion, section 3.6",
    )


# ------------------------------------------------------------------ the way down


def picture_input(config: ModelConfig, index: int) -> Said:
    """The input convolution of a level that has a picture of its own."""
    level = config.levels[index]
    what = "a convolution of single pixels" if level.patch == 1 else f"a convolution of {level.patch}×{level.patch} patches"
    if level.patching == "wavelet":
        steps = many(level.patch.bit_length() - 1, "level")
        what = f"{steps} of the 5/3 wavelet, which loses nothing, and a 1×1 convolution of its bands"
    channels = "3 channels"
    if level.input != "z":
        part = "z" if level.input == "detail" else "z, without its 2×2 means,"
        below = config.levels[index - 1].size
        channels = f"6 channels (what {part} holds beyond the prediction of level {below}, and that prediction)"
    return (
        f"Input convolution of {level.size}",
        f"From picture to features: {what}, {channels} in, {level.width} out.",
        f"{PAPER}, multiple inputs" + ("" if level.patch == 1 else "; patches: simple diffusion, section 3.3"),
    )


def ordinary_input(config: ModelConfig, index: int) -> Said:
    """The downsampling into a level of the single-resolution network."""
    above, level = config.levels[index + 1], config.levels[index]
    factor = above.grid // level.grid
    how = f"{factor}×{factor} patches with stride {factor}" if factor > 1 else "single cells, as both levels have one grid"
    say = f"A convolution of {how}, from the features of level {above.size}: ordinary downsampling."
    return f"Downsampling to {level.size}", say, "Paper, table 1 (the baseline)"


def halving(grid: int, more: str = "") -> Said:
    """The downsampling under the base."""
    say = f"A convolution of 2×2 patches with stride 2: under the base, downsampling is ordinary.{more}"
    return f"Halving to {grid} × {grid}", say, f"{PAPER}, isolated downsampling"


def blocks(title: str, count: int, grid: int, after: str = "", kind: str = "residual") -> Said:
    """Blocks of a kind in ``BLOCK`` on either way."""
    what, source = BLOCK[kind]
    say = f"{count or 'no'} {what.format(s='' if count == 1 else 's')}, on {grid} × {grid}.{after}"
    return title, say, f"{PAPER}; blocks: {source}"


def isolated(size: int, below: int) -> Said:
    """Where the way down of a finer level ends."""
    return (
        f"Isolated downsampling of {size}",
        f"The way down ends here. An ordinary U-Net would shrink these features into level {below}; here that level never sees "
        "them, and so its prediction does not depend on the finer ones.",
        f"{PAPER}, isolated downsampling",
    )


def inward(size: int, below: int, factor: int) -> Said:
    """Where the features of a level of a nested network go down."""
    how = f"a convolution of {factor}×{factor} patches with stride {factor}" if factor > 1 else "a 1×1 convolution"
    say = f"The features of {size} go down too: {how}, zero to begin with, adds them to those of level {below}."
    return f"From {size} into {below}", say, MATRYOSHKA


def skip(where: str, alone: bool) -> Said:
    """The features that wait for the way up."""
    say = "The features of the way down, kept for the fusion on the way up" + (": they go nowhere else." if alone else ".")
    return f"Skip of {where}", say, f"{PAPER}, isolated downsampling" if alone else PAPER


# ------------------------------------------------------------------ the way up


def trunk(config: TrunkConfig, cells: int) -> Said:
    """The blocks at the bottom."""
    heads, head_width = config.width // config.head_width, config.head_width
    if config.kind == "u-net":
        return (
            "Attention blocks",
            f"Two 3×3 convolutions, then each of the {cells} cells attends to all and to the prompt ({many(heads, 'head')} of "
            f"{head_width}). What the picture shows is decided here.",
            U_NET,
        )
    return (
        "Transformer",
        f"{cells} tokens, one per cell, attend to each other and to the prompt ({many(heads, 'head')} of {head_width}); then "
        "each goes through an MLP. What the picture shows is decided here.",
        U_VIT,
    )


def enlarged(below: str, factor: int, cascade: bool = False) -> Said:
    """Features from below on their way into a level."""
    how = f"then every cell unfolds into {factor}×{factor} (pixel shuffle)" if factor > 1 else "both have one grid"
    if cascade:
        say = f"The features of {below}: a norm, a 1×1 convolution brings their channels, {how}, and a norm."
        return "Features from below", say, f"{DIMR}, feature cascade"
    return "Features from below", f"The features of {below}: a 1×1 convolution brings their channels, {how}.", PAPER


def fusion(where: str, width: int) -> Said:
    """Where both ways meet."""
    say = f"Skip and features from below side by side, {2 * width} channels, mixed to {width} by a 1×1 convolution."
    return f"Fusion at {where}", say, f"{PAPER}, multiple outputs"


def addition(where: str) -> Said:
    """Where the features from below join in a cascade."""
    say = "The features from below are added to those of the input convolution; all blocks of the level follow."
    return f"Sum at {where}", say, f"{DIMR}, feature cascade"


def output(config: ModelConfig, index: int) -> Said:
    """The output convolution and how it is read, see ``layered.prediction.read_prediction``."""
    level = config.levels[index]
    below = config.levels[index - 1].size if config.layered and index else None
    guess = f"z and the enlarged prediction of level {below}" if below else "z alone"
    reading = {
        "v": "read as v, so that the picture is α z − σ v",
        "x": f"added to the enlarged prediction of level {below}" if below else "the picture itself",
        "posterior": f"a correction of the best guess from {guess}, in units of its doubt",
    }[level.prediction]
    shuffled = "" if level.patch == 1 else f", which unfold into {level.patch}×{level.patch} pixels"
    if level.patching == "wavelet":
        shuffled = ", the bands from which the wavelet is undone"
    return (
        f"Output convolution of {level.size}",
        f"A 3×3 convolution to {3 * level.patch**2} channels{shuffled}: {reading}.",
        f"{PAPER}, multiple outputs" + ("; reading: EDM, section 5" if level.prediction == "posterior" else ""),
    )


def many(count: int, what: str) -> str:
    """«1 block», «2 blocks», «no blocks»."""
    return f"{count or 'no'} {what}" + ("" if count == 1 else "s")
