"""Guidance and sleeping levels."""

from __future__ import annotations

import pytest
import torch

from layered.diffusion import GuidedDenoiser, awake_scales, guide, predict
from layered.layers import TextStates
from layered.prediction import read_prediction
from tests.test_unet import awake, every_level, inputs, tiny


def test_guidance_of_one_is_the_conditional_prediction_and_zero_the_unconditional() -> None:
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.allclose(guide(a, b, 1.0), a, atol=1e-6)
    assert torch.equal(guide(a, b, 0.0), b)
    assert torch.allclose(guide(a, b, 3.0) - a, 2 * (a - b), atol=1e-5)


def test_guidance_can_leave_contrast_alone() -> None:
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    contrast = a - a.mean((1, 2, 3), keepdim=True)
    whole, half, none = (guide(a, b, 3.0, parallel) - a for parallel in (1.0, 0.5, 0.0))
    assert ((whole * contrast).sum((1, 2, 3)).abs() > 0.1).all()
    assert torch.allclose((none * contrast).sum((1, 2, 3)), torch.zeros(2), atol=1e-4)
    assert torch.allclose(half, (whole + none) / 2, atol=1e-5)
    rest = whole - none  # what is left out lies along the picture, and shifts no brightness
    along = torch.nn.functional.cosine_similarity(rest.flatten(1), contrast.flatten(1))
    assert torch.allclose(along.abs(), torch.ones(2), atol=1e-4)
    assert torch.allclose(rest.mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
    harder = a + 0.5 * contrast  # the prompt asks for nothing but more contrast
    assert torch.allclose(guide(harder, a, 4.0, 0.0), harder, atol=1e-5)
    assert torch.allclose(guide(a, b, 1.0, 0.0), a, atol=1e-6)
    grey = torch.full((1, 3, 4, 4), 0.25)
    assert torch.equal(guide(grey, grey * 0, 2.0, 0.0), grey * 2)  # no contrast, nothing to divide by


def test_the_guided_denoiser_combines_two_runs_of_the_network() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    plain = predict(model(z, logsnr, text, shared), z)
    empty = predict(model(z, logsnr, TextStates.empty(2, 12), shared), z)
    guided = GuidedDenoiser(model, text, guidance=(1.0, 2.0, 3.0))(z, logsnr, 0.5)
    for size, weight in ((16, 1.0), (32, 2.0), (64, 3.0)):
        assert torch.allclose(guided.x0[size], guide(plain[size], empty[size], weight), atol=1e-4)
        assert torch.allclose(guided.x0_plain[size], plain[size], atol=1e-4)
    across = GuidedDenoiser(model, text, guidance=3.0, parallel=0.25)(z, logsnr, 0.5)
    assert torch.allclose(across.x0[32], guide(plain[32], empty[32], 3.0, 0.25), atol=1e-4)
    assert not torch.allclose(across.x0[32], guide(plain[32], empty[32], 3.0), atol=1e-2)


def test_scales_above_the_guided_ones_follow_them_without_an_unconditional_run() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    plain = predict(model(z, logsnr, text, shared), z)
    ran = []
    model.levels["64"].input.register_forward_pre_hook(lambda _, given: ran.append(len(given[0])))
    part, whole = (GuidedDenoiser(model, text, guidance=3.0, guided_up_to=size)(z, logsnr, 0.5) for size in (32, 64))
    assert ran == [2, 4]
    for size in (16, 32):
        assert torch.allclose(part.x0[size], whole.x0[size], atol=1e-4)
    change = torch.nn.functional.interpolate(part.x0[32] - plain[32], scale_factor=2, mode="bilinear")
    assert torch.allclose(part.x0[64], plain[64] + change, atol=1e-4)
    assert torch.allclose(part.x0_plain[64], plain[64], atol=1e-4) and not torch.allclose(part.x0[64], whole.x0[64], atol=1e-2)
    coarsest = GuidedDenoiser(model, text, guidance=3.0, guided_up_to=1)(z, logsnr, 0.5)
    assert torch.allclose(coarsest.x0[16], whole.x0[16], atol=1e-4)


def test_detail_weighs_what_levels_add_to_the_ones_below() -> None:
    model = awake(every_level(tiny(), prediction="x"))
    z, logsnr, text, _ = inputs(model.config)
    none, one, half = (GuidedDenoiser(model, text, detail=detail)(z, logsnr, 0.5).x0 for detail in (0.0, 1.0, 0.5))
    assert torch.equal(one[64], GuidedDenoiser(model, text)(z, logsnr, 0.5).x0[64])
    for size in (32, 64):
        below = torch.nn.functional.interpolate(none[size // 2], scale_factor=2, mode="bilinear")
        assert torch.allclose(none[size], below, atol=1e-6) and not torch.allclose(one[size], below, atol=1e-2)
    assert torch.equal(none[16], one[16])  # the base adds to nothing
    assert torch.allclose(half[32], (none[32] + one[32]) / 2, atol=1e-5)


def test_without_detail_a_posterior_level_is_the_linear_estimate() -> None:
    model = awake(tiny())
    z, logsnr, text, _ = inputs(model.config)
    x0 = GuidedDenoiser(model, text, detail=0.0)(z, logsnr, 0.5).x0
    mean = torch.nn.functional.interpolate(x0[16], scale_factor=2, mode="bilinear")
    expected = read_prediction(model.config.levels[1], torch.zeros_like(mean), z[32], logsnr[32], mean)
    assert torch.allclose(x0[32], expected, atol=1e-6) and not torch.allclose(x0[32], mean, atol=1e-2)


def test_detail_is_refused_where_no_level_adds_to_another() -> None:
    for network in (every_level(tiny(), prediction="v", input="z"), tiny().single_resolution()):
        model = awake(network)
        GuidedDenoiser(model, TextStates.empty(1, 12), detail=1.0)
        with pytest.raises(ValueError, match="leave detail at 1"):
            GuidedDenoiser(model, TextStates.empty(1, 12), detail=1.2)


def test_guidance_stays_inside_its_interval() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    denoise = GuidedDenoiser(model, text, guidance=4.0, interval=(0.2, 0.6))
    plain = predict(model(z, logsnr, text, shared), z)
    for t, applied in ((0.1, False), (0.2, True), (0.4, True), (0.7, False)):
        prediction = denoise(z, logsnr, t)
        assert torch.allclose(prediction.x0[64], plain[64], atol=1e-5) != applied
        assert (prediction.x0_plain is not None) == applied


def test_noise_mode_reaches_the_network() -> None:
    model = awake(tiny())
    z, logsnr, text, _ = inputs(model.config)
    shared, independent = (GuidedDenoiser(model, text, shared_noise=flag)(z, logsnr, 0.5).x0[64] for flag in (True, False))
    assert not torch.allclose(shared, independent)


def test_one_weight_per_scale_or_one_for_all() -> None:
    model = awake(tiny())
    with pytest.raises(ValueError, match="one for each of the 3 scales"):
        GuidedDenoiser(model, TextStates.empty(1, 12), guidance=(1.0, 2.0))


def test_sleeping_levels_are_enlarged_from_below_and_save_their_computation() -> None:
    model = awake(tiny())
    z, logsnr, text, shared = inputs(model.config)
    logsnr = {16: torch.tensor([1.0, 1.0]), 32: torch.tensor([-9.0, -9.0]), 64: torch.tensor([-9.5, -9.5])}
    ran = []
    model.levels["64"].input.register_forward_hook(lambda *_: ran.append(64))
    prediction = GuidedDenoiser(model, text, sleep_below=-8.0)(z, logsnr, 0.5)
    assert not ran and prediction.asleep == (32, 64)
    x0 = prediction.x0
    assert torch.allclose(x0[32], torch.nn.functional.interpolate(x0[16], scale_factor=2, mode="bilinear"), atol=1e-6)
    assert torch.allclose(x0[64], torch.nn.functional.interpolate(x0[32], scale_factor=2, mode="bilinear"), atol=1e-6)
    assert GuidedDenoiser(model, text)(z, logsnr, 0.5).asleep == ()
    assert ran


def test_a_level_under_one_that_is_awake_is_computed() -> None:
    logsnr = {16: torch.tensor([0.0]), 32: torch.tensor([-20.0]), 64: torch.tensor([-1.0])}
    assert awake_scales((16, 32, 64), logsnr, -8.0) == (16, 32, 64)
    assert awake_scales((16, 32, 64), {**logsnr, 64: torch.tensor([-20.0])}, -8.0) == (16,)
    assert awake_scales((16, 32, 64), logsnr, None) == (16, 32, 64)
    assert awake_scales((16, 32), {16: torch.tensor([-30.0]), 32: torch.tensor([-30.0])}, 0.0) == (16,)
