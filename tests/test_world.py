"""The world: determinism, agreement between sizes, visible attributes, true captions, a cache that continues."""

from __future__ import annotations

import colorsys
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from layered.world import HELD_OUT, VOCABULARY, Vistas, VistaSpec, caption, render
from layered.world import cache as cache_module
from layered.world.__main__ import main
from layered.world.cache import build_cache, load_cache
from layered.world.spec import BODIES, COLOURS, GROUNDS, KINDS, TERRAINS, TIMES, WATER, WEATHERS, ObjectSpec
from layered.world.words import COLOUR_WORDS, KIND_WORDS

PLAIN = VistaSpec(0, 12345, "noon", "clear", "green hills", "meadow", None, None, 0.3, 0.15, 0.6, 1.0)


def thing(kind: str, colour: str, size: str = "large") -> ObjectSpec:
    in_sky = kind in ("balloon", "airship")
    return ObjectSpec(kind, colour, "centre", size, 0.5, 0.5 if in_sky else 0.8, 0.36 if size == "large" else 0.2)


def test_a_picture_depends_on_seed_and_number_alone() -> None:
    assert Vistas(3).specs(5, 4) == Vistas(3).specs(0, 9)[5:]
    assert Vistas(3).spec(5) != Vistas(4).spec(5)
    specs = Vistas(0).specs(0, 10)
    together = render(specs, 64)
    alone = torch.cat([render([spec], 64) for spec in specs])
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.equal(together, render(specs, 64))


def test_another_detail_seed_changes_the_picture() -> None:
    a, b = render([PLAIN, replace(PLAIN, detail=999)], 64)
    assert (a - b).abs().mean() > 0.01


def test_every_attribute_renders_in_range() -> None:
    longest = max(map(len, (TIMES, WEATHERS, TERRAINS, GROUNDS, KINDS, COLOURS)))
    specs = []
    for n in range(longest * 2):
        ground = GROUNDS[n % len(GROUNDS)]
        kind = KINDS[n % len(KINDS)]
        specs.append(
            replace(
                PLAIN,
                detail=n,
                time=TIMES[n % len(TIMES)],
                weather=WEATHERS[n % len(WEATHERS)],
                terrain=TERRAINS[(n + 1) % len(TERRAINS)],
                ground="lake" if kind == "sailboat" else ground,
                body=(*BODIES, None)[n % 4],
                body_place="left",
                objects=(thing(kind, COLOURS[n % len(COLOURS)], "small" if n >= longest else "large"),),
            )
        )
    for size in (32, 96):
        images = render(specs, size)
        assert images.shape == (len(specs), 3, size, size)
        assert images.dtype == torch.float32
        assert torch.isfinite(images).all()
        assert images.amin() >= -1.0 and images.amax() <= 1.0
        assert (images.flatten(1).std(dim=1) > 0.05).all()


def test_small_pictures_agree_with_large_ones() -> None:
    specs = Vistas(0).specs(0, 6)
    small, large = render(specs, 128), F.avg_pool2d(render(specs, 512), 4)
    psnr = 10 * torch.log10(4.0 / (small - large).square().mean(dim=(1, 2, 3)))
    assert psnr.median() > 30.0
    assert psnr.min() > 24.0


@pytest.mark.parametrize("time", ["noon", "night"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_colour_of_an_object_can_be_seen(kind: str, time: str) -> None:
    hues = {"red": 0, "orange": 30, "yellow": 52, "green": 135, "blue": 225, "purple": 276, "pink": 331}
    empty = replace(PLAIN, time=time, ground="lake" if kind == "sailboat" else "snow field")
    images = render([empty, *(replace(empty, objects=(thing(kind, c),)) for c in (*hues, "white", "black"))], 48)
    images = (images + 1) / 2
    # Where painting it in other colours changes the picture, there is its coloured mass.
    mask = images[1:].amax(dim=0).sub(images[1:].amin(dim=0)).amax(dim=0) > 0.25
    assert mask.float().mean() > 0.01
    means = {c: images[n + 1][:, mask].mean(dim=1) for n, c in enumerate((*hues, "white", "black"))}
    for colour, hue in hues.items():
        seen = 360 * colorsys.rgb_to_hsv(*means[colour].tolist())[0]
        assert abs((seen - hue + 180) % 360 - 180) < 26, (colour, seen)
    assert means["white"].mean() - means["black"].mean() > 0.25


def test_a_lake_mirrors_what_stands_above_it() -> None:
    specs = [replace(PLAIN, detail=n, ground="lake", terrain="snowy mountains", horizon=0.5) for n in range(4)]
    images = render(specs, 128).mean(dim=1)
    above, below = images[:, 32:62].flip(1).flatten(1), images[:, 66:96].flatten(1)
    assert torch.corrcoef(torch.stack([above.flatten(), below.flatten()]))[0, 1] > 0.7
    dry = render([replace(s, ground="wheat field") for s in specs], 128).mean(dim=1)[:, 66:96].flatten(1)
    assert torch.corrcoef(torch.stack([above.flatten(), dry.flatten()]))[0, 1] < 0.5


def test_nights_are_darker_and_fog_is_paler() -> None:
    noon, night, fog = render([PLAIN, replace(PLAIN, time="night"), replace(PLAIN, weather="fog")], 64)
    assert night.mean() < noon.mean() - 0.5
    assert fog.std() < noon.std()


def test_plausible_places() -> None:
    for spec in Vistas(1).specs(0, 400):
        kinds = [o.kind for o in spec.objects]
        colours = [o.colour for o in spec.objects]
        assert len(set(kinds)) == len(kinds) and len(set(colours)) == len(colours)
        assert "sailboat" not in kinds or spec.ground in WATER
        assert not (spec.body == "sun" and spec.time in ("night", "dusk"))
        for item in spec.objects:
            assert (item.y < spec.horizon) == (item.kind in ("balloon", "airship"))
            assert {"left": item.x < 0.42, "centre": 0.4 < item.x < 0.6, "right": item.x > 0.58}[item.place]


def test_a_spec_survives_json() -> None:
    for spec in Vistas(2).specs(0, 50):
        assert VistaSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_captions_use_known_words_and_tell_the_truth() -> None:
    assert len(HELD_OUT) >= 40
    assert not set(HELD_OUT) & VOCABULARY
    seen: set[str] = set()
    for spec in Vistas(5).specs(0, 800):
        texts = [caption(spec, variant) for variant in range(3)]
        assert texts[0] == caption(spec)
        for text in texts:
            words = re.findall(r"[a-z]+", text.lower())
            assert words and set(words) <= VOCABULARY, text
            seen.update(words)
            assert "  " not in text and not text.endswith((",", " "))
        if spec.weather != "rainbow":
            assert "rainbow" not in " ".join(texts)
    assert len(seen) > 0.9 * len(VOCABULARY)
    assert len({caption(Vistas(5).spec(1), variant) for variant in range(20)}) > 12


def test_most_captions_name_the_object_and_its_colour() -> None:
    specs = [s for s in Vistas(6).specs(0, 600) if len(s.objects) == 1]
    named = coloured = 0
    for spec in specs:
        text, item = caption(spec), spec.objects[0]
        named += any(word in text for word in KIND_WORDS[item.kind])
        coloured += any(word in text for word in COLOUR_WORDS[item.colour])
    assert 0.85 < named / len(specs) < 1.0
    assert 0.72 < coloured / len(specs) < 0.97


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
