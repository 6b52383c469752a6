"""Holds messages to the AsyncAPI document: each is told apart, then compared with its own schema, more strictly than a
client would: a field that the document does not know is an error."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator

from tickwire.server.asyncapi import CONTROL, asyncapi


class Contract:
    """What the document says of a session's messages, as they come.

    Attributes:
        seen: the names of the messages that came.
    """

    def __init__(self) -> None:
        document = asyncapi()
        for schema in document["components"]["schemas"].values():
            if schema.get("type") == "object":
                schema.setdefault("additionalProperties", False)
        self._validators = {
            name: Draft7Validator(
                {"$ref": f"#/components/messages/{name}/payload", "components": document["components"]}
            )
            for name in document["components"]["messages"]
        }
        self._asked: dict[Any, str] = {}
        self.seen: set[str] = set()

    @property
    def names(self) -> set[str]:
        """Every message of the document."""
        return set(self._validators)

    def request(self, message: Any) -> None:
        """A client's message, one that is right."""
        self._asked[message["id"]] = message["method"]
        self._check(message["method"], message)

    def said(self, message: Any) -> None:
        """A server's message."""
        self._check(self._name(message), message)

    def _name(self, message: Any) -> str:
        if message.get("type") in CONTROL:
            return str(message["type"])
        if "channel" in message:
            return f"{message['channel']}.{message['type']}"
        return "error" if "error" in message else f"{self._asked[message['id']]}.result"

    def _check(self, name: str, message: Any) -> None:
        found = self._validators[name].iter_errors(message)
        errors = [f"{list(error.absolute_path)}: {error.message}" for error in found]
        assert not errors, (name, message, errors)
        self.seen.add(name)
