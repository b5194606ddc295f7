//! When rows are written (`docs/conn-log.md`, A.6): with the first packet of any flow at or after
//! the time a timer is due.

#![expect(clippy::too_many_lines, reason = "flat tables")]

use super::play::Play;
use crate::IpProto;

#[test]
fn attempts() {
    Play::tcp(9).check(&[
        ("one SYN", ">S0@0 *@4.999 *@5 *@6", "S0 S end=5"),
        ("timers act with a packet", ">S0@0 *@5.5", "S0 S end=5.5"),
        (
            "with one of the flow itself",
            ">S0@0 >S0@7 *@8",
            "S0 S end=7 pkts=1/0 | S0 S at=7 end=8",
        ),
        (
            "from the first SYN",
            ">S0@0 >S0@4 *@5",
            "S0 S end=5 pkts=2/0",
        ),
        ("from a SYN-ACK", "<SA0/1@0 *@5", "OTH H end=5"),
        ("an ACK is no answer", ">S0@0 <A1/1@1 *@5", "S0 Sa end=5"),
        (
            "data is one",
            ">S0@0 <A1+9/1@1 *@7 *@60 *@300.5 *@301",
            "OTH Sd end=301",
        ),
        ("a refusal", ">S0@0 <RA0/1@1 *@5.9 *@6", "REJ Sr end=6"),
    ]);
}

#[test]
fn closes() {
    Play::tcp(9).check(&[
        (
            "both closed",
            "3way >FA1/1@1 <FA1/2@2 *@6.9 *@7",
            "SF ShAFf end=7",
        ),
        ("reset", "3way >R1@1 *@5.9 *@6", "RSTO ShAR end=6"),
        (
            "stragglers delay nothing",
            "3way >R1@1 >A1/1@5 *@6",
            "RSTO ShAR end=6 dur=4.99",
        ),
        (
            "stragglers after both closed",
            "3way >FA1/1@1 <FA1/2@2 >A2/2@6 *@7",
            "SF ShAFf end=7 dur=1.99 pkts=4/2",
        ),
        (
            "stragglers after that",
            "3way >R1@1 <A1/1@7",
            "RSTO ShAR end=7 | OTH A by=server at=7",
        ),
        (
            "a reset of both",
            "3way >R1@1 <R1@2 *@5.9 *@6 *@7",
            "REJ ShARr end=7",
        ),
        (
            "half closed",
            "3way >FA1/1@1 *@7 *@300 *@301",
            "S2 ShAF end=301",
        ),
        (
            "the peer never seen",
            ">S0@0 >FA1/1@1 *@5 *@5.9 *@6",
            "SH SF end=6",
        ),
    ]);
}

#[test]
fn expiry() {
    Play::tcp(9).check(&[
        (
            // Looked at 5 s after the beginning, then every 6 s; from the FIN on, too.
            "closed, then reset: looked at from time to time",
            "3way >FA1/1@1 >R2@2 *@5.01 *@7 *@11 *@11.01",
            "RSTO ShAFR end=11.01",
        ),
        (
            "the first look comes late enough",
            "3way >FA1/1@1 >R2@2 *@7.5",
            "RSTO ShAFR end=7.5",
        ),
        (
            "nothing ever happened",
            ">A1/1!@0 *@5 *@10.9 *@11",
            "OTH C end=11",
        ),
        (
            "nothing, the look comes late",
            ">A1/1!@0 *@5.2",
            "OTH C end=5.2",
        ),
    ]);
}

#[test]
fn silence() {
    Play::tcp(9).check(&[
        (
            "handshake",
            "<SA0/1@0 <A1/1@1 *@60.9 *@61",
            "OTH ^ha end=61",
        ),
        (
            "answered",
            ">S0@0 <SA0/1@1 *@61 *@300.9 *@301",
            "S1 Sh end=301",
        ),
        (
            "established",
            "3way *@300 *@300.02 *@300.03",
            "S1 ShA end=300.03",
        ),
        (
            "from the last packet",
            "3way >A1/1@100 *@301 *@399.9 *@400",
            "S1 ShA end=400",
        ),
        (
            "a gap of just less",
            "3way >A1/1@300.029",
            "S1 ShA pkts=3/1",
        ),
        (
            "a gap of as much",
            "3way >A1/1@300.03",
            "S1 ShA pkts=2/1 | OTH A",
        ),
        ("midstream", ">A1/1@0 *@61 *@299.9 *@300", "OTH A end=300"),
    ]);
    for port in [21, 22, 23, 513] {
        Play::tcp(port).check(&[
            (
                "people type",
                "3way *@301 *@3600 *@3600.02 *@3600.03",
                "S1 ShA end=3600.03",
            ),
            (
                "the SYN-ACK came first",
                "<SA0/1@0 >A1/1@1 *@302 *@3600.9 *@3601",
                if port == 23 || port == 513 {
                    "OTH ^hA end=302"
                } else {
                    "S1 ^hA end=3601"
                },
            ),
            (
                "midstream",
                ">A1/1@0 <SA0/1@1 *@300.9 *@301",
                "OTH Ah end=301",
            ),
            ("not before an answer", ">S0@0 *@5", "S0 S end=5"),
            ("a gap of as much", "3way >A1/1@3600.03", "S1 ShA | OTH A"),
        ]);
        let from = Play::new(IpProto::TCP, port, 9);
        from.check(&[(
            "the originator's port",
            "3way *@300.03",
            "S1 ShA end=300.03",
        )]);
    }
    // Nothing but the responder's SYN-ACK counts, and only the originator's port tells the service.
    let unseen = Play::new(IpProto::TCP, 22, 9).isn(0, 0);
    unseen.check(&[(
        "originator unseen",
        ">S0!@0 <SA0/1@1 *@302 *@3600.9 *@3601",
        "OTH Ch end=3601",
    )]);
}

#[test]
fn silence_without_tcp() {
    Play::udp(9).check(&[
        ("UDP", ">u@0 *@59.9 *@60", "S0 D end=60"),
        ("a gap of just less", ">u@0 <u@59.999", "SF Dd"),
        (
            "a gap of as much",
            ">u@0 <u@60",
            "S0 D by=client | S0 D by=server",
        ),
        (
            "from the last packet",
            ">u@0 <u@30 *@60 *@89.9 *@90",
            "SF Dd end=90",
        ),
        (
            "time went back",
            ">u@10 >u@5 *@64.9 *@70",
            "S0 D end=70 dur=0",
        ),
        (
            "a wrong checksum is silence",
            ">u@0 >u!@30 *@59.9 *@60",
            "S0 DC end=60",
        ),
    ]);
    for port in [53, 137, 5353, 5355] {
        Play::udp(port).check(&[
            ("DNS", ">u@0 <r@1 *@9.9 *@10", "SF Dd end=10"),
            (
                "DNS, a later answer",
                ">u@0 <r@1.1 *@10 *@19.9 *@20",
                "SF Dd end=20",
            ),
            ("DNS, looked at late", ">u@0 <r@3 *@12", "SF Dd end=12"),
            (
                "DNS, from the late look",
                ">u@0 >u@4 *@10.5 *@20.4 *@20.5",
                "S0 D end=20.5",
            ),
            ("DNS, an answer alone", "<r@0 *@9.9 *@10", "SHR ^d end=10"),
        ]);
    }
    let from = Play::new(IpProto::UDP, 5355, 5060);
    from.check(&[(
        "DNS is the responder's port",
        ">u@0 *@10 *@59.9 *@60",
        "S0 D end=60",
    )]);
    for (proto, ports, word) in [
        (IpProto::ICMP, (8, 0), "i"),
        (IpProto::ICMPV6, (128, 129), "i"),
        (IpProto(132), (0, 0), "o"),
    ] {
        let text = |times: [&str; 4]| {
            let [a, b, c, d] = times;
            format!(">{word}@{a} <{word}@{b} *@{c} *@{d}")
        };
        Play::new(proto, ports.0, ports.1).check(&[
            (
                "silence",
                &text(["0", "30", "89.9", "90"]),
                "OTH - end=90 pkts=1/1",
            ),
            (
                "a gap of as much",
                &text(["0", "60", "61", "62"]),
                "OTH - end=60 | OTH - at=60 end=62",
            ),
        ]);
    }
}

#[test]
fn packets_that_come_late() {
    Play::tcp(9).check(&[
        (
            "begins a flow that is over",
            "*@1000 >A1/1@0 *@1000.5",
            "OTH A at=0 end=1000",
        ),
        (
            "each of several does",
            "*@1000 >A1/1@0 <A1/1@1 *@1000.5",
            "OTH A by=client end=1000 | OTH A by=server end=1000",
        ),
        (
            "a little late",
            "*@10 >S0@6 *@10.9 *@11",
            "S0 S at=6 end=11",
        ),
        ("just late enough", "*@10 >S0@5 *@10.5", "S0 S at=5 end=10"),
        (
            "between two that begin at once",
            ">S0@10 >S1@9 >S2@10",
            "S0 S at=9 | S0 S at=10 | S0 S at=10",
        ),
    ]);
}
