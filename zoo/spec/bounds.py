"""The bounds of the language's numbers, in one place.

Each leaves room far beyond the models and budgets of the field. What is outside was mistyped, or
could only fail later: at once where a number decides how much is built, or without a word where it
rounds to nothing in fp32 (a learning rate of 1e-300, a temperature of 1e-9).
"""

from typing import Annotated

from pydantic import Field

MOST_SEEDS = 100
"""Every seed is a run per entry and task, with its stages and records."""
MOST_BENCH_TOKENS = 1 << 20
"""Tokens of one timed call."""
MOST_TRAINING_GIB = 64
"""Of weights, gradients and AdamW's two moments."""
_BYTES_PER_PARAMETER = 4 * 4
MOST_PARAMETERS = (MOST_TRAINING_GIB << 30) // _BYTES_PER_PARAMETER
"""In fp32, as everything is trained."""

Depth = Annotated[int, Field(gt=0, le=1_000)]
Size = Annotated[int, Field(gt=0, le=10_000_000)]
PositionCount = Annotated[int, Field(ge=8, le=1_000_000)]
TokenTypes = Annotated[int, Field(ge=1, le=1_000)]

Examples = Annotated[int, Field(gt=0, le=1_000_000_000)]
DocumentCount = Annotated[int, Field(gt=0, le=100_000_000)]
CorpusTokens = Annotated[int, Field(gt=0, le=1_000_000_000_000)]
Tokens = Annotated[int, Field(gt=0, le=1_000_000)]
MaxLength = Annotated[int, Field(ge=8, le=1_000_000)]
Copies = Annotated[int, Field(gt=0, le=1_000)]

Epochs = Annotated[float, Field(ge=1e-6, le=10_000)]
StepCount = Annotated[int, Field(gt=0, le=100_000_000)]
BatchSize = Annotated[int, Field(gt=0, le=65_536)]
LearningRate = Annotated[float, Field(ge=1e-10, lt=1)]
WeightDecay = Annotated[float, Field(ge=0, le=100)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(ge=1e-16, le=1)]
Norm = Annotated[float, Field(ge=1e-6, le=1_000_000)]

Temperature = Annotated[float, Field(ge=0.001, le=1_000)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
"""Of a loss term; 0 leaves it out."""
PositiveWeight = Annotated[float, Field(ge=1e-6, le=1_000_000)]
Strength = Annotated[float, Field(ge=1e-6, le=1_000_000)]
Threshold = Annotated[float, Field(ge=1e-6, le=1_000)]
Slope = Annotated[float, Field(ge=1e-9, le=1)]
PositiveShare = Annotated[float, Field(ge=1e-6, le=1)]
LayerNumber = Annotated[int, Field(ge=0, lt=1_000)]
Exponent = Annotated[float, Field(ge=0, le=10)]
MaskShare = Annotated[float, Field(ge=0.001, lt=1)]
"""Share of positions to predict."""
MaskShareOrNone = Annotated[float, Field(ge=0, lt=1)]
HeldOutEvery = Annotated[int, Field(ge=2, le=1_000_000)]
"""Every how many documents one is set aside."""
WordLoss = Annotated[float, Field(ge=0, le=100)]
"""A masked-language-model loss, in nats."""
Deviation = Annotated[float, Field(ge=1e-6, lt=1)]
Score = Annotated[float, Field(ge=-1, le=1)]
Label = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)]

Repeats = Annotated[int, Field(gt=0, le=1_000_000)]
RepeatsOrNone = Annotated[int, Field(ge=0, le=1_000_000)]
Threads = Annotated[int, Field(gt=0, le=4_096)]
TimeLimit = Annotated[float, Field(ge=0.001, le=86_400)]
Tolerance = Annotated[float, Field(ge=1e-12, le=1_000)]
