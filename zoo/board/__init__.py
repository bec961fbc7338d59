"""The board: tables made from records, their publication, and what has regressed."""
