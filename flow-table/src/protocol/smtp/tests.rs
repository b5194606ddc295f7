use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::Findings;
use super::*;
use crate::{Endpoint, IpProto};

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn smtp() -> Smtp {
    let end = |addr: [u8; 4], port| Endpoint::new(addr, port);
    Smtp::new(FlowId {
        orig: end([10, 0, 0, 1], 40_000),
        resp: end([10, 0, 0, 2], 25),
        proto: IpProto::TCP,
    })
}

/// Who sends what, in turn.
type Parts<'a> = &'a [(Side, &'a [u8])];

fn play(parts: Parts<'_>, cut: usize) -> (Findings, Progress) {
    let (mut smtp, mut findings) = (smtp(), Findings::default());
    let mut progress = Progress::Going;
    for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            if progress == Progress::Going {
                progress = smtp.data(*side, T0, part, &mut findings);
            }
        }
    }
    smtp.finish(T0, &mut findings);
    (findings, progress)
}

fn rows(findings: &Findings) -> Vec<&SmtpRecord> {
    fn row(record: &Record) -> &SmtpRecord {
        match record {
            Record::Smtp(row) => row,
            other => panic!("{other:?}"),
        }
    }
    findings.records.iter().map(row).collect()
}

fn shown(text: Option<&Text>) -> String {
    String::from_utf8_lossy(text.map_or(b"-", |text| text)).into_owned()
}

fn shown_all(texts: Option<&BTreeSet<Text>>) -> Vec<String> {
    texts
        .into_iter()
        .flatten()
        .map(|text| shown(Some(text)))
        .collect()
}

const MESSAGE: &[u8] = b"Received: from a (a [192.0.2.1])\r\n\tby b [192.0.2.9]; today\r\n\
    Received: from x [IPv6:2001:db8::1] (198.51.100.7)\r\n\
    From: Me <me@example>\r\nTO: \"B, C\" <b@example>,\r\n c@example\r\nSubject: Hi\r\n\r\n\
    Subject: not this\r\n..\r\n.\r\n";

const SESSION: Parts<'_> = &[
    (Resp, b"220 mx ESMTP\r\n"),
    (Orig, b"EHLO client\r\n"),
    (Resp, b"250-mx\r\n250 SIZE\r\n"),
    (
        Orig,
        b"MAIL FROM:<me@example> SIZE=9\r\nrcpt to:<b@example> ORCPT=rfc822;b@example\r\nDATA\r\n",
    ),
    (Resp, b"250 ok\r\n250 ok\r\n354 go\r\n"),
    (Orig, MESSAGE),
    (Resp, b"250 queued\r\n"),
    (Orig, b"MAIL FROM:<>\r\n"),
    (Resp, b"250 ok\r\n"),
    (Orig, b"RCPT TO:<d@example>\r\n"),
    (Resp, b"550 no\r\n"),
    (Orig, b"QUIT\r\n"),
    (Resp, b"221 bye\r\n"),
];

#[test]
fn messages_are_rows() {
    let (findings, _) = play(SESSION, usize::MAX);
    assert_eq!(findings.services, [SMTP]);
    let rows = rows(&findings);
    let [first, second] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(shown(first.helo.as_ref()), "client");
    assert_eq!(shown(first.mailfrom.as_ref()), "me@example");
    assert_eq!(shown_all(first.rcptto.as_ref()), ["b@example"]);
    assert_eq!(
        shown_all(first.to.as_ref()),
        ["\"B, C\" <b@example>", "c@example"]
    );
    assert_eq!(shown(first.subject.as_ref()), "Hi");
    assert_eq!(shown(first.last_reply.as_ref()), "250 queued");
    assert_eq!(
        shown(first.second_received.as_ref()),
        "from a (a [192.0.2.1])\tby b [192.0.2.9]; today"
    );
    let path = [
        [10, 0, 0, 2],
        [10, 0, 0, 1],
        [192, 0, 2, 9],
        [198, 51, 100, 7],
    ];
    assert_eq!(first.path, path.map(IpAddr::from));
    assert_eq!((first.trans_depth, second.trans_depth), (1, 2));
    assert_eq!(
        (first.files.as_slice(), second.files.as_slice()),
        (&[1][..], &[][..])
    );
    assert_eq!(second.mailfrom, None);
    assert_eq!(shown(second.last_reply.as_ref()), "221 bye");
}

#[test]
fn chunks_are_messages_too() {
    let cases: [(&str, Parts<'_>, &str, usize); 4] = [
        (
            "in two",
            &[
                (Orig, b"BDAT 12\r\nSubject: a b"),
                (Orig, b"BDAT 4 LAST\r\nc\r\n\r"),
                (Resp, b"250 ok\r\n250 ok\r\n"),
            ],
            "a bc",
            0,
        ),
        (
            "nothing",
            &[(Orig, b"BDAT 0 LAST\r\n"), (Resp, b"250 ok\r\n")],
            "-",
            0,
        ),
        (
            "of negative size",
            &[(Orig, b"BDAT -1\r\n"), (Resp, b"521 no\r\n")],
            "-",
            1,
        ),
        (
            "too large",
            &[
                (Orig, b"BDAT 99999999999999999999999\r\n"),
                (Resp, b"521 no\r\n"),
            ],
            "-",
            1,
        ),
    ];
    for (name, parts, subject, weirds) in cases {
        let begin: Parts<'_> = &[
            (Resp, b"220 mx\r\n"),
            (Orig, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"),
            (Resp, b"250 ok\r\n250 ok\r\n"),
        ];
        let (findings, _) = play(&[begin, parts].concat(), usize::MAX);
        let rows = rows(&findings);
        assert_eq!(shown(rows[0].subject.as_ref()), subject, "{name}");
        assert_eq!(
            (rows.len(), findings.weirds.len()),
            (1, weirds),
            "{name}: {findings:?}"
        );
    }
}

#[test]
fn sessions_go_over_to_tls() {
    let parts: Parts<'_> = &[
        (Resp, b"220 mx\r\n"),
        (Orig, b"EHLO a\r\n"),
        (Resp, b"250 STARTTLS\r\n"),
        (Orig, b"STARTTLS\r\n"),
        (Resp, b"220 go\r\n\x16"),
    ];
    let (findings, progress) = play(parts, usize::MAX);
    assert_eq!(progress, Progress::Inner(8));
    let rows = rows(&findings);
    assert!(rows[0].tls);
    assert_eq!(shown(rows[0].last_reply.as_ref()), "220 go");
}

#[test]
fn who_signs_in_is_told() {
    let parts: Parts<'_> = &[
        (Resp, b"220 mx\r\n"),
        (Orig, b"EHLO a\r\n"),
        (Resp, b"250-mx\r\n250 AUTH LOGIN\r\n"),
        (Orig, b"AUTH LOGIN\r\n"),
        (Resp, b"334 VXNlcm5hbWU6\r\n"),
        (Orig, b"Y2xlcms=\r\n"),
        (Resp, b"334 UGFzc3dvcmQ6\r\n"),
        (Orig, b"eA==\r\n"),
        (Resp, b"535-5.7.8 no\r\n535 5.7.8 no\r\n"),
        (Orig, b"AUTH PLAIN AGNsZXJrAHk=\r\n"),
        (Resp, b"235 2.7.0 yes\r\n"),
    ];
    let (findings, _) = play(parts, usize::MAX);
    let told: Vec<_> = findings.sign_ins.iter().map(|told| told.outcome).collect();
    assert_eq!(told, [SignInOutcome::Refused, SignInOutcome::Accepted]);
}

#[test]
fn what_is_out_of_order_is_told() {
    let parts: Parts<'_> = &[
        (Orig, b"EHLO a\r\nDATA\r\n"),
        (Resp, b"220 mx\r\n250 ok\r\n503 no\r\n"),
        (Orig, b"RCPT TO:<a@b>\r\n"),
    ];
    let (findings, _) = play(parts, usize::MAX);
    assert_eq!(findings.weirds.len(), 2);
    assert_eq!(rows(&findings).len(), 1);
    let line = b"RCPT TO:<a@b>\r\n".repeat(40);
    let (findings, progress) = play(&[(Orig, &line)], usize::MAX);
    assert_eq!((findings.weirds.len(), progress), (27, Progress::Done));
}

#[test]
fn gaps_are_passed_over() {
    let (mut smtp, mut findings) = (smtp(), Findings::default());
    let begin = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 200\r\nSubject: x";
    let _ = smtp.data(Orig, T0, begin, &mut findings);
    let _ = smtp.gap(Orig, T0, 500, &mut findings);
    let _ = smtp.data(Orig, T0, b"DATA\r\nSubject: y\r\n\r\n.\r\n", &mut findings);
    smtp.finish(T0, &mut findings);
    let rows = rows(&findings);
    assert_eq!((rows.len(), rows[0].subject.as_ref()), (1, None));
}

#[test]
fn what_is_held_has_a_limit() {
    let (mut smtp, mut findings) = (smtp(), Findings::default());
    let _ = smtp.data(Orig, T0, b"DATA\r\n", &mut findings);
    for nth in 0..3_000 {
        let line = format!("To: {nth}@b,{}@d\r\n e,", "c".repeat(900 + nth));
        let _ = smtp.data(Orig, T0, line.as_bytes(), &mut findings);
        let _ = smtp.data(Orig, T0, &[b'f'; 5_000], &mut findings);
        let _ = smtp.data(Resp, T0, &[b'g'; 5_000], &mut findings);
        let rows = 3 * MAX_ADDRESSES * (MAX_ADDRESS + 16) + 12 * MAX_LINE + 4_096;
        assert!(
            smtp.held() <= 6 * MAX_LINE + MAX_PENDING + rows,
            "{}",
            smtp.held()
        );
    }
}

#[test]
fn addresses_are_found() {
    let mailboxes = |text: &str| -> Vec<String> {
        addresses::mailboxes(text.as_bytes())
            .map(|found| String::from_utf8_lossy(found).into_owned())
            .collect()
    };
    assert_eq!(mailboxes("FROM:<a@b> X=c@d"), ["a@b", "X=c@d"]);
    assert!(mailboxes("FROM:<> @ a@ @b").is_empty());
    let hosts = |text: &str| addresses::hosts(text.as_bytes()).count();
    for (text, want) in [
        ("[192.0.2.1]", 1),
        ("(192.0.2.1]", 0),
        ("v 8.14.7/8.14.7 x", 0),
        ("a 192.0.2.1 b {2001:db8::1}", 2),
        ("192.0.2.1", 0),
        ("[300.0.2.1]", 0),
        ("", 0),
    ] {
        assert_eq!(hosts(text), want, "{text}");
    }
}

proptest! {
    #[test]
    fn however_it_is_cut_the_rows_are_the_same(cut in 1..60_usize) {
        prop_assert_eq!(play(SESSION, cut), play(SESSION, usize::MAX));
    }

    #[test]
    fn random_lines_do_no_harm(lines in prop::collection::vec((any::<bool>(), "(MAIL FROM:|RCPT TO:|DATA|BDAT 9|BDAT 3 LAST|To: |Received: |[.]|250|354|220)[ -].{0,30}\r\n"), 0..30)) {
        let (mut smtp, mut findings) = (smtp(), Findings::default());
        for (orig, line) in lines {
            let side = if orig { Orig } else { Resp };
            let _ = smtp.data(side, T0, line.as_bytes(), &mut findings);
        }
        smtp.finish(T0, &mut findings);
    }

    #[test]
    fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..9)) {
        let (mut smtp, mut findings) = (smtp(), Findings::default());
        for (orig, bytes) in parts {
            let side = if orig { Orig } else { Resp };
            let _ = smtp.data(side, T0, &bytes, &mut findings);
            let _ = smtp.gap(side, T0, 3, &mut findings);
        }
        smtp.finish(T0, &mut findings);
    }
}
