#!/usr/bin/env python3
"""A mail server and its client, for captures: aiosmtpd on one side, smtplib on the other.

mail.py serve --address A --port N [--certificate FILE --key FILE]
mail.py send --to A:N [--starttls] [--attach FILE] --subject TEXT
"""

import argparse
import asyncio
import email.message
import email.utils
import mimetypes
import pathlib
import smtplib
import ssl


def serve(a):
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    context = None
    if a.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(a.certificate, a.key)
        # Otherwise nothing of the certificate could be read on the way.
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def run():
        loop = asyncio.get_running_loop()
        make = lambda: SMTP(Sink(), hostname="mail.example", tls_context=context, enable_SMTPUTF8=True)
        server = await loop.create_server(make, a.address, a.port)
        await server.serve_forever()

    asyncio.run(run())


def send(a):
    message = email.message.EmailMessage()
    message["From"] = "Ada Example <ada@office.example>"
    message["To"] = "Ben Example <ben@mail.example>, cleo@mail.example"
    message["Cc"] = "dora@mail.example"
    message["Date"] = email.utils.formatdate(1_700_000_000)
    message["Message-ID"] = f"<{a.subject.replace(' ', '-')}@office.example>"
    message["Subject"] = a.subject
    message.set_content("Hello,\n\nthis is a mail of a capture.\n.\nAda\n")
    for name in a.attach:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        main, sub = kind.split("/")
        path = pathlib.Path(name)
        message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=path.name)
    host, port = a.to.rsplit(":", 1)
    with smtplib.SMTP(host, int(port), local_hostname="ws-101.office.example") as client:
        if a.starttls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
        client.send_message(message)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("serve")
    server.set_defaults(run=serve)
    server.add_argument("--address", required=True)
    server.add_argument("--port", type=int, default=25)
    server.add_argument("--certificate")
    server.add_argument("--key")
    client = commands.add_parser("send")
    client.set_defaults(run=send)
    client.add_argument("--to", required=True)
    client.add_argument("--subject", required=True)
    client.add_argument("--starttls", action="store_true")
    client.add_argument("--attach", action="append", default=[])
    a = parser.parse_args()
    a.run(a)


main()
