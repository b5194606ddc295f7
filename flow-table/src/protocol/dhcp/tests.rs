use std::net::IpAddr;

use proptest::prelude::*;

use super::super::Findings;
use super::*;
use crate::{Endpoint, FlowId, IpProto};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

type Options<'a> = &'a [(u8, &'a [u8])];

fn message(op: u8, xid: u32, assigned: [u8; 4], options: Options<'_>) -> Vec<u8> {
    let mut bytes = vec![op, 1, 6, 0];
    bytes.extend(xid.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(assigned);
    bytes.extend([0; 8]);
    bytes.extend(MAC);
    bytes.extend([0; 10 + NAMES_LEN]);
    bytes.extend(COOKIE.to_be_bytes());
    for (kind, data) in options {
        bytes.extend([*kind, u8::try_from(data.len()).unwrap()]);
        bytes.extend(*data);
    }
    bytes.push(255);
    bytes
}

fn read(bytes: &[u8]) -> (Findings, Progress) {
    let mut findings = Findings::default();
    let progress = Dhcp::default().data(Side::Orig, T0, bytes, &mut findings);
    (findings, progress)
}

fn flow(orig: [u8; 4], resp: [u8; 4]) -> FlowId {
    let end = |addr: [u8; 4], port| Endpoint {
        addr: IpAddr::from(addr),
        port,
    };
    FlowId {
        orig: end(orig, 68),
        resp: end(resp, 67),
        proto: IpProto::UDP,
    }
}

const ANY: [u8; 4] = [0; 4];
const ALL: [u8; 4] = [255; 4];
const SERVER: [u8; 4] = [10, 0, 0, 1];
const LEASED: [u8; 4] = [10, 0, 0, 50];

fn seen(side: Side, secs: i64, bytes: &[u8]) -> DhcpMessage {
    DhcpMessage::read(T0 + Span::from_secs(secs), side, bytes).unwrap()
}

fn finished(mut all: Transactions<u8>) -> Vec<DhcpRecord<u8>> {
    let mut rows = Vec::new();
    all.finish(|row| rows.push(row));
    rows
}

#[test]
fn a_lease_is_one_row() {
    let mut all = Transactions::default();
    let broadcast = flow(ANY, ALL);
    let unicast = flow(LEASED, SERVER);
    let lease = 3_600_u32.to_be_bytes();
    let steps = [
        (
            1,
            broadcast,
            Side::Orig,
            message(1, 7, ANY, &[(53, &[1]), (12, b"host"), (50, &LEASED)]),
        ),
        (
            2,
            unicast,
            Side::Resp,
            message(
                2,
                7,
                LEASED,
                &[(53, &[2]), (51, &lease), (15, b"example\0")],
            ),
        ),
        (1, broadcast, Side::Orig, message(1, 7, ANY, &[(53, &[3])])),
        (2, unicast, Side::Resp, message(2, 7, LEASED, &[(53, &[5])])),
    ];
    for (at, (uid, id, side, bytes)) in (0..).zip(steps) {
        all.message(uid, &id, seen(side, at, &bytes), |row| panic!("{row:?}"));
    }
    let rows = finished(all);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(row.uids, [1, 2]);
    assert_eq!(row.msg_types, [1, 2, 3, 5]);
    assert_eq!(row.duration, Span::from_secs(3));
    assert_eq!(row.client_addr, Some(LEASED.into()));
    assert_eq!(row.server_addr, Some(SERVER.into()));
    assert_eq!(row.assigned_addr, Some(LEASED.into()));
    assert_eq!(row.requested_addr, Some(LEASED.into()));
    assert_eq!(row.lease_time, Some(Span::from_secs(3_600)));
    assert_eq!(row.host_name.as_deref(), Some(&b"host"[..]));
    assert_eq!(row.domain.as_deref(), Some(&b"example"[..]));
    assert_eq!(row.mac.unwrap().to_string(), "02:00:00:00:00:09");
}

#[test]
fn the_client_says_who_it_is() {
    let options: [(&str, Options<'_>, &str); 4] = [
        ("by its card", &[(53, &[1])], "02:00:00:00:00:09"),
        (
            "by another",
            &[(53, &[1]), (61, &[1, 2, 2, 2, 2, 2, 2])],
            "02:02:02:02:02:02",
        ),
        (
            "by a name",
            &[(53, &[1]), (61, b"\0name-of-it")],
            "02:00:00:00:00:09",
        ),
        (
            "by eight bytes",
            &[(53, &[1]), (61, &[1, 2, 2, 2, 2, 2, 2, 3, 3])],
            "02:02:02:02:02:02:03:03",
        ),
    ];
    for (name, options, want) in options {
        let mut all = Transactions::default();
        let bytes = message(1, 7, ANY, options);
        all.message(1, &flow(ANY, ALL), seen(Side::Orig, 0, &bytes), |_| ());
        let rows = finished(all);
        assert_eq!(rows[0].mac.unwrap().to_string(), want, "{name}");
    }
}

#[test]
fn rows_come_in_time() {
    let discover = |xid| message(1, xid, ANY, &[(53, &[1])]);
    let (mut all, mut rows) = (Transactions::default(), Vec::new());
    for (xid, secs) in [(1, 0), (2, 4), (1, 8), (3, 12), (1, 13), (4, 40)] {
        let message = seen(Side::Orig, secs, &discover(xid));
        all.message(1, &flow(ANY, ALL), message, |row| {
            rows.push((secs, row.msg_types.len()));
        });
    }
    all.advance(T0 + Span::from_secs(49), |_| panic!("too early"));
    all.advance(T0 + Span::from_secs(50), |row| {
        rows.push((50, row.msg_types.len()));
    });
    assert_eq!(rows, [(40, 1), (40, 3), (40, 1), (50, 1)]);
    assert!(all.is_empty());
}

#[test]
fn transactions_are_few_and_short() {
    let discover = |xid| seen(Side::Orig, 0, &message(1, xid, ANY, &[(53, &[1])]));
    let (mut all, mut rows) = (Transactions::default(), 0);
    for xid in 0..5_000 {
        all.message(1, &flow(ANY, ALL), discover(xid), |_| rows += 1);
    }
    assert_eq!(
        (all.len(), rows),
        (MAX_TRANSACTIONS, 5_000 - MAX_TRANSACTIONS)
    );
    let (mut all, mut lens) = (Transactions::default(), Vec::new());
    for _ in 0..60 {
        all.message(1, &flow(ANY, ALL), discover(1), |row| {
            lens.push(row.msg_types.len());
        });
    }
    for uid in 0..10 {
        all.message(uid, &flow(ANY, ALL), discover(2), |row| {
            lens.push(row.uids.len());
        });
    }
    assert_eq!((lens, all.len()), (vec![50, 10], 1));
}

#[test]
fn what_is_no_message_is_none() {
    let good = message(1, 7, ANY, &[(53, &[1])]);
    let mut cookie = good.clone();
    cookie[236] = 0;
    let cases: [(&str, &[u8], Progress, usize, usize); 6] = [
        ("whole", &good, Progress::Going, 1, 0),
        ("without an end", &good[..243], Progress::Going, 1, 0),
        ("cut in an option", &good[..242], Progress::Going, 0, 1),
        ("cut before options", &good[..239], Progress::Done, 0, 1),
        ("of another cookie", &cookie, Progress::Done, 0, 1),
        ("nothing", &[], Progress::Done, 0, 1),
    ];
    for (name, bytes, progress, records, weirds) in cases {
        let (findings, got) = read(bytes);
        let lens = (findings.records.len(), findings.weirds.len());
        assert_eq!((got, lens), (progress, (records, weirds)), "{name}");
    }
}

#[test]
fn messages_have_names() {
    for (kind, want) in [
        (1, "DISCOVER"),
        (8, "INFORM"),
        (18, "TLS"),
        (0, "Unknown_DHCP_message_0"),
        (99, "Unknown_DHCP_message_99"),
    ] {
        assert_eq!(message_name(kind), want);
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(options in prop::collection::vec(any::<u8>(), 0..120), times in prop::collection::vec((0..90_i64, 0..9_u32), 0..40)) {
        let mut bytes = message(1, 7, ANY, &[(53, &[1])]);
        bytes.pop();
        bytes.extend(options);
        let _ = read(&bytes);
        let (mut all, mut rows) = (Transactions::default(), 0);
        for (secs, xid) in &times {
            let message = seen(Side::Orig, *secs, &message(1, *xid, ANY, &[(53, &[1])]));
            all.message(1, &flow(ANY, ALL), message, |row| rows += row.msg_types.len());
        }
        all.finish(|row| rows += row.msg_types.len());
        prop_assert_eq!(rows, times.len());
    }
}
