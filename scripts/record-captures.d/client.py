#!/usr/bin/env python3
"""Plays a person or a program that contacts servers, by running curl at seeded times.

client.py poll   --seed S --every SECONDS --jitter FRACTION --count N -- CURL ARGUMENTS
client.py browse --seed S --seconds N -- SITE...
client.py serve  --address A --port P [--reply BYTES]
"""

import argparse
import http.server
import random
import socketserver
import subprocess
import sys
import time

ASSETS = 6


def curl(*arguments):
    subprocess.run(
        ["curl", "-q", "-g", "-s", "-k", "-o", "/dev/null", "--max-time", "60", *arguments],
        check=False,
    )


def poll(options):
    """One request every so often, on a fixed schedule with jitter, whatever the request took."""
    rng = random.Random(options.seed)
    due = time.monotonic()
    for _ in range(options.count):
        time.sleep(max(0.0, due - time.monotonic()))
        curl(*options.rest)
        due += options.every * rng.uniform(1 - options.jitter, 1 + options.jitter)


def browse(options):
    """A page, then what it refers to over parallel connections, then reading: long-tailed pauses."""
    rng = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    time.sleep(rng.uniform(0, 6))
    while time.monotonic() < end:
        site = rng.choice(options.rest)
        curl(f"{site}/index.html")
        wanted = rng.sample(range(1, ASSETS + 1), rng.randint(2, ASSETS))
        outputs = [part for _ in wanted for part in ("-o", "/dev/null")]
        curl("--parallel", "--parallel-immediate", "--parallel-max", "4", *outputs[2:],
             *(f"{site}/asset{n}.css" for n in wanted))
        time.sleep(min(rng.lognormvariate(2.3, 1.0), 60, max(0, end - time.monotonic())))


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes uploads of any size and forgets them; answers everything with a short text."""

    protocol_version = "HTTP/1.1"
    server_version = "Sink/1.0"
    sys_version = ""
    reply = b""

    def answer(self):
        left = int(self.headers.get("Content-Length", "0"))
        buffer = bytearray(1 << 20)
        while left > 0:
            got = self.rfile.readinto(memoryview(buffer)[: min(left, len(buffer))])
            if not got:
                break
            left -= got
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(self.reply)))
        self.end_headers()
        self.wfile.write(self.reply)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


def serve(options):
    Sink.reply = b"ok " * (options.reply // 3)
    Server((options.address, options.port), Sink).serve_forever()


def main():
    arguments, rest = sys.argv[1:], []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, rest = arguments[:cut], arguments[cut + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("mode", choices=["poll", "browse", "serve"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=20)
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--reply", type=int, default=3)
    options = parser.parse_args(arguments)
    options.rest = rest
    {"poll": poll, "browse": browse, "serve": serve}[options.mode](options)


if __name__ == "__main__":
    main()
