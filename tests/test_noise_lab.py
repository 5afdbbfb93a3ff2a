"""The noise lab's values and its verdicts, which come from the measured numbers alone."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import torch
from fake_pipeline import picture_of

from layered.noise_measures import LAGS, PairMeasures, ScaleMeasures, measure_pair, measure_scale
from layered.pyramid import draw_noise
from layered.schedule import Schedule
from layered.studio.noise_lab import mode_value, verdict
from layered.studio.noised import (
    VISTAS,
    checked_noise,
    checked_time,
    checked_vista,
    drawn_at,
    noise,
    noised_value,
    vista,
    vista_caption,
)

SCALES = (32, 64, 128)

Measured = tuple[dict[int, ScaleMeasures], dict[tuple[int, int], PairMeasures]]


def measured(mode: str, seed: int = 5) -> Measured:
    eps = draw_noise(SCALES, mode, [torch.Generator().manual_seed(seed)])
    pairs = {(low, high): measure_pair(eps[low], eps[high], mode) for low, high in ((32, 64), (64, 128))}
    return {size: measure_scale(x) for size, x in eps.items()}, pairs


# ------------------------------------------------------------------ the verdict


def test_sinc_noise_alone_is_found_good() -> None:
    verdicts = {mode: verdict(*measured(mode)) for mode in ("sinc", "independent", "box", "bilinear")}
    assert {mode for mode, (good, _, _) in verdicts.items() if good} == {"sinc"}
    assert "r = 1.00" in verdicts["sinc"][2] and "the sinc filter" in verdicts["sinc"][2]
    assert "nothing is shared" in verdicts["independent"][1] and re.search("r = −?0.0", verdicts["independent"][2])
    assert "folded" in verdicts["box"][1] and "2×2 means" in verdicts["box"][2]
    assert "Too weak: variance 0.06 at 32" in verdicts["bilinear"][1] and "as high as λ says" in verdicts["bilinear"][2]
    assert len({head for _, head, _ in verdicts.values()}) == 4


def test_the_verdict_follows_the_numbers_not_the_name() -> None:
    scales, pairs = measured("sinc")
    strong = scales | {64: dataclasses.replace(scales[64], variance=2.0)}
    assert "Too strong: variance 2.00 at 64" in verdict(strong, pairs)[1]
    tinted = scales[128].autocorrelation.clone()
    tinted[LAGS, LAGS + 1] = -0.25
    good, head, say = verdict(scales | {128: dataclasses.replace(scales[128], autocorrelation=tinted)}, pairs)
    assert not good and head == "Not white" and "−0.25 at 128" in say
    half = pairs | {(32, 64): dataclasses.replace(pairs[32, 64], correlation=0.5)}
    assert "shared in part" in verdict(scales, half)[1]
    against = pairs | {(32, 64): dataclasses.replace(pairs[32, 64], correlation=-1.0)}
    assert not verdict(scales, against)[0]
    aliased = pairs | {(64, 128): dataclasses.replace(pairs[64, 128], by_sinc=math.sqrt(0.5))}
    assert "50% of the noise at 64" in verdict(scales, aliased)[2]


def test_one_scale_is_judged_by_variance_and_whiteness_alone() -> None:
    scales = {32: measured("sinc")[0][32]}
    assert verdict(scales, {})[:2] == (True, "White, unit variance")
    weak = verdict({32: dataclasses.replace(scales[32], variance=0.5)}, {})
    assert weak[1] == "Too weak: variance 0.50 at 32" and weak[2].endswith("as λ says.")
    value = mode_value((32,), "sinc", 5)
    assert value["pairs"] == [] and len(value["scales"]) == 1
    assert (drawn_at((32,)), drawn_at(SCALES)) == ("Drawn at 32.", "Drawn at 128, halved for the others.")


# ------------------------------------------------------------------ what the page receives


def test_a_modes_value_holds_what_was_measured() -> None:
    scales, pairs = measured("box", seed=5)
    value = mode_value(SCALES, "box", 5)
    assert [one["size"] for one in value["scales"]] == [32, 64, 128]
    assert [(one["low"], one["high"]) for one in value["pairs"]] == [(32, 64), (64, 128)]
    for one in value["scales"]:
        assert one["variance"] == pytest.approx(scales[one["size"]].variance, abs=1e-4)
        assert sum(one["histogram"]) == pytest.approx(1, abs=0.01)
        assert picture_of(one["whole"]).size == (one["size"],) * 2
        assert one["close"].startswith("data:image/png;base64,")
    for one in value["pairs"]:
        assert one["r"] == pytest.approx(pairs[one["low"], one["high"]].correlation, abs=1e-4)
        across, up = (torch.tensor(x, dtype=torch.float64) for x in one["points"])
        assert len(across) == len(up) > 300 and (across - up).abs().max() <= 1  # rounded, and the same noise
    assert mode_value(SCALES, "sinc", 5)["scales"][0]["close"] != mode_value(SCALES, "sinc", 6)["scales"][0]["close"]


def test_the_noise_is_that_of_a_run() -> None:
    drawn = draw_noise(SCALES, "independent", [torch.Generator().manual_seed(12)])
    assert all(torch.equal(noise(SCALES, "independent", 12)[size], drawn[size]) for size in SCALES)


def test_noised_pictures_go_from_clean_to_noise() -> None:
    schedule = Schedule(SCALES, (0.0, 0.0, -2.0))
    clear = noised_value("Lake", ("sinc", "box"), 0, schedule, 0.0, SCALES)
    noisy = noised_value("Lake", ("sinc", "box"), 0, schedule, 1.0, SCALES)
    assert [row["mode"] for row in clear["rows"]] == ["sinc", "box"]
    first, last = clear["rows"][0]["scales"][0], noisy["rows"][0]["scales"][2]
    assert (first["size"], first["alpha"], first["sigma"]) == (32, 1.0, pytest.approx(0, abs=0.002))
    assert (last["size"], last["alpha"], last["sigma"]) == (128, pytest.approx(0, abs=0.002), 1.0)
    assert first["clear"] == 0.5 and last["clear"] < 0.5
    clean = vista("Lake", SCALES)[128][0].add(1).mul(127.5)
    shown = torch.tensor(list(picture_of(clear["rows"][1]["scales"][2]["src"]).convert("RGB").tobytes())).view(128, 128, 3)
    assert (shown.permute(2, 0, 1) - clean).abs().mean() < 12  # as near as a small JPEG comes
    assert clear["rows"][0]["scales"][1]["src"] != noisy["rows"][0]["scales"][1]["src"]


def test_every_vista_can_be_drawn_and_named() -> None:
    assert len({vista_caption(name) for name in VISTAS}) == len(VISTAS)
    assert all(vista(name, SCALES)[64].shape == (1, 3, 64, 64) for name in VISTAS)


@pytest.mark.parametrize(
    ("check", "given", "say"),
    [
        (checked_time, (1.5,), "from 0"),
        (checked_time, ("0.5",), "from 0"),
        (checked_time, (True,), "from 0"),
        (checked_time, (math.nan,), "from 0"),
        (checked_vista, ("../Lake",), "choose one of Lake"),
        (checked_vista, ([],), "choose one of Lake"),
        (checked_noise, ("pink", 0), "choose one of sinc"),
        (checked_noise, ({}, 0), "choose one of sinc"),
        (checked_noise, ("sinc", -1), "seed"),
        (checked_noise, ("sinc", 2.5), "seed"),
        (checked_noise, ("sinc", 2**70), "seed"),
        (checked_noise, ("sinc", "7"), "seed"),
    ],
)
def test_what_a_page_cannot_ask_for_is_refused(check, given, say) -> None:
    with pytest.raises(ValueError, match=say):
        check(*given)


def test_whole_numbers_come_as_json_has_them() -> None:
    assert checked_noise("box", 7.0) == ("box", 7) and checked_time(1) == 1.0
