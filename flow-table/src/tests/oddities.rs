//! What is odd about packets, by the names of Zeek's weird.log.

#![expect(clippy::too_many_lines, reason = "flat tables")]

use super::play::Play;
use crate::IpProto;

#[test]
fn of_tcp() {
    let cases = [
        (
            "an ordinary life",
            "3way >A1+9/1 <A1+9/10 >FA10/10 <FA10/11 >A11/11",
            "",
        ),
        ("an attempt", ">S0 >S0", ""),
        ("a refusal", ">S0 <RA0/1", ""),
        ("picked up midstream", ">A1+9/1 <A1+9/10 >FA10/10", ""),
        ("a lone RST", ">R1", ""),
        ("a lone FIN, of which Zeek keeps silent", ">FA1/1", ""),
        ("retransmitted data", "3way >A1+9/1 >A1+9/1", ""),
        ("SYN with data", ">S0+5", "SYN_with_data"),
        ("SYN and RST", ">SR0", "TCP_christmas"),
        (
            "a SYN from elsewhere in numbers is a new flow",
            ">S0 >S500",
            "SYN_seq_jump",
        ),
        (
            "an answer with another number",
            ">S0 <SA0/1 <SA7/1",
            "SYN_seq_jump",
        ),
        (
            "an answer with another number, after data",
            "3way <A1+9/1 <SA700/1",
            "SYN_seq_jump, SYN_inside_connection",
        ),
        (
            "it began with a SYN-ACK",
            ">SA0/1",
            "connection_originator_SYN_ack",
        ),
        (
            "the answer acknowledges too much",
            ">S0 <SA0/9",
            "bad_SYN_ack",
        ),
        (
            "both open, with one number",
            ">S0 <S=1000",
            "simultaneous_open",
        ),
        (
            "data before an answer, told once",
            ">S0 >A1+5/1 >A6+5/1",
            "possible_split_routing, data_before_established",
        ),
        (
            "only one side is seen",
            ">S0 >A1/1 >A1+9/1 >FA10/1",
            "possible_split_routing, data_before_established, inappropriate_FIN",
        ),
        ("FIN before an answer", ">S0 >F1", "inappropriate_FIN"),
        (
            "SYN after a SYN-ACK of its own",
            ">S0 >SA0/1",
            "repeated_SYN_with_ack",
        ),
        ("SYN after ACK alone", ">A1/1 >S0", "SYN_after_partial"),
        (
            "a FIN further on",
            "3way >FA1/1 >FA1+9/1",
            "FIN_advanced_last_seq",
        ),
        ("SYN after a RST", "3way >RA1/1 >SA700/1", "SYN_after_reset"),
        (
            "data after a RST",
            "3way >RA1/1 >A1+5/1",
            "data_after_reset",
        ),
        (
            "before the beginning",
            "3way >A=100+5/1",
            "TCP_seq_underflow_or_misorder",
        ),
        (
            "acknowledged before the beginning",
            "3way >A1/=100",
            "TCP_ack_underflow_or_misorder",
        ),
        (
            "cut by the snap length",
            "3way >A1+9/1~",
            "truncated_tcp_payload",
        ),
        (
            "much above a hole",
            "3way >A11+9000/1 >A9011+9000/1",
            "above_hole_data_without_any_acks",
        ),
        (
            "anew while it goes on",
            "3way >S700",
            "active_connection_reuse",
        ),
        (
            "anew right after it",
            "3way >FA1/1 <FA1/2 >S700",
            "premature_connection_reuse",
        ),
        ("anew after a reset", "3way >RA1/1 >S700", ""),
        ("a wrong checksum", "3way >A1+9/1!", "bad_TCP_checksum"),
        (
            "an impossible header",
            "3way >A1+9/1?",
            "bad_TCP_header_len",
        ),
    ];
    for (name, text, want) in cases {
        assert_eq!(Play::tcp(9).odd(text), want, "{name}: {text}");
    }
}

#[test]
fn of_datagrams() {
    let udp = Play::new(IpProto::UDP, 40_000, 9);
    assert_eq!(udp.odd(">u+40 <u+40"), "");
    assert_eq!(udp.odd(">u+40! >u+40!"), "bad_UDP_checksum");
    let icmp = Play::new(IpProto::ICMP, 8, 0);
    assert_eq!(icmp.odd(">i+40 >i+40!"), "bad_ICMP_checksum");
}

#[test]
fn after_ten_minutes_it_is_told_again() {
    let play = Play::tcp(22);
    let text = "3way >A1+9/1! *@250 >A1+9/1@280 *@500 >A1+9/1!@550 *@590 >A1+9/1!@612";
    assert_eq!(play.odd(text), "bad_TCP_checksum, bad_TCP_checksum");
}
