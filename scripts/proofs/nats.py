"""A NATS server with JetStream, and a publisher that knows which of its messages the server has kept."""

import contextlib
import json
import socket
import subprocess
import time

from .ground import free_port, program, wait_for_port

IN_FLIGHT = 512


class Server:
    """Killed and started again on one port and one store."""

    def __init__(self, ground, folder):
        self.port, self.store, self.process = free_port(), folder / "nats", None
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()
        ground.at_end(self.kill)

    def start(self):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([program("nats-server"), "-js", "-sd", str(self.store), "-a", "127.0.0.1", "-p", str(self.port)], **quiet)
        wait_for_port(self.port, self.process, "nats-server")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def held(self, stream, subject):
        """The messages of a subject that the stream has, in its order."""
        create = {"stream_name": stream, "config": {"deliver_subject": "held", "deliver_policy": "all", "ack_policy": "none", "filter_subject": subject}}
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            ask = json.dumps(create).encode()
            head = f"PUB $JS.API.CONSUMER.CREATE.{stream} answer {len(ask)}\r\n".encode()
            connection.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB answer 1\r\nSUB held 2\r\n' + head + ask + b"\r\n")
            lines, held, number = connection.makefile("rb"), [], None
            while number is None or len(held) < number:
                line = lines.readline()
                parts = line.split()
                if not line:
                    raise OSError("the server closed the connection")
                if parts[:1] not in ([b"MSG"], [b"HMSG"]):
                    continue
                text = lines.read(int(parts[-1]))
                if parts[1] == b"answer":
                    made = json.loads(text)
                    number = made["num_pending"] + made["delivered"]["consumer_seq"]
                else:
                    held.append(text[int(parts[-2]) if parts[0] == b"HMSG" else 0 :])
            return held


class Publisher:
    """Sends each message until the stream says that it has it. The stream knows a message by its id."""

    def __init__(self, port):
        self.port, self.socket, self.buffer, self.waiting = port, None, b"", {}

    def publish(self, messages, deadline):
        """`messages`: subject, payload. Comes back when the stream has all of them."""
        rest, number = iter(messages), 0
        done = False
        while not (done and not self.waiting):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.waiting)} messages were never acknowledged")
            try:
                if self.socket is None:
                    self.connect()
                    for again in sorted(self.waiting):
                        self.send(again)
                while not done and len(self.waiting) < IN_FLIGHT:
                    message = next(rest, None)
                    if message is None:
                        done = True
                        break
                    self.waiting[number] = message
                    self.send(number)
                    number += 1
                self.receive()
            except OSError:
                self.close()
                time.sleep(0.05)
        return number

    def connect(self):
        self.socket, self.buffer = socket.create_connection(("127.0.0.1", self.port), 2), b""
        self.socket.settimeout(1)
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB inbox.* 1\r\n')

    def close(self):
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.close()
        self.socket = None

    def send(self, number):
        subject, payload = self.waiting[number]
        header = f"NATS/1.0\r\nNats-Msg-Id: {number}\r\n\r\n".encode()
        self.socket.sendall(f"HPUB {subject} inbox.{number} {len(header)} {len(header) + len(payload)}\r\n".encode() + header + payload + b"\r\n")

    def receive(self):
        """Takes what has come; after a second without a word all that waits is sent again."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            for again in sorted(self.waiting):
                self.send(again)
            return
        if not data:
            raise OSError("the server closed the connection")
        self.buffer += data
        while (line_end := self.buffer.find(b"\r\n")) >= 0:
            line = self.buffer[:line_end]
            if line.startswith((b"MSG ", b"HMSG ")):
                parts = line.split()
                end = line_end + 2 + int(parts[-1]) + 2
                if len(self.buffer) < end:
                    return
                self.acknowledged(parts, self.buffer[line_end + 2 : end - 2])
                self.buffer = self.buffer[end:]
                continue
            self.buffer = self.buffer[line_end + 2 :]
            if line == b"PING":
                self.socket.sendall(b"PONG\r\n")

    def acknowledged(self, parts, payload):
        # Without a stream the server answers with a header alone, and an error of the stream has no number.
        if parts[0] == b"MSG" and "seq" in json.loads(payload or b"{}"):
            self.waiting.pop(int(parts[1].split(b".")[1]), None)
