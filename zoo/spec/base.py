"""The base of every spec: frozen, closed, and identified by its content."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[a-z0-9][a-z0-9.\-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name of a suite, entry or teacher: also a folder and a part of stage names."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Inputs = dict[str, Sha256]
"""What training reads besides its recipe, each by the hash of its content."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""The range that every random generator in use accepts."""
Fraction = Annotated[float, Field(ge=0, le=1)]

_STEP = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
BelowData = Annotated[str, Field(pattern=rf"^{_STEP}(/{_STEP})*$")]
"""A path below `$ZOO_DATA`: no step begins with a dot, so that none leaves the folder."""
HubId = Annotated[str, Field(pattern=rf"^{_STEP}/{_STEP}$")]
"""Owner and name on the hub; no step begins with a dot, so that it never reads as a folder."""
LINE_PATTERN = r"^[^\s](?:[^\t\r\n]*[^\s])?$"
PACKAGE_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9._\-]*[A-Za-z0-9])?$"
VERSION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.!+_\-]*$"
PACKAGE_PATH_PATTERN = rf"^{_STEP}(?:/{_STEP})*$"
MODEL_FILE_PATTERN = (
    r"^(?:(?:config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"
    r"|(?:vocab|merges)\.txt"
    r"|model(?:-[0-9]{5}-of-[0-9]{5})?\.safetensors|model\.safetensors\.index\.json)$"
)
SHAPE_PATTERN = r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"
WORDS = {
    NAME_PATTERN: "at most 64 lower-case letters, digits, dots and dashes",
    r"^[0-9a-f]{64}$": "64 lower-case hexadecimal digits",
    r"^[0-9a-f]{40}$": "a full commit hash: 40 lower-case hexadecimal digits",
    rf"^{_STEP}(/{_STEP})*$": "a path below $ZOO_DATA, no part of which begins with a dot",
    rf"^{_STEP}/{_STEP}$": "owner/name, as on the hub",
    PACKAGE_PATTERN: "the name of a package, as pip knows it",
    VERSION_PATTERN: "the version of a package, as pip knows it",
    PACKAGE_PATH_PATTERN: "a path as the package lists it, no part of which begins with a dot",
    MODEL_FILE_PATTERN: "config.json, safetensors and their index, tokenizer and vocabulary files",
    LINE_PATTERN: "one line of text, without tabs or surrounding spaces",
    SHAPE_PATTERN: "batch x sequence length, as in 1x128",
}
"""The patterns above, in words."""


class Spec(BaseModel):
    """A declared value: immutable, without extra fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Grown(Spec):
    """A spec that gained fields after its first release.

    The fields named in `later` are omitted while they have their default, so that the digests of
    everything built before stay valid.
    """

    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _in_part(
        self, dump: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        plain: dict[str, Any] = dump(self)
        for name in self._omitted(info):
            plain.pop(name, None)
        return plain

    def _omitted(self, _info: SerializationInfo) -> Iterator[str]:
        """The fields that are left out of what is written."""
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].get_default(
                call_default_factory=True
            ):
                yield name


class Addressed(Grown):
    """A spec some of whose fields only say where its content is found.

    `addresses` are left out where content decides: the bytes found there are named by their hash.
    """

    addresses: ClassVar[tuple[str, ...]] = ()

    def _omitted(self, info: SerializationInfo) -> Iterator[str]:
        yield from super()._omitted(info)
        if info.context == CONTENT:
            yield from self.addresses


CONTENT = {"content": True}
"""The context in which specs are dumped without their addresses."""


def stated(value: BaseModel) -> dict[str, Any]:
    """`value` as plain data without its defaults, so that it can be read back as its own class.

    Fields with one possible value stay: they tell the members of a union apart.
    """
    plain = value.model_dump(mode="json", exclude_defaults=True)
    _restore_kinds(value, plain)
    return plain


def _restore_kinds(value: Any, plain: Any) -> None:
    """Put back what tells classes apart, wherever `value` holds a model; `plain` is its data."""
    if isinstance(value, BaseModel):
        kinds = _kinds(type(value))
        for name, kept in value:
            if kinds.get(name) == (kept,):
                plain[name] = kept
            elif name in plain:
                _restore_kinds(kept, plain[name])
    elif isinstance(value, Mapping):
        for key, kept in value.items():
            _restore_kinds(kept, plain[key])
    elif isinstance(value, tuple | list):
        for kept, its in zip(value, plain, strict=True):
            _restore_kinds(kept, its)


@cache
def _kinds(model: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    """The possible values of the fields that have one alone, by field."""
    arguments = {name: get_args(field.annotation) for name, field in model.model_fields.items()}
    return {name: values for name, values in arguments.items() if len(values) == 1}


def content(value: BaseModel | None) -> Any:
    """`value` as plain data, without where its bytes are found."""
    return value and value.model_dump(mode="json", context=CONTENT)


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no blanks, defaults spelled out.

    Comments, key order and defaults made explicit in a YAML file do not show here; a different
    value always does.
    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """sha256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def misfit(key: str, given: str, allowed: str = "") -> PydanticCustomError:
    """What a validator raises when fields do not fit; `key` is the one to change, or empty."""
    text = f"{given}; allowed: {allowed}" if allowed else given
    context = {"key": key, "given": given, "allowed": allowed, "text": text}
    return PydanticCustomError("misfit", "{text}", context)
