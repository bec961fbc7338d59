"""The board: tables built from records, their publication, and regression checks."""
