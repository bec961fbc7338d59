"""An ONNX file as a function from batches to logits, as used by evaluation."""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from zoo.evaluation.predict import Forward
from zoo.tensors.batch import Batch


def forward_of_file(path: Path, threads: int | None = None) -> Forward:
    """The ONNX file at `path` on the CPU: logits (B, C), or (B, S, 2) of starts and ends.

    It computes with PyTorch's number of threads unless `threads` are given.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def forward(batch: Batch) -> Tensor:
        fed = {name: getattr(batch, name).long().cpu().numpy() for name in names}
        answers = [torch.from_numpy(answer) for answer in session.run(None, fed)]
        return answers[0] if len(answers) == 1 else torch.stack(answers, dim=-1)

    return forward
