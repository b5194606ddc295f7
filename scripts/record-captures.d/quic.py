#!/usr/bin/env python3
"""A server and a client that speak HTTP/3 over QUIC, for captures (aioquic).

quic.py serve --address A --port N --certificate FILE --key FILE
quic.py get --to A:N --name NAME [--path PATH] [--version 1|2] [--tickets FILE]

With --tickets the client keeps what the server gave it to resume with, and uses what is kept there.
"""

import argparse
import asyncio
import pathlib
import pickle
import ssl

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion

PAGE = b"<!doctype html><title>A page</title>" + b"<p>Over QUIC.</p>" * 200


class Server(QuicConnectionProtocol):
    def quic_event_received(self, event):
        self.http = getattr(self, "http", None) or H3Connection(self._quic)
        for part in self.http.handle_event(event):
            if isinstance(part, HeadersReceived):
                headers = [(b":status", b"200"), (b"content-type", b"text/html")]
                self.http.send_headers(part.stream_id, headers)
                self.http.send_data(part.stream_id, PAGE, end_stream=True)
                self.transmit()


class Client(QuicConnectionProtocol):
    def get(self, name, path):
        self.http, self.done = H3Connection(self._quic), asyncio.get_running_loop().create_future()
        stream = self._quic.get_next_available_stream_id()
        headers = [(b":method", b"GET"), (b":scheme", b"https"),
                   (b":authority", name.encode()), (b":path", path.encode())]
        self.http.send_headers(stream, headers, end_stream=True)
        self.transmit()
        return self.done

    def quic_event_received(self, event):
        for part in self.http.handle_event(event) if hasattr(self, "http") else []:
            if isinstance(part, DataReceived) and part.stream_ended and not self.done.done():
                self.done.set_result(None)


async def run_server(a):
    tickets = {}
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, supported_versions=[
        QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2])
    configuration.load_cert_chain(a.certificate, a.key)
    await serve(a.address, a.port, configuration=configuration, create_protocol=Server,
                session_ticket_fetcher=tickets.get,
                session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket))
    await asyncio.Event().wait()


async def run_client(a):
    version = QuicProtocolVersion.VERSION_2 if a.version == 2 else QuicProtocolVersion.VERSION_1
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=a.name,
                                      verify_mode=ssl.CERT_NONE, original_version=version,
                                      supported_versions=[version])
    kept = pathlib.Path(a.tickets) if a.tickets else None
    if kept and kept.exists():
        configuration.session_ticket = pickle.loads(kept.read_bytes())
    host, port = a.to.rsplit(":", 1)
    keep = (lambda ticket: kept.write_bytes(pickle.dumps(ticket))) if kept else None
    async with connect(host, int(port), configuration=configuration, create_protocol=Client,
                       session_ticket_handler=keep) as client:
        await asyncio.wait_for(client.get(a.name, a.path), 5)
        await asyncio.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("serve")
    server.set_defaults(run=run_server)
    server.add_argument("--address", required=True)
    server.add_argument("--port", type=int, default=443)
    server.add_argument("--certificate", required=True)
    server.add_argument("--key", required=True)
    client = commands.add_parser("get")
    client.set_defaults(run=run_client)
    client.add_argument("--to", required=True)
    client.add_argument("--name", required=True)
    client.add_argument("--path", default="/")
    client.add_argument("--version", type=int, choices=[1, 2], default=1)
    client.add_argument("--tickets")
    a = parser.parse_args()
    asyncio.run(a.run(a))


main()
