//! A conversation that is cut goes on where it was, whatever it speaks and wherever it is cut.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeSet;

use flow_table::protocol::Record;
use flow_table::{
    Conversations, End, FlowEventKind, FlowRecord, PerSide, ProtocolRow, TableOutput, Traffic, Uid,
};

use support::captures;
use support::flows::Flows;
use support::pcap::{Capture, Packet};

fn run(capture: &Capture, packets: &[Packet], before: &Conversations, end: End) -> TableOutput {
    let bytes = before.to_bytes();
    let mut before = Conversations::from_bytes(&bytes, u64::MAX).unwrap();
    let mut flows = Flows::new(capture.link, &mut before);
    assert!(before.is_empty(), "all are taken");
    flows.take(packets);
    flows.end(end)
}

/// What the first half hands out, and what goes on.
fn first(capture: &Capture, cut: usize) -> (TableOutput, Conversations) {
    let none = Conversations::default();
    let mut out = run(capture, &capture.packets[..cut], &none, End::GoesOn);
    let kept: Conversations = out.conversations.drain(..).collect();
    (out, kept)
}

/// Flows that went on: of all others the second half knows by other names.
fn gone_on(first: &TableOutput, second: &TableOutput) -> BTreeSet<Uid> {
    let names =
        |out: &TableOutput| -> BTreeSet<Uid> { out.events.iter().map(|event| event.uid).collect() };
    names(first).intersection(&names(second)).copied().collect()
}

/// The rows of these flows, in their order.
fn rows(outs: &[&TableOutput], of: &BTreeSet<Uid>) -> Vec<ProtocolRow> {
    let all = outs.iter().flat_map(|out| &out.protocols);
    let mut rows: Vec<ProtocolRow> = all.filter(|row| of.contains(&row.uid)).cloned().collect();
    rows.sort_by_key(|row| (row.uid, row.seq));
    rows
}

fn sum(parts: impl Iterator<Item = PerSide<Traffic>>) -> [u64; 6] {
    parts.fold([0; 6], |sum, PerSide { orig, resp }| {
        let part = [
            orig.packets,
            orig.bytes,
            orig.ip_bytes,
            resp.packets,
            resp.bytes,
            resp.ip_bytes,
        ];
        std::array::from_fn(|at| sum[at] + part[at])
    })
}

/// What conn.log says of a flow in one row or two: the sum of what is counted, how it stands in the end,
/// and what it was found to speak.
fn told(outs: &[&TableOutput], uid: Uid) -> ([u64; 6], u64, String) {
    let rows: Vec<&FlowRecord> = outs
        .iter()
        .flat_map(|out| out.records.iter().filter(|record| record.uid == uid))
        .collect();
    let last = rows.last().unwrap();
    for pair in rows.windows(2) {
        assert_eq!(
            pair[0].last, pair[1].start,
            "{uid}: each goes on from the one before"
        );
    }
    let stands = format!(
        "{:?} {} {} {:?}",
        last.id,
        last.state,
        String::from_utf8_lossy(last.history.letters()),
        last.services
    );
    (
        sum(rows.iter().map(|row| row.traffic)),
        rows.iter().map(|row| row.missed_bytes).sum(),
        stands,
    )
}

/// What detectors are told of a flow: how often it opened, closed and so on, and all that moved.
fn events(outs: &[&TableOutput], uid: Uid) -> (Vec<u32>, [usize; 4], [u64; 6]) {
    let all = outs.iter().flat_map(|out| &out.events);
    let of: Vec<_> = all.filter(|event| event.uid == uid).collect();
    let count = |is: fn(&FlowEventKind) -> bool| of.iter().filter(|one| is(&one.kind)).count();
    let kinds = [
        count(|kind| matches!(kind, FlowEventKind::Opened { .. })),
        count(|kind| matches!(kind, FlowEventKind::Answered)),
        count(|kind| matches!(kind, FlowEventKind::Completed)),
        count(|kind| matches!(kind, FlowEventKind::Closed { .. })),
    ];
    let moved = sum(of.iter().map(|event| PerSide {
        orig: event.orig,
        resp: event.resp,
    }));
    (of.iter().map(|event| event.seq).collect(), kinds, moved)
}

/// Where a capture is cut: everywhere, if it is short.
fn cuts(packets: usize) -> impl Iterator<Item = usize> {
    let step = (packets / 40).max(1);
    (1..packets).step_by(step)
}

/// Every capture: rows of protocols of the flows that go on are those of one run, in what is left
/// unfinished aside; rows of conn.log and events add up to what they are in one run.
#[test]
fn conversations_go_on_as_if_nothing_had_happened() {
    let (mut wrong, mut services) = (Vec::new(), BTreeSet::new());
    for recorded in captures() {
        let Some(capture) = Capture::read(&recorded.path).filter(|one| one.packets.len() < 3_000)
        else {
            continue;
        };
        let whole = run(
            &capture,
            &capture.packets,
            &Conversations::default(),
            End::Closes,
        );
        for cut in cuts(capture.packets.len()) {
            let (first, kept) = first(&capture, cut);
            let second = run(&capture, &capture.packets[cut..], &kept, End::Closes);
            assert_eq!(
                second.resumed,
                kept.len() as u64,
                "{}: {cut}",
                recorded.name
            );
            let (halves, uids) = ([&first, &second], gone_on(&first, &second));
            let (got, want) = (rows(&halves, &uids), rows(&[&whole], &uids));
            let same = got == want
                && uids.iter().all(|uid| {
                    let (seqs, ..) = events(&halves, *uid);
                    told(&halves, *uid) == told(&[&whole], *uid)
                        && events(&halves, *uid).1 == events(&[&whole], *uid).1
                        && events(&halves, *uid).2 == events(&[&whole], *uid).2
                        && seqs.iter().zip(0..).all(|(seq, at)| *seq == at)
                });
            if !same {
                wrong.push((recorded.name.clone(), cut, got.len(), want.len()));
            }
            let second_rows = second
                .protocols
                .iter()
                .filter(|row| uids.contains(&row.uid));
            services.extend(second_rows.map(|row| kind(&row.record)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    for kind in ["dns", "ftp", "http", "smtp", "ssh", "tls", "quic", "files"] {
        assert!(services.contains(kind), "no {kind} was cut: {services:?}");
    }
}

const fn kind(record: &Record) -> &'static str {
    match record {
        Record::Dns(_) => "dns",
        Record::Ftp(_) => "ftp",
        Record::Http(_) => "http",
        Record::Smtp(_) => "smtp",
        Record::Ssh(_) => "ssh",
        Record::Ssl(_) => "tls",
        Record::Quic(_) => "quic",
        Record::File(_) => "files",
        _ => "others",
    }
}

/// The capture of this name.
fn named(name: &str) -> Capture {
    let recorded = captures().into_iter().find(|one| one.name == name);
    Capture::read(&recorded.unwrap().path).unwrap()
}

/// Whoever can write the file can write anything into it: nothing of that does harm.
#[test]
fn bytes_that_nobody_wrote_do_no_harm() {
    let (mut taken, mut seed) = (0, 1_u64);
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for recorded in captures() {
        let Some(capture) = Capture::read(&recorded.path).filter(|one| one.packets.len() < 1_000)
        else {
            continue;
        };
        for cut in [3, 5, 7].map(|tenths| capture.packets.len() * tenths / 10) {
            let bytes = first(&capture, cut).1.to_bytes();
            for _ in 0..if bytes.is_empty() { 0 } else { 40 } {
                let mut bytes = bytes.clone();
                for _ in 0..=random(3) {
                    let (at, byte) = (random(bytes.len()), random(4));
                    bytes[at] = [0, 0xff, 0x80, bytes[at].wrapping_add(1)][byte];
                }
                let Some(kept) = Conversations::from_bytes(&bytes, 1 << 20) else {
                    continue;
                };
                let rest = &capture.packets[cut..];
                taken += run(&capture, rest, &kept, End::GoesOn).resumed;
            }
        }
    }
    assert!(taken > 1_000, "only {taken} were believed");
}

/// Who is silent for as long as it may be does not go on; there is no row of it then, as it has one.
#[test]
fn silence_ends_conversations() {
    const MINUTE: u64 = 60_000_000;
    let cases = [
        ("c2-beacon-http", 4, true),
        ("c2-beacon-http", 6, false),
        ("near-miss-ssh", 6, true),
        ("near-miss-ssh", 61, false),
    ];
    for (name, minutes, goes_on) in cases {
        let capture = named(name);
        let halves = |cut: usize, later: u64| {
            let (first, kept) = first(&capture, cut);
            let mut rest = capture.packets[cut..].to_vec();
            for packet in &mut rest {
                packet.micros += later;
            }
            let second = run(&capture, &rest, &kept, End::Closes);
            (
                kept.len(),
                rows_of_both(&first, &second),
                ends(&first, &second),
            )
        };
        // In the middle of what is read.
        let cut = (1..capture.packets.len()).find(|cut| halves(*cut, 0).1 > 0);
        let cut = cut.unwrap() + 3;
        let (kept, rows, ends) = halves(cut, minutes * MINUTE);
        assert_eq!(rows > 0, goes_on, "{name} after {minutes} minutes");
        assert_eq!(ends, kept, "{name} after {minutes} minutes: each ends once");
    }
}

/// How many flows have a row in both halves.
fn rows_of_both(first: &TableOutput, second: &TableOutput) -> usize {
    let names = |out: &TableOutput| -> BTreeSet<Uid> {
        out.records.iter().map(|record| record.uid).collect()
    };
    names(first).intersection(&names(second)).count()
}

/// How many of those that went on have ended.
fn ends(first: &TableOutput, second: &TableOutput) -> usize {
    let known = gone_on(first, second);
    let is_end = |kind: &FlowEventKind| matches!(kind, FlowEventKind::Closed { .. });
    let events = second.events.iter();
    let ends = events.filter(|event| is_end(&event.kind) && known.contains(&event.uid));
    ends.count()
}

/// As many as there is room for.
#[test]
fn what_is_kept_is_bounded() {
    let capture = named("horizontal-scan");
    let (first, kept) = first(&capture, capture.packets.len() / 2);
    assert_eq!(first.not_kept, 0);
    let bytes = kept.to_bytes();
    let few = Conversations::from_bytes(&bytes, 10_000).unwrap();
    assert!(
        !few.is_empty() && few.len() < kept.len(),
        "{} of {}",
        few.len(),
        kept.len()
    );
    assert!(Conversations::from_bytes(&bytes[1..], u64::MAX).is_none());
    assert!(Conversations::from_bytes(&[], 0).unwrap().is_empty());
}
