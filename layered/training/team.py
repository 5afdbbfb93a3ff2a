"""Data-parallel training: what the processes of ``accelerate launch`` (or of one) share at every step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


class Team:
    """The processes that train together. Alone, everything here is the identity."""

    def __init__(self, device: str = "cpu") -> None:
        """Joins the processes that ``accelerate launch`` started. ImportError with a sentence where 🤗 Accelerate is missing."""
        self.rank, self.count = 0, int(os.environ.get("WORLD_SIZE", "1"))
        self.device, self._accelerator = device, None
        if self.count > 1:
            try:
                from accelerate import Accelerator
            except ImportError as error:
                raise ImportError("Training in several processes needs 🤗 Accelerate: pip install accelerate") from error
            self._accelerator = Accelerator(cpu=device == "cpu")
            self.rank = self._accelerator.process_index
            if device != "cpu":
                self.device = str(self._accelerator.device)  # this process's own

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and the progress bar."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The part of a batch that is this process's. ValueError unless it divides evenly."""
        if batch % self.count:
            raise ValueError(f"A batch of {batch} cannot be shared evenly by {self.count} processes.")
        part = batch // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def mean(self, values: Sequence[float]) -> list[float]:
        """Each number averaged over the processes."""
        if self._accelerator is None:
            return list(values)
        return self._reduced(torch.tensor(values, dtype=torch.float64, device=self.device)).tolist()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over the processes, in one exchange."""
        if self._accelerator is None:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self._reduced(torch.cat([g.flatten() for g in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def spread(self, work: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        """``work(items)`` for a stack (N, …) whose items are worked on one by one: every process does its part, all get all."""
        if self._accelerator is None:
            return work(items)
        part = -(-len(items) // self.count)
        own = items[self.rank * part : (self.rank + 1) * part]
        idle = own.new_zeros(part - len(own), *items.shape[1:])  # the last ones may have less to do
        return self._accelerator.gather(work(torch.cat([own, idle])))[: len(items)]

    def _reduced(self, tensor: Tensor) -> Tensor:
        return self._accelerator.reduce(tensor, reduction="mean")
