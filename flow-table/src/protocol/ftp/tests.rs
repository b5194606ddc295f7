use std::net::IpAddr;

use proptest::prelude::*;

use super::super::{Findings, Record, SignInOutcome};
use super::*;
use crate::IpProto;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn ftp() -> Ftp {
    let end = |addr: [u8; 4], port| Endpoint::new(addr, port);
    Ftp::new(FlowId {
        orig: end([10, 0, 0, 1], 40_000),
        resp: end([10, 0, 0, 2], 21),
        proto: IpProto::TCP,
    })
}

/// Who sends what, in turn.
type Parts<'a> = &'a [(Side, &'a [u8])];

fn play(parts: Parts<'_>, cut: usize) -> (Findings, Progress) {
    let (mut ftp, mut findings) = (ftp(), Findings::default());
    let mut progress = Progress::Going;
    for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            if progress == Progress::Going {
                progress = ftp.data(*side, T0, part, &mut findings);
            }
        }
    }
    ftp.finish(T0, &mut findings);
    (findings, progress)
}

fn rows(findings: &Findings) -> Vec<&FtpRecord> {
    fn row(record: &Record) -> &FtpRecord {
        match record {
            Record::Ftp(row) => row,
            other => panic!("{other:?}"),
        }
    }
    findings.records.iter().map(row).collect()
}

/// Command, argument and code.
fn brief(findings: &Findings) -> Vec<(String, String, u16)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let brief = |row: &FtpRecord| {
        let arg = row.arg.as_deref().unwrap_or_default();
        (
            text(&row.command),
            text(arg),
            row.reply_code.unwrap_or_default(),
        )
    };
    rows(findings).into_iter().map(brief).collect()
}

const SESSION: Parts<'_> = &[
    (Resp, b"220-hello\r\n 220 not yet\r\n220 FTP server\r\n"),
    (Orig, b"USER Anonymous\r\n"),
    (Resp, b"331 password?\r\n"),
    (Orig, b"pass me@example\r\n"),
    (Resp, b"230 in\r\n"),
    (Orig, b"CWD pub\r\n"),
    (Resp, b"250 ok\r\n"),
    (Orig, b"PASV\r\n"),
    (Resp, b"227 Entering Passive Mode (10,0,0,2,200,10).\r\n"),
    (Orig, b"RETR ../a.txt\r\n"),
    (
        Resp,
        b"150 Opening connection for a.txt (77 bytes).\r\n226 done\r\n",
    ),
    (Orig, b"EPRT |2|2001:db8::1|5000|\r\n"),
    (Resp, b"200 ok\r\n"),
    (Orig, b"QUIT\r\n"),
    (Resp, b"221 bye\r\n"),
];

#[test]
fn a_session_is_told() {
    let (findings, _) = play(SESSION, usize::MAX);
    assert_eq!(findings.services, [FTP]);
    let owned = |(command, arg, code): (&str, &str, u16)| (command.into(), arg.into(), code);
    assert_eq!(
        brief(&findings),
        [
            ("PASV", "", 227),
            ("RETR", "ftp://10.0.0.2/./a.txt", 226),
            ("EPRT", "|2|2001:db8::1|5000|", 200),
        ]
        .map(owned)
    );
    let rows = rows(&findings);
    assert_eq!(rows[1].file_size, Some(77));
    assert_eq!(rows[1].user.as_deref(), Some(&b"Anonymous"[..]));
    assert!(rows[1].is_guest());
    let passive = DataChannel {
        passive: true,
        orig_h: IpAddr::from([10, 0, 0, 1]),
        resp: Endpoint::new([10, 0, 0, 2], 51_210),
    };
    assert_eq!(rows[0].data_channel, Some(passive));
    assert_eq!(rows[1].data_channel, None);
    assert_eq!(rows[1].transfer, Some(passive.resp));
    assert_eq!(findings.channels.len(), 2);
    assert_eq!(findings.channels[1].orig_h, IpAddr::from([10, 0, 0, 2]));
}

#[test]
fn replies_find_their_commands() {
    let late: Parts<'_> = &[
        (Orig, b"USER a\r\nPASV\r\nRETR b\r\nQUIT\r\n"),
        (
            Resp,
            b"220 FTP\r\n230 ok\r\n550 no b\r\n502 no PASV\r\n221 bye\r\n",
        ),
    ];
    let (findings, _) = play(late, usize::MAX);
    let owned = |(command, arg, code): (&str, &str, u16)| (command.into(), arg.into(), code);
    assert_eq!(
        brief(&findings),
        [("RETR", "ftp://10.0.0.2/./b", 550), ("PASV", "", 502)].map(owned)
    );
}

#[test]
fn sessions_without_files_are_one_row() {
    let parts: Parts<'_> = &[
        (Resp, b"220 FTP\r\n"),
        (Orig, b"USER a\r\n"),
        (Resp, b"331 ?\r\n"),
        (Orig, b"PASS b\r\n"),
        (Resp, b"530 no\r\n"),
    ];
    let (findings, _) = play(parts, usize::MAX);
    assert_eq!(brief(&findings), [("PASS".into(), "b".into(), 530)]);
    assert!(!rows(&findings)[0].is_guest());
}

#[test]
fn who_signs_in_is_told() {
    use SignInOutcome::{Accepted, Refused};
    // User and reply to the password; what is told.
    let cases: [(&[u8], &[u8], &[SignInOutcome]); 4] = [
        (b"USER a\r\n", b"530 no\r\n", &[Refused]),
        (b"USER a\r\n", b"230 yes\r\n", &[Accepted]),
        (b"USER a\r\n", b"421 later\r\n", &[]),
        (b"USER anonymous\r\n", b"230 yes\r\n", &[]),
    ];
    for (user, reply, want) in cases {
        let parts: Parts<'_> = &[
            (Resp, b"220 FTP\r\n"),
            (Orig, user),
            (Resp, b"331 ?\r\n"),
            (Orig, b"PASS b\r\n"),
            (Resp, reply),
        ];
        let (findings, _) = play(parts, usize::MAX);
        let told: Vec<_> = findings.sign_ins.iter().map(|told| told.outcome).collect();
        assert_eq!(told, want, "{}", reply.escape_ascii());
    }
}

#[test]
fn it_ends_where_it_is_no_longer_ftp() {
    let cases: [(&str, Parts<'_>, Progress, usize); 4] = [
        (
            "TLS",
            &[(Orig, b"AUTH TLS\r\n"), (Resp, b"234 go\r\n\x16\x03")],
            Progress::Inner(8),
            1,
        ),
        (
            "GSSAPI",
            &[(Orig, b"AUTH GSSAPI\r\n"), (Resp, b"334 go on\r\n")],
            Progress::Going,
            1,
        ),
        (
            "no code",
            &[(Orig, b"SYST\r\n"), (Resp, b"SYST unknown\r\n")],
            Progress::Done,
            0,
        ),
        (
            "no space",
            &[(Orig, b"SYST\r\n"), (Resp, b"230_x\r\n")],
            Progress::Done,
            0,
        ),
    ];
    for (name, parts, progress, services) in cases {
        let (findings, got) = play(parts, usize::MAX);
        assert_eq!(
            (got, findings.services.len()),
            (progress, services),
            "{name}"
        );
    }
}

#[test]
fn channels_are_read() {
    let v4 = |port| Some(Endpoint::new([1, 2, 3, 4], port));
    for (text, want) in [
        (&b"1,2,3,4,0,21"[..], v4(21)),
        (b"Entering (1,2,3,4,1,1).", v4(257)),
        (b"3 files, 1,2,3,4,1,1", v4(257)),
        (b"1,2,3,4,256,1", None),
        (b"1,2,3,4,1", None),
        (b"1,2,3,4,1,1,1", None),
        (b"", None),
    ] {
        assert_eq!(channel::commas(text), want, "{text:?}");
    }
    for (text, want) in [
        (&b"|1|1.2.3.4|5|"[..], v4(5)),
        (b"Passive (|||5|)", Some(Endpoint::new([9, 9, 9, 9], 5))),
        (b"Passive (!!!5!)", Some(Endpoint::new([9, 9, 9, 9], 5))),
        (b"|||70000|", None),
        (b"|||5", None),
        (b"||x|5|", None),
        (b"", None),
    ] {
        assert_eq!(channel::bars(text, [9; 4].into()), want, "{text:?}");
    }
}

#[test]
fn paths_are_joined() {
    for (from, file, want) in [
        (".", "a", "./a"),
        ("/", "a", "/a"),
        ("/x/y", "../a", "/x/a"),
        ("/x", "/a//b/./c/", "/a/b/c"),
        ("x", "../../a", "../a"),
        ("..", "..", "../.."),
        ("/x", "C:\\a", "C:\\a"),
        ("", "", ""),
    ] {
        let got = path::join(from.as_bytes(), file.as_bytes());
        if !(from.is_empty() && file.is_empty()) {
            assert_eq!(String::from_utf8_lossy(&got), want, "{from} {file}");
        }
    }
    for (text, want) in [
        ("\"/pub\" is the current directory", Some("/pub")),
        ("now in /pub here", Some("/pub")),
        ("nowhere", None),
    ] {
        assert_eq!(
            path::in_reply(text.as_bytes()),
            want.map(str::as_bytes),
            "{text}"
        );
    }
}

#[test]
fn what_is_held_has_a_limit() {
    let (mut ftp, mut findings) = (ftp(), Findings::default());
    for _ in 0..200 {
        let line = [&b"CWD "[..], &[b'a'; 9_000], b"\r\n"].concat();
        let _ = ftp.data(Orig, T0, &line, &mut findings);
        let _ = ftp.data(Orig, T0, &[b'x'; 9_000], &mut findings);
        let _ = ftp.data(Resp, T0, b"250 ok\r\n", &mut findings);
        assert!(ftp.held() <= (MAX_PENDING + 8) * MAX_LINE, "{}", ftp.held());
    }
}

proptest! {
    #[test]
    fn however_it_is_cut_the_rows_are_the_same(cut in 1..60_usize) {
        prop_assert_eq!(play(SESSION, cut), play(SESSION, usize::MAX));
    }

    #[test]
    fn random_lines_do_no_harm(lines in prop::collection::vec((any::<bool>(), "(USER|PASV|PORT|CWD|RETR|227|250|220-|220)[ -].{0,30}\r\n"), 0..30)) {
        let (mut ftp, mut findings) = (ftp(), Findings::default());
        for (orig, line) in lines {
            let side = if orig { Orig } else { Resp };
            let _ = ftp.data(side, T0, line.as_bytes(), &mut findings);
        }
        ftp.finish(T0, &mut findings);
    }

    #[test]
    fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..9)) {
        let (mut ftp, mut findings) = (ftp(), Findings::default());
        for (orig, bytes) in parts {
            let side = if orig { Orig } else { Resp };
            let _ = ftp.data(side, T0, &bytes, &mut findings);
            let _ = ftp.gap(side, T0, 3, &mut findings);
        }
        ftp.finish(T0, &mut findings);
    }
}
