"""Distillation losses as their equations read: one loop per index, numbers one at a time."""

import math

from torch import Tensor

from zoo.tensors.batch import Batch, Layout


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


def divergence(theirs: list[float], ours: list[float]) -> float:
    """sum_i p_i (log p_i - log q_i), p the teacher's."""
    total = 0.0
    for chance, guess in zip(theirs, ours, strict=True):
        total += chance * (math.log(chance) - math.log(guess))
    return total


def soft_labels(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    temperature: float = 1.0,
    scaled: bool = True,
    over: str = "rows",
) -> float:
    """T^2 (1/|K|) sum_K KL(p || q), p the teacher's; methods.md 1, L_ce.

    Over "elements" one divides by all the p_i there are in place of |K|; methods.md 5.3 and 5.4.
    """
    if batch.layout is Layout.VALUE:
        pairs = zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True)
        squares = [(ours - theirs) ** 2 for ours, theirs in pairs]
        return math.fsum(squares) / len(squares)
    total, counted = 0.0, 0
    pairs = zip(distributions(student, batch), distributions(teacher, batch), strict=True)
    for ours, theirs in pairs:
        total += divergence(softened(theirs, temperature), softened(ours, temperature))
        counted += 1 if over == "rows" else len(theirs)
    return total / counted * (temperature**2 if scaled else 1.0)


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
    for row in range(len(student)):
        for token in real_tokens(batch, row):
            ours, theirs = student[row, token].tolist(), teacher[row, token].tolist()
            total += 1.0 - dot(ours, theirs) / math.sqrt(dot(ours, ours) * dot(theirs, theirs))
            tokens += 1
    return total / tokens


def first_cosine(student: Tensor, teacher: Tensor, batch: Batch) -> float:
    """(1/B) sum_B (1 - cos(c_S, c_T)); methods.md 4, ell_cos."""
    total = 0.0
    for row in range(len(batch.real)):
        ours, theirs = student[row, 0].tolist(), teacher[row, 0].tolist()
        total += 1.0 - dot(ours, theirs) / math.sqrt(dot(ours, ours) * dot(theirs, theirs))
    return total / len(student)


def first_mse(student: Tensor, teacher: Tensor, batch: Batch, *, normalise: bool = True) -> float:
    """(1/BH) sum_B sum_H (u_S - u_T)^2, u = h / |h| of [CLS]; methods.md 5.3, PT."""
    total, count = 0.0, 0
    for row in range(len(batch.real)):
        ours, theirs = student[row, 0].tolist(), teacher[row, 0].tolist()
        if normalise:
            ours, theirs = unit(ours), unit(theirs)
        for a, b in zip(ours, theirs, strict=True):
            total += (a - b) ** 2
            count += 1
    return total / count


def mixture_mse(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    normalise: bool = True,
    scale_scores: bool = False,
) -> float:
    """(1/BH) sum_B sum_H (u - v)^2, u = h_S / |h_S|, v = c / |c|; ALP-KD's L_ALP.

    c = sum_k a_k h_T,k, a_k = exp(h_S . h_T,k) / sum_l exp(h_S . h_T,l), of [CLS].
    """
    total, count = 0.0, 0
    for row in range(len(batch.real)):
        ours = student[row, 0].tolist()
        layers = [teacher[row, layer, 0].tolist() for layer in range(teacher.shape[1])]
        scores = [math.fsum(a * b for a, b in zip(ours, theirs, strict=True)) for theirs in layers]
        shares = softened(scores, math.sqrt(len(ours)) if scale_scores else 1.0)
        mixture = [0.0] * len(ours)
        for share, theirs in zip(shares, layers, strict=True):
            for width, value in enumerate(theirs):
                mixture[width] += share * value
        if normalise:
            ours, mixture = unit(ours), unit(mixture)
        for a, b in zip(ours, mixture, strict=True):
            total += (a - b) ** 2
            count += 1
    return total / count


def hidden_mse(
    student: Tensor, teacher: Tensor, batch: Batch, *, padding: str = "left out"
) -> float:
    """Mean of (h_S - h_T)^2 over elements; methods.md 3, L_FFN and 5.4, L_hidn."""
    total, count = 0.0, 0
    for row in range(len(student)):
        everything = range(student.shape[1])
        for token in real_tokens(batch, row) if padding == "left out" else everything:
            for width in range(student.shape[2]):
                difference = float(student[row, token, width]) - float(teacher[row, token, width])
                total += difference**2
                count += 1
    return total / count


def attention_kl(student: Tensor, teacher: Tensor, batch: Batch, *, mean: str = "tokens") -> float:
    """Mean over heads and rows of KL(P_T || P_S), only real tokens; methods.md 4 and 5.5."""
    samples = []
    for row in range(len(student)):
        real, found = real_tokens(batch, row), []
        for token in real:
            for head in range(student.shape[1]):
                ours = [float(student[row, head, token, column]) for column in real]
                theirs = [float(teacher[row, head, token, column]) for column in real]
                found.append(divergence(softened(theirs, 1.0), softened(ours, 1.0)))
        samples.append(found)
    return mean_over(samples, mean)


def attention_mse(
    student: Tensor, teacher: Tensor, batch: Batch, *, padding: str = "left out"
) -> float:
    """Mean of (S_S - S_T)^2 over heads, rows and columns; methods.md 5.4, L_attn and its code."""
    total, count = 0.0, 0
    for row in range(len(student)):
        real, everything = real_tokens(batch, row), range(student.shape[2])
        for head in range(student.shape[1]):
            for token in real if padding == "left out" else everything:
                for column in real if padding == "left out" else everything:
                    count += 1
                    if column in real:
                        ours, theirs = student[row, head, token], teacher[row, head, token]
                        total += (float(ours[column]) - float(theirs[column])) ** 2
    return total / count


def relation_kl(
    student: Tensor,
    teacher: Tensor,
    batch: Batch,
    *,
    heads: int | None = None,
    mean: str = "tokens",
) -> float:
    """Mean over heads and rows of KL(R_T || R_S); methods.md 3, L_EMB and L_MHA; 5.5; 5.6."""
    samples = []
    for row in range(len(batch.real)):
        found: list[float] = []
        real = real_tokens(batch, row)
        slices = zip(sliced(teacher[row], heads), sliced(student[row], heads), strict=True)
        for their_slice, our_slice in slices:
            theirs = relations([their_slice[token] for token in real])
            ours = relations([our_slice[token] for token in real])
            found += [divergence(p, q) for p, q in zip(theirs, ours, strict=True)]
        samples.append(found)
    return mean_over(samples, mean)


def sample_relation_kl(student: Tensor, teacher: Tensor, batch: Batch) -> float:
    """(1/b) sum_i KL(R_T,i || R_S,i), R between the [CLS] vectors; methods.md 3, L_SS."""
    theirs = relations([teacher[row, 0].tolist() for row in range(len(batch.real))])
    ours = relations([student[row, 0].tolist() for row in range(len(batch.real))])
    return math.fsum(map(divergence, theirs, ours)) / len(ours)


def label_contrast(
    student: Tensor, teacher: Tensor, batch: Batch, *, temperature: float = 0.1
) -> float:
    """(1/2b) sum_i (1/|P(i)|) sum_p InfoNCE(i, p); methods.md 3, L_SC."""
    rows = range(len(batch.labels))
    vectors = [unit(states[row, 0].tolist()) for states in (student, teacher) for row in rows]
    labels = [int(batch.labels[row]) for _ in ("student", "teacher") for row in rows]
    total = 0.0
    for i, ours in enumerate(vectors):
        others = [a for a in range(len(vectors)) if a != i]
        strengths = {a: math.exp(dot(ours, vectors[a]) / temperature) for a in others}
        positives = [p for p in others if labels[p] == labels[i]]
        for p in positives:
            total -= math.log(strengths[p] / math.fsum(strengths.values())) / len(positives)
    return total / len(vectors)


def real_tokens(batch: Batch, row: int) -> list[int]:
    """The positions of a row that are not padding."""
    return [at for at, real in enumerate(batch.attention_mask[row].tolist()) if real == 1]


def dot(a: list[float], b: list[float]) -> float:
    """sum_i a_i b_i."""
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def unit(vector: list[float]) -> list[float]:
    """v / |v|."""
    return [value / math.sqrt(dot(vector, vector)) for value in vector]


def relations(vectors: list[list[float]]) -> list[list[float]]:
    """softmax(X X^T / sqrt(d)); methods.md 0.3, REL."""
    scale = math.sqrt(len(vectors[0]))
    return [softened([dot(a, b) / scale for b in vectors], 1.0) for a in vectors]


def sliced(states: Tensor, heads: int | None) -> list[list[list[float]]]:
    """(S, H) or (A, S, D) states as heads of tokens of numbers, cut anew where that is asked."""
    given: list[list[list[float]]] = [states.tolist()] if states.dim() == 2 else states.tolist()
    if heads is None:
        return given
    tokens = [[value for head in given for value in head[at]] for at in range(len(given[0]))]
    width = len(tokens[0]) // heads
    return [[token[head * width :][:width] for token in tokens] for head in range(heads)]


def mean_over(samples: list[list[float]], mean: str) -> float:
    """Over all values alike ("tokens"), or over samples of each one's mean ("samples")."""
    if mean == "samples":
        return math.fsum(math.fsum(found) / len(found) for found in samples) / len(samples)
    return math.fsum(value for found in samples for value in found) / sum(map(len, samples))


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
