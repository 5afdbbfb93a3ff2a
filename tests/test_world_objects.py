"""The objects: colours that dominate, forms that differ, stripes, groups, and independence of what else is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world import ObjectSpec, VistaSpec, render
from layered.world.brush import Brush, Frame, Paints
from layered.world.kinds import KINDS, group_offsets
from layered.world.place import PALETTE, objects
from layered.world.scene import Scene
from layered.world.strokes import STROKES

MAIN, OTHER = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def drawn(kind: str, across: int = 96, tall: int = 40, framed: bool = False) -> Tensor:
    """One object on an empty square canvas (4, across, across): all that comes from its own colour red, all else blue."""
    pixel = torch.full((1, 1, 1), 1.0 / tall)
    x = ((torch.arange(across) + 0.5) / tall - across / tall / 2)[None, None, :]
    y = ((across - torch.arange(across) - 0.5) / tall - 0.4)[None, :, None]
    main, other = (torch.tensor(colour)[None, :, None, None] for colour in (MAIN, OTHER))
    number = torch.full((1, 1, 1), 0.4)
    paints = Paints(main, main * 0.66, main, other, other, other, other, other, other, number, number, number * 0)
    frames = [Frame(float(x[0, 0, 0]), 1.0 / tall, float(y[0, 0, 0]), -1.0 / tall)]
    brush = Brush(x, y, pixel, frames=frames if framed else None)
    STROKES[kind](brush, paints)
    return brush.canvas[0]


def vista(*items: ObjectSpec, ground: str = "snow field") -> VistaSpec:
    return VistaSpec(0, 12345, "noon", "clear", "none", ground, None, None, 0.3, 0.15, 0.6, 1.0, items)


def thing(kind: str, colour: str = "red", pattern: str = "plain", count: int = 1, height: float | None = None) -> ObjectSpec:
    height = 0.40 * KINDS[kind].scale if height is None else height
    return ObjectSpec(kind, colour, "centre", "large", 0.5, 0.5 if KINDS[kind].where == "sky" else 0.8, height, pattern, count)


def on_grey(spec: VistaSpec, size: int) -> Tensor:
    """The objects of a vista on a plain background, (3, size, size)."""
    image = torch.full((1, 3, size, size), 0.5)
    for in_sky in (True, False):
        objects(Scene([spec], size), image, in_sky)
    return image[0]


def runs(line: Tensor) -> int:
    """How many stretches of a line of truth values are true."""
    return int((line[1:] & ~line[:-1]).sum()) + int(line[0])


def test_every_kind_has_strokes_and_no_other() -> None:
    assert list(STROKES) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_colour_dominates(kind: str) -> None:
    red, _, blue, alpha = drawn(kind)
    assert red.sum() + blue.sum() > 0.3 * alpha.sum()  # nothing is too dark to have a colour
    mostly = (red > 1.5 * blue) & (alpha > 0.5)
    assert mostly.sum() > 0.5 * (alpha > 0.5).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_strokes_stay_in_the_boxes_they_are_drawn_in(kind: str) -> None:
    for across, tall in ((96, 40), (60, 80)):  # the second canvas cuts the object
        assert torch.allclose(drawn(kind, across, tall), drawn(kind, across, tall, framed=True), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_fill_their_proportions(kind: str) -> None:
    shown = drawn(kind, 256, 96)[3] > 0.3
    columns, rows = shown.any(dim=0).nonzero().flatten() + 0.5, shown.any(dim=1).nonzero().flatten() + 0.5
    half = KINDS[kind].aspect / 2
    left, right = (columns[0] - 128) / 96, (columns[-1] - 128) / 96
    top, foot = (256 - rows[0]) / 96 - 0.4, (256 - rows[-1]) / 96 - 0.4
    assert -half - 0.04 < left and right < half + 0.04
    assert max(-left, right) > 0.7 * half
    assert 0.9 < top < 1.03
    assert -0.03 < foot < 0.1


def test_every_kind_differs_from_every_other_at_32() -> None:
    forms = torch.stack([on_grey(vista(thing(kind, height=0.4 * KINDS[kind].scale)), 32) for kind in KINDS])
    # Laid over each other by the foot: sky and land kinds stand at different heights.
    place = torch.tensor([0.5 if kind.where == "sky" else 0.8 for kind in KINDS.values()])
    forms = torch.stack([torch.roll(form, round(float(0.8 - y) * 32), dims=1) for form, y in zip(forms, place, strict=True)])
    area = (forms - 0.5).abs().amax(dim=1).flatten(1).gt(0.08).sum(dim=1).float()
    distance = (forms[:, None] - forms[None]).abs().sum(dim=(2, 3, 4)) / torch.minimum(area[:, None], area[None])
    distance.fill_diagonal_(float("inf"))
    names = list(KINDS)
    least = int(distance.argmin())
    assert distance.min() > 0.35, (names[least // len(names)], names[least % len(names)], float(distance.min()))


@pytest.mark.parametrize("colour", ["red", "yellow", "white", "black"])
def test_stripes_are_seen_at_64(colour: str) -> None:
    for kind in KINDS:
        plain, striped = (on_grey(vista(thing(kind, colour, pattern)), 64) for pattern in ("plain", "striped"))
        area = (plain - 0.5).abs().amax(dim=0) > 0.1
        changed = (plain - striped).abs().amax(dim=0)[area] > 0.2
        assert 0.10 < changed.float().mean() < 0.65, kind


def test_stripes_keep_the_form() -> None:
    plain, striped = (on_grey(vista(thing("cabin", "blue", pattern)), 64) for pattern in ("plain", "striped"))
    assert ((plain == 0.5) == (striped == 0.5)).all()
    lower = slice(int(0.74 * 64), int(0.77 * 64))
    pale = [image[0, lower].mean(dim=0) > 0.6 for image in (plain, striped)]
    assert runs(pale[1]) > runs(pale[0])


@pytest.mark.parametrize("kind", ["balloon", "lighthouse"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_group_shows_as_many_as_it_counts(kind: str, count: int) -> None:
    image = on_grey(vista(thing(kind, count=count, height=0.25)), 128)
    red = (image[0] - image[2]) > 0.3
    assert runs(red.sum(dim=0) > 1) == count


@pytest.mark.parametrize("kind", KINDS)
def test_groups_hardly_overlap(kind: str) -> None:
    assert group_offsets(kind, 1) == ((0.0, 0.0, 1.0),)
    for count in (2, 3):
        places = group_offsets(kind, count)
        assert len(places) == count
        assert abs(sum(dx for dx, _, _ in places)) < 0.01
        for i, (x0, y0, s0) in enumerate(places):
            for x1, y1, s1 in places[:i]:
                wide = min(x0 + s0 * KINDS[kind].aspect / 2, x1 + s1 * KINDS[kind].aspect / 2) - max(
                    x0 - s0 * KINDS[kind].aspect / 2, x1 - s1 * KINDS[kind].aspect / 2
                )
                tall = min(y0, y1) - max(y0 - s0, y1 - s1)
                assert max(wide, 0.0) * max(tall, 0.0) <= 0.15 * KINDS[kind].aspect * min(s0, s1) ** 2
    with pytest.raises(ValueError, match="1 to 3"):
        group_offsets(kind, 4)


def test_the_members_of_a_group_differ() -> None:
    image = on_grey(vista(thing("snowman", count=2, height=0.25)), 128)
    left, right = image[:, :, :64], image[:, :, 64:]
    best = min(float((left - torch.roll(right, shift, dims=2)).abs().mean()) for shift in range(-24, 25))
    assert best > 0.002


def test_pictures_do_not_depend_on_their_neighbours() -> None:
    specs = [
        replace(vista(thing("balloon", "red", count=3, height=0.2), thing("train", "blue", "striped")), detail=1),
        replace(vista(thing("train", "green", count=2, height=0.13), ground="lake"), detail=2),
        replace(vista(thing("train", "white", "striped", count=3, height=0.09), ground="lake"), detail=3),
        replace(
            vista(thing("balloon", "black", "striped", height=0.5), thing("deer", count=3, height=0.2), ground="sea"), detail=4
        ),
        replace(vista(replace(thing("bridge", "brown", height=0.5), x=0.9, y=0.99), ground="lake"), detail=5),
    ]
    together = render(specs, 64)
    alone = torch.cat([render([spec], 64) for spec in specs])
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("kind", ["train", "car", "deer", "horse", "rocket", "sailboat", "steamship"])
def test_water_mirrors_the_objects(kind: str) -> None:
    item = replace(thing(kind, "red", height=0.3), y=0.75)
    with_it, without = render([vista(item, ground="lake"), vista(ground="lake")], 96)
    red = ((with_it - without)[0] - (with_it - without)[1]) > 0.3
    foot = round(0.75 * 96) + 4
    assert red[:foot].sum() > 60
    assert red[foot:].sum() > 0.15 * red[:foot].sum()


def test_brown_is_none_of_the_other_colours() -> None:
    brown = torch.tensor(PALETTE["brown"])
    for name, colour in PALETTE.items():
        if name != "brown":
            assert (torch.tensor(colour) - brown).norm() > 0.35, name


def test_small_objects_are_reduced_large_ones() -> None:
    for kind in KINDS:
        small, large = drawn(kind, 64, 24), F.avg_pool2d(drawn(kind, 256, 96), 4)
        assert (small - large).abs().mean() < 0.10 * large[3].mean(), kind
