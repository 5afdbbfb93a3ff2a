"""The world: determinism, agreement between sizes, visible attributes, styles, a cache that continues."""

from __future__ import annotations

import colorsys
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from layered.world import Vistas, VistaSpec, render
from layered.world import cache as cache_module
from layered.world.__main__ import main
from layered.world.cache import build_cache, load_cache
from layered.world.kinds import KINDS
from layered.world.river import draw_course
from layered.world.spec import (
    BODIES,
    COLOURS,
    GROUNDS,
    PATTERNS,
    SEASONS,
    SKY_KINDS,
    STYLES,
    TERRAINS,
    TIMES,
    WATER_KINDS,
    WEATHERS,
    ObjectSpec,
    group_reach,
)
from layered.world.strokes import STROKES

PLAIN = VistaSpec(0, 12345, "noon", "clear", "green hills", "meadow", None, None, 0.3, 0.15, 0.6, 1.0)


def thing(kind: str, colour: str, size: str = "large", **others) -> ObjectSpec:
    height = (0.36 if size == "large" else 0.2) * min(1.0, 1.2 / KINDS[kind].aspect)
    return ObjectSpec(kind, colour, "centre", size, 0.5, 0.5 if kind in SKY_KINDS else 0.8, height, **others)


def test_a_picture_depends_on_seed_and_number_alone() -> None:
    assert Vistas(3).specs(5, 4) == Vistas(3).specs(0, 9)[5:]
    assert Vistas(3).spec(5) != Vistas(4).spec(5)
    specs = [replace(s, style=style) for s, style in zip(Vistas(0).specs(0, 5), STYLES, strict=True)]
    together = render(specs, 32)
    alone = torch.cat([render([spec], 32) for spec in specs])
    assert torch.allclose(together, alone, atol=1e-3)
    assert torch.equal(together, render(specs, 32))


def test_another_detail_seed_changes_the_picture() -> None:
    a, b = render([PLAIN, replace(PLAIN, detail=999)], 64)
    assert (a - b).abs().mean() > 0.01


def test_every_attribute_renders_in_range() -> None:
    kinds = sorted(STROKES)
    specs = []
    for n in range(len(kinds)):
        kind = kinds[n % len(kinds)]
        specs.append(
            replace(
                PLAIN,
                detail=n,
                time=TIMES[n % len(TIMES)],
                weather=WEATHERS[n % len(WEATHERS)],
                terrain=TERRAINS[(n + 1) % len(TERRAINS)],
                ground="lake" if kind in WATER_KINDS else GROUNDS[n % len(GROUNDS)],
                body=(*BODIES, None)[n % 4],
                body_place="left",
                style=STYLES[n % len(STYLES)],
                season=SEASONS[n // 2 % len(SEASONS)],
                objects=(
                    thing(kind, COLOURS[n % len(COLOURS)], ("large", "small")[n % 2], pattern=PATTERNS[n % 2], count=n % 3 + 1),
                ),
            )
        )
    images = render(specs, 40)
    assert images.shape == (len(specs), 3, 40, 40)
    assert images.dtype == torch.float32
    assert torch.isfinite(images).all()
    assert images.amin() >= -1.0 and images.amax() <= 1.0
    assert (images.flatten(1).std(dim=1) > 0.05).all()


def test_small_pictures_agree_with_large_ones() -> None:
    specs = [replace(s, style="natural") for s in Vistas(0).specs(0, 6)]
    small, large = render(specs, 128), F.avg_pool2d(render(specs, 512), 4)
    psnr = 10 * torch.log10(4.0 / (small - large).square().mean(dim=(1, 2, 3)))
    assert psnr.median() > 30.0
    assert psnr.min() > 24.0


def test_small_pictures_agree_with_large_ones_in_every_style() -> None:
    specs = [replace(s, style=style) for s, style in zip(Vistas(0).specs(0, 4), STYLES[1:], strict=True)]
    small, large = render(specs, 128), F.avg_pool2d(render(specs, 512), 4)
    for spec, a, b in zip(specs, small, large, strict=True):
        assert 10 * torch.log10(4.0 / (a - b).square().mean()) > 23.0, spec.style
    crisp = render(specs[1:2], 512)
    assert specs[1].style == "pixel art"
    assert torch.equal(crisp, F.interpolate(crisp[:, :, 4::8, 4::8], scale_factor=8))


def _finest(images: torch.Tensor) -> torch.Tensor:
    """Energy of the finest octave (B,): what is left when pictures are halved and enlarged again."""
    coarse = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False)
    return (images - coarse).square().mean(dim=(1, 2, 3))


def test_styles_differ_more_the_finer_one_looks_and_show_in_the_overall_tone() -> None:
    specs = [
        replace(PLAIN, detail=n, terrain=t, ground=g) for n, (t, g) in enumerate((("red canyon", "desert"), ("none", "sea")))
    ]
    natural = render(specs, 256)
    fine = _finest(natural)
    for style in STYLES[1:]:
        images = render([replace(s, style=style) for s in specs], 256)
        # Correlation with the natural picture, octave by octave: high in what is coarse, low in what is fine.
        coarse = [F.avg_pool2d(x.mean(dim=1), 32).flatten(1) for x in (natural, images)]
        detail = [(x - F.interpolate(F.avg_pool2d(x, 4), scale_factor=4)).mean(dim=1).flatten(1) for x in (natural, images)]
        for n in range(len(specs)):
            large = torch.corrcoef(torch.stack([c[n] for c in coarse]))[0, 1]
            small = torch.corrcoef(torch.stack([d[n] for d in detail]))[0, 1]
            assert large > 0.2 and small < large - 0.1, (style, large, small)
        assert ((F.avg_pool2d(images, 8) - F.avg_pool2d(natural, 8)).abs().mean(dim=(1, 2, 3)) > 0.05).all(), style
        if style in ("ink sketch", "watercolour"):
            assert (_finest(images) > 1.2 * fine).all(), style
    ink, neon = (render([replace(s, style=style) for s in specs], 32) for style in ("ink sketch", "neon"))
    assert ink.mean() > 0.3 and neon.mean() < -0.5


@pytest.mark.parametrize("style", STYLES)
def test_colours_of_objects_stay_true_in_every_style(style: str) -> None:
    hues = {"red": 0, "orange": 30, "yellow": 52, "green": 135, "blue": 225, "purple": 276, "pink": 331}
    base = replace(PLAIN, style=style, ground="snow field")
    images = render([replace(base, objects=(thing("balloon", c),)) for c in (*hues, "white", "black", "brown")], 64)
    images = (images + 1) / 2
    mask = images.amax(dim=0).sub(images.amin(dim=0)).amax(dim=0) > 0.35
    assert mask.float().mean() > 0.01
    means = dict(zip((*hues, "white", "black", "brown"), images[:, :, mask].mean(dim=2).tolist(), strict=True))
    for colour, hue in hues.items():
        seen = 360 * colorsys.rgb_to_hsv(*means[colour])[0]
        assert abs((seen - hue + 180) % 360 - 180) < 26, (colour, seen)
    assert sum(means["white"]) - sum(means["black"]) > 0.6
    assert sum(means["orange"]) - sum(means["brown"]) > 0.2 and max(means["brown"]) == means["brown"][0]


def test_seasons_change_the_colour_of_plants() -> None:
    for ground in ("meadow", "river"):
        images = render([replace(PLAIN, season=season, ground=ground) for season in SEASONS], 64)
        below = dict(zip(SEASONS, ((images[:, :, 42:] + 1) / 2).mean(dim=(2, 3)), strict=True))
        excess = {season: c[1] - c[0] for season, c in below.items()}  # of green over red
        assert excess["spring"] > 0.05 and excess["summer"] > 0.05
        assert excess["autumn"] < -0.05
        assert abs(excess["winter"]) < 0.6 * excess["summer"] and below["winter"].mean() > below["summer"].mean() + 0.1
        assert below["spring"].mean() > below["summer"].mean() + 0.03


@pytest.mark.parametrize("attribute,values", [("terrain", TERRAINS), ("ground", GROUNDS), ("weather", WEATHERS), ("time", TIMES)])
def test_values_of_an_attribute_look_different(attribute: str, values: tuple[str, ...]) -> None:
    images = render(
        [replace(PLAIN, **{attribute: value, "time": value if attribute == "time" else "night"}) for value in values], 64
    )
    flat = F.avg_pool2d(images, 2).flatten(1)
    apart = torch.cdist(flat, flat) / flat.shape[1] ** 0.5 + torch.eye(len(values))
    assert apart.amin() > 0.02, (attribute, apart.amin(dim=1))


def test_a_lake_mirrors_what_stands_above_it() -> None:
    specs = [replace(PLAIN, detail=n, ground="lake", terrain="snowy mountains", horizon=0.5) for n in range(4)]
    images = render(specs, 128).mean(dim=1)
    above, below = images[:, 32:62].flip(1).flatten(1), images[:, 66:96].flatten(1)
    assert torch.corrcoef(torch.stack([above.flatten(), below.flatten()]))[0, 1] > 0.7
    dry = render([replace(s, ground="wheat field") for s in specs], 128).mean(dim=1)[:, 66:96].flatten(1)
    assert torch.corrcoef(torch.stack([above.flatten(), dry.flatten()]))[0, 1] < 0.5


def test_nights_and_storms_are_darker_and_fog_is_paler() -> None:
    changes = {"noon": {}, "night": {"time": "night"}, "fog": {"weather": "fog"}, "storm": {"weather": "storm"}}
    images = dict(zip(changes, render([replace(PLAIN, **change) for change in changes.values()], 64), strict=True))
    assert images["night"].mean() < images["noon"].mean() - 0.5
    assert images["storm"].mean() < images["noon"].mean() - 0.3
    assert images["fog"].std() < images["noon"].std()
    for style in STYLES[1:]:  # the hour shows in every style
        noon, night = render([replace(PLAIN, style=style, time=time) for time in ("noon", "night")], 64)
        assert night.mean() < noon.mean() - 0.08, style


def test_a_storm_has_lightning_and_a_volcano_glows_at_night() -> None:
    skies = [
        render([replace(PLAIN, weather=w, detail=n) for n in range(4)], 128)[:, :, :70].mean(dim=1) for w in ("storm", "rain")
    ]
    storm, rain = (sky.amax(dim=(1, 2)) - sky.mean(dim=(1, 2)) for sky in skies)
    assert (storm > 0.8).all() and (rain < 0.7).all()
    fires = render([replace(PLAIN, terrain="volcano", time="night", detail=n) for n in range(4)], 128)
    hot = (fires[:, 0] - fires[:, 2]).flatten(1).amax(dim=1)
    assert (hot > 0.8).all()
    lights = render([replace(PLAIN, terrain="city skyline", time=time) for time in ("night", "noon")], 256)
    warm = (lights[:, 0] - lights[:, 2])[:, 90:150].gt(0.3).float().mean(dim=(1, 2))
    assert warm[0] > 0.004 > warm[1]


def test_a_river_keeps_clear_of_what_stands_on_land() -> None:
    for item in (thing("castle", "red"), replace(thing("deer", "red"), x=0.25), replace(thing("tree", "red"), x=0.8, count=3)):
        for detail in range(8):
            spec = replace(PLAIN, ground="river", detail=detail, objects=(item,))
            near, far, phase = draw_course(spec)
            scale = (item.y - spec.horizon) / (1.05 - spec.horizon) + 0.035
            middle = 0.5 + far + scale * (near - 0.22 * math.sin(3.2 * math.log(scale) - phase))
            left, right, _, _ = group_reach(item.kind, item.count)
            gap = max(item.x + left * item.height - middle, middle - item.x - right * item.height)
            assert gap > 0.17 * scale


def test_a_cache_continues_where_it_stopped(tmp_path, monkeypatch) -> None:
    whole = build_cache(tmp_path / "whole", seed=1, start=3, count=10, size=32, batch=4, progress=False)
    calls = 0

    def stopping(*arguments):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return render(*arguments)

    monkeypatch.setattr(cache_module, "render", stopping)
    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path / "parts", seed=1, start=3, count=10, size=32, batch=4, progress=False)
    assert len(load_cache(tmp_path / "parts")[1]) == 4
    with (tmp_path / "parts" / "specs.jsonl").open("a") as file:
        file.write('{"index": 7, "det')  # a line cut off
    monkeypatch.setattr(cache_module, "render", render)
    build_cache(tmp_path / "parts", seed=1, start=3, count=10, size=32, batch=4, progress=False)
    pictures, specs = load_cache(tmp_path / "parts")
    assert specs == Vistas(1).specs(3, 10)
    assert pictures.shape == (10, 32, 32, 3) and pictures.dtype == np.uint8
    difference = np.abs(pictures.astype(int) - load_cache(whole)[0].astype(int))
    assert difference.max() <= 1
    shared = build_cache(tmp_path / "shared", seed=1, start=3, count=10, size=32, batch=4, progress=False, workers=2)
    assert load_cache(shared)[1] == specs
    assert np.abs(pictures.astype(int) - load_cache(shared)[0].astype(int)).max() <= 1
    with pytest.raises(ValueError, match="Choose another folder"):
        build_cache(tmp_path / "parts", seed=2, start=3, count=10, size=32, progress=False)


def test_the_command_line_writes_pictures_and_metadata(tmp_path) -> None:
    main(["--count", "3", "--size", "32", "--seed", "4", "--out", str(tmp_path / "out"), "--sheet", str(tmp_path / "sheet.png")])
    lines = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [VistaSpec.from_dict(line["spec"]) for line in lines] == Vistas(4).specs(0, 3)
    assert all((tmp_path / "out" / line["file_name"]).exists() and line["text"] for line in lines)
    assert (tmp_path / "sheet.png").exists()


def test_mistakes_are_explained() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        render([PLAIN], 8)
    with pytest.raises(ValueError, match="nothing to render"):
        render([], 64)
