"""Text states of captions: in memory and on disk they are the same, and training takes either."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from layered.checkpoint import load_checkpoint
from layered.layers import TextStates
from layered.presets import MODELS
from layered.text import TextEncoder
from layered.training import __main__ as training
from layered.training.batches import Batches
from layered.training.captions import CaptionMemory, StoredStates, captions_of, main, mirrored, write_states
from layered.training.sheet import SHEET_PROMPTS
from layered.training.sources import CachedVistas, LiveVistas
from layered.world.cache import build_cache
from tests.test_training import CONFIG, Gradients, encode, plan
from tests.test_unet import tiny

CAPTIONS = ["fog", "a red balloon", "", "«山» & 🎈", "a red balloon", "a white boat on the sea"]


class Words:
    """An encoder without weights: a state per word, and one that closes the text."""

    name, width, device = "words", 12, torch.device("cpu")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> TextStates:
        self.asked += texts
        words = [[*text.split(), "</s>"] for text in texts]
        length = max(map(len, words))
        mask = torch.tensor([[index < len(said) for index in range(length)] for said in words])
        tokens = torch.zeros(len(texts), length, self.width)
        for row, said in enumerate(words):
            for column, word in enumerate(said):
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                tokens[row, column] = torch.randn(self.width, generator=torch.Generator().manual_seed(seed))
        return TextStates(tokens, mask, tokens.sum(1) / mask.sum(1, keepdim=True))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_cache(tmp_path_factory.mktemp("vistas") / "cache", count=3, size=64, progress=False)


def assert_equal(a: TextStates, b: TextStates) -> None:
    for name in ("tokens", "mask", "pooled"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def test_states_on_disk_are_those_in_memory(tmp_path: Path) -> None:
    assert write_states(tmp_path, Words(), CAPTIONS, shard=2) == 5
    stored, memory = StoredStates(tmp_path), CaptionMemory(Words().encode)
    assert (stored.encoder, stored.width, len(stored)) == ("words", 12, 5)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3 and not list(tmp_path.glob("*.part"))
    for batch in (CAPTIONS, CAPTIONS[:1], CAPTIONS[::-1]):
        assert_equal(stored(batch), memory(batch))
    assert stored(["fog"]).tokens.dtype == torch.float32


def test_memory_is_bounded_in_bytes_and_forgets_what_was_not_asked_for_longest() -> None:
    encoder = Words()
    each = 2 * (3 + 1) * Words.width  # three states and the pooled one, two bytes a number
    memory = CaptionMemory(encoder.encode, limit=2 * each)
    for caption in ("a boat", "the moon", "a boat", "red fog", "a boat"):  # the moon goes when the fog comes
        memory([caption])
    assert encoder.asked == ["a boat", "the moon", "red fog"]
    batch = memory(["the moon", "red fog", "a boat", "a boat"])  # more than fits between two batches
    assert_equal(batch, CaptionMemory(Words().encode)(["the moon", "red fog", "a boat", "a boat"]))
    memory(["a boat"])
    assert encoder.asked == ["a boat", "the moon", "red fog", "the moon"]


def test_what_was_stopped_is_refused_and_goes_on(tmp_path: Path) -> None:
    encoder = Words()

    def stopping() -> Iterator[str]:
        yield from CAPTIONS[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_states(tmp_path, encoder, stopping(), shard=2)
    (tmp_path / "states-00001.part").write_bytes(b"half a shard")
    with pytest.raises(ValueError, match="are not finished: give the command"):
        StoredStates(tmp_path)
    assert write_states(tmp_path, encoder, CAPTIONS, shard=2) == 5
    assert sorted(encoder.asked) == sorted(set(CAPTIONS))  # none of them twice
    assert_equal(StoredStates(tmp_path)(CAPTIONS), CaptionMemory(encoder.encode)(CAPTIONS))
    assert write_states(tmp_path, encoder, [*CAPTIONS, "more"]) == 6


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    write_states(tmp_path / "states", Words(), CAPTIONS)
    other = SimpleNamespace(name="others", width=8)
    with pytest.raises(ValueError, match=r"holds text states of words \(12 wide\), not of others \(8 wide\)"):
        write_states(tmp_path / "states", other, CAPTIONS)
    with pytest.raises(ValueError, match="no states of the caption «a blue boat»"):
        StoredStates(tmp_path / "states")(["fog", "a blue boat"])
    with pytest.raises(ValueError, match="holds no text states"):
        StoredStates(tmp_path)
    shard = next((tmp_path / "states").glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        StoredStates(tmp_path / "states")
    (tmp_path / "states" / "about.json").write_text("{}")
    with pytest.raises(ValueError, match="does not describe text states"):
        StoredStates(tmp_path / "states")


def test_states_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    huge = Words()
    huge.encode = lambda texts: TextStates(1e6 * torch.ones(1, 1, 12), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 12))
    with pytest.raises(ValueError, match="not finite"):
        write_states(tmp_path, huge, ["fog"])


def test_batches_are_the_same_from_disk(tmp_path: Path, cache: Path) -> None:
    source = CachedVistas(cache)
    captions = list(source.captions())
    assert len(captions) == 3 * 4 and len(set(captions)) > 3
    write_states(tmp_path, Words(), captions_of([source]))
    for stage in plan():
        stored, memory = (
            Batches(tiny(), stage, CONFIG, source, encode, 0, "cpu").make(3)
            for encode in (StoredStates(tmp_path), CaptionMemory(Words().encode))
        )
        assert_equal(stored.text, memory.text)
        assert all(torch.equal(stored.z[size], memory.z[size]) for size in memory.z)
    assert_equal(StoredStates(tmp_path)(list(SHEET_PROMPTS)), CaptionMemory(Words().encode)(list(SHEET_PROMPTS)))


def test_captions_without_end_are_refused_before_the_first() -> None:
    with pytest.raises(ValueError, match="without end"):
        captions_of([LiveVistas(64)])


# ------------------------------------------------------------------ mirrored pictures


class Sided(Gradients):
    """The same, bright on the right and said to be."""

    def draw(self, count, generator, part=slice(None)):
        pictures, captions = super().draw(count, generator, part)
        return pictures, [f"{caption} to the right" for caption in captions]

    def captions(self) -> Iterator[str]:
        return iter(["bright to the right"])


def test_what_is_left_is_right_in_a_mirror() -> None:
    said = "A tent left of a lake, upright, the moon on the right"
    assert mirrored(said) == "A tent right of a lake, upright, the moon on the left"
    assert mirrored(mirrored(said)) == said and mirrored("fog") == "fog"


def test_mirrored_pictures_say_so_in_their_captions() -> None:
    asked: list[str] = []

    def remembered(captions: list[str]) -> TextStates:
        asked.extend(captions)
        return encode(["0.5"] * len(captions))

    def drawn(mirror: float, part: slice = slice(None)) -> torch.Tensor:
        asked.clear()
        config = dataclasses.replace(CONFIG, mirror=mirror)
        return Batches(tiny(), plan()[0], config, Sided(), remembered, 0, "cpu", part).make(3).x0[16]

    plain = drawn(0.0)
    assert all("right" in caption for caption in asked)
    assert torch.equal(drawn(1.0), plain.flip(-1)) and all("left" in caption for caption in asked)
    some = drawn(0.5)
    turned = ["left" in caption for caption in asked]
    assert 0 < sum(turned) < len(turned)
    assert [bool(picture[0, 0, 0] > picture[0, 0, -1]) for picture in some] == turned
    assert torch.equal(torch.cat([drawn(0.5, slice(0, 3)), drawn(0.5, slice(3, 8))]), some)


def test_captions_of_a_mirror_are_encoded_too() -> None:
    both = {"bright to the right", "bright to the left"}
    assert both <= set(captions_of([Sided()], mirror=True)) and not both <= set(captions_of([Sided()]))
    with pytest.raises(ValueError, match="Mirror: expected a fraction from 0 to 1, got 2"):
        dataclasses.replace(CONFIG, mirror=2)


# ------------------------------------------------------------------ the commands


def test_training_from_states_loads_no_encoder(
    cache: Path, tiny_encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["--data", str(cache), "--text-encoder", str(tiny_encoder_folder), "--out", str(tmp_path / "states"), "--threads", "1"])
    monkeypatch.setitem(MODELS, "tiny", tiny)
    common = ["--data", str(cache), "--model", "tiny", "--top", "16", "--pictures", "2", "0", "--batch", "2", "2"]
    common += ["--device", "cpu", "--threads", "1"]
    given = {"a": ["--text-encoder", str(tiny_encoder_folder)], "b": ["--text-states", str(tmp_path / "states")]}
    made = {}
    for name, words in given.items():
        if name == "b":
            monkeypatch.setattr(TextEncoder, "from_pretrained", None)
        training.main([*common, *words, "--run", str(tmp_path / name), "--export", str(tmp_path / f"{name}-out")])
        made[name] = load_checkpoint(tmp_path / f"{name}-out")
    (a, meta_a), (b, meta_b) = made.values()
    assert a.config == b.config and a.config.text_width == 32  # as wide as the encoder's states
    assert meta_a["text_encoder"] == meta_b["text_encoder"] == "tiny-bert"
    for (name, ours), theirs in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-2), name


def test_the_commands_say_what_is_wrong(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="neither a folder here"):
        main(["--data", str(cache), "--text-encoder", "no/such", "--out", str(tmp_path / "states")])
    common = ["--run", str(tmp_path / "run"), "--model", "compact", "--top", "32", "--pictures", "2", "0"]
    with pytest.raises(SystemExit, match="--text-states: .* holds no text states"):
        training.main([*common, "--text-states", str(tmp_path)])
    write_states(tmp_path / "words", Words(), ["fog"])
    with pytest.raises(SystemExit, match="--data: Vistas that are rendered on the way"):
        training.main([*common, "--text-states", str(tmp_path / "words")])
    with pytest.raises(SystemExit):
        training.parse([*common, "--text-states", "x", "--text-encoder", "y"])


def test_captions_are_encoded_once_and_padded_like_the_encoder() -> None:
    calls = []

    def counted(captions):
        calls.extend(captions)
        return encode(captions)

    memory = CaptionMemory(counted)
    memory(["0.5", "1.0"])
    states = memory(["1.0", "0.5", "2.0"])
    assert calls == ["0.5", "1.0", "2.0"]
    assert torch.allclose(states.tokens, encode(["1.0", "0.5", "2.0"]).tokens) and states.mask.all()
