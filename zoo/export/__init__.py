"""Checkpoints as ONNX files, compared with their source before anyone can use them."""
