//! Rows of UDP, ICMP and everything else (`docs/conn-log.md`, A.4, A.5, A.7).

use super::play::Play;
use crate::IpProto;

#[test]
fn udp() {
    Play::udp(9).check(&[
        (
            "both",
            ">u+10 <u+20 >u+5",
            "SF Dd bytes=15/20 pkts=2/1 ip=95/60 dur=0.02 missed=0",
        ),
        ("empty ones count", ">u <u", "SF Dd bytes=0/0 pkts=1/1"),
        ("one side", ">u+10 >u+10", "S0 D bytes=20/0"),
        (
            "wrong checksums",
            "[100 >u+1!] <u+1!",
            "OTH CCCc pkts=0/0 bytes=0/0 dur=0",
        ),
        (
            "a wrong one, then a right one",
            ">u+1! >u+2",
            "S0 CD pkts=1/0 bytes=2/0 dur=0.01",
        ),
        ("a bad header", ">u? >u+2", "S0 D pkts=1/0"),
    ]);
}

#[test]
fn udp_turned_round() {
    let ports = |client, server| Play::new(IpProto::UDP, client, server);
    ports(40_000, 5060).check(&[
        (
            "from a server",
            "<u+20",
            "SHR ^d by=client bytes=0/20 pkts=0/1",
        ),
        ("and back", "<u+20 >u+10", "SF ^dD by=client bytes=10/20"),
        ("to a server", ">u+10", "S0 D by=client"),
        (
            "a wrong checksum tells as well",
            "<u! >u+10",
            "S0 ^cD by=client",
        ),
    ]);
    ports(53, 123).check(&[("both listed", ">u+9", "S0 D ports=53>123")]);
    ports(67, 68).check(&[("a server", ">u+9", "SHR ^d ports=68>67")]);
    let shout = ports(67, 68).between("10.0.0.1", "255.255.255.255");
    shout.check(&[("to all", ">u+9", "S0 D ports=67>68")]);
}

#[test]
fn dns_answers_turn_round_what_they_begin() {
    let ports = |client, server| Play::new(IpProto::UDP, client, server);
    ports(40_000, 53).check(&[
        ("an answer first", ">r+20", "S0 D^ by=server bytes=20/0"),
        (
            "only the first message tells",
            ">u+5 >r+5",
            "S0 D by=client bytes=10/0",
        ),
        ("a question from the server", "<u+5", "SHR ^d by=client"),
        ("an answer from the server", "<r+5", "SHR ^d by=client"),
    ]);
    ports(5353, 5353).check(&[("both listed", ">r+9", "S0 D^ by=server")]);
    let many = ports(40_000, 5353).between("10.0.0.1", "224.0.0.251");
    many.check(&[("to a group", ">r+9", "S0 D by=client")]);
    let many = ports(40_000, 5353).between("fe80::1", "ff02::fb");
    many.check(&[("to a group", ">r+9", "S0 D ports=40000>5353")]);
    ports(40_000, 9).check(&[("not DNS", ">r+9", "S0 D by=client")]);
}

#[test]
fn icmp() {
    let echo = Play::new(IpProto::ICMP, 8, 0);
    echo.check(&[
        (
            "both",
            ">i+56 <i+56",
            "OTH - bytes=56/56 pkts=1/1 ports=8>0 by=client",
        ),
        (
            "an answer alone",
            "<i+56",
            "OTH - bytes=56/0 pkts=1/0 ports=0>8 by=server",
        ),
        (
            "cut by the snap length",
            ">i+56~ <i+9",
            "OTH - pkts=0/1 bytes=56/9",
        ),
        (
            "wrong checksums leave no letter",
            ">i+56! <i+9",
            "OTH - pkts=0/1 bytes=0/9",
        ),
    ]);
}

#[test]
fn any_other_protocol() {
    let gone = Play::new(IpProto(132), 0, 0);
    gone.check(&[(
        "both",
        ">o+9 <o+9",
        "OTH - bytes=0/0 pkts=1/1 ip=49/49 ports=0>0 by=client",
    )]);
    let same = Play::udp(40_000).between("10.0.0.1", "10.0.0.1");
    same.check(&[("to itself", ">u+9 <u+9", "S0 D pkts=2/0 bytes=18/0")]);
}
