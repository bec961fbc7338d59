"""The generated parts of documents."""
