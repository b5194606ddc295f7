//! The signals of what is fetched, and the rule that joins them.

use flow_table::protocol::Record;
use flow_table::protocol::dns::Answer;
use flow_table::protocol::files::{Digests, Hashes};
use flow_table::protocol::ftp::{Carried, DataChannel, FtpRecord};
use flow_table::protocol::http::{BodyNote, HttpRecord};
use flow_table::{Endpoint, ProtocolRow, Side, Span};

use super::Severity::{Critical, High, Medium};
use super::{check_both as check, lone};
use crate::testing::{
    Flow, at, detections_of_both, question, row, signals_of_both, signals_of_rows, tcp,
};
use crate::{Config, Detection, Signal, SignalKind};

const PE: &str = "application/x-dosexec";
const DAY: i64 = 86_400_000;

fn only(kind: SignalKind, flows: &[Flow], rows: &[ProtocolRow]) -> Signal {
    lone(signals_of_both(&Config::default(), kind, flows, rows))
}

/// A reply of HTTP whose content begins like this.
#[derive(Clone, Copy)]
struct Reply<'a> {
    client: &'a str,
    server: &'a str,
    host: &'a str,
    uri: &'a str,
    sniffed: Option<&'static str>,
    declared: &'a str,
    code: u16,
    method: &'a str,
}

const REPLY: Reply<'_> = Reply {
    client: "10.0.0.1",
    server: "203.0.113.9",
    host: "get.evil.example",
    uri: "/setup.exe",
    sniffed: Some(PE),
    declared: "application/octet-stream",
    code: 200,
    method: "GET",
};

impl Reply<'_> {
    fn at(self, millis: i64) -> ProtocolRow {
        let text = |text: &str| Some(text.as_bytes().into());
        let mut http = HttpRecord::new(at(millis), 1);
        http.method = text(self.method);
        http.host = text(self.host).filter(|_| !self.host.is_empty());
        http.uri = text(self.uri);
        http.response_body_len = 1_000;
        http.status_code = Some(self.code);
        http.resp_bodies = vec![BodyNote {
            number: 1,
            place: None,
            mime_type: self.sniffed,
            filename: None,
            content_type: text(self.declared),
        }];
        let ends = (self.client, self.server, 80);
        row(millis, ends, Record::Http(Box::new(http)))
    }
}

/// A file over FTP: announced, carried, asked for.
fn ftp(millis: i64, uri: &str, sniffed: Option<&'static str>) -> Vec<ProtocolRow> {
    let (client, server) = ("10.0.0.1", "203.0.113.9");
    let to = Endpoint::new([203, 0, 113, 9], 50_000);
    let channel = DataChannel {
        passive: true,
        orig_h: client.parse().unwrap(),
        resp: to,
    };
    let carried = Carried {
        side: Side::Resp,
        first: at(millis + 1),
        last: None,
        mime_type: sniffed,
        hashes: Hashes::default(),
        digests: Digests::default(),
    };
    let command = FtpRecord {
        ts: at(millis),
        user: None,
        password: None,
        command: b"RETR".as_slice().into(),
        arg: Some(format!("ftp://203.0.113.9{uri}").as_bytes().into()),
        file_size: Some(1_000),
        reply_code: Some(226),
        reply_msg: None,
        data_channel: None,
        transfer: Some(to),
        file: None,
    };
    vec![
        row(
            millis,
            (client, server, 21),
            Record::Announced(Box::new(channel)),
        ),
        row(
            millis + 1,
            (client, server, 50_000),
            Record::Carried(Box::new(carried)),
        ),
        row(
            millis + 2,
            (client, server, 21),
            Record::Ftp(Box::new(command)),
        ),
    ]
}

/// A question that was answered with an address.
fn lookup(millis: i64, client: &str, name: &str, addr: &str) -> ProtocolRow {
    let mut row = question(millis, client, name, 1);
    if let Record::Dns(dns) = &mut row.record {
        let text = addr.as_bytes().into();
        dns.answers = vec![Answer { text, ttl: 60 }];
    }
    row
}

/// Connections of a kilobyte to one destination.
fn calls(from: i64, count: i64, gap: i64, dst: &str) -> Vec<Flow> {
    (0..count)
        .map(|n| tcp(from + n * gap, "10.0.0.1", dst, 443).moves(50, 300, 700))
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn executable_file_download() {
    let one = |reply: Reply<'_>| vec![reply.at(1_000)];
    check(
        SignalKind::ExecutableFileDownload,
        vec![
            ("a program", vec![], one(REPLY), &[High]),
            (
                "from inside",
                vec![],
                one(Reply {
                    server: "10.0.0.9",
                    ..REPLY
                }),
                &[High],
            ),
            (
                "from outside",
                vec![],
                one(Reply {
                    client: "203.0.113.1",
                    ..REPLY
                }),
                &[],
            ),
            (
                "ipv6",
                vec![],
                one(Reply {
                    client: "fd00::1",
                    server: "2001:db8::1",
                    ..REPLY
                }),
                &[High],
            ),
            (
                "no such thing",
                vec![],
                one(Reply { code: 404, ..REPLY }),
                &[],
            ),
            (
                "a part",
                vec![],
                one(Reply {
                    code: 206,
                    sniffed: None,
                    ..REPLY
                }),
                &[High],
            ),
            (
                "only asked about",
                vec![],
                one(Reply {
                    method: "HEAD",
                    ..REPLY
                }),
                &[],
            ),
            (
                "an error page",
                vec![],
                one(Reply {
                    sniffed: Some("text/html"),
                    ..REPLY
                }),
                &[],
            ),
            (
                "a picture",
                vec![],
                one(Reply {
                    sniffed: Some("image/png"),
                    uri: "/a.png",
                    ..REPLY
                }),
                &[],
            ),
            ("over FTP", vec![], ftp(1_000, "/pub/a", Some(PE)), &[High]),
            (
                "text over FTP",
                vec![],
                ftp(1_000, "/pub/a.txt", Some("text/plain")),
                &[],
            ),
            (
                "a script over FTP",
                vec![],
                ftp(1_000, "/pub/a.ps1", Some("text/plain")),
                &[High],
            ),
        ],
    );
    let disguised = Reply {
        uri: "/cat.jpg",
        declared: "image/jpeg",
        ..REPLY
    };
    let rows = [REPLY.at(0), disguised.at(1_000)];
    let signal = only(SignalKind::ExecutableFileDownload, &[], &rows);
    assert_eq!(
        signal.evidence.measure,
        "fetched 2 programs, 1 of them called something else (limit 1 in 10min)"
    );
    let names: Vec<&str> = signal.evidence.names.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        names,
        [
            "application/x-dosexec (declared application/octet-stream): http://get.evil.example/setup.exe",
            "application/x-dosexec (declared image/jpeg): http://get.evil.example/cat.jpg",
        ]
    );
}

/// The same from so many clients, a second apart.
fn clients(count: u8, reply: Reply<'_>, from: i64) -> Vec<ProtocolRow> {
    (1..=count)
        .map(|n| {
            let client = format!("10.0.0.{n}");
            Reply {
                client: &client,
                ..reply
            }
            .at(from + i64::from(n) * 1_000)
        })
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rare_external_source() {
    let page = Reply {
        sniffed: Some("text/html"),
        declared: "text/html",
        uri: "/",
        ..REPLY
    };
    let unnamed = Reply {
        host: "203.0.113.9",
        ..REPLY
    };
    // Everything is watched from the beginning on.
    let began =
        |rows: Vec<ProtocolRow>| [vec![question(0, "10.0.0.99", "a.example", 1)], rows].concat();
    let after_a_week = [clients(3, REPLY, 2 * DAY), vec![REPLY.at(10 * DAY)]].concat();
    check(
        SignalKind::RareExternalSource,
        vec![
            ("the only one", vec![], clients(1, REPLY, 0), &[High]),
            ("two", vec![], clients(2, REPLY, 0), &[High, High]),
            (
                "the third is one of many",
                vec![],
                clients(3, REPLY, 0),
                &[High, High],
            ),
            ("by address", vec![], clients(3, unnamed, 0), &[High, High]),
            (
                "from inside",
                vec![],
                vec![
                    Reply {
                        server: "10.0.0.9",
                        ..REPLY
                    }
                    .at(0),
                ],
                &[],
            ),
            ("a page, when all is new", vec![], clients(1, page, 0), &[]),
            (
                "a page, after a day",
                vec![],
                began(clients(1, page, DAY)),
                &[Medium],
            ),
            (
                "a program and a page",
                vec![],
                began(vec![page.at(DAY), REPLY.at(DAY + 1)]),
                &[High],
            ),
            (
                "new, and used by many",
                vec![],
                began(clients(4, REPLY, 2 * DAY)),
                &[High; 4],
            ),
            ("a week later", vec![], began(after_a_week), &[High; 3]),
            (
                "over FTP",
                vec![],
                ftp(0, "/pub/a.zip", Some("application/zip")),
                &[High],
            ),
        ],
    );
    let signal = only(
        SignalKind::RareExternalSource,
        &[],
        &began(vec![REPLY.at(90_000)]),
    );
    assert_eq!(
        signal.evidence.measure,
        "fetched 1 file from evil.example, used by 1 internal host and first contacted 0 s ago, after 1 min of watching"
    );
    assert_eq!((signal.value, signal.threshold), (1.0, 2.0));
    assert_eq!(signal.evidence.domain.as_deref(), Some("evil.example"));
}

#[test]
fn a_source_is_known_by_its_name() {
    // Three others contact the domain at other addresses, by what DNS told them.
    let mut rows = Vec::new();
    let mut flows = Vec::new();
    for n in 2..5 {
        let (client, server) = (format!("10.0.0.{n}"), format!("198.51.100.{n}"));
        rows.push(lookup(0, &client, "cdn.vendor.example", &server));
        flows.push(tcp(n * 1_000, &client, &server, 443));
    }
    let fetch = Reply {
        host: "dl.VENDOR.example:80",
        ..REPLY
    };
    rows.push(fetch.at(60_000));
    let kind = SignalKind::RareExternalSource;
    let found = signals_of_both(&Config::default(), kind, &flows, &rows);
    assert_eq!(found, Vec::new());
    rows.push(
        Reply {
            host: "dl.other.example",
            ..REPLY
        }
        .at(61_000),
    );
    assert_eq!(only(kind, &flows, &rows).severity, High);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn post_download_beacon() {
    let c2 = "198.51.100.66";
    let program = || vec![REPLY.at(10_000)];
    let page = Reply {
        sniffed: Some("text/html"),
        ..REPLY
    };
    let known = [calls(5_000, 1, 0, c2), calls(20_000, 9, 5_000, c2)].concat();
    let by_another = [
        vec![tcp(5_000, "10.0.0.7", c2, 443)],
        calls(20_000, 9, 5_000, c2),
    ]
    .concat();
    let large: Vec<Flow> = (0..5)
        .map(|n| tcp(20_000 + n * 5_000, "10.0.0.1", c2, 443).moves(50, 300, 1_100_000))
        .collect();
    let many: Vec<Flow> = (0..9)
        .map(|n| {
            tcp(
                20_000 + n * 5_000,
                "10.0.0.1",
                &format!("198.51.100.{n}"),
                443,
            )
        })
        .collect();
    check(
        SignalKind::PostDownloadBeacon,
        vec![
            ("two", calls(20_000, 2, 5_000, c2), program(), &[]),
            ("three", calls(20_000, 3, 5_000, c2), program(), &[Critical]),
            ("at once", calls(20_000, 9, 100, c2), program(), &[]),
            ("before it", calls(1_000, 3, 2_000, c2), program(), &[]),
            (
                "no program",
                calls(20_000, 9, 5_000, c2),
                vec![page.at(10_000)],
                &[],
            ),
            ("known", known, program(), &[]),
            ("known to another", by_another, program(), &[]),
            ("large", large, program(), &[]),
            ("each another", many, program(), &[]),
            (
                "too late",
                calls(10_000 + 600_001, 9, 5_000, c2),
                program(),
                &[],
            ),
            (
                "half too late",
                calls(10_000 + 590_000, 9, 5_000, c2),
                program(),
                &[Critical],
            ),
            (
                "inside",
                calls(20_000, 9, 5_000, "10.0.0.9"),
                program(),
                &[],
            ),
            (
                "ipv6",
                calls(20_000, 3, 5_000, "2001:db8::66"),
                program(),
                &[Critical],
            ),
            (
                "of another host",
                calls(20_000, 9, 5_000, c2),
                vec![
                    Reply {
                        client: "10.0.0.2",
                        ..REPLY
                    }
                    .at(10_000),
                ],
                &[],
            ),
        ],
    );
    let signal = only(
        SignalKind::PostDownloadBeacon,
        &calls(20_000, 5, 10_000, c2),
        &program(),
    );
    assert_eq!(
        signal.evidence.measure,
        "made 5 connections of 4 kB in all to a destination first contacted 10 s after it fetched a \
         program (limit 3 in 10min)"
    );
    assert_eq!(signal.evidence.names.len(), 1);
}

#[test]
fn a_name_in_use_is_nobody_new() {
    let mut rows = vec![
        lookup(0, "10.0.0.1", "www.vendor.example", "198.51.100.1"),
        REPLY.at(10_000),
    ];
    let mut flows = vec![tcp(1_000, "10.0.0.1", "198.51.100.1", 443)];
    flows.extend(calls(20_000, 5, 5_000, "198.51.100.2"));
    let kind = SignalKind::PostDownloadBeacon;
    assert_eq!(only(kind, &flows, &rows).severity, Critical);
    rows.push(lookup(
        15_000,
        "10.0.0.1",
        "api.vendor.example",
        "198.51.100.2",
    ));
    assert_eq!(signals_of_both(&Config::default(), kind, &flows, &rows), []);
}

#[test]
fn channels_that_nobody_announced_carry_nothing() {
    let rows = &ftp(1_000, "/pub/a", Some(PE))[1..];
    let found = signals_of_rows(&Config::default(), SignalKind::ExecutableFileDownload, rows);
    assert_eq!(found, []);
}

#[test]
fn malware_delivery() {
    let c2 = "198.51.100.66";
    let beacon = || calls(20_000, 4, 7_000, c2);
    let common = clients(
        9,
        Reply {
            host: "updates.example",
            server: "203.0.113.7",
            ..REPLY
        },
        0,
    );
    let update = Reply {
        host: "updates.example",
        server: "203.0.113.7",
        ..REPLY
    };
    let rare_archive = Reply {
        sniffed: Some("application/zip"),
        uri: "/a.zip",
        ..REPLY
    };
    // The last client of nine is not one of the few who made the source known.
    let cases = [
        ("all three", beacon(), vec![REPLY.at(10_000)], 1),
        (
            "no beacon",
            calls(20_000, 2, 7_000, c2),
            vec![REPLY.at(10_000)],
            0,
        ),
        ("no program", beacon(), vec![rare_archive.at(10_000)], 0),
        (
            "from where all fetch it",
            beacon(),
            [common[2..].to_vec(), vec![update.at(10_000)]].concat(),
            0,
        ),
        (
            "a rare file before a program from where all fetch it",
            beacon(),
            [
                common[2..].to_vec(),
                vec![rare_archive.at(9_500), update.at(10_000)],
            ]
            .concat(),
            1,
        ),
    ];
    for (name, flows, rows, want) in cases {
        let made = detections_of_both(&Config::default(), &flows, &rows);
        let of_rule = |made: &&Detection| made.rule.id == "MALWARE-DELIVERY-001";
        let host = Some("10.0.0.1".parse().unwrap());
        let of_host = made
            .iter()
            .filter(of_rule)
            .filter(|made| made.subject.src == host);
        assert_eq!(of_host.count(), want, "{name}: {made:#?}");
    }
}

#[test]
fn nothing_is_held_of_those_who_fetch_nothing() {
    let config = Config::default();
    let mut detectors = crate::Detectors::new(&config, Vec::new());
    for event in crate::testing::events(&calls(0, 50, 1_000, "198.51.100.66")) {
        detectors.put(&event);
    }
    let counters = detectors.counters();
    assert_eq!(
        counters.signals[SignalKind::PostDownloadBeacon as usize].subjects,
        0
    );
    assert_eq!(counters.destinations, 1);
    detectors.advance(at(0) + Span::from_secs(60));
}
