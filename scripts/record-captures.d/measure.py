#!/usr/bin/env python3
"""Measures captures against the limits of the signals, independently of the sensor.

measure.py FILE...   needs tshark; prints for each capture what comes near or over a limit
"""

import collections
import ipaddress
import statistics
import subprocess
import sys

FIELDS = ("frame.time_epoch ip.src ipv6.src ip.dst ipv6.dst ip.proto ipv6.nxt tcp.srcport udp.srcport "
          "tcp.dstport udp.dstport tcp.flags.syn tcp.flags.ack tcp.flags.reset ip.len ipv6.plen "
          "tcp.len udp.length").split()
INSIDE = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                            "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")]
PRIVILEGED = {22, 445, 3389, 5985, 5986}
FILE_TRANSFER = {445, 139, 22, 21, 20, 2049, 873}


def inside(address, known={}):
    if address not in known:
        parsed = ipaddress.ip_address(address)
        known[address] = None if parsed.is_multicast or parsed.is_unspecified or address.startswith("255.") else any(
            parsed.version == n.version and parsed in n for n in INSIDE)
    return known[address]


class Flow:
    """A conversation of a five-tuple; a new SYN on an answered one is taken as a retransmission."""

    def __init__(self, key, start):
        self.src, self.sport, self.dst, self.dport, self.proto = key
        self.start = self.end = start
        self.sent = self.received = 0
        self.ip_sent = self.ip_received = 0
        self.syns = 0
        self.answered = self.refused = self.done = False
        self.moved = []


def flows_of(path):
    command = ["tshark", "-n", "-r", path, "-Y", "(tcp or udp) and not icmp and not icmpv6", "-T", "fields"]
    for field in FIELDS:
        command += ["-e", field]
    flows = {}
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in output.splitlines():
        f = dict(zip(FIELDS, line.split("\t")))
        first = lambda *names: next((f[n].split(",")[0] for n in names if f[n]), "")
        src, dst = first("ip.src", "ipv6.src"), first("ip.dst", "ipv6.dst")
        proto = "tcp" if f["tcp.srcport"] else "udp"
        sport, dport = first("tcp.srcport", "udp.srcport"), first("tcp.dstport", "udp.dstport")
        if not src or not sport:
            continue
        now = float(f["frame.time_epoch"])
        key, back = (src, int(sport), dst, int(dport), proto), (dst, int(dport), src, int(sport), proto)
        if back in flows:
            flow, forward = flows[back], False
        else:
            flow, forward = flows.setdefault(key, Flow(key, now)), True
        flow.end = now
        if proto == "tcp":
            length = int(first("tcp.len") or 0)
            syn, ack, rst = (f[f"tcp.flags.{n}"] in ("1", "True") for n in ("syn", "ack", "reset"))
            flow.syns += forward and syn and not ack
            flow.answered |= not forward and not rst
            flow.refused |= not forward and rst
            flow.done |= forward and ack and flow.answered and not rst
        else:
            length = int(first("udp.length") or 8) - 8
            flow.answered |= not forward
        total = int(first("ip.len") or 0) or int(first("ipv6.plen") or 0) + 40
        flow.moved.append((now, length if forward else 0, 0 if forward else length))
        if forward:
            flow.sent += length
            flow.ip_sent += total
        else:
            flow.received += length
            flow.ip_received += total
    return sorted(flows.values(), key=lambda flow: flow.start)


def peak(events, window, measure):
    """The most that `measure` reaches over a sliding window of (time, value)."""
    best, held = 0, collections.deque()
    for now, value in sorted(events, key=lambda e: e[0]):
        held.append((now, value))
        while held[0][0] <= now - window:
            held.popleft()
        best = max(best, measure([v for _, v in held]))
    return best


def by_source(flows):
    groups = collections.defaultdict(list)
    for flow in flows:
        groups[flow.src].append(flow)
    for src, mine in sorted(groups.items()):
        ports = peak([(f.start, f.dport) for f in mine], 60, lambda v: len(set(v)))
        opened = peak([(f.start, 1) for f in mine], 60, len)
        hosts = len({f.dst for f in mine})
        unanswered = sum(not f.answered for f in mine)
        privileged = peak([(f.start, (f.dport, f.dst)) for f in mine if f.dport in PRIVILEGED and inside(f.dst)], 60,
                          lambda v: len({p for p, _ in v}))
        one_service = max([peak([(f.start, f.dst) for f in mine if f.dport == port and inside(f.dst)], 60,
                                lambda v: len(set(v))) for port in PRIVILEGED] + [0])
        smb = len({f.dst for f in mine if f.dport in (445, 139) and inside(f.dst)})
        if len(mine) > 3:
            yield (f"{src}: {len(mine)} flows, {hosts} hosts, {unanswered} unanswered or refused; in 60 s at most "
                   f"{ports} ports, {opened} flows, {privileged} privileged services, one on {one_service} hosts; "
                   f"SMB to {smb}")
        out, destinations = [], collections.defaultdict(int)
        for f in mine:
            if inside(f.src) and inside(f.dst) is False:
                out += [(t, s) for t, s, _ in f.moved if s]
                destinations[f.dst] += f.sent
        volume = sum(destinations.values())
        if volume > 1e6:
            large = sum(v > 100_000 for v in destinations.values())
            yield f"  sent outside {volume / 1e6:.1f} MB, over 100 kB to {large} destinations"
        staged = [f for f in mine if inside(f.dst) and f.received > 1e6]
        if staged:
            yield (f"  received from inside {sum(f.received for f in staged) / 1e6:.1f} MB in {len(staged)} "
                   f"transfers, ports {sorted({f.dport for f in staged})}, "
                   f"{max(f.end for f in staged) - min(f.start for f in staged):.0f} s")


def pairs(flows):
    users = collections.defaultdict(set)
    groups = collections.defaultdict(list)
    for f in flows:
        if inside(f.src) and inside(f.dst) is False:
            users[f.dst].add(f.src)
            groups[f.src, f.dst, f.dport].append(f)
    for (src, dst, port), mine in sorted(groups.items()):
        if len(mine) < 4:
            continue
        cvs = []
        for last in range(3, len(mine)):
            starts = [f.start for f in mine[: last + 1] if f.start > mine[last].start - 300]
            gaps = [b - a for a, b in zip(starts, starts[1:])]
            if len(gaps) >= 3 and statistics.mean(gaps) > 0:
                cvs.append(statistics.pstdev(gaps) / statistics.mean(gaps))
        two_way = [f for f in mine if f.sent and f.received]
        sent = statistics.mean([f.sent for f in two_way]) if two_way else 0
        received = statistics.mean([f.received for f in two_way]) if two_way else 0
        ip_sent = statistics.mean([f.ip_sent for f in two_way]) if two_way else 0
        beacon = bool(cvs) and min(cvs) < 0.3
        persistent = len(mine) >= 5 and len(users[dst]) < 5
        exchange = len(two_way) >= 3 and sent < 500 and received > 3 * sent
        marks = "".join(m if on else "-" for m, on in (("B", beacon), ("P", persistent), ("C", exchange)))
        if beacon or persistent:
            yield (f"{marks} {src} -> {dst}:{port}: {len(mine)} flows, {len(users[dst])} hosts use it, lowest gap CV "
                   f"{min(cvs or [9]):.3f}, mean sent {sent:.0f} (IP {ip_sent:.0f}), received {received:.0f}")


def floods(flows):
    groups = collections.defaultdict(list)
    for f in flows:
        if f.proto == "tcp":
            groups[f.dst].append(f)
    for dst, mine in groups.items():
        syns = peak([(f.start, 1) for f in mine], 10, len)
        if syns >= 100:
            never = sum(not f.done for f in mine)
            yield f"SYNs to {dst}: {syns} in 10 s at most, {never} of {len(mine)} never completed"


def main():
    for path in sys.argv[1:]:
        flows = flows_of(path)
        print(f"== {path.rsplit('/', 1)[-1]}: {len(flows)} TCP and UDP flows")
        for lines in (by_source(flows) if len(flows) < 5000 else (), pairs(flows), floods(flows)):
            for line in lines:
                print(line)


if __name__ == "__main__":
    main()
