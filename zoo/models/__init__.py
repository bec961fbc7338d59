"""Hugging Face models: their parts by name, what is captured, how they are built and stored."""
