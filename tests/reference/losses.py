"""Distillation losses as their equations read: one loop per index, numbers one at a time."""

import math

from torch import Tensor

from zoo.losses.batch import Batch, Layout


def softened(scores: list[float], temperature: float) -> list[float]:
    """softmax(z / T)."""
    exponentials = [math.exp(score / temperature) for score in scores]
    return [value / math.fsum(exponentials) for value in exponentials]


def distributions(logits: Tensor, batch: Batch) -> list[list[float]]:
    """What is one distribution: an example, a start or an end, or a real token."""
    found = []
    for row in range(len(logits)):
        if batch.layout is Layout.CLASSES:
            found.append(logits[row].tolist())
        places = range(batch.input_ids.shape[1]) if batch.layout is Layout.TOKENS else ()
        found += [
            logits[row, place].tolist() for place in places if batch.attention_mask[row, place] == 1
        ]
        for side in (0, 1) if batch.layout is Layout.SPAN else ():
            asked = batch.attention_mask if batch.answerable is None else batch.answerable
            found.append(
                [
                    float(logits[row, position, side])
                    for position in range(batch.input_ids.shape[1])
                    if asked[row, position]
                ]
            )
    return found


def soft_labels(
    student: Tensor, teacher: Tensor, batch: Batch, *, temperature: float, scaled: bool
) -> float:
    """T^2 (1/|K|) sum_K sum_i p_i (log p_i - log q_i), p the teacher's; methods.md 1, L_ce."""
    if batch.layout is Layout.VALUE:
        pairs = zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True)
        squares = [(ours - theirs) ** 2 for ours, theirs in pairs]
        return math.fsum(squares) / len(squares)
    total, rows = 0.0, 0
    pairs = zip(distributions(student, batch), distributions(teacher, batch), strict=True)
    for ours, theirs in pairs:
        q, p = softened(ours, temperature), softened(theirs, temperature)
        for chance, guess in zip(p, q, strict=True):
            total += chance * (math.log(chance) - math.log(guess))
        rows += 1
    return total / rows * (temperature**2 if scaled else 1.0)


def hard_labels(student: Tensor, labels: Tensor, batch: Batch) -> float:
    """Mean of -log softmax(z)[y]; squared error for a number; methods.md 1 L_mlm, 5.1."""
    losses = []
    for row in range(len(student)):
        if batch.layout is Layout.VALUE:
            losses.append((float(student[row, 0]) - float(labels[row])) ** 2)
        if batch.layout is Layout.CLASSES:
            losses.append(-math.log(softened(student[row].tolist(), 1.0)[int(labels[row])]))
        for position in range(student.shape[1]) if batch.layout is Layout.TOKENS else ():
            label = int(labels[row, position])
            if label != -100:
                losses.append(-math.log(softened(student[row, position].tolist(), 1.0)[label]))
        for side in (0, 1) if batch.layout is Layout.SPAN else ():
            asked = batch.attention_mask if batch.answerable is None else batch.answerable
            places = [place for place in range(student.shape[1]) if asked[row, place]]
            chances = softened([float(student[row, place, side]) for place in places], 1.0)
            losses.append(-math.log(chances[places.index(int(labels[row, side]))]))
    return math.fsum(losses) / len(losses) if losses else 0.0


def token_cosine(student: Tensor, teacher: Tensor, batch: Batch) -> float:
    """(1/|K|) sum_K (1 - cos(h_S, h_T)) over real tokens; methods.md 1, L_cos."""
    total, tokens = 0.0, 0
    for row in range(student.shape[0]):
        for position in range(student.shape[1]):
            if batch.attention_mask[row, position] == 0:
                continue
            dot = ours = theirs = 0.0
            for unit in range(student.shape[2]):
                a, b = float(student[row, position, unit]), float(teacher[row, position, unit])
                dot, ours, theirs = dot + a * b, ours + a * a, theirs + b * b
            total += 1.0 - dot / math.sqrt(ours * theirs)
            tokens += 1
    return total / tokens


def draw_weights(counts: list[int], special: list[int], smoothing: float | None) -> list[float]:
    """max(count, 1)^-smoothing, 0 for special pieces; methods.md 1, dynamic masking."""
    weights = []
    for piece, count in enumerate(counts):
        if piece in special:
            weights.append(0.0)
        elif smoothing is None:
            weights.append(1.0)
        else:
            weights.append(1.0 / max(count, 1) ** smoothing)
    return weights
