"""Export checkpoints to ONNX, verified against their source before release."""
