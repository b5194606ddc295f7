//! Plain packets: what [`Flow::take_plain`] takes, [`Flow::take`] would take in the same way.

use std::fmt::Write;

use proptest::prelude::*;

use super::play::Play;
use crate::flow::{Flow, Told};

/// A segment: from the client or not; how far its number is from the next one, and its
/// acknowledgement from what the peer sent; length; flags and fields.
type Step = (bool, i64, i64, u32, &'static str, &'static str);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        any::<bool>(),
        prop::sample::select(vec![0, 0, 0, 0, 0, 0, -1, -700, 300, 1 << 20, -(1 << 31)]),
        prop::sample::select(vec![0, 0, 0, 0, 0, -100, -1, 300, 1 << 21]),
        prop::sample::select(vec![0, 0, 1, 100, 1_400, 9_000, 60_000]),
        prop::sample::select(vec![
            "A", "A", "A", "A", "A", "A", "A", "A", "FA", "RA", ".", "SA",
        ]),
        prop::sample::select(vec!["", "", "", "", "", "", "w0", "~", "!", "?"]),
    );
    prop::collection::vec(step, 1..60)
}

/// A handshake and what comes after it, as a play.
fn text(steps: &[Step], begin: &str) -> String {
    let mut text = begin.to_owned();
    let mut next = [1_i64, 1];
    for (client, off, ack_off, len, flags, fields) in steps {
        let [own, peer] = if *client { [0, 1] } else { [1, 0] };
        let arrow = if *client { '>' } else { '<' };
        let seq = (next[own] + off).rem_euclid(1 << 32);
        let ack = (next[peer] + ack_off).rem_euclid(1 << 32);
        write!(text, " {arrow}{flags}{seq}/{ack}+{len}{fields}").unwrap();
        if *off >= 0 {
            next[own] += off + i64::from(*len);
        }
    }
    text
}

/// How many of the packets are plain.
fn check(play: &Play, text: &str) -> usize {
    let (packets, times) = play.packets(text);
    let mut flow = Flow::open(&packets[0], times[0], 1, 0, None);
    flow.common.told.seq = 1;
    flow.common.told.note(Told::ANSWERED | Told::COMPLETED);
    let mut plain = 0;
    for (n, packet) in packets.iter().enumerate() {
        if n > 0 && flow.is_reused_by(packet) {
            break;
        }
        let (before, due) = (format!("{flow:?}"), flow.common.due());
        let mut other = flow.clone();
        let acked = other.take_plain(packet);
        let milestones = flow.take(packet);
        if let Some(acked) = acked {
            assert_eq!(acked, milestones.acked, "{packet:?}: {text}");
            assert_eq!(
                format!("{other:?}"),
                format!("{flow:?}"),
                "{packet:?}: {text}"
            );
            assert!(!milestones.refused, "{packet:?}: {text}");
            assert!(flow.common.due() >= due, "{packet:?}: {text}");
            plain += 1;
        } else {
            assert_eq!(format!("{other:?}"), before, "{packet:?}: {text}");
        }
    }
    plain
}

#[test]
fn most_segments_of_an_ordinary_flow_are_plain() {
    let text = "3way >A1/1+100 <A1/101 <A1/101+50 >A101/51 \
                [9 >A=1101/51+0] <A51/101+1400 >A101/1451 >A101/1451+9 >FA110/1451";
    assert!(check(&Play::tcp(80), text) >= 4);
    assert_eq!(check(&Play::udp(9), ">u+1 <u+1 >u+1 <u+1"), 2);
}

#[test]
fn what_was_cut_and_acknowledged_is_plain_but_where_the_history_tells_it() {
    let exchange = |n: i64| format!(" >A{}/51+100~ <A51/{}+0", n * 100 + 1, n * 100 + 101);
    let play = Play::tcp(80);
    let begin = "3way >A1/1+0 <A1/1+50 >A1/51+0";
    let text: String = (0..30).map(exchange).collect();
    let plain = check(&play, &format!("{begin}{text}")) - check(&play, begin);
    // The 1st and the 10th gap have a letter, and so has the first segment of the client's.
    assert_eq!(plain, 60 - 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn plain_segments_change_what_they_would_anyway(
        steps in steps(),
        begin in prop::sample::select(vec!["3way", "3way >A1/1+10 <A1/11+10", ">A1/1", "<SA0/1", ">S0"]),
        client in prop::sample::select(vec![1_000_u32, 0, u32::MAX, u32::MAX - 30_000, 1 << 31]),
        server in prop::sample::select(vec![5_000_u32, 0, u32::MAX, u32::MAX - 30_000, 1 << 31]),
    ) {
        check(&Play::tcp(80).isn(client, server), &text(&steps, begin));
    }

    #[test]
    fn plain_datagrams_too(
        words in prop::collection::vec(
            prop::sample::select(vec![">u+10", "<u+20", ">r+5", "<r+5", ">u+9!", "<u?"]), 1..20,
        ),
        port in prop::sample::select(vec![9_u16, 53]),
    ) {
        check(&Play::udp(port), &words.join(" "));
    }
}
