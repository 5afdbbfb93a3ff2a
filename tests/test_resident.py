"""What an accelerator holds in its memory: the same pictures, captions and states as from disk, and the stages that compile."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from layered.checkpoint import load_checkpoint
from layered.layers import TextStates
from layered.level import Window
from layered.presets import MODELS
from layered.pyramid import downsample_noise
from layered.training import __main__ as training
from layered.training import resident
from layered.training.batches import Batches, loosened
from layered.training.captions import PADDED_TO, ResidentStates, captions_of
from layered.training.crops import nested_windows
from layered.training.resident import ResidentVistas
from layered.training.sources import CachedVistas, open_sources
from layered.world.cache import build_cache, load_cache
from tests.test_captions import CAPTIONS, Words
from tests.test_training import CONFIG, Gradients, encode, plan, trainer
from tests.test_unet import tiny


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("vistas")
    return [build_cache(folder / str(seed), seed=seed, count=3, size=64, progress=False) for seed in (1, 2)]


# ------------------------------------------------------------------ pictures and states


def test_resident_pictures_are_those_on_disk(caches: list[Path]) -> None:
    held, read = ResidentVistas(caches, "cpu"), CachedVistas(*caches)
    assert (len(held), held.size, held.words) == (len(read), read.size, read.words)
    for part in (slice(None), slice(2, 5)):
        ours, theirs = (source.draw(9, torch.Generator().manual_seed(3), part) for source in (held, read))
        assert torch.equal(ours[0], theirs[0]) and ours[1] == theirs[1]
    assert list(held.captions()) == list(read.captions())


def test_larger_pictures_are_averaged_to_the_finest_scale_and_drawn_from_with_those_of_its_size(
    caches: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "AVERAGED_AT_ONCE", 2)
    small = build_cache(tmp_path / "small", seed=3, count=2, size=32, progress=False)
    (source,) = open_sources([str(caches[0]), str(small)], (16, 32), 0, "cpu", resident=True)
    assert (source.size, len(source), source.pixels.dtype) == (32, 5, torch.uint8)
    pictures = torch.from_numpy(np.array(load_cache(caches[0])[0])).double()
    mean = (pictures[:, ::2, ::2] + pictures[:, ::2, 1::2] + pictures[:, 1::2, ::2] + pictures[:, 1::2, 1::2]) / 4
    assert (source.pixels[:3] - mean).abs().max() <= 0.5
    assert torch.equal(source.pixels[3:], torch.from_numpy(np.array(load_cache(small)[0])))
    sizes = [source.size for source in open_sources([str(caches[0]), str(small)], (16, 32, 64), 0, "cpu", resident=True)]
    assert sizes == [32, 64]  # what a finer stage needs stays as large


@pytest.mark.parametrize("held", [False, True])
def test_pictures_have_as_many_captions_as_are_asked_for(caches: list[Path], held: bool) -> None:
    names = list(map(str, caches))
    usual, one = (open_sources(names, (64,), 0, "cpu", held, count)[0] for count in (4, 1))
    assert list(one.captions()) == list(usual.captions())[::4]
    drawn = one.draw(40, torch.Generator().manual_seed(0))[1]
    assert set(drawn) == set(one.captions())


def test_captions_are_the_same_from_many_processes(caches: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(ResidentVistas(caches, "cpu").captions())
    monkeypatch.setattr(resident, "LINES_A_JOB", 1)  # six jobs
    assert list(ResidentVistas(caches, "cpu").captions()) == alone


def test_resident_states_are_the_encoders_at_one_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layered.training.captions.ENCODED_ON_DEVICE", 2)
    words = Words()
    states = ResidentStates(words.encode, CAPTIONS, "cpu")
    assert sorted(words.asked) == sorted(set(CAPTIONS))
    batch = ["a red balloon", "fog", "fog"]
    found, expected = states(batch), words.encode(batch)
    longest = words.encode(CAPTIONS).mask.shape[1]
    assert longest < PADDED_TO == found.tokens.shape[1] == found.mask.shape[1]
    own = expected.mask.shape[1]
    assert torch.equal(found.mask[:, :own], expected.mask) and not found.mask[:, own:].any()
    assert torch.allclose(found.tokens[:, :own], expected.tokens, atol=2e-3) and not found.tokens[:, own:].any()
    assert torch.allclose(found.pooled, expected.pooled, atol=2e-3)


def test_a_resident_run_is_the_run(caches: list[Path], tiny_encoder_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny)
    common = [
        "--data",
        *map(str, caches),
        "--model",
        "tiny",
        "--top",
        "32",
        "--pictures",
        "4",
        "4",
        "0",
        "--batch",
        "2",
        "2",
        "2",
    ]
    common += ["--text-encoder", str(tiny_encoder_folder), "--device", "cpu", "--threads", "1", "--sheet-minutes", "0"]
    models = []
    for name, more in (("read", []), ("held", ["--resident"])):
        training.main([*common, *more, "--run", str(tmp_path / name), "--export", str(tmp_path / f"{name}-out")])
        models.append(load_checkpoint(tmp_path / f"{name}-out")[0])
    for (name, ours), theirs in zip(models[0].state_dict().items(), models[1].state_dict().values(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-2), name


def test_only_caches_are_held(caches: list[Path], tmp_path: Path) -> None:
    for data in ([], [str(tmp_path)], [str(caches[0]), "some/pictures"]):
        with pytest.raises(ValueError, match="Only caches of vistas"):
            open_sources(data, (32,), 0, "cpu", resident=True)
    assert len(list(captions_of(open_sources([str(caches[0])], (32,), 0, "cpu", resident=True)))) > 12


# ------------------------------------------------------------------ what keeps a long training from the wrong lessons


def test_blurred_states_hide_some_tokens_and_scatter_as_said() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = 3 * torch.randn(400, 5, 24, generator=generator)
    text = TextStates(tokens, torch.ones(400, 5, dtype=torch.bool), tokens.mean(1))
    blurred = text.blurred(0.5, 0.2, generator)
    added = (blurred.tokens - tokens) / tokens.std(-1, keepdim=True)
    assert abs(float(added.std()) - 0.5) < 0.01 and abs(float(added.mean())) < 0.01
    assert abs(float(blurred.mask.float().mean()) - 0.8) < 0.03
    assert not torch.equal(blurred.pooled, text.pooled)
    same = text.blurred(0.0, 0.0, generator)
    assert torch.equal(same.tokens, tokens) and same.mask.all() and torch.equal(same.pooled, text.pooled)


def test_training_blurs_its_captions_and_every_process_its_own() -> None:
    def text(part: slice = slice(None), **changes) -> TextStates:
        config = dataclasses.replace(CONFIG, text_dropout=0.0, **changes)
        return Batches(tiny(), plan()[0], config, Gradients(), encode, 1, "cpu", part).make(3).text

    exact, first, again = text(), text(text_noise=0.5, token_dropout=0.3), text(text_noise=0.5, token_dropout=0.3)
    assert exact.mask.all() and not first.mask.all() and torch.equal(first.mask, again.mask)
    second = text(slice(4, 8), token_dropout=0.3).mask
    assert not torch.equal(second, text(slice(0, 4), token_dropout=0.3).mask)


def test_noise_with_slack_stays_white_and_agrees_less() -> None:
    generator = torch.Generator().manual_seed(0)
    shared, own = torch.randn(2, 2000, 3, 4, 4, generator=generator)
    slack = torch.full((2000, 1, 1, 1), 0.6)
    loose = loosened(shared, own, slack)
    assert abs(float(loose.std()) - 1) < 0.01 and abs(float((loose * shared).mean()) - 0.8) < 0.01


def test_slack_is_drawn_per_sample_and_leaves_independent_noise_alone() -> None:
    def agreement(slack: float) -> torch.Tensor:
        config = dataclasses.replace(CONFIG, independent=0.5, noise_slack=slack)
        noise = Batches(tiny(), plan()[3], config, Gradients(), encode, 1, "cpu")._noise(8, 4, seed=0, windows={})
        return (downsample_noise(noise[64], 16) * noise[16]).mean(dim=(1, 2, 3))

    exact, loose = agreement(0.0), agreement(1.0)
    assert (exact[4:] - 1).abs().max() < 0.2 and loose[:4].abs().max() < 0.2
    assert (loose[4:] < 0.9).any() and float(loose[4:].std()) > 0.1


def test_the_parts_of_loosened_noise_make_up_the_whole() -> None:
    config = dataclasses.replace(CONFIG, noise_slack=0.7)

    cut = nested_windows(tiny(), 64, 16, 8, torch.Generator().manual_seed(1))

    def noise(part: slice, windows: dict[int, Window]) -> torch.Tensor:
        windows = {size: window.of(part) for size, window in windows.items()}
        return Batches(tiny(), plan()[3], config, Gradients(), encode, 1, "cpu", part)._noise(8, 2, seed=4, windows=windows)[32]

    for windows in ({}, cut):
        parts = [noise(part, windows) for part in (slice(0, 1), slice(1, 4), slice(4, 8))]
        assert torch.equal(torch.cat(parts), noise(slice(None), windows))


# ------------------------------------------------------------------ compiling


def test_only_the_first_stages_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def compiled(model):
        def forward(z, *given, **named):
            ran.append("+".join(map(str, z)))
            return model(z, *given, **named)

        forward.config = model.config
        return forward

    resets: list[int] = []
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.compiler, "reset", lambda: resets.append(len(ran)))
    trainer(tmp_path, compiled=1).run()
    assert set(ran) == {"16"} and len(ran) == 4 and resets == [0]
