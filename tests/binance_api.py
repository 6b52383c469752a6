"""A small exchange as a client of the Binance dialect's API sees it: REST and `/ws-api/v3`, with real keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dialect_world import DialectWorld, Socket
from support import BTC, ListSink
from tickwire.dialects.base import HttpAnswer, HttpRequest, Refused
from tickwire.dialects.binance.api_session import ApiSession
from tickwire.dialects.binance.dialect import Binance
from tickwire.keyfile import api_key, decode_base64url
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.server.auth import Authenticator
from tickwire.server.keys import KeyStore

MS_NS = 1_000_000
IP = "192.0.2.7"


class Owner(NamedTuple):
    """A key as its owner holds it; one of another kind than hmac has no GUID."""

    key_id: str
    sign: Callable[[bytes], str]
    guid: str = ""


class Answer(NamedTuple):
    """An HTTP answer, decoded."""

    status: int
    body: Any
    headers: dict[str, str]


class Exchange(DialectWorld):
    """A server's Binance dialect.

    Attributes:
        alice, bob: keys (HMAC) that may trade; their accounts have money.
    """

    def __init__(self, instrument: Instrument = BTC, *, require_key: bool = False) -> None:
        super().__init__(instrument, require_key=require_key)
        self.store = KeyStore(None)
        self.authenticator = Authenticator(self.store, self.clock)
        self.dialect = Binance()
        self.services = replace(self.services, keys=self.authenticator)
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

    def commit_all(self) -> None:
        while self.submitted:
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
        session = self.dialect.session(self.services, self.opening(path, query, sink=sink, identity=identity, ip=IP))
        if isinstance(session, Refused):
            return session
        assert isinstance(session, ApiSession)
        return Connection(self, session, sink)


class Connection(Socket):
    """One connection to the WebSocket API.

    Attributes:
        events: that came without being asked for, since they were last taken.
    """

    def __init__(self, exchange: Exchange, session: ApiSession, sink: ListSink) -> None:
        super().__init__(session, sink)
        self.exchange = exchange
        self._events: list[Any] = []
        assert self.first == []

    def ask(self, method: str, owner: Owner | None = None, *, commit: bool = True, **params: Any) -> Any:
        """The whole answer to a request, signed by an owner."""
        if owner is not None:
            params = {"apiKey": owner.key_id, "timestamp": self.exchange.now_ms, **params}
            payload = "&".join(f"{name}={text(value)}" for name, value in sorted(params.items()))
            params["signature"] = owner.sign(payload.encode())
        messages = self.send(msgspec.json.encode({"id": "x1", "method": method, "params": params}))
        if commit:
            self.exchange.commit_all()
        messages += self.said()
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
        events, self._events = self._events + self.said(), []
        return events


def text(value: object) -> str:
    """A parameter as JSON has it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
