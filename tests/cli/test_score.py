"""What `zoo score` prints."""

import json
from pathlib import Path

import pytest

from zoo.cli.score import score
from zoo.errors import UsageError

SQUAD_DEV = {
    "version": "v2.0",
    "data": [
        {
            "title": "Rivers",
            "paragraphs": [
                {
                    "context": "The Seine flows through Paris.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "What flows through Paris?",
                            "answers": [{"text": "The Seine", "answer_start": 0}],
                            "is_impossible": False,
                        },
                        {"id": "q2", "question": "Who?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}


def test_the_verb_prints_json_on_the_natural_scale(tmp_path: Path) -> None:
    """JSON has sorted keys, counts and metrics, the two halves of v2.0 among them."""
    data, answers = tmp_path / "dev.json", tmp_path / "answers.json"
    data.write_text(json.dumps(SQUAD_DEV))
    answers.write_text('{"q1": "Seine river", "q9": "Rhine"}')
    text = score("squad-v2.0", data, answers, as_json=True)
    result = json.loads(text)
    assert result["metrics"].pop("f1") == pytest.approx(1 / 3)
    assert result["metrics"].pop("has_answer_f1") == pytest.approx(2 / 3)
    zeros = ("exact_match", "has_answer_exact_match", "no_answer_exact_match", "no_answer_f1")
    counts = {"task": "squad-v2.0", "examples": 2, "missing": 1, "extra": 1}
    assert result == {**counts, "metrics": dict.fromkeys(zeros, 0.0)}
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("mprc", "task 'mprc': there is no such task(.|\n)*fix: did you mean 'mrpc'?"),
        (
            "acceptability",
            "task 'acceptability': has no official files\n  allowed: cola, sst2, mrpc",
        ),
    ],
)
def test_the_verb_names_the_tasks_it_knows(task: str, message: str, tmp_path: Path) -> None:
    """A misspelt task gets the nearest name and the list."""
    with pytest.raises(UsageError, match=message):
        score(task, tmp_path, tmp_path, as_json=False)
