//! TCP as conn.log has it, by starting state (`docs/conn-log.md`, A.4 to A.11).

#![expect(clippy::too_many_lines, reason = "flat tables")]

use super::*;
use crate::flow::Kind;
use crate::tests::play::Play;

/// A port at which nothing is expected to listen.
const UNLISTED: Play = Play::tcp(9);
/// A likely server port.
const LISTED: Play = Play::tcp(80);

/// States of both ends, originator first.
fn states(play: Play, text: &str) -> String {
    let flow = play.flow(text);
    let Kind::Tcp(tcp) = &flow.kind else {
        panic!("{text}: not TCP")
    };
    format!("{:?} {:?}", tcp.state(Side::Orig), tcp.state(Side::Resp))
}

#[track_caller]
fn check_states(play: Play, cases: &[(&str, &str, &str)]) {
    for (name, text, want) in cases {
        assert_eq!(states(play, text), *want, "{name}: {text}");
    }
}

#[test]
fn from_inactive_the_originator() {
    check_states(
        UNLISTED,
        &[
            ("SYN", ">S0", "SynSent Inactive"),
            ("SYN-ACK", ">SA0/1", "SynAckSent Inactive"),
            ("FIN", ">FA1/1", "Closed Inactive"),
            ("RST", ">R1", "Reset Inactive"),
            ("ACK", ">A1/1", "Partial Inactive"),
            ("data", ">A1+5/1", "Partial Inactive"),
            ("data without ACK", ">.1+5", "Partial Inactive"),
            ("no flag at all", ">.1", "Partial Inactive"),
            ("SYN is tested before FIN", ">SF0", "Closed Inactive"),
            ("FIN before RST", ">FR0", "Reset Inactive"),
            ("all three", ">SFR0", "Reset Inactive"),
        ],
    );
    check_states(
        LISTED,
        &[
            (
                "ACK after a SYN-ACK",
                "<SA0/1 >A1/1",
                "Established Established",
            ),
            (
                "data after a SYN-ACK",
                "<SA0/1 >A1+9/1",
                "Established Established",
            ),
            (
                "no ACK after a SYN-ACK",
                "<SA0/1 >.1+5",
                "Partial Established",
            ),
            ("SYN after its SYN-ACK", "<SA0/1 >S0", "SynSent Established"),
        ],
    );
}

#[test]
fn from_inactive_the_responder() {
    check_states(
        UNLISTED,
        &[
            ("SYN-ACK", ">S0 <SA0/1", "Established Established"),
            (
                "ACK of the SYN is no answer",
                ">S0 <A1/1",
                "SynSent Inactive",
            ),
            ("data", ">S0 <A1+5/1", "SynSent Partial"),
            ("FIN", ">S0 <FA1/1", "SynSent Closed"),
            ("RST", ">S0 <RA0/1", "SynSent Reset"),
            ("ACK, peer partial", ">A1/1 <A1/1", "Partial Partial"),
            (
                "SYN-ACK, peer partial",
                ">A1/1 <SA0/1",
                "Partial Established",
            ),
            ("ACK, peer closed", ">FA1/1 <A1/2", "Closed Partial"),
            (
                "ACK, peer sent a SYN-ACK: turned round",
                "<SA0/1 >A1/1",
                "Partial SynAckSent",
            ),
            (
                "SYN of that SYN-ACK",
                "<SA0/1 >S0",
                "Established Established",
            ),
        ],
    );
}

#[test]
fn from_syn_sent() {
    check_states(
        UNLISTED,
        &[
            ("FIN", ">S0 >FA1/1", "Closed Inactive"),
            ("RST", ">S0 >R1", "Reset Inactive"),
            ("ACK", ">S0 >A1/1", "SynSent Inactive"),
            ("data", ">S0 >A1+9/1", "SynSent Inactive"),
            ("the SYN again", ">S0 >S0", "SynSent Inactive"),
            ("FIN and RST", ">S0 >FR1", "Reset Inactive"),
            (
                "data after partial answer",
                ">S0 <A1+5/1 >A1+9/6",
                "SynSent Partial",
            ),
        ],
    );
}

#[test]
fn from_syn_ack_sent() {
    check_states(
        UNLISTED,
        &[
            ("FIN", ">SA0/1 >FA1/1", "Closed Inactive"),
            ("RST", ">SA0/1 >R1", "Reset Inactive"),
            ("ACK turns it round", ">SA0/1 >A1/1", "Inactive SynAckSent"),
            ("the SYN-ACK again", ">SA0/1 >SA0/1", "SynAckSent Inactive"),
        ],
    );
}

#[test]
fn from_partial() {
    check_states(
        UNLISTED,
        &[
            ("the SYN before it, late", ">A1/1 >S0", "SynSent Inactive"),
            ("that with an answer", ">A1/1 <A1/1 >S0", "Partial Partial"),
            ("FIN", ">A1/1 >FA1/1", "Closed Inactive"),
            ("RST", ">A1/1 >R1", "Reset Inactive"),
            ("FIN and RST", ">A1/1 >FR1", "Reset Inactive"),
            ("data", ">A1/1 >A1+9/1", "Partial Inactive"),
            (
                "SYN-ACK of a partial responder",
                ">S0 <A1+5/1 <SA0/1",
                "SynSent Partial",
            ),
        ],
    );
}

#[test]
fn from_established() {
    check_states(
        UNLISTED,
        &[
            ("data", "3way >A1+9/1", "Established Established"),
            ("the SYN again", "3way >S0", "Established Established"),
            ("the originator's FIN", "3way >FA1/1", "Closed Established"),
            ("the responder's FIN", "3way <FA1/1", "Established Closed"),
            ("the originator's RST", "3way >R1", "Reset Established"),
            ("the responder's RST", "3way <R1", "Established Reset"),
            ("FIN and RST", "3way >FRA1/1", "Reset Established"),
            (
                "FIN, the peer sent FIN and then RST",
                "3way <FA1/1 <R2 >FA1/2",
                "Closed Closed",
            ),
            (
                "FIN, the peer sent only RST",
                "3way <R1 >FA1/1",
                "Closed Reset",
            ),
        ],
    );
}

#[test]
fn from_closed() {
    check_states(
        UNLISTED,
        &[
            ("data", "3way >FA1/1 >A2+9/1", "Closed Established"),
            ("FIN again", "3way >FA1/1 >FA1/1", "Closed Established"),
            ("RST", "3way >FA1/1 >R2", "Reset Established"),
            (
                "RST, both closed",
                "3way >FA1/1 <FA1/2 >R2",
                "Closed Closed",
            ),
            ("RST, the peer reset", "3way >FA1/1 <R1 >R2", "Reset Reset"),
            ("SYN-ACK", "3way <FA1/1 <SA0/1", "Established Closed"),
        ],
    );
}

#[test]
fn from_reset() {
    check_states(
        UNLISTED,
        &[
            ("data", "3way >R1 >A1+9/1", "Reset Established"),
            ("FIN", "3way >R1 >FA1/1", "Reset Established"),
            ("RST", "3way >R1 >R1", "Reset Established"),
            ("SYN-ACK", ">S0 <RA0/1 <SA0/1", "SynSent Reset"),
        ],
    );
}

#[test]
fn every_outcome() {
    UNLISTED.check(&[
        ("S0", ">S0", "S0 S bytes=0/0 pkts=1/0 ip=40/0 dur=0"),
        ("S1", "3way", "S1 ShA bytes=0/0 pkts=2/1 dur=0.02"),
        ("S2", "3way >FA1/1 <A1/2", "S2 ShAFa bytes=0/0"),
        ("S3", "3way <FA1/1 >A1/2", "S3 ShAf bytes=0/0"),
        (
            "SF",
            "3way >A1+100/1 <A1/101 <A1+50/101 >A101/51 >FA101/51 <FA51/102 >A102/52",
            "SF ShADadFf bytes=100/50 pkts=6/4 ip=340/210 dur=0.08 missed=0",
        ),
        ("SF without a handshake", ">FA1/1 <FA1/2", "SF Ff"),
        (
            "SF, FIN and RST met by FIN",
            "3way <FA1/1 <R2 >FA1/2",
            "SF ShAfrF",
        ),
        ("REJ", ">S0 <RA0/1", "REJ Sr bytes=0/0 pkts=1/1"),
        ("REJ, of a SYN-ACK", ">SA0/1 <R1", "REJ Hr"),
        (
            "REJ, both reset, nothing moved",
            ">S0 >R1 <RA0/1",
            "REJ SRr bytes=0/0",
        ),
        (
            "RSTR, both reset, something moved",
            "3way >A1+5/1 >R6 <R1",
            "RSTR ShADRr",
        ),
        ("RSTO", "3way >R1", "RSTO ShAR"),
        ("RSTO after FIN", "3way >FA1/1 >R2", "RSTO ShAFR"),
        ("RSTR", "3way <R1", "RSTR ShAr"),
        ("RSTR, originator closed", "3way >FA1/1 <R1", "RSTR ShAFr"),
        ("RSTOS0", ">S0 >R1", "RSTOS0 SR"),
        ("RSTOS0, a zero window between", ">S0w0 >R1", "RSTOS0 SWR"),
        (
            "RSTOS0, a bad checksum between",
            ">S0 >A1/1! >R1",
            "RSTOS0 SCR",
        ),
        (
            "RSTOS0, what the responder sent",
            ">S0 <A1/1 >R1",
            "RSTOS0 SaR",
        ),
        ("an ACK between", ">S0 >A1/1 >R1", "OTH SAR"),
        ("a FIN and RST instead", ">S0 >FR1", "OTH SI"),
        ("RSTRH of a midstream flow", ">A1+9/1 <R1", "RSTRH Dr"),
        ("SH", ">S0 >FA1/1", "SH SF"),
        ("SH of a midstream flow", ">A1+9/1 <A1/10 >FA10/1", "SH DaF"),
        ("SHR of a midstream flow", ">A1+9/1 <FA1/10", "SHR Df"),
        ("OTH", ">A1+9/1 <A1/10", "OTH Da bytes=9/0"),
        ("OTH, reset midstream", ">A1+9/1 >R10", "OTH DR"),
        ("OTH, SYN-ACK and RST", "<SA0/1 <R1", "OTH HR ports=9>40000"),
        ("OTH, a partial answer", ">S0 <A1+5/1", "OTH Sd"),
        ("OTH, nothing known", ">.1", "OTH - pkts=1/0"),
    ]);
    LISTED.check(&[
        ("RSTRH", "<SA0/1 <R1", "RSTRH ^hr ports=40000>80"),
        ("SHR", "<SA0/1 <FA1/1", "SHR ^hf ports=40000>80"),
        ("OTH", "<SA0/1", "OTH ^h ports=40000>80 pkts=0/1"),
        ("OTH, the SYN came late", "<SA0/1 >S0 >A1/1", "OTH ^hSA"),
    ]);
    // A SYN with another number would begin a flow of its own.
    UNLISTED.isn(7, 7).check(&[
        ("S1, both at once", ">S0 <S0 >A1/1 <A1/1", "S1 SsAa"),
        ("S and H share a place", ">S0 <S0 <SA0/1", "S1 Ss"),
    ]);
    // The flow's first packet has no usable header, and its own SYN the number nothing set.
    let zero = LISTED.isn(0, 5_000);
    zero.check(&[(
        "RSTOS0, turned round",
        "<A1? >S0 >R1",
        "RSTOS0 ^SR ports=40000>80",
    )]);
}

#[test]
fn letters_that_stand_once_or_when_something_moved() {
    UNLISTED.check(&[
        ("SYN again", ">S0 >S0", "S0 S pkts=2/0"),
        ("SYN-ACK again", ">S0 <SA0/1 <SA0/1", "S1 Sh"),
        (
            "SYN-ACK elsewhere begins anew",
            ">S0 <SA0/1 <SA7/1",
            "S1 Sh",
        ),
        (
            "SYN-ACK elsewhere, closed",
            "3way <FA1/1 <SA7/1 <SA7/1",
            "S3 ShAfh",
        ),
        ("FIN again", "3way >FA1/1 >FA1/1", "S2 ShAF"),
        ("FIN elsewhere", "3way >FA1/1 >FA2/1", "S2 ShAFF"),
        (
            "FIN with data ends where it ended",
            "3way >FA1+9/1 >FA10/1",
            "S2 ShAF",
        ),
        ("FIN with more data", "3way >FA1/1 >FA1+9/1", "S2 ShAFF"),
        ("RST again", "3way <R1 <R1", "RSTR ShAr"),
        ("RST elsewhere", "3way <R1 <R2 <R2", "RSTR ShArr"),
        ("ACK, data", "3way [3 >A1+9/1 <A1/10] >A10/1", "S1 ShADaT"),
        ("Q: SYN and FIN", ">SF0 >SF0", "SH Q | SH Q"),
        ("Q: SYN and RST", ">SR0", "OTH Q"),
        ("I", "3way >FRA1/1 >FRA1/1", "RSTO ShAI"),
        ("SYN with data", ">S0+9", "S0 ST bytes=9/0"),
        ("FIN with data", "3way >FA1+9/1", "S2 ShAF bytes=9/0"),
        ("RST with data", "3way >R1+9", "RSTO ShART bytes=0/0"),
        ("no flag, no data", ">.1", "OTH -"),
    ]);
}

#[test]
fn letters_at_powers_of_ten() {
    UNLISTED.check(&[
        ("C once", ">S0 [9 >A1/1!]", "S0 SC pkts=1/0"),
        ("C", ">S0 [100 >A1/1!]", "S0 SCCC pkts=1/0 dur=0"),
        ("c of its own count", ">S0 [10 >A1/1!] <A1/1!", "S0 SCCc"),
        ("T once", "3way >A1+9/1 [9 >A1+9/1]", "S1 ShADT bytes=9/0"),
        (
            "T",
            "3way >A1+9/1 [100 >A1+9/1]",
            "S1 ShADTTT bytes=9/0 pkts=103/1",
        ),
        ("w once", "3way [9 <A1/1w0]", "S1 ShAaw"),
        ("w", "3way [100 <A1/1w0]", "S1 ShAawww"),
        ("no W on RST", "3way >R1w0", "RSTO ShAR"),
        ("no W after RST", "3way >R1 >A1/1w0", "RSTO ShAR"),
        ("no W, the peer closed", "3way <FA1/1 >A1/2w0", "S3 ShAf"),
        ("W after the own FIN", "3way >FA1/1 >A2/1w0", "S2 ShAFW"),
        ("letter, W, T", "3way >A1+9/1 >A1+9/1w0", "S1 ShADWT"),
    ]);
    let acks = |n: i32| -> Vec<String> { (1..=n).map(|n| format!("<A1/{}", 1 + 10 * n)).collect() };
    for (count, letters) in [(1, "G"), (9, "G"), (10, "GG"), (99, "GG"), (100, "GGG")] {
        let text = format!("3way {}", acks(count).join(" "));
        let want = format!(
            "S1 ShAa{letters} missed={} bytes={}/0",
            10 * count,
            10 * count
        );
        UNLISTED.check(&[("G", &text, &want)]);
    }
}

#[test]
fn who_is_the_originator() {
    LISTED.check(&[
        (
            "data from a server",
            "<A1+9/1",
            "OTH ^d by=client pkts=0/1 bytes=0/9",
        ),
        ("an ACK from a server", "<A1/1", "OTH ^a by=client"),
        (
            "SYN-ACK from a server",
            "<SA0/1 >A1/1",
            "S1 ^hA by=client pkts=1/1",
        ),
        ("FIN from a server", "<FA1/1", "SHR ^f by=client"),
        ("a SYN from a server port", "<S0", "S0 S by=server"),
        (
            "a bad checksum from a server",
            "<A1/1! >A1/1",
            "OTH ^cA by=client",
        ),
    ]);
    UNLISTED.check(&[
        (
            "SYN-ACK, then ACK",
            "<SA0/1 >A1/1",
            "OTH ^hA by=client pkts=1/1",
        ),
        (
            "SYN-ACK, then data",
            "<SA0/1 >A1+9/1",
            "OTH ^hD by=client bytes=9/0",
        ),
        (
            "SYN-ACK, then its sender's ACK",
            "<SA0/1 <A1/1",
            "OTH ^ha by=client pkts=0/2",
        ),
        ("SYN-ACK, then FIN", "<SA0/1 >FA1/1", "S3 Hf by=server"),
        (
            "SYN-ACK and something else",
            "<SA0/1 <A1/1! >A1/1",
            "OTH HCa by=server",
        ),
        (
            "SYN-ACK before its SYN",
            "<SA0/1 >S0 >A1/1",
            "S1 Hs^A by=client pkts=2/1",
        ),
        (
            "SYN-ACK before another SYN",
            "<SA0/1 >S7",
            "OTH H by=server | S0 S by=client",
        ),
        ("data from neither", "<A1+9/1", "OTH D by=server"),
    ]);
    let both = Play::new(crate::IpProto::TCP, 80, 8080);
    both.check(&[
        (
            "both listed, from the lower",
            ">A1+9/1",
            "OTH ^d ports=8080>80",
        ),
        (
            "both listed, from the higher",
            "<A1+9/1",
            "OTH D ports=8080>80",
        ),
        ("both listed, SYN-ACK", ">SA0/1", "OTH H ports=80>8080"),
    ]);
    let shout = LISTED.between("255.255.255.255", "10.0.0.1");
    shout.check(&[("to all", "<A1+9/1", "OTH D ports=80>40000")]);
}

#[test]
fn ends_used_again() {
    UNLISTED.check(&[
        ("the SYN again", "3way >S0", "S1 ShA pkts=3/1"),
        ("another SYN", "3way >S500", "S1 ShA | S0 S"),
        ("another SYN at once", ">S0 >S500", "S0 S | S0 S"),
        (
            "the same SYN after the end",
            "3way >FA1/1 <FA1/2 >S0",
            "SF ShAFf | S0 S",
        ),
        (
            "the same SYN after half an end",
            "3way >FA1/1 >S0",
            "S2 ShAF | S0 S",
        ),
        (
            "the same SYN after a reset",
            ">S0 <RA0/1 >S0 <RA0/1",
            "REJ Sr | REJ Sr",
        ),
        ("another SYN-ACK", "3way <SA500/1", "S1 ShA pkts=2/2"),
        (
            "SYN from the responder",
            "3way <S500",
            "S1 ShA by=client | S0 S by=server",
        ),
        (
            "with a wrong checksum",
            ">S0 >S500!",
            "S0 S | OTH C pkts=0/0",
        ),
        ("midstream, then the SYN before", ">A1+9/1 >S0", "S0 DS"),
        (
            "midstream, then another SYN",
            ">A1+9/1 >S500",
            "OTH D | S0 S",
        ),
    ]);
    LISTED.check(&[
        ("the SYN-ACK again", "<SA0/1 <SA0/1", "OTH ^h pkts=0/2"),
        ("another SYN-ACK", "<SA0/1 <SA9/1", "OTH ^h | OTH ^h"),
        ("another, answered", "<SA0/1 >A1/1 <SA9/1", "S1 ^hA"),
        // Nothing was seen of the originator, so its number is 0.
        (
            "a SYN after a bad header",
            "<A1? >S0",
            "OTH ^ pkts=0/0 | S0 S",
        ),
    ]);
}

#[test]
fn sizes() {
    UNLISTED.check(&[
        (
            "nothing but octets of SYN and FIN",
            "3way >FA1/1 <FA1/2",
            "SF ShAFf bytes=0/0",
        ),
        ("data with FIN", "3way >FA1+9/1", "S2 ShAF bytes=9/0"),
        ("FIN alone", ">FA1/1", "SH F bytes=0/0"),
        (
            "acknowledged, never seen",
            "3way <A1/101",
            "S1 ShAaG bytes=100/0",
        ),
        ("not again", "3way [3 >A1+9/1]", "S1 ShADT bytes=9/0"),
        (
            "more than before",
            "3way >A1+9/1 >A1+20/1",
            "S1 ShAD bytes=20/0",
        ),
        (
            "sent beyond 4 GiB",
            "3way >A1999999991+10/1 >A3999999991+10/1 >A5999999991+10/1",
            "S1 ShAD bytes=6000000000/0",
        ),
        (
            "4 GiB of which only both ends were seen",
            "3way >FA3000000001/1",
            "S2 ShAF bytes=3000000000/0",
        ),
        (
            "RST with data",
            "3way >A1+9/1 >R10+99",
            "RSTO ShADRT bytes=9/0",
        ),
        (
            "RST not too far ahead",
            "3way >R1000001",
            "RSTO ShAR bytes=1000000/0",
        ),
        ("RST too far ahead", "3way >R2000001", "RSTO ShAR bytes=0/0"),
        (
            "RST too far behind",
            "3way >A1+9/1 >R-2000001",
            "RSTO ShADR bytes=9/0",
        ),
        (
            "SYN-ACK too far ahead",
            "3way <FA1/1 <SA9000000/1",
            "S3 ShAfh bytes=0/0",
        ),
        (
            "after RST nothing counts",
            "3way >R1 >A1+500/1",
            "RSTO ShARD bytes=0/0",
        ),
        ("ACK on RST", "3way <RA1/501", "RSTR ShAr bytes=0/0"),
        (
            "ACK behind",
            "3way >A1+9/1 <A1/10 <A1/5",
            "S1 ShADa bytes=9/0",
        ),
        (
            "half open, acknowledged, aborted",
            ">S0 <A1/50 >R1",
            "RSTOS0 SaR bytes=0/0",
        ),
        ("half open, acknowledged", ">S0 <A1/50", "S0 Sa bytes=49/0"),
        ("midstream", ">A1+9/1 <A1+5/10", "OTH Dd bytes=9/5"),
        ("midstream, only ACKs", ">A1/1 <A1/1", "OTH Aa bytes=0/0"),
        (
            "midstream, the peer by its ACK",
            ">A1/1 >A1/501",
            "OTH A bytes=0/0",
        ),
    ]);
    let wrapping = UNLISTED.isn(0xffff_ffff, 0xffff_fff0);
    wrapping.check(&[(
        "numbers go through zero",
        "3way >A1+9/1 <A1+99/10 >FA10/100 <FA100/11",
        "SF ShADdFf bytes=9/99 missed=0",
    )]);
    UNLISTED.isn(4_000_000_000, 0).check(&[(
        "acknowledged beyond 4 GiB",
        "3way <A1/2000000001 <A1/4000000001 <A1/6000000001 <A1/8000000001 <A1/10000000001",
        "S1 ShAaG bytes=10000000000/0 missed=10000000000",
    )]);
    let far = UNLISTED.isn(3_000_000_000, 0);
    far.check(&[
        ("ACK of zero far ahead", "3way <A1/=0", "S1 ShAaG bytes=0/0"),
        (
            "ACK of one far ahead",
            "3way <A1/=1",
            "S1 ShAaG bytes=1294967296/0",
        ),
    ]);
}

#[test]
fn gaps() {
    UNLISTED.check(&[
        (
            "a hole acknowledged",
            "3way >A101+9/1 <A1/110",
            "S1 ShADaG missed=100",
        ),
        (
            "the responder's",
            "3way <A101+9/1 >A1/110",
            "S1 ShAdg missed=100",
        ),
        (
            "two holes",
            "3way >A101+9/1 >A201+9/1 <A1/210",
            "S1 ShADaG missed=191",
        ),
        (
            "told once",
            "3way >A101+9/1 [3 <A1/110]",
            "S1 ShADaG missed=100",
        ),
        (
            "filled before the ACK",
            "3way >A101+9/1 >A1+100/1 <A1/110",
            "S1 ShADTa missed=0",
        ),
        (
            "filled after it",
            "3way >A101+9/1 <A1/110 >A1+100/1",
            "S1 ShADaGT missed=100",
        ),
        (
            "not acknowledged",
            "3way >A101+9/1 <A1/1",
            "S1 ShADa missed=0",
        ),
        (
            "cut by the snap length",
            "3way >A1+99/1~ <A1/100",
            "S1 ShADaG missed=99 bytes=99/0",
        ),
        (
            "midstream",
            ">A1+9/1 <A1/110",
            "OTH Da missed=0 bytes=109/0",
        ),
        (
            "told by a RST",
            "3way >A101+9/1 <RA1/110",
            "RSTR ShADr missed=0",
        ),
        (
            "told by a FIN",
            "3way >A101+9/1 <FA1/110",
            "S3 ShADfG missed=100",
        ),
        (
            "before a FIN",
            "3way >FA101/1 <A1/102",
            "S2 ShAFaG missed=100 bytes=100/0",
        ),
        (
            "a hole and what is above it, nothing acknowledged",
            "3way >A101+16284/1 <A1/16385",
            "S1 ShADaG missed=100",
        ),
        (
            "hopeless: more of that",
            "3way >A101+16285/1 <A1/16386",
            "S1 ShADa missed=0",
        ),
        (
            "above a hole, something acknowledged",
            "3way >A1+9/1 <A1/10 >A110+10485760/1 <A1/10485870",
            "S1 ShADaG missed=100",
        ),
        (
            "hopeless: more of that",
            "3way >A1+9/1 <A1/10 >A110+10485761/1 <A1/10485871",
            "S1 ShADa missed=0",
        ),
    ]);
}

#[test]
fn the_last_time_that_counts() {
    UNLISTED.check(&[
        (
            "both closed",
            "3way >FA1/1 <FA1/2@1 >A2/2@2",
            "SF ShAFf dur=0.99 pkts=4/2",
        ),
        ("one closed", "3way >FA1/1 <A1/2@2", "S2 ShAFa dur=1.99"),
        (
            "one reset, other silent",
            "3way >R1@1 >R1@2",
            "RSTO ShAR dur=1.99",
        ),
        (
            "refused, again and again",
            ">S0 <RA0/1@1 <RA0/1@2",
            "REJ Sr dur=1.99",
        ),
        ("wrong checksum", "3way >A1/1!@2", "S1 ShAC dur=0.02"),
        (
            "a timestamp goes back",
            "3way@5 >A1/1@4.5",
            "S1 ShA dur=4.49",
        ),
    ]);
}

#[test]
fn a_close_waits_for_what_is_missing() {
    UNLISTED.check(&[
        (
            "neither seen nor acknowledged: half closed",
            "3way >FA101/1 <FA1/1 >A102/2@1 *@8",
            "SF ShAFf dur=0.99 end=8",
        ),
        (
            "acknowledged",
            "3way >FA101/1 <FA1/102 >A102/2@1 *@5 *@5.05 *@8",
            "SF ShAFfG dur=0.04 end=5.05",
        ),
        (
            "seen after all",
            "3way >FA101/1 >A1+100/1@1 <FA1/102@2 >A102/2@3 *@6.9 *@7 *@9",
            "SF ShAFDTf dur=1.99 end=7",
        ),
        (
            "seen after the peer's close, which makes it forgotten",
            "3way >FA101/1 <FA1/1 >A1+100/1@1 >A102/2@2 *@8",
            "SF ShAFfDT dur=1.99 end=8",
        ),
        (
            "nothing missing",
            "3way >FA1/1 <FA1/2 *@5.04 *@5.05",
            "SF ShAFf end=5.05",
        ),
    ]);
}
