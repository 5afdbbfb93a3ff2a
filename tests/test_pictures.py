"""Training on people's own pictures: a folder with captions, a set that is streamed, and what is wrong with either."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from layered.training.errors import TrainingError
from layered.training.pictures import PictureSet
from layered.training.sources import CachedVistas, LiveVistas, Together, open_sources
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


def stream(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of any set on the hub is that of this folder, which is streamed."""
    import datasets

    load = datasets.load_dataset

    def opened(name: str, **how):
        return load("imagefolder", **{"data_dir": str(folder), **how})

    monkeypatch.setattr(datasets, "load_dataset", opened)


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
    stream(folder, monkeypatch)
    source = PictureSet("somebody/three-colours", 16)
    assert source.streamed
    source.prompts(2)  # as for sample sheets: the shuffle stays open
    images, captions = source.draw(9, generator())
    assert images.shape == (9, 3, 16, 16)
    assert all(sorted(captions[i : i + 3]) == sorted(f"{name} all over" for name in COLOURS) for i in (0, 3, 6))
    again, _ = PictureSet("somebody/three-colours", 16).draw(9, generator(), slice(3, 9))
    assert torch.equal(again, images[3:])


def test_a_stream_is_shuffled_by_the_runs_seed_and_its_words_are_those_of_all_processes(folder, monkeypatch) -> None:
    stream(folder, monkeypatch)
    orders, sheets = set(), set()
    for seed in range(6):
        source = PictureSet("somebody/three-colours", 16)
        sheets.add(tuple(source.prompts(2)))
        _, captions = source.draw(3, generator(seed), slice(0, 1))
        orders.add(tuple(source.draw(3, generator(), slice(None))[1]))
        assert len(captions) == 1 and source.words == {"red", "green", "blue", "all", "over"}
    assert len(orders) > 1 and len(sheets) == 1


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
    sources = open_sources([str(tmp_path / "cache"), str(folder)], (16, 32, 64), 0, "cpu")
    assert [(type(s), s.size) for s in sources] == [(PictureSet, 16), (Together, 32), (PictureSet, 64)]
    assert [type(source) for source in sources[1].sources] == [CachedVistas, PictureSet]
    (live,) = open_sources([], (16, 32), 0, "cpu")
    assert isinstance(live, LiveVistas) and live.size == 32
    assert [source.size for source in open_sources([], (32, 64, 128, 256, 512), 0, "cpu")] == [128, 256, 512]


def test_several_sets_of_pictures_are_drawn_from_as_one(folder, tmp_path, monkeypatch) -> None:
    other = tmp_path / "others"
    other.mkdir()
    Image.new("RGB", (16, 16), (255, 255, 255)).save(other / "white.png")
    (other / "metadata.jsonl").write_text(json.dumps({"file_name": "white.png", "text": "White paper"}) + "\n")
    small, _ = sources = open_sources([str(folder), str(other)], (16, 32), 0, "cpu")
    assert [source.size for source in sources] == [16, 32]
    pictures, captions = small.draw(2000, generator())
    assert pictures.shape == (2000, 3, 16, 16)
    assert captions.count("White paper") == pytest.approx(500, rel=0.2) and len(set(captions)) == 4
    assert {tuple(p[:, 8, 8].tolist()) for p, said in zip(pictures, captions, strict=True) if "White" in said} == {(1.0,) * 3}
    parts = [small.draw(6, generator(5), part) for part in (slice(0, 3), slice(3, 6))]
    whole, said = small.draw(6, generator(5))
    assert torch.equal(whole, torch.cat([part for part, _ in parts])) and said == parts[0][1] + parts[1][1]
    assert small.words == {"red", "green", "blue", "all", "over", "white", "paper"}
    assert set(small.captions()) == set(captions) and "White paper" in small.prompts(12)
    stream(folder, monkeypatch)
    with pytest.raises(ValueError, match="somebody/three is streamed, so it cannot be drawn from together"):
        open_sources([str(folder), "somebody/three"], (16, 32), 0, "cpu")


def test_a_picture_that_cannot_be_read_is_named(folder, monkeypatch) -> None:
    source = PictureSet(str(folder), 16)
    with monkeypatch.context() as small:
        small.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # PIL's guard against pictures that fill the memory
        with pytest.raises(TrainingError, match=r"cannot be read \(.*\.png\): .*exceeds limit"):
            source.draw(1, generator())
    for name in COLOURS:
        (folder / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(TrainingError, match=r"cannot be read \(.*\.png\): .*Mend it"):
        source.draw(1, generator())


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
    source = PictureSet(str(folder), 16)
    assert list(source.captions()) == [f"{name} all over" for name in COLOURS]
    with (folder / "metadata.jsonl").open("w") as lines:
        for name in COLOURS:
            lines.write(json.dumps({"file_name": f"{name}.png", "text": [name, f"all {name}"]}) + "\n")
    several = PictureSet(str(folder), 16)
    drawn = {caption for seed in range(8) for caption in several.draw(6, generator(seed))[1]}
    assert drawn == set(several.captions()) and len(drawn) == 6
    stream(folder, monkeypatch)
    with pytest.raises(ValueError, match="somebody/three is streamed"):
        PictureSet("somebody/three", 16).captions()
