"""A session on a small market, spoken to in messages; its commands wait for `commit`, as they do for the tape."""

from __future__ import annotations

from typing import Any

from support import BTC, ListSink, World, decoded
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, Transfer
from tickwire.protocol.codec import ENCODINGS, JSON, MSGPACK
from tickwire.protocol.codes import ERROR_CODES
from tickwire.protocol.messages import LoginParams
from tickwire.protocol.service import Service
from tickwire.protocol.session import Session

SYMBOL = BTC.symbol
FX = Instrument(
    venue="FXCM", base="EUR", quote="USD", asset_class="fx", tick_size="0.00001", lot_size="1", kind="mirrored",
    book="none", feed="fx",
)  # fmt: skip

KEYS = {
    "reader": Identity("reader", "alice", frozenset({"read"})),
    "trader": Identity("trader", "alice", frozenset({"trade"})),
    "other": Identity("other", "bob", frozenset({"read", "trade"})),
    "operator": Identity("operator", "ops", frozenset({"admin"})),
}


class Client:
    """A client of one session.

    Attributes:
        revoked: keys that are not in force any more.
    """

    def __init__(
        self,
        encoding: str = JSON.name,
        *,
        login: str = "",
        world: World | None = None,
        identity: Identity | None = None,
        **more: Any,
    ) -> None:
        if world is None:
            world = World()
            world.do(ListInstrument(FX))
            for account in ("a", "b"):  # that public orders are of
                world.do(*(Transfer(account, asset, "1000", account + asset) for asset in ("USDT", "BTC")))
        self.world = world
        self.sink = ListSink(encoding)
        self.encoding = encoding
        self.revoked: set[str] = set()
        service = Service(
            epoch="e1",
            version="1.2.3",
            market=self.world.market,
            hub=self.world.hub,
            renderer=self.world.renderer,
            now=self.world.clock,
            in_force=lambda key_id: key_id not in self.revoked,
            submit=self.world.submit,
            **more,
        )
        self.session = Session(
            service,
            session_id="s1",
            challenge="sign me",
            encoding=ENCODINGS[encoding],
            sink=self.sink,
            authenticate=self.authenticate,
            identity=identity,
        )
        if login:
            self.login(login)

    @staticmethod
    def authenticate(params: LoginParams, challenge: str) -> Identity:
        if params.key not in KEYS or params.signature != f"{params.key} signs {challenge}":
            raise InvalidInput("the login failed", code="login_failed")
        return KEYS[params.key]

    def commit(self) -> list[Any]:
        """Let the tape take what was submitted; returns the replies."""
        self.world.commit()
        return self.replies()

    def replies(self) -> list[Any]:
        """Take the answers, with which every write begins, from the sink."""
        answers: list[bytes] = []
        for write in self.sink.writes:
            count = sum("id" in decoded(piece, self.encoding)[0] for piece in write)
            answers += write[:count]
            del write[:count]
        return decoded(b"".join(answers), self.encoding)

    def send(self, data: bytes) -> list[Any]:
        return decoded(b"".join(self.session.received(data)), self.encoding)

    def call(self, method: object, params: object = None, request_id: object = 1) -> list[Any]:
        self.world.clock.advance(ms=100)  # well below the request limit
        request = {"id": request_id, "method": method} | ({} if params is None else {"params": params})
        return self.send(JSON.encode(request) if self.encoding == JSON.name else MSGPACK.encode(request))

    def result(self, method: str, params: object = None) -> Any:
        """The result of a request that is answered at once, or once it is on the tape."""
        replies = self.call(method, params) or self.commit()
        assert "error" not in replies[0], replies[0]
        return replies[0]["result"]

    def error(self, method: object, params: object = None, request_id: object = 1) -> tuple[Any, ...]:
        """(code, field, id) of a request that is refused."""
        (reply,) = self.call(method, params, request_id) or self.commit()
        error = reply["error"]
        assert ERROR_CODES[error["code"]].retry == error.get("retry", False)
        assert "result" not in reply
        return error["code"], error.get("field"), reply["id"]

    def login(self, key: str) -> Any:
        return self.result("auth.login", {"key": key, "signature": f"{key} signs sign me"})
