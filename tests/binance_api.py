"""A small exchange as a client of the Binance dialect's API sees it: REST and `/ws-api/v3`, with real keys; commands
wait for `commit`, as they do for the tape."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from binance_market import VenueWorld
from support import BTC, ListSink, decoded
from tickwire.dialects.base import HttpAnswer, HttpRequest, Opening, Refused
from tickwire.dialects.binance.api_session import ApiSession
from tickwire.dialects.binance.dialect import Binance
from tickwire.errors import InvalidInput
from tickwire.keyfile import api_key, decode_base64url
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Outcome
from tickwire.model.records import Clock, Record
from tickwire.protocol.messages import Rate
from tickwire.server.auth import Authenticator
from tickwire.server.keys import KeyStore

MS_NS = 1_000_000
IP = "192.0.2.7"


class Owner(NamedTuple):
    """A key as its owner holds it; one of another kind than hmac has no GUID."""

    key_id: str
    sign: Callable[[bytes], str]
    guid: str = ""


class Keys:
    """`tickwire.dialects.base.Keys` without the limit of failures."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def api_key(self, key: str, ip: str) -> Identity:
        return self._authenticator.api_key(key, ip)

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        raise AssertionError("no token is given here")

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        return self._authenticator.signed(key, payloads, signature, ip)

    def in_force(self, key_id: str) -> bool:
        return self._authenticator.in_force(key_id)


class Answer(NamedTuple):
    """An HTTP answer, decoded."""

    status: int
    body: Any
    headers: dict[str, str]


class Exchange:
    """A server's Binance dialect.

    Attributes:
        alice, bob: keys (HMAC) that may trade; their accounts have money.
        busy: refuse what is submitted.
    """

    def __init__(self, instrument: Instrument = BTC, *, require_key: bool = False) -> None:
        self.world = VenueWorld(instrument, require_key=require_key)
        self.market = self.world.market
        self.clock = self.world.clock
        self.store = KeyStore(None)
        self.authenticator = Authenticator(self.store, self.clock)
        self.dialect = Binance()
        self.services = replace(self.world.services, keys=Keys(self.authenticator), submit=self._submit)
        self.pending: list[tuple[list[Record], Any]] = []
        self.busy = False
        self.alice, self.bob = self.hmac("a"), self.hmac("b")

    def close(self) -> None:
        self.store.close()

    # ---- keys ------------------------------------------------------------------------------------

    def hmac(self, account: str, *scopes: str, **more: Any) -> Owner:
        key, file = self.store.create(account, scopes=scopes or ("trade",), kind="hmac", **more)
        secret = file.secret.encode()
        guid = api_key(key.verifier)
        return Owner(key.key_id, lambda payload: hmac.new(secret, payload, hashlib.sha256).hexdigest(), guid)

    def ed25519(self, account: str) -> Owner:
        key, file = self.store.create(account, scopes=("trade",), kind="ed25519")
        private = Ed25519PrivateKey.from_private_bytes(decode_base64url(file.secret))
        return Owner(key.key_id, lambda payload: base64.b64encode(private.sign(payload)).decode())

    def rsa(self, account: str) -> Owner:
        private = rsa.generate_private_key(65_537, 2_048)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key = self.store.enroll(account, public, scopes=("trade",))
        return Owner(
            key.key_id, lambda payload: base64.b64encode(private.sign(payload, padding.PKCS1v15(), SHA256())).decode()
        )

    def revoke(self, owner: Owner) -> None:
        self.store.revoke(owner.key_id)
        self.authenticator.refresh()

    # ---- the tape --------------------------------------------------------------------------------

    def _submit(self, records: list[Record], done: Any) -> None:
        if self.busy:
            raise InvalidInput("the server has more to do than it can queue; nothing was done", code="busy")
        self.pending.append((records, done))

    def commit(self, *, failed: bool = False) -> None:
        """Let the tape take what was submitted; what is submitted by that waits for the next time."""
        world = self.world
        world.clock.advance(ms=1)
        world.hub.publish(self.market.apply(Clock(world.clock())))
        pending, self.pending = self.pending, []
        for records, done in pending:
            outcomes: list[Outcome | None] = []
            for record in records:
                self.market.outcome = None
                world.hub.publish(self.market.apply(record))
                outcomes.append(self.market.outcome)
            done(None if failed else outcomes)
        world.hub.flush()

    def commit_all(self) -> None:
        while self.pending:
            self.commit()

    @property
    def now_ms(self) -> int:
        return self.clock() // MS_NS

    # ---- REST ------------------------------------------------------------------------------------

    def ask_http(
        self,
        verb: str,
        path: str,
        query: str = "",
        body: str = "",
        headers: dict[str, str] | None = None,
        *,
        commit: bool = True,
        identity: Identity | None = None,
    ) -> Answer:
        """The answer to a request as it is given; whatever it has submitted is committed."""
        answers: list[HttpAnswer] = []
        request = HttpRequest(verb, path, query, headers or {}, body.encode(), IP, identity)
        self.dialect.http(self.services, request, answers.append)
        if commit:
            self.commit_all()
        (answer,) = answers
        return Answer(answer.status, msgspec.json.decode(answer.body), dict(answer.headers))

    def rest(self, verb: str, path: str, owner: Owner | None = None, **params: Any) -> Answer:
        """The answer to a request to `/api/v3`, signed by an owner; POST and PUT carry a form."""
        query, headers = urlencode(params), {}
        if owner is not None:
            query = urlencode({"timestamp": self.now_ms, **params})
            query += f"&signature={quote(owner.sign(query.encode()), safe='')}"
            headers = {"x-mbx-apikey": owner.key_id}
        in_body = verb in ("POST", "PUT")
        return self.ask_http(verb, f"/api/v3{path}", "" if in_body else query, query if in_body else "", headers)

    # ---- WebSocket -------------------------------------------------------------------------------

    def connect(self, query: str = "", identity: Identity | None = None) -> Connection:
        """A connection to `/ws-api/v3`."""
        connection = self.try_connect("/ws-api/v3", query, identity)
        assert isinstance(connection, Connection), connection
        return connection

    def try_connect(self, path: str, query: str = "", identity: Identity | None = None) -> Connection | Refused:
        sink = ListSink()
        opening = Opening(
            "s1", path, query, {}, IP, sink, lambda: len(sink.writes), identity, Rate(100, 99, 10), 1_000, 999
        )
        session = self.dialect.session(self.services, opening)
        if isinstance(session, Refused):
            return session
        assert isinstance(session, ApiSession)
        return Connection(self, session, sink)


class Connection:
    """One connection to the WebSocket API.

    Attributes:
        events: that came without being asked for, since they were last taken.
    """

    def __init__(self, exchange: Exchange, session: ApiSession, sink: ListSink) -> None:
        self.exchange = exchange
        self.session = session
        self._sink = sink
        self._events: list[Any] = []
        assert session.opened() == b""

    def send(self, data: bytes) -> list[Any]:
        """What a message is answered with at once."""
        return decoded(b"".join(self.session.received(data)))

    def ask(self, method: str, owner: Owner | None = None, *, commit: bool = True, **params: Any) -> Any:
        """The whole answer to a request, signed by an owner."""
        if owner is not None:
            params = {"apiKey": owner.key_id, "timestamp": self.exchange.now_ms, **params}
            payload = "&".join(f"{name}={text(value)}" for name, value in sorted(params.items()))
            params["signature"] = owner.sign(payload.encode())
        messages = self.send(msgspec.json.encode({"id": "x1", "method": method, "params": params}))
        if commit:
            self.exchange.commit_all()
        messages += self._sink.messages()
        answers = [message for message in messages if "id" in message]
        self._events += [message for message in messages if "id" not in message]
        (answer,) = answers
        assert answer["id"] == "x1"
        return answer

    def result(self, method: str, owner: Owner | None = None, **params: Any) -> Any:
        answer = self.ask(method, owner, **params)
        assert answer["status"] == 200, answer
        return answer["result"]

    def error(self, method: str, owner: Owner | None = None, **params: Any) -> tuple[int, int, str]:
        """The status, code and words of a refusal."""
        answer = self.ask(method, owner, **params)
        assert "error" in answer, answer
        return answer["status"], answer["error"]["code"], answer["error"]["msg"]

    def events(self) -> list[Any]:
        """What was said of accounts since the last call."""
        events, self._events = self._events + self._sink.messages(), []
        return events

    def late(self) -> list[Any]:
        """What has come since, answers too."""
        return self._sink.messages()


def text(value: object) -> str:
    """A parameter as JSON has it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
