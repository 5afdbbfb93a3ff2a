"""Training on people's own pictures: a folder with captions, a set that is streamed, and what is wrong with either."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from layered.training.pictures import PictureSet
from layered.training.sources import CachedVistas, LiveVistas, open_sources
from layered.world.cache import build_cache
from tests.test_training import CONFIG, encode, plan
from tests.test_unet import tiny

COLOURS = {"Red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """🤗 Datasets keeps what it prepares: here, in a folder of the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, wider than tall, grey at both ends: what is left after the cut is one colour."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with (folder / "metadata.jsonl").open("w") as lines:
        for name, colour in COLOURS.items():
            picture = Image.new("RGB", (60, 40), (128, 128, 128))
            picture.paste(colour, (10, 0, 50, 40))
            picture.save(folder / f"{name}.png")
            lines.write(json.dumps({"file_name": f"{name}.png", "text": f"{name} all over"}) + "\n")
    return folder


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pictures_are_cut_to_their_middle_and_keep_their_captions(folder) -> None:
    source = PictureSet(str(folder), 32)
    images, captions = source.draw(8, generator())
    assert images.shape == (8, 3, 32, 32) and images.dtype == torch.float32 and len(set(captions)) > 1
    for image, caption in zip(images, captions, strict=True):
        colour = torch.tensor(COLOURS[caption.split()[0]]) / 127.5 - 1
        assert torch.allclose(image, colour[:, None, None].expand_as(image), atol=0.05)
    assert source.words == {"red", "green", "blue", "all", "over"}


def test_a_folder_is_drawn_by_the_generator_alone_and_its_parts_make_up_the_whole(folder) -> None:
    source = PictureSet(str(folder), 16)
    source.draw(3, generator(1))
    whole, captions = source.draw(6, generator(5))
    parts = [source.draw(6, generator(5), part) for part in (slice(0, 3), slice(3, 6))]
    assert torch.equal(whole, torch.cat([part for part, _ in parts]))
    assert captions == parts[0][1] + parts[1][1]


def test_a_stream_goes_round_and_shows_every_picture_in_each_round(folder, monkeypatch) -> None:
    import datasets

    load, where = datasets.load_dataset, str(folder)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, **how: load("imagefolder", data_dir=where, **how))
    source = PictureSet("somebody/three-colours", 16)
    assert source.streamed
    images, captions = source.draw(9, generator())
    assert images.shape == (9, 3, 16, 16)
    assert all(sorted(captions[i : i + 3]) == sorted(f"{name} all over" for name in COLOURS) for i in (0, 3, 6))
    again, _ = PictureSet("somebody/three-colours", 16).draw(9, generator(), slice(3, 9))
    assert torch.equal(again, images[3:])
    assert "all" in source.words


def test_one_of_several_captions_is_drawn(folder) -> None:
    lines = [{"file_name": f"{name}.png", "captions": [f"{name} one", f"{name} two"]} for name in COLOURS]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = PictureSet(str(folder), 16)
    _, captions = source.draw(32, generator())
    assert {caption.split()[1] for caption in captions} == {"one", "two"}
    assert source.words == {"red", "green", "blue", "one", "two"}


def test_what_is_missing_is_said(folder, tmp_path, monkeypatch) -> None:
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "Red.png", "label": "x"}) + "\n")
    with pytest.raises(ValueError, match="for its captions"):
        PictureSet(str(folder), 16)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="pip install datasets"):
        PictureSet(str(folder), 16)


def test_sources_are_told_apart_by_what_they_are(folder, tmp_path) -> None:
    build_cache(tmp_path / "cache", count=2, size=32, progress=False)
    vistas, *pictures = open_sources([str(tmp_path / "cache"), str(folder)], (16, 32), 0, "cpu")
    assert isinstance(vistas, CachedVistas) and [(type(p), p.size) for p in pictures] == [(PictureSet, 16), (PictureSet, 32)]
    (live,) = open_sources([], (16, 32), 0, "cpu")
    assert isinstance(live, LiveVistas) and live.size == 32


def test_a_network_trains_on_a_folder(folder, tmp_path) -> None:
    from layered.training.loop import Trainer, new_model

    sources = [PictureSet(str(folder), size) for size in (16, 32, 64)]

    def numbered(captions: list[str]):
        return encode([str(len(caption)) for caption in captions])

    progress = Trainer(new_model(tiny(), seed=3), plan(), CONFIG, sources, numbered, tmp_path / "run").run()
    assert [stage["pictures"] for stage in progress.history] == [32] * 4


def test_caches_of_one_size_are_drawn_from_as_one_and_twice_named_counts_twice(tmp_path) -> None:
    for name, seed, count, size in (("a", 1, 2, 16), ("b", 2, 4, 16), ("large", 3, 2, 32)):
        build_cache(tmp_path / name, seed=seed, count=count, size=size, progress=False)
    small, large = open_sources([str(tmp_path / name) for name in ("a", "large", "b", "a")], (16, 32), 0, "cpu")
    assert (small.size, large.size) == (16, 32)
    everything, _ = small.draw(4000, torch.Generator().manual_seed(0))
    kinds, times = everything.unique(dim=0, return_counts=True)
    assert len(kinds) == 6
    assert sorted(times.tolist()) == pytest.approx([500] * 4 + [1000] * 2, rel=0.2)


def test_a_folder_lists_all_captions_that_it_may_give_and_a_stream_does_not(tmp_path, folder, monkeypatch) -> None:
    import datasets

    source = PictureSet(str(folder), 16)
    assert list(source.captions()) == [f"{name} all over" for name in COLOURS]
    with (folder / "metadata.jsonl").open("w") as lines:
        for name in COLOURS:
            lines.write(json.dumps({"file_name": f"{name}.png", "text": [name, f"all {name}"]}) + "\n")
    several = PictureSet(str(folder), 16)
    drawn = {caption for seed in range(8) for caption in several.draw(6, generator(seed))[1]}
    assert drawn == set(several.captions()) and len(drawn) == 6
    load, where = datasets.load_dataset, str(folder)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, **how: load("imagefolder", data_dir=where, **how))
    with pytest.raises(ValueError, match="somebody/three is streamed"):
        PictureSet("somebody/three", 16).captions()
