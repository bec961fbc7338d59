"""torchvision, which torchdistill asks for, beside a CPU build of torch."""

from importlib.util import find_spec

import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def declare_operators() -> None:
    """Let torchvision be imported where its wheel is built for CUDA and torch is not.

    Its operators then have no kernels; text calls none of them.
    """
    if find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401, PLC0415
    except RuntimeError:
        for name in _OPERATORS:
            torch.library.define(f"torchvision::{name}", _SIGNATURE)
