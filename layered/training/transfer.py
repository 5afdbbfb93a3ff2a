"""The way of tensors to the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: str | torch.device) -> Tensor:
    """The tensor on a device; to a GPU through pinned memory, so that nobody waits until the GPU has come to the copy.

    From ordinary memory the processor would wait for all that the GPU was told before, at every one of a batch's small tensors.
    """
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
