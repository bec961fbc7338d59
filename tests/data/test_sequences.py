"""A document a sequence: framed, in segments, cut at the length, padded in batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests import tiny
from zoo.data.batches import CorpusFeed
from zoo.data.sequences import Documents
from zoo.spec.corpus import PocketCorpus
from zoo.training.corpus import corpus_blocks, corpus_documents

CORPUS = PocketCorpus(documents=40)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    found = corpus_blocks(CORPUS, tiny.tokenizer(), tmp_path, length=40, pair=True)
    assert isinstance(found, Documents)
    return found


def test_each_document_is_one_sequence(documents: Documents) -> None:
    """[CLS] sentence [SEP] ... [SEP] with the text's own pieces, cut at the length."""
    tokenizer = tiny.tokenizer()
    texts = list(corpus_documents(CORPUS))
    assert len(documents) == len(texts)
    for number, text in enumerate(texts):
        pieces = tokenizer(text.replace("\n", " [SEP] "), add_special_tokens=False)["input_ids"]
        wanted = [tokenizer.cls_token_id, *pieces[:38], tokenizer.sep_token_id]
        assert documents[number].input_ids.tolist() == wanted


def test_the_first_sentence_is_segment_zero(documents: Documents) -> None:
    """With its separator; all that follows is segment one."""
    tokenizer = tiny.tokenizer()
    for number in range(len(documents)):
        block = documents[number]
        ids, segments = block.input_ids.tolist(), block.token_type_ids.tolist()
        first = ids.index(tokenizer.sep_token_id) + 1
        assert segments == [0] * first + [1] * (len(ids) - first)


def test_without_a_pair_all_is_segment_zero(documents: Documents) -> None:
    """The same pieces, separators too, for models that cannot tell segments apart."""
    alone = replace(documents, pair=False)
    for number in range(len(documents)):
        block = alone[number]
        assert block.input_ids.tolist() == documents[number].input_ids.tolist()
        assert not block.token_type_ids.any()


def test_there_is_no_document_beyond_the_last(documents: Documents) -> None:
    """Nor before the first."""
    for number in (-1, len(documents)):
        with pytest.raises(IndexError):
            documents[number]


def test_batches_of_documents_are_padded_and_padding_is_never_masked(documents: Documents) -> None:
    """Padding has no attention, no label, and stands only at the end."""
    feed = CorpusFeed(documents, tiny.tokenizer(), 8, seed=0, masking=(0.3, None))
    padded = 0
    for step in range(feed.batches_per_epoch):
        batch = feed.batch(step)
        pads = batch.attention_mask == 0
        padded += int(pads.sum())
        assert bool((batch.input_ids[pads] == tiny.tokenizer().pad_token_id).all())
        assert bool((batch.labels[pads] == -100).all())
        assert torch.equal(batch.attention_mask.cummin(dim=1).values, batch.attention_mask)
    assert padded > 0
