"""The differences between two documents, over the operations in use.

What an operation takes and gives is compared in both directions: what the old one has and the new
one lacks is a narrowing, what the new one has and the old one lacks a widening. On the way to the
service a narrowing breaks; on the way back a widening does, but for what a client passes over:
further properties, another status for a failure, a list of values that has grown. What a client
reads there and that is gone breaks too: a status, a content type, a property, a header.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ruamel.yaml.comments import CommentedMap

from contract.annotations import LISTED, Annotations, order, texts, wording
from contract.compose import APPLIED, compose
from contract.document import (
    METHODS,
    ContractError,
    Location,
    Operation,
    OperationMissingError,
    every_operation,
    find_operation,
    mapping,
)
from contract.losses import Loss, Losses
from contract.overlay import Overlay
from contract.report import Finding, Verdict
from contract.shapes import ANYTHING, Document, Node, Schema, Shapes, Side, canonical, plain

if TYPE_CHECKING:
    from contract.report import Direction


def compare(old: CommentedMap, new: CommentedMap, operations: Collection[str]) -> list[Finding]:
    """What changed for those who call the operations. Cuts both documents to them.

    Raises:
        ContractError: either is unsound, or `old` has none of the operations.
    """
    before = _find(old, "old", operations)
    after = _find(new, "new", operations)
    if not before:
        raise ContractError(f"the old document has none of the operations {', '.join(operations)}")
    findings = list(_renamed(old, before, new, after))
    _check(old, before, "old")
    _check(new, after, "new")
    for operation_id, at in before.items():
        where = f"{at.method.upper()} {at.path}"
        if operation_id in after:
            was, is_now = _Place.of(old, at, "old"), _Place.of(new, after[operation_id], "new")
            findings += _Comparison(where, was, is_now).findings()
        else:
            why = f"the operation {operation_id!r} is gone"
            findings.append(
                Finding(
                    Verdict.BREAKING, "narrowing", where, why, operation_id, None,
                    ("paths", at.path, at.method),
                )
            )  # fmt: skip
    for operation_id, at in after.items():
        if operation_id not in before:
            why = f"a new operation {operation_id!r}"
            where = f"{at.method.upper()} {at.path}"
            findings.append(
                Finding(
                    Verdict.ADDITIVE, "widening", where, why, None, operation_id,
                    ("paths", at.path, at.method),
                )
            )  # fmt: skip
    return _distinct([*findings, *_around(old, new)])


def name_all(old: CommentedMap, new: CommentedMap) -> list[str]:
    """The operationIds of all operations of two documents, the old one's first.

    An operation without one is given one in place: that of the other document's operation in the
    same place, or else its method and path.
    """
    olds, news = dict(every_operation(old)), dict(every_operation(new))
    for mine, yours in ((olds, news), (news, olds)):
        for at, operation in mine.items():
            if "operationId" not in operation:
                twin = yours.get(at, operation)
                operation["operationId"] = twin.get("operationId", f"{at.method.upper()} {at.path}")
    named = (operation["operationId"] for found in (olds, news) for operation in found.values())
    return list(dict.fromkeys(named))


class _Place(NamedTuple):
    """An operation in its place, with the path item that holds it and the document around both."""

    document: Node
    item: Node
    operation: Node
    at: Operation

    @classmethod
    def of(cls, root: CommentedMap, at: Operation, name: str) -> _Place:
        document = Node(Document(root, name), (), root)
        item = document.child("paths", at.path)
        return cls(document, item, item.child(at.method), at)

    def nearest(self, key: str) -> Any:
        """What the operation says, or else what is said around it."""
        holder = self.holder(key)
        return plain(holder.raw[key]) if key in holder.raw else None

    def holder(self, key: str) -> Node:
        """Who says it: the operation, or its path, or else the document."""
        for node in (self.operation, self.item):
            if key in node.raw:
                return node
        return self.document


_OPERATION = frozenset(
    {"callbacks", "operationId", "parameters", "requestBody", "responses", "security", "servers"}
)
_PARAMETER = frozenset(
    {
        "allowEmptyValue", "allowReserved", "content", "explode", "in", "name", "required",
        "schema", "style",
    }
)  # fmt: skip
_ROOT = frozenset({"components", "openapi", "paths", "security", "servers", "webhooks", APPLIED})


class _Comparison:
    """Two versions of one operation."""

    def __init__(self, where: str, old: _Place, new: _Place) -> None:
        self._where = where
        self._old = old
        self._new = new
        self._shapes: dict[Side, Shapes] = {side: Shapes(side) for side in ("request", "response")}
        self._losses = {side: Losses(shapes) for side, shapes in self._shapes.items()}
        self._annotations = {
            side: Annotations(shapes, side) for side, shapes in self._shapes.items()
        }
        self._annotations_of_text = Annotations(self._shapes["request"], "request", as_text=True)

    def findings(self) -> Iterator[Finding]:
        """All that differs."""
        old, new = self._old, self._new
        if _has_moved(old, new):
            first, second = (f"{place.at.method.upper()} {place.at.path}" for place in (old, new))
            why, at = "the operation has moved", new.operation.at
            yield Finding(Verdict.BREAKING, "change", self._where, why, first, second, at)
        yield from self._both_ways("request", _server_losses, old, new)
        yield from self._first_server()
        yield from self._both_ways("request", _security_losses, old, new)
        yield from self._both_ways("request", _callback_losses, old, new)
        yield from self._both_ways("request", self._parameter_losses, old, new)
        yield from self._both_ways("request", self._request_losses, old, new)
        yield from self._both_ways("response", self._response_losses, old, new)
        yield from self._words()

    def _both_ways(
        self,
        side: Side,
        losses: Callable[[_Place, _Place], Iterable[Loss]],
        old: _Place,
        new: _Place,
    ) -> Iterator[Finding]:
        for loss in losses(old, new):
            verdict = _verdict(side, "narrowing", loss)
            where = self._where + loss.where
            before, after = loss.places
            at = after or before or new.operation.at
            yield Finding(verdict, "narrowing", where, loss.lost, loss.first, loss.second, at)
        for loss in losses(new, old):
            verdict = _verdict(side, "widening", loss)
            where = self._where + loss.where
            note = ""
            if side == "response" and loss.is_growth:
                note = "; who tells all values apart must learn of it"
            why = loss.gained + note
            after, before = loss.places
            at = after or before or new.operation.at
            yield Finding(verdict, "widening", where, why, loss.second, loss.first, at)

    def _first_server(self) -> Iterator[Finding]:
        """The first is the one that is called, so its place is no mere order."""
        old, new = _urls(self._old, self._new)
        if old[0] != new[0] and old[0] in new:
            where, why = f"{self._where} servers", "another server comes first"
            at = (*self._new.holder("servers").at, "servers")
            yield Finding(Verdict.ADDITIVE, "change", where, why, old, new, at)

    def _parameter_losses(self, one: _Place, other: _Place) -> Iterator[Loss]:
        mine, yours = _parameters(one), _parameters(other)
        for key, parameter in mine.items():
            where = f" {key.place} parameter {key.name}"
            if key not in yours:
                yield Loss(
                    where, "parameter", "the parameter is gone", "a new parameter", True, None,
                    at=(parameter.at, None),
                )  # fmt: skip
                continue
            yield from self._flag_losses(where, parameter, yours[key])
            for loss in self._value_losses(parameter, yours[key]):
                yield replace(loss, where=where + loss.where)
        for key, parameter in yours.items():
            if parameter.raw.get("required") is True and not _is_required(mine.get(key)):
                where = f" {key.place} parameter {key.name}"
                yield _now_required(where, mine.get(key), parameter)

    def _flag_losses(self, where: str, one: Node, other: Node) -> Iterator[Loss]:
        at = (one.at, other.at)
        styles = [self._style(parameter) for parameter in (one, other)]
        if len({style for style, _ in styles}) > 1 or {how for _, how in styles} >= {True, False}:
            why = "it is written differently"
            first, second = (f"{style}, exploded" if how else style for style, how in styles)
            yield Loss(where, "style", why, why, first, second, at=at)
        for flag in ("allowReserved", "allowEmptyValue"):
            if one.raw.get(flag) is True and other.raw.get(flag) is not True:
                yield Loss(where, "flag", f"`{flag}` is off", f"`{flag}` is on", True, False, at=at)

    def _style(self, parameter: Node) -> tuple[str, bool | None]:
        """How a parameter is written, and whether it is exploded, if there is anything to be."""
        if "content" in parameter.raw:
            return ", ".join(_media_types(parameter)), None
        style = _style(parameter)
        shapes = self._shapes["request"].of(_schema(parameter))
        has_parts = any(shape.type in ("array", "object") for shape in shapes)
        return style, _is_exploded(parameter) if has_parts else None

    def _value_losses(self, one: Node, other: Node) -> tuple[Loss, ...]:
        losses, schemas = self._losses["request"], (_schema(one), _schema(other))
        if "content" in one.raw or "content" in other.raw:
            return losses.between(*schemas)
        is_exploded = _style(other) == "form" and _is_exploded(other)
        return losses.between_texts(*schemas, is_exploded=is_exploded)

    def _request_losses(self, one: _Place, other: _Place) -> Iterator[Loss]:
        mine, yours = _body(one), _body(other)
        where = " request body"
        if mine is not None and yours is None:
            yield Loss(
                where, "body", "the request body is gone", "a request body is new", True, None,
                at=(mine.at, None),
            )  # fmt: skip
        elif mine is not None and yours is not None:
            yield from self._content_losses("request", where, mine, yours)
        if yours is not None and _is_required(yours) and not _is_required(mine):
            yield _now_required(where, mine, yours)

    def _response_losses(self, one: _Place, other: _Place) -> Iterator[Loss]:
        mine, yours = _responses(one), _responses(other)
        for status, response in mine.items():
            where = f" response {status}"
            match = _covering(status, yours)
            if match is None:
                yield Loss(
                    where, "status", "the status is gone", "a new status", status, None,
                    at=(response.at, None),
                )  # fmt: skip
                continue
            yield from self._content_losses("response", f"{where} body", response, match)
            yield from self._header_losses(where, _headers(response), _headers(match))

    def _content_losses(self, side: Side, where: str, one: Node, other: Node) -> Iterator[Loss]:
        mine, yours = _media_types(one), _media_types(other)
        for name, media_type in mine.items():
            here = where + _in_brackets(name, {*mine, *yours})
            match = next((yours[known] for known in _ranges(name) if known in yours), None)
            if match is None:
                yield Loss(
                    here, "media type", "the content type is gone", "a new content type", name,
                    None, at=(media_type.at, None),
                )  # fmt: skip
                continue
            yield from self._schema_losses(side, here, _schema(media_type), _schema(match))
            ways = [plain(node.raw.get("encoding", {})) for node in (media_type, match)]
            if ways[0] != ways[1]:
                why = "the parts are encoded differently"
                at = (media_type.at, match.at)
                yield Loss(here, "encoding", why, why, ways[0], ways[1], at=at)

    def _header_losses(
        self, where: str, one: dict[str, Node], other: dict[str, Node]
    ) -> Iterator[Loss]:
        for name, header in one.items():
            here = f"{where} header {name}"
            if name in other:
                yield from self._schema_losses(
                    "response", here, _schema(header), _schema(other[name])
                )
            else:
                yield Loss(
                    here, "property", "the header is gone", "a new header", True, None,
                    at=(header.at, None),
                )  # fmt: skip
        for name, header in other.items():
            if _is_required(header) and not _is_required(one.get(name)):
                yield _now_required(f"{where} header {name}", one.get(name), header)

    def _schema_losses(self, side: Side, where: str, one: Schema, other: Schema) -> Iterator[Loss]:
        for loss in self._losses[side].between(one, other):
            yield replace(loss, where=where + loss.where)

    def _words(self) -> Iterator[Finding]:
        """What is said in words, and defaults and discriminators, wherever both have a place."""
        old, new, where = self._old, self._new, self._where
        yield from _wording(old.operation, new.operation, where, _OPERATION)
        without = {"parameters", "servers", *METHODS}
        yield from _wording(old.item, new.item, f"path {new.at.path}", without)
        before, after = _parameters(old), _parameters(new)
        place = new.operation.at
        yield from order(_names(before), _names(after), where, "the parameters", place)
        for key, one, other in _in_both(before, after):
            here = f"{where} {key.place} parameter {key.name}"
            yield from _wording(one, other, here, _PARAMETER)
            is_text = "content" not in one.raw and "content" not in other.raw
            words = self._annotations_of_text if is_text else self._annotations["request"]
            yield from words.between(_schema(one), _schema(other), here)
        bodies = _body(old), _body(new)
        if bodies[0] is not None and bodies[1] is not None:
            here = f"{where} request body"
            yield from _wording(bodies[0], bodies[1], here, {"content", "required"})
            yield from self._words_of_content("request", bodies[0], bodies[1], here)
        responses = _responses(old), _responses(new)
        yield from order(*responses, where, "the statuses", (*place, "responses"))
        for status, one, other in _in_both(*responses):
            here = f"{where} response {status}"
            yield from _wording(one, other, here, {"content", "headers"})
            yield from self._words_of_content("response", one, other, f"{here} body")
            for name, first, second in _in_both(_headers(one), _headers(other)):
                at = f"{here} header {name}"
                yield from self._words_of("response", first, second, at, _PARAMETER)

    def _words_of_content(self, side: Side, old: Node, new: Node, where: str) -> Iterator[Finding]:
        before, after = _media_types(old), _media_types(new)
        yield from order(before, after, where, "the content types", (*new.at, "content"))
        for name, one, other in _in_both(before, after):
            here = where + _in_brackets(name, {*before, *after})
            yield from self._words_of(side, one, other, here, {"schema", "encoding"})

    def _words_of(
        self, side: Side, old: Node, new: Node, where: str, without: Iterable[str]
    ) -> Iterator[Finding]:
        yield from _wording(old, new, where, without)
        yield from self._annotations[side].between(_schema(old), _schema(new), where)


def _verdict(side: Side, direction: Direction, loss: Loss) -> Verdict:
    if side == "request":
        return Verdict.BREAKING if direction == "narrowing" else Verdict.ADDITIVE
    if direction == "narrowing":
        is_breaking = loss.kind in ("status", "media type", "property")
    elif loss.kind == "status":
        is_breaking = not str(loss.first).startswith(("4", "5", "D"))
    else:
        is_breaking = not loss.is_growth and loss.kind not in (
            "additional", "media type", "property",
        )  # fmt: skip
    return Verdict.BREAKING if is_breaking else Verdict.ADDITIVE


# --- documents ---------------------------------------------------------------------------------


def _find(document: CommentedMap, name: str, operations: Collection[str]) -> dict[str, Operation]:
    """Where each of the operations stands, of those that the document has."""
    found = {}
    for operation_id in operations:
        try:
            found[operation_id] = find_operation(document, operation_id)
        except OperationMissingError:
            continue
        except ContractError as error:
            raise ContractError(f"the {name} document: {error}") from error
    return found


def _check(document: CommentedMap, operations: Mapping[str, Operation], name: str) -> None:
    """Cut the document, and look at all that is left, whether the other document has it or not."""
    if not operations:  # a sound document, but nothing of it is in use
        return
    try:
        compose(document, Overlay((), ""), operations)
        _schemes(document)
    except ContractError as error:
        raise ContractError(f"the {name} document: {error}") from error
    for at in operations.values():
        place = _Place.of(document, at, name)
        list(_Comparison("", place, place).findings())


def _renamed(
    old: CommentedMap,
    before: Mapping[str, Operation],
    new: CommentedMap,
    after: dict[str, Operation],
) -> Iterator[Finding]:
    """Give operations that only lost their operationId their old one back, and say so."""
    for operation_id, at in before.items():
        if operation_id in after:
            continue
        was = _Place.of(old, at, "old")
        found = [
            (there, operation)
            for there, operation in every_operation(new)
            if not _has_moved(was, _Place.of(new, there, "new"))
        ]
        found.sort(key=lambda pair: pair[0] != at)  # its own path, before another to the same URL
        for there, operation in found[:1]:
            name = plain(operation.get("operationId"))
            if name not in before:
                why = "the operationId is another, by which the contract is cut and calls are named"
                where = f"{at.method.upper()} {at.path}"
                place = ("paths", there.path, there.method, "operationId")
                yield Finding(Verdict.BREAKING, "change", where, why, operation_id, name, place)
                operation["operationId"] = operation_id
                after.pop(name, None)
                after[operation_id] = there


def _around(old: CommentedMap, new: CommentedMap) -> Iterator[Finding]:
    """What the documents say about themselves."""
    yield from wording(texts(old, without=_ROOT), texts(new, without=_ROOT), "document", ())
    before, after = _schemes(old), _schemes(new)
    for name, scheme in before.items():
        twin = _twin(name, scheme, before, after)
        where, at = f"security scheme {name}", ("components", "securitySchemes", twin or name)
        if twin == name:
            said = [
                texts({key: each[key] for key in each if _is_text(key)}, without=())
                for each in (scheme, after[name])
            ]
            yield from wording(said[0], said[1], where, at)
        if twin:
            yield from _scope_findings(scheme, after[twin], where, at)
    paths = [path for path in old["paths"] if path in new["paths"]]
    in_new = [path for path in new["paths"] if path in paths]
    yield from order(paths, in_new, "document", "the paths", ("paths",))


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, and listed values only where nothing else is said of it all."""
    places = tuple(finding.where for finding in findings if finding.verdict > Verdict.DOCS)
    return list(
        {
            canonical([v for key, v in vars(finding).items() if key != "at"]): finding
            for finding in findings
            if finding.why != LISTED or not finding.where.startswith(places)
        }.values()
    )


# --- servers and security ----------------------------------------------------------------------


def _server_losses(one: _Place, other: _Place) -> Iterator[Loss]:
    mine, yours = _urls(one, other)
    if set(mine) - set(yours):
        first, second = ((*place.holder("servers").at, "servers") for place in (one, other))
        yield Loss(
            " servers", "server", "a server is gone", "a new server", mine, yours,
            at=(first, second),
        )  # fmt: skip


def _has_moved(old: _Place, new: _Place) -> bool:
    """Whether the method is another, or the path, and no URL is what it was."""
    if old.at.method != new.at.method:
        return True
    paths = [_template(place.at.path) for place in (old, new)]
    before, after = (
        set(_servers(place, path)) for place, path in zip((old, new), paths, strict=True)
    )
    return paths[0] != paths[1] and before.isdisjoint(after)


def _urls(one: _Place, other: _Place) -> tuple[list[str], list[str]]:
    """The servers of both; with their paths where it is only the two together that are the same."""
    paths = [_template(place.at.path) for place in (one, other)]
    if paths[0] == paths[1] or _has_moved(one, other):
        paths = ["", ""]
    return _servers(one, paths[0]), _servers(other, paths[1])


def _servers(place: _Place, path: str) -> list[str]:
    """Each by its URL, or by all that it says where the URL has variables."""
    servers = place.nearest("servers") or [{"url": "/"}]
    if not isinstance(servers, list) or not all(
        isinstance(server, dict) and isinstance(server.get("url"), str) for server in servers
    ):
        raise ContractError(f"{place.operation.place}: the servers are no list of URLs")
    urls = [server["url"].rstrip("/") + path for server in servers]
    return [
        canonical({**_bare(server), "url": url}) if server.get("variables") else url
        for server, url in zip(servers, urls, strict=True)
    ]


def _security_losses(one: _Place, other: _Place) -> Iterator[Loss]:
    mine, yours = _security(one), _security(other)
    for way in mine:
        if not any(known <= way for known in yours):
            yield Loss(
                " security",
                "security",
                "a way to be let in is no longer enough",
                "another way to be let in",
                sorted(way),
                [sorted(known) for known in yours],
                at=(
                    (*one.holder("security").at, "security"),
                    (*other.holder("security").at, "security"),
                ),
            )


def _security(place: _Place) -> list[frozenset[str]]:
    """The ways to be let in, each as all that it takes: schemes and scopes."""
    schemes = _schemes(place.document.raw)
    ways = place.nearest("security") or [{}]
    if not isinstance(ways, list) or not all(_is_way(way, schemes) for way in ways):
        where = place.holder("security").below("security")
        raise ContractError(f"{where} is no list of schemes, each with a list of scopes")
    return [
        frozenset(
            scheme + (f" scope {scope}" if scope else "")
            for scheme, scopes in zip(choice, way.values(), strict=True)
            for scope in ("", *(scopes or ()))
        )
        for way in ways
        for choice in itertools.product(*(_proofs(schemes[name]) for name in way))
    ]


def _is_way(way: Any, schemes: Collection[str]) -> bool:
    """Whether a way to be let in names schemes that there are, with their scopes if any."""
    return isinstance(way, dict) and all(
        name in schemes
        and isinstance(scopes, list | None)
        and all(isinstance(scope, str) for scope in scopes or ())
        for name, scopes in way.items()
    )


def _proofs(scheme: Mapping[str, Any]) -> list[str]:
    """What a scheme asks of a client; each flow of OAuth is a way of its own.

    Which scopes there are to choose from is left out.
    """
    asked = {key: value for key, value in _bare(scheme).items() if key != "bearerFormat"}
    if scheme.get("type") == "http":
        asked["scheme"] = str(scheme.get("scheme")).lower()
    flows = asked.pop("flows", None)
    if not isinstance(flows, dict) or not flows:
        return [canonical(asked)]
    return [
        canonical({**asked, "flow": name, **_without_scopes(flow)}) for name, flow in flows.items()
    ]


def _without_scopes(flow: Any) -> dict[str, Any]:
    found = flow if isinstance(flow, dict) else {"flow": flow}
    return {key: value for key, value in found.items() if key != "scopes"}


def _twin(
    name: str, scheme: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> str | None:
    """What the new document calls a security scheme of the old one."""
    if name in after:
        return name
    new = (other for other in after if other not in before)
    return next((other for other in new if _proofs(after[other]) == _proofs(scheme)), None)


def _scope_findings(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str, at: Location
) -> Iterator[Finding]:
    before, after = _scopes(old), _scopes(new)
    for flow in before:
        if flow not in after:
            continue
        here, there = f"{where} {flow}", (*at, "flows", flow, "scopes")
        if gone := before[flow].keys() - after[flow].keys():
            why = f"no longer to be had: {', '.join(sorted(gone))}"
            lists = list(before[flow]), list(after[flow])
            yield Finding(Verdict.BREAKING, "narrowing", here, why, *lists, there)
        if more := after[flow].keys() - before[flow].keys():
            why = f"to be had now: {', '.join(sorted(more))}"
            lists = list(before[flow]), list(after[flow])
            yield Finding(Verdict.ADDITIVE, "widening", here, why, *lists, there)
        both = [
            texts({key: said[key] for key in said if key in other}, without=())
            for said, other in ((before[flow], after[flow]), (after[flow], before[flow]))
        ]
        yield from wording(both[0], both[1], here, there)


def _scopes(scheme: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The scopes of each flow of OAuth, with their descriptions."""
    flows = scheme.get("flows")
    return {
        name: flow["scopes"]
        for name, flow in (flows if isinstance(flows, dict) else {}).items()
        if isinstance(flow, dict) and isinstance(flow.get("scopes"), dict)
    }


def _schemes(root: CommentedMap) -> dict[str, Any]:
    at: tuple[str, ...] = ()
    for key in ("components", "securitySchemes"):
        if key not in mapping(root, *at):
            return {}
        at = (*at, key)
    return {str(name): plain(mapping(root, *at, name)) for name in mapping(root, *at)}


def _bare(value: Any) -> Any:
    """A value without what is only said in words."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if not _is_text(key)}
    return value


def _is_text(key: str) -> bool:
    return key in ("bearerFormat", "deprecated", "description") or key.startswith("x-")


def _callback_losses(one: _Place, other: _Place) -> Iterator[Loss]:
    said = [canonical(pair.operation.raw.get("callbacks", {})) for pair in (one, other)]
    if said[0] != said[1]:
        why = "the callbacks are others"
        at = (*other.operation.at, "callbacks")
        yield Loss(" callbacks", "callbacks", why, why, None, None, at=(None, at))


# --- parameters, bodies, responses -------------------------------------------------------------


class _Key(NamedTuple):
    """What makes a parameter the same as another."""

    place: str
    name: str


# OpenAPI has these said elsewhere, and lets parameters of these names mean nothing.
_NO_PARAMETERS = frozenset({"accept", "authorization", "content-type"})


def _parameters(pair: _Place) -> dict[_Key, Node]:
    found = {}
    for holder in (pair.item, pair.operation):
        for node in _list(holder, "parameters"):
            parameter = _followed(node)
            place, name = str(parameter.raw.get("in")), str(parameter.raw.get("name"))
            if place == "header":
                name = name.lower()
            if place == "path" and f"{{{name}}}" in pair.at.path:  # its own name means nothing
                name = str(re.findall(r"\{(.*?)\}", pair.at.path).index(name) + 1)
            if place != "header" or name not in _NO_PARAMETERS:
                found[_Key(place, name)] = parameter
    return found


def _style(parameter: Node) -> str:
    is_form = parameter.raw.get("in") in ("query", "cookie")
    return str(parameter.raw.get("style", "form" if is_form else "simple"))


def _is_exploded(parameter: Node) -> bool:
    return bool(parameter.raw.get("explode", _style(parameter) == "form"))


def _body(pair: _Place) -> Node | None:
    if "requestBody" not in pair.operation.raw:
        return None
    return _followed(pair.operation.child("requestBody"))


def _responses(pair: _Place) -> dict[str, Node]:
    if "responses" not in pair.operation.raw:
        return {}
    responses = _followed(pair.operation.child("responses"))
    return {
        str(status).upper(): _followed(responses.child(status))
        for status in responses.raw
        if not str(status).startswith("x-")
    }


def _covering(status: str, responses: Mapping[str, Node]) -> Node | None:
    for known in (status, f"{status[:1]}XX", "DEFAULT"):
        if known in responses:
            return responses[known]
    return None


def _headers(response: Node) -> dict[str, Node]:
    if "headers" not in response.raw:
        return {}
    headers = _followed(response.child("headers"))
    return {str(name).lower(): _followed(headers.child(name)) for name in headers.raw}


def _media_types(holder: Node) -> dict[str, Node]:
    if "content" not in holder.raw:
        return {}
    content = _followed(holder.child("content"))
    return {
        str(name).partition(";")[0].strip().lower(): _followed(content.child(name))
        for name in content.raw
    }


_Name = TypeVar("_Name")


def _in_both(
    old: Mapping[_Name, Node], new: Mapping[_Name, Node]
) -> Iterator[tuple[_Name, Node, Node]]:
    return ((name, old[name], new[name]) for name in old if name in new)


def _names(parameters: Iterable[_Key]) -> list[str]:
    return [f"{key.place} {key.name}" for key in parameters]


def _ranges(media_type: str) -> tuple[str, ...]:
    return (media_type, f"{media_type.partition('/')[0]}/*", "*/*")


def _in_brackets(media_type: str, known: Iterable[str]) -> str:
    return "" if {*known} == {media_type} else f" ({media_type})"


def _schema(holder: Node) -> Schema:
    if "schema" in holder.raw:
        return (holder.child("schema"),)
    for media_type in _media_types(holder).values():  # a parameter or a header has one at most
        return _schema(media_type)
    return ANYTHING


def _is_required(node: Node | None) -> bool:
    return node is not None and node.raw.get("required") is True


def _now_required(where: str, one: Node | None, other: Node) -> Loss:
    at = (None if one is None else one.at, other.at)
    return Loss(where, "required", "is required now", "is no longer required", False, True, at=at)


def _wording(old: Node, new: Node, where: str, without: Iterable[str]) -> Iterator[Finding]:
    keys = frozenset(without)
    said = texts(old.raw, without=keys), texts(new.raw, without=keys)
    yield from wording(*said, where, new.at)


def _list(holder: Node, key: str) -> list[Node]:
    items = holder.raw.get(key, [])
    if not isinstance(items, list):
        raise ContractError(f"{holder.below(key)} is no list")
    return [holder.child(key, index) for index in range(len(items))]


def _followed(node: Node) -> Node:
    """The mapping itself, where a reference may stand for it."""
    seen = []
    while isinstance(node.raw, CommentedMap) and isinstance(node.raw.get("$ref"), str):
        if node in seen:
            raise ContractError(f"{node.place} refers to nothing but itself")
        seen.append(node)
        node = node.target()
    if not isinstance(node.raw, CommentedMap):
        raise ContractError(f"{node.place} is {node.raw!r:.60}, not a mapping")
    return node


def _template(path: str) -> str:
    return re.sub(r"\{.*?\}", "{}", path)
