"""As much of the WebSocket protocol (RFC 6455) as a stream of texts needs, for both sides."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import struct
from typing import Optional
from urllib.parse import urlsplit

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
MOST_BYTES = 64 * 1024
PATIENCE = 5.0


class WebSocketError(OSError):
    """The other side does not keep to the protocol, or has gone."""


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()


class WebSocket:
    """A connection after its handshake. Clients mask what they send."""

    def __init__(self, stream: socket.socket, is_client: bool, rest: bytes = b"") -> None:
        self.stream = stream
        self.is_client = is_client
        self.buffer = rest

    def send(self, kind: int, data: bytes) -> None:
        mask_bit = 0x80 if self.is_client else 0
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | kind, mask_bit | len(data))
        else:
            head = struct.pack("!BBH", 0x80 | kind, mask_bit | 126, len(data))
        if self.is_client:
            mask = os.urandom(4)
            head, data = head + mask, masked(data, mask)
        self.stream.sendall(head + data)

    def receive(self) -> Optional[str]:
        """The next text; ``None`` when the socket's timeout has passed without one."""
        while True:
            try:
                frame = self.frame()
            except socket.timeout:
                return None
            kind, data = frame
            if kind == TEXT:
                return data.decode()
            if kind == PING:
                self.send(PONG, data)
            if kind == CLOSE:
                raise WebSocketError("the other side has said farewell")

    def frame(self) -> tuple[int, bytes]:
        """One whole frame. What came of it before a timeout is kept for the next call."""
        first, second = self.peek(2)
        if not first & 0x80 or first & 0x0F not in (TEXT, CLOSE, PING, PONG):
            raise WebSocketError("a frame of a kind that is not expected here")
        length, start = second & 0x7F, 2
        if length == 126:
            length, start = struct.unpack("!H", self.peek(4)[2:])[0], 4
        if length > MOST_BYTES or second & 0x7F == 127:
            raise WebSocketError("a frame that is too long")
        mask = b""
        if second & 0x80:
            mask, start = self.peek(start + 4)[start:], start + 4
        data = self.peek(start + length)[start:]
        self.buffer = self.buffer[start + length :]
        return first & 0x0F, masked(data, mask) if mask else data

    def peek(self, count: int) -> bytes:
        while len(self.buffer) < count:
            more = self.stream.recv(MOST_BYTES)
            if not more:
                raise WebSocketError("the connection has ended")
            self.buffer += more
        return self.buffer[:count]

    def close(self) -> None:
        try:
            self.send(CLOSE, b"")
        except OSError:
            pass  # A farewell; the other side finds out without it too.
        self.stream.close()


def masked(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


def read_head(stream: socket.socket) -> tuple[list[str], bytes]:
    """The lines of an HTTP head, and what came after it."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = stream.recv(4096)
        if not more or len(head) > MOST_BYTES:
            raise WebSocketError("no answer to the handshake")
        head += more
    head, rest = head.split(b"\r\n\r\n", 1)
    return head.decode("latin-1").split("\r\n"), rest


def headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def dial(url: str) -> WebSocket:
    """Opens a WebSocket, over TLS if the address begins with ``wss:``. ``OSError``."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise WebSocketError(f"{url} is no address of a WebSocket")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    stream = socket.create_connection((parts.hostname, port), PATIENCE)
    try:
        if parts.scheme == "wss":
            context = ssl.create_default_context()
            stream = context.wrap_socket(stream, server_hostname=parts.hostname)
        key = base64.b64encode(os.urandom(16)).decode()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        asked = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.hostname}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        stream.sendall(asked.encode())
        lines, rest = read_head(stream)
        if lines[0].split()[1:2] != ["101"]:
            raise WebSocketError(f"refused: {lines[0]}")
        if headers(lines).get("sec-websocket-accept") != accept_key(key):
            raise WebSocketError("the answer to the handshake is for somebody else")
    except BaseException:
        stream.close()
        raise
    return WebSocket(stream, is_client=True, rest=rest)
