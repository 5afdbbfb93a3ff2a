"""The layered U-Net and its variants: isolated downsampling, base-first evaluation, stacking, crops and the twin."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
import torch

from layered.config import LevelConfig, ModelConfig, TrunkConfig
from layered.layers import TextStates
from layered.presets import compact, paper_ladder
from layered.pyramid import downsample_image, with_means
from layered.unet import LayeredUNet, Window


def tiny(top: int = 64) -> ModelConfig:
    """A ladder of 16, 32 and 64 pixels that runs in milliseconds."""
    levels = (
        LevelConfig(size=16, patch=2, width=16, blocks_up=1),
        LevelConfig(size=32, patch=2, width=16, blocks_up=1, prediction="posterior", detail_std=0.1),
        LevelConfig(size=64, patch=4, width=8, blocks_up=1, prediction="posterior", input="detail", detail_std=0.1),
    )
    return ModelConfig(levels, TrunkConfig(width=16, depth=1, head_width=8), text_width=12, time_width=16).upto(top)


def every_level(config: ModelConfig, **parts) -> ModelConfig:
    """The same network with these settings at every level."""
    return replace(config, levels=tuple(replace(level, **parts) for level in config.levels))


def banded(config: ModelConfig) -> ModelConfig:
    """The same network with levels above the base that see only what the 2×2 means of their pictures do not hold."""
    base, *above = config.levels
    return replace(config, levels=(base, *(replace(level, input="band") for level in above)))


VARIANTS = {  # of tiny(): every choice of parts under which a level sees nothing of the finer ones
    "plain": tiny(),
    "band": banded(tiny()),
    "wavelet": every_level(tiny(), patching="wavelet"),
    "convnext": every_level(tiny(), block="convnext"),
    "td-ln": replace(tiny(), time="td-ln"),
    "cascade": replace(tiny(), fusion="cascade"),
    "dimr": replace(every_level(tiny(), block="convnext"), time="td-ln", fusion="cascade"),
    "u-net": replace(tiny(), trunk=TrunkConfig(stages=((16, 1),), width=16, depth=1, head_width=8, kind="u-net")),
    "dropout": replace(tiny(), dropout=0.5),
}
of_every_kind = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)


def awake(config: ModelConfig, seed: int = 0) -> LayeredUNet:
    """A network whose zero-initialised outputs are random, so that every path shows."""
    generator = torch.Generator().manual_seed(seed)
    model = LayeredUNet(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def inputs(config: ModelConfig, batch: int = 2, seed: int = 1):
    generator = torch.Generator().manual_seed(seed)
    z = {size: torch.randn(batch, 3, size, size, generator=generator) for size in config.scales}
    logsnr = {size: torch.linspace(-1, 2, batch) - index for index, size in enumerate(config.scales)}
    text = TextStates(
        tokens=torch.randn(batch, 4, config.text_width, generator=generator),
        mask=torch.tensor([[True] * 4, [True] * 2 + [False] * 2])[:batch],
        pooled=torch.randn(batch, config.text_width, generator=generator),
    )
    return z, logsnr, text, torch.ones(batch)


@of_every_kind
def test_a_scale_sees_nothing_of_the_finer_ones(config: ModelConfig) -> None:
    model = awake(config)
    z, logsnr, text, shared = inputs(model.config)
    before = model(z, logsnr, text, shared)
    changed = {**z, 64: torch.zeros_like(z[64])}
    after = model(changed, {**logsnr, 64: logsnr[64] + 3}, text, shared)
    assert torch.equal(before[16].x0, after[16].x0) and torch.equal(before[32].x0, after[32].x0)
    assert not torch.allclose(before[64].x0, after[64].x0)


@of_every_kind
def test_a_scale_depends_on_everything_below_it(config: ModelConfig) -> None:
    model = awake(config)
    z, logsnr, text, shared = inputs(model.config)
    before = model(z, logsnr, text, shared)[64].x0
    assert not torch.allclose(before, model({**z, 16: -z[16]}, logsnr, text, shared)[64].x0)
    assert not torch.allclose(before, model(z, {**logsnr, 32: logsnr[32] + 2}, text, shared)[64].x0)
    assert not torch.allclose(before, model(z, logsnr, TextStates.empty(2, 12), shared)[64].x0)
    assert not torch.allclose(before, model(z, logsnr, text, 0 * shared)[64].x0)


@of_every_kind
def test_base_first_equals_joint_evaluation(config: ModelConfig) -> None:
    model = awake(config)
    z, logsnr, text, shared = inputs(model.config)
    joint = model(z, logsnr, text, shared)
    base = model({16: z[16], 32: z[32]}, logsnr, text, shared)
    rest = model({64: z[64]}, logsnr, text, shared, below=(32, base[32]))
    assert torch.equal(joint[16].x0, base[16].x0)
    assert torch.equal(joint[64].x0, rest[64].x0)


@of_every_kind
def test_a_new_level_leaves_the_levels_below_unchanged_and_starts_from_their_enlarged_prediction(config: ModelConfig) -> None:
    small = awake(config.upto(32))
    model = LayeredUNet(config).eval().requires_grad_(False)
    missing, unexpected = model.load_state_dict(small.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("levels.64.") for name in missing)
    z, logsnr, text, shared = inputs(model.config)
    logsnr[64] = torch.full_like(logsnr[64], -25.0)  # nothing to be seen in z
    below = small({k: z[k] for k in (16, 32)}, logsnr, text, shared)
    outputs = model(z, logsnr, text, shared)
    assert torch.equal(outputs[16].x0, below[16].x0) and torch.equal(outputs[32].x0, below[32].x0)
    enlarged = torch.nn.functional.interpolate(below[32].x0, scale_factor=2, mode="bilinear", align_corners=False)
    start = with_means(enlarged, below[32].x0) if config.levels[-1].input == "band" else enlarged
    assert torch.allclose(outputs[64].x0, start, atol=1e-4)


def test_a_level_of_input_band_sees_nothing_of_the_means_of_its_picture() -> None:
    model = awake(banded(tiny()))
    z, logsnr, text, shared = inputs(model.config)
    before = model(z, logsnr, text, shared)
    means = torch.randn(z[64][..., ::2, ::2].shape, generator=torch.Generator().manual_seed(5))
    after = model({**z, 64: with_means(z[64], means)}, logsnr, text, shared)
    assert torch.allclose(before[64].x0, after[64].x0, atol=1e-4)
    beyond = z[64] - with_means(torch.zeros_like(z[64]), downsample_image(z[64], 32))
    after = model({**z, 64: z[64] + beyond}, logsnr, text, shared)
    assert not torch.allclose(before[64].x0, after[64].x0, atol=0.01)


def test_a_level_of_input_band_keeps_the_means_from_below_where_its_picture_is_clean() -> None:
    model = awake(banded(tiny()))
    z, logsnr, text, shared = inputs(model.config)
    logsnr[64] = torch.full_like(logsnr[64], 25.0)  # nothing left to correct
    outputs = model(z, logsnr, text, shared)
    assert torch.allclose(downsample_image(outputs[64].x0, 32), outputs[32].x0, atol=1e-4)
    assert torch.allclose(outputs[64].x0, with_means(z[64], outputs[32].x0), atol=1e-3)


def test_a_crop_equals_the_full_frame_inside_its_valid_interior() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    full = model(z, logsnr, text, shared)[64].x0
    window = Window(top=(8, 0), left=(0, 8), side=56)
    cut = model({**z, 64: window.crop(z[64])}, logsnr, text, shared, windows={64: window})[64].x0
    # two residual blocks of two 3 × 3 convolutions, the output and the enlarged picture: six cells of four pixels at each edge
    expected, margin = window.crop(full), 24
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    assert torch.allclose(cut[inside], expected[inside], atol=1e-5)
    assert not torch.allclose(cut, expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "blocks"), [("wavelet", 0), ("convnext", 1), ("td-ln", 2), ("cascade", 2), ("band", 2)])
def test_crops_of_other_levels_equal_the_full_frame_too(kind: str, blocks: int) -> None:
    *below, finest = VARIANTS[kind].levels
    model = awake(replace(VARIANTS[kind], levels=(*below, replace(finest, blocks_down=0, blocks_up=blocks))))
    z, logsnr, text, shared = inputs(model.config)
    expected = model(z, logsnr, text, shared)[64].x0
    window = Window(top=(8, 0), left=(0, 8), side=56)
    cut = model({**z, 64: window.crop(z[64])}, logsnr, text, shared, windows={64: window})[64].x0
    # two residual or one ConvNeXt block as before; the wavelet, both ways and the output convolution: five cells
    inside = (..., slice(24, -24), slice(24, -24))
    assert torch.allclose(cut[inside], window.crop(expected)[inside], atol=1e-4)
    assert not torch.allclose(cut, window.crop(expected), atol=1e-4)


def test_windows_nest_through_two_levels() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    windows = {32: Window((8, 0), (0, 8), 24), 64: Window((24, 8), (8, 24), 32)}
    cut = {16: z[16], 32: windows[32].crop(z[32]), 64: windows[64].crop(z[64])}
    outputs = model(cut, logsnr, text, shared, windows=windows)
    assert outputs[32].x0.shape[-1] == 24 and outputs[64].x0.shape[-1] == 32
    full = model(z, logsnr, text, shared)
    assert torch.allclose(outputs[32].x0[..., 10:14, 10:14], windows[32].crop(full[32].x0)[..., 10:14, 10:14], atol=1e-4)


def test_every_scale_follows_its_own_prompt() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    other = TextStates(-text.tokens[:, :3], text.mask[:, :3], -text.pooled)
    one = model(z, logsnr, text, shared)
    same = model(z, logsnr, dict.fromkeys((16, 32, 64), text), shared)
    assert all(torch.equal(one[size].x0, same[size].x0) for size in one)
    for first, prompts in ((16, (other, text, text)), (32, (text, other, text)), (64, (text, text, other))):
        mixed = model(z, logsnr, dict(zip((16, 32, 64), prompts, strict=True)), shared)
        for size in one:  # a scale sees the prompts of the coarser ones, and no finer one's
            assert torch.equal(mixed[size].x0, one[size].x0) == (size < first)
    with pytest.raises(ValueError, match="no prompt for the scale of 64 pixels, only for 16, 32"):
        model(z, logsnr, {16: text, 32: text}, shared)


@pytest.mark.parametrize("kind", ["plain", "u-net"])
def test_the_padding_of_prompts_changes_nothing(kind: str) -> None:
    model = awake(VARIANTS[kind])
    z, logsnr, text, shared = inputs(model.config)
    both = model(z, logsnr, text, shared)[16].x0[1:]
    alone = TextStates(text.tokens[1:, :2], text.mask[1:, :2], text.pooled[1:])
    single = model({k: v[1:] for k, v in z.items()}, {k: v[1:] for k, v in logsnr.items()}, alone, shared[1:])
    assert torch.allclose(both, single[16].x0, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "wavelet", "td-ln", "cascade", "u-net"])
def test_the_single_resolution_twin_has_the_same_widths_one_input_and_one_output(kind: str) -> None:
    layered, twin = LayeredUNet(VARIANTS[kind]), awake(VARIANTS[kind].single_resolution())
    assert twin.config.scales == (64,)
    z, logsnr, text, shared = inputs(twin.config)
    outputs = twin(z, logsnr, text, shared)
    assert set(outputs) == {64} and outputs[64].x0.shape == (2, 3, 64, 64)
    assert layered.levels["32"].up[0].conv_in.weight.shape == twin.levels["32"].up[0].conv_in.weight.shape
    far = {64: z[64].clone()}
    far[64][..., :4, :4] += 5  # ordinary downsampling: a corner reaches the whole picture
    assert not torch.allclose(twin(far, logsnr, text, shared)[64].x0[..., 40:, 40:], outputs[64].x0[..., 40:, 40:])


@pytest.mark.parametrize("preset", [compact, paper_ladder])
def test_presets_are_compact(preset) -> None:
    config = preset()
    assert config.scales[-3:] == (128, 256, 512)
    assert sum(p.numel() for p in LayeredUNet(config).parameters()) < 20e6
    small = preset(128)
    model = LayeredUNet(small)
    z = {size: torch.zeros(1, 3, size, size) for size in small.scales}
    outputs = model(z, {size: torch.zeros(1) for size in z}, TextStates.empty(1, 384), torch.ones(1))
    assert outputs[128].x0.shape == (1, 3, 128, 128)


def test_a_u_net_attends_on_its_small_grids_alone() -> None:
    trunk = TrunkConfig(stages=((8, 1), (16, 1)), width=16, depth=1, head_width=8, kind="u-net")
    config = ModelConfig((LevelConfig(64, 1, 8),), trunk, text_width=12, time_width=16)  # stages on 32 × 32 and 16 × 16
    model = LayeredUNet(config)
    assert [stage.attends for stage in model.stages] == [False, True]
    assert not any("position" in name for name, _ in model.named_parameters())
    assert not any(stage.attends for stage in LayeredUNet(replace(config, trunk=replace(trunk, kind="u-vit"))).stages)


def test_time_dependent_norms_are_told_the_level_s_own_log_snr_as_a_time_from_minus_one_to_one() -> None:
    level = LayeredUNet(VARIANTS["td-ln"]).levels["32"]
    logsnr = torch.tensor([-30.0, 0.0, 30.0])
    told = level.told(logsnr, logsnr, torch.zeros(3, 12), torch.ones(3))
    assert told.blocks.tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-5) and torch.equal(told.entry, torch.zeros(3, 16))


def test_dropout_is_for_blocks_on_small_grids_in_training() -> None:
    """tiny() has grids of 4 (trunk), 8, 16 and 16 cells."""
    for at_most, dropping in ((4, {"trunk"}), (8, {"trunk", "16"}), (16, {"trunk", "16", "32", "64"})):
        model = LayeredUNet(replace(tiny(), dropout=0.5, dropout_at_most=at_most))
        parts = {"trunk": model.trunk, **dict(model.levels.items())}
        drops = {name: {m.p for m in part.modules() if isinstance(m, torch.nn.Dropout)} for name, part in parts.items()}
        assert drops == {name: {0.5 if name in dropping else 0.0} for name in parts}
    model = awake(VARIANTS["dropout"])
    given = inputs(model.config)
    assert torch.equal(model(*given)[64].x0, model(*given)[64].x0)
    model.train()
    assert not torch.allclose(model(*given)[64].x0, model(*given)[64].x0, atol=1e-4)


def test_wrong_scales_and_configs_are_refused() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    with pytest.raises(ValueError, match="from the coarsest on"):
        model({64: z[64]}, logsnr, text, shared)
    with pytest.raises(ValueError, match="doubles"):
        ModelConfig((LevelConfig(16, 2, 8), LevelConfig(64, 4, 8)))
    with pytest.raises(ValueError, match="does not divide"):
        dataclasses.replace(model.config, levels=(LevelConfig(16, 3, 8),))
    with pytest.raises(ValueError, match="no level of 128"):
        model.config.upto(128)
