"""A corpus as sequences of one document each, cut off where they are too long."""

from dataclasses import dataclass

import numpy as np

from zoo.data.shards import Block, Shards


@dataclass(frozen=True)
class Documents:
    """Documents by index: [CLS] sentence [SEP] sentence ... [SEP], at most `length` pieces.

    Separators between sentences are part of the tokenised text. With `pair` the first sentence is
    segment 0 and all that follows segment 1, as in pairs; without, all is segment 0.
    """

    shards: Shards
    length: int
    pair: bool

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self.shards.documents)

    def __getitem__(self, index: int) -> Block:
        """One document, (pieces,) long."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin = int(self.shards.documents[index])
        after = index + 1 < len(self)
        end = int(self.shards.documents[index + 1]) if after else self.shards.tokens
        text = self.shards.pieces(begin, min(end, begin + self.length - 2))
        ids = np.concatenate([[self.shards.cls_id], text, [self.shards.sep_id]]).astype(np.int64)
        # A separator belongs to the sentence before it: segment 1 begins behind the first one.
        separators = ids == self.shards.sep_id
        behind = np.cumsum(separators) - separators > 0
        segments = (behind & self.pair).astype(np.int64)
        return Block(ids, segments)
