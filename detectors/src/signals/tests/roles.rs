//! SMB_FAN_OUT, the signals of hosts that have roles, and the rule that joins those.

use flow_table::protocol::Record;
use flow_table::protocol::http::HttpRecord;
use flow_table::{ProtocolRow, Span};

use super::Severity::{Critical, High, Medium};
use super::{check, compare, lone};
use crate::testing::{Flow, at, detections_of_both, row, signals, signals_of_both, tcp};
use crate::{Config, SignalKind};

const DAY: i64 = 86_400_000;
const ADMIN: &str = "10.0.0.40";
const BACKUPS: [&str; 2] = ["10.0.0.30", "fd00::30"];

fn roles() -> Config {
    serde_json::from_str(
        r#"{"roles": {"backup": ["10.0.0.30", "10.0.0.31", "fd00::30"], "backup-admin": ["10.0.0.40/31"]}}"#,
    )
    .unwrap()
}

/// Connections a second apart to port 445 of so many hosts.
fn shares(from: i64, src: &str, count: i64) -> Vec<Flow> {
    let to = |n: i64| tcp(from + n * 1_000, src, &format!("10.0.9.{n}"), 445);
    (0..count).map(to).collect()
}

#[test]
fn smb_fan_out() {
    let scan = |count| shares(0, "10.0.0.1", count);
    let slowly = (0..12).map(|n| tcp(n * 80_000, "10.0.0.1", &format!("10.0.9.{n}"), 445));
    check(
        SignalKind::SmbFanOut,
        vec![
            ("below the limit", scan(4), &[]),
            ("at the limit", scan(5), &[Medium]),
            ("high", scan(15), &[High]),
            ("critical", scan(30), &[Critical]),
            (
                "unanswered",
                super::each(scan(5), Flow::unanswered),
                &[Medium],
            ),
            (
                "other ports",
                super::each(scan(5), |f| f.with_port(446)),
                &[],
            ),
            (
                "over NetBIOS",
                super::each(scan(5), |f| f.with_port(139)),
                &[Medium],
            ),
            ("UDP", super::each(scan(5), Flow::udp), &[]),
            ("from outside", shares(0, "8.8.8.8", 30), &[]),
            ("too slow", slowly.collect(), &[]),
            (
                "four hosts again and again",
                [scan(4), scan(4), scan(4)].concat(),
                &[],
            ),
            (
                "its own address",
                vec![tcp(0, "10.0.9.1", "10.0.9.1", 445)],
                &[],
            ),
            (
                "usual hosts a day later",
                [scan(9), shares(DAY + 60_000, "10.0.0.1", 9)].concat(),
                &[Medium],
            ),
            (
                "usual hosts and as many others",
                [scan(4), shares(DAY + 60_000, "10.0.0.1", 9)].concat(),
                &[Medium],
            ),
            (
                "usual hosts and too few others",
                [scan(4), shares(DAY + 60_000, "10.0.0.1", 8)].concat(),
                &[],
            ),
        ],
    );
    let signal = lone(signals(&Config::default(), SignalKind::SmbFanOut, &scan(6)));
    assert_eq!(
        signal.evidence.measure,
        "went over SMB to 6 internal hosts that it does not usually use (limit 5 in 5min)"
    );
    assert_eq!((signal.value, signal.evidence.uids.len()), (6.0, 6));
}

#[test]
fn many_new_hosts_do_not_displace_usual_ones() {
    let mut config = Config::default();
    config.smb_fan_out.usual_after = Span::from_mins(10);
    let fan = |n: i64| {
        let dst = format!("10.9.{}.{}", n / 200, n % 200);
        tcp(1_200_000 + n * 200, "10.0.0.1", &dst, 445)
    };
    let flows = [
        shares(0, "10.0.0.1", 4),
        (0..300).map(fan).collect(),
        // Ten minutes after the scan: four that are usual, and four that are not.
        shares(2_000_000, "10.0.0.1", 8),
    ];
    let found = signals(&config, SignalKind::SmbFanOut, &flows.concat());
    assert_eq!(found.len(), 1, "{found:#?}");
    let usual = found[0]
        .evidence
        .numbers
        .iter()
        .find(|(name, _)| *name == "usual_hosts");
    assert_eq!(usual.map(|(_, hosts)| *hosts), Some(4.0));
}

/// What flows and rows make of a kind, with roles.
#[track_caller]
fn check_roles(kind: SignalKind, cases: Vec<super::BothCase>) {
    let found = |(name, flows, rows, want): super::BothCase| {
        (name, signals_of_both(&roles(), kind, &flows, &rows), want)
    };
    compare(kind, cases.into_iter().map(found));
}

fn contacts(src: &str, dsts: &[&str], port: u16) -> Vec<Flow> {
    { dsts.iter() }
        .zip(0..)
        .map(|(dst, n)| tcp(n * 1_000, src, dst, port))
        .collect()
}

#[test]
fn backup_server_contact() {
    let (one, two) = (["10.0.0.30", "10.0.0.32"], ["10.0.0.30", "10.0.0.31"]);
    let of = |src: &str, dsts: &[&str]| contacts(src, dsts, 9_000);
    let late = tcp(301_000, "10.0.0.1", "10.0.0.31", 22);
    let kind = SignalKind::BackupServerContact;
    check_roles(
        kind,
        vec![
            ("both", of("10.0.0.1", &two), vec![], &[Medium]),
            ("one, twice", of("10.0.0.1", &[two[0], two[0]]), vec![], &[]),
            ("one, and another host", of("10.0.0.1", &one), vec![], &[]),
            (
                "one over each protocol",
                of("fd00::1", &["fd00::30", "fd00::30"]),
                vec![],
                &[],
            ),
            ("by an administrator", of(ADMIN, &two), vec![], &[]),
            (
                "by another of the network",
                of("10.0.0.41", &two),
                vec![],
                &[],
            ),
            ("from outside", of("8.8.8.8", &two), vec![], &[]),
            (
                "too late",
                [of("10.0.0.1", &[two[0]]), vec![late]].concat(),
                vec![],
                &[],
            ),
        ],
    );
    let none = signals(&Config::default(), kind, &of("10.0.0.1", &two));
    assert_eq!(none, [], "nobody has the role");
    let signal = lone(signals(&roles(), kind, &of("10.0.0.1", &two)));
    assert_eq!(
        signal.evidence.measure,
        "contacted 2 backup servers without being their administrator (limit 2 in 5min)"
    );
}

#[test]
fn admin_management_protocol() {
    let ports = |dst: &str, ports: &[u16]| -> Vec<Flow> {
        let flow = |(port, n): (&u16, i64)| tcp(n * 1_000, "10.0.0.1", dst, *port);
        ports.iter().zip(0..).map(flow).collect()
    };
    let on = |ports_used: &[u16]| ports("10.0.0.30", ports_used);
    let apart = [on(&[22]), ports("10.0.0.31", &[3389])].concat();
    let late = vec![
        tcp(0, "10.0.0.1", "10.0.0.30", 22),
        tcp(301_000, "10.0.0.1", "10.0.0.30", 135),
    ];
    let kind = SignalKind::AdminManagementProtocol;
    check_roles(
        kind,
        vec![
            ("SSH and RDP", on(&[22, 3389]), vec![], &[High]),
            ("SSH twice", on(&[22, 22]), vec![], &[]),
            (
                "WinRM over both of its ports",
                on(&[5985, 5986]),
                vec![],
                &[],
            ),
            (
                "all of them",
                on(&[22, 3389, 5985, 445, 135]),
                vec![],
                &[High],
            ),
            ("over IPv6", ports("fd00::30", &[22, 445]), vec![], &[High]),
            ("another host", ports("10.0.0.32", &[22, 3389]), vec![], &[]),
            ("one each on two hosts", apart, vec![], &[]),
            ("too late", late, vec![], &[]),
            ("other ports", on(&[80, 443]), vec![], &[]),
            ("UDP", super::each(on(&[22, 3389]), Flow::udp), vec![], &[]),
        ],
    );
    let signal = lone(signals(&roles(), kind, &on(&[445, 22])));
    assert_eq!(
        signal.evidence.measure,
        "administered a backup server with 2 protocols (SSH, SMB; limit 2 in 5min)"
    );
}

fn request(millis: i64, src: &str, dst: &str, method: &str, code: Option<u16>) -> ProtocolRow {
    let text = |text: String| Some(text.as_bytes().into());
    let mut http = HttpRecord::new(at(millis), 1);
    http.method = text(method.to_owned());
    http.uri = text(format!("/snapshots/{millis}"));
    http.status_code = code;
    row(millis, (src, dst, 9_000), Record::Http(Box::new(http)))
}

fn deletions(src: &str, dst: &str, count: i64) -> Vec<ProtocolRow> {
    (0..count)
        .map(|n| request(5_000 + n * 1_000, src, dst, "DELETE", Some(204)))
        .collect()
}

#[test]
fn destructive_recovery_action() {
    let twice = |method: &str, code| -> Vec<ProtocolRow> {
        [0, 1_000]
            .map(|millis| request(millis, "10.0.0.1", BACKUPS[0], method, code))
            .into()
    };
    let apart = [0, 301_000].map(|at| request(at, "10.0.0.1", BACKUPS[0], "DELETE", Some(200)));
    let kind = SignalKind::DestructiveRecoveryAction;
    check_roles(
        kind,
        vec![
            ("once", vec![], deletions("10.0.0.1", BACKUPS[0], 1), &[]),
            (
                "twice",
                vec![],
                deletions("10.0.0.1", BACKUPS[0], 2),
                &[Critical],
            ),
            (
                "over IPv6",
                vec![],
                deletions("fd00::1", BACKUPS[1], 2),
                &[Critical],
            ),
            (
                "on another host",
                vec![],
                deletions("10.0.0.1", "10.0.0.32", 9),
                &[],
            ),
            (
                "from outside",
                vec![],
                deletions("8.8.8.8", BACKUPS[0], 9),
                &[],
            ),
            ("refused", vec![], twice("DELETE", Some(403)), &[]),
            ("unanswered", vec![], twice("DELETE", None), &[]),
            ("something else", vec![], twice("POST", Some(200)), &[]),
            ("too late", vec![], apart.into(), &[]),
        ],
    );
    let rows = deletions("10.0.0.1", BACKUPS[0], 3);
    let signal = lone(signals_of_both(&roles(), kind, &[], &rows));
    assert_eq!(
        signal.evidence.measure,
        "deleted 3 things on a backup server (limit 2 in 5min)"
    );
    assert_eq!(&*signal.evidence.names[0], "DELETE /snapshots/5000");
}

#[test]
fn backups_are_targeted() {
    let src = "10.0.0.1";
    let looks = contacts(src, &["10.0.0.30", "10.0.0.31"], 22);
    let tries = [looks.clone(), contacts(src, &["10.0.0.30"], 5_985)].concat();
    let rows = deletions(src, "10.0.0.30", 2);
    let late = super::each(tries.clone(), |flow| flow.later(1_200_000));
    let by_admin = [
        contacts(ADMIN, &["10.0.0.30", "10.0.0.31"], 22),
        contacts(ADMIN, &["10.0.0.30"], 3_389),
    ];
    let cases = [
        ("all three", tries.clone(), rows.clone(), 1),
        ("nothing deleted", tries, vec![], 0),
        ("one protocol", looks, rows.clone(), 0),
        ("too late", late, rows, 0),
        (
            "by the administrator",
            by_admin.concat(),
            deletions(ADMIN, "10.0.0.30", 5),
            0,
        ),
    ];
    for (name, flows, rows, want) in cases {
        let made = detections_of_both(&roles(), &flows, &rows);
        let ours = made
            .iter()
            .filter(|made| made.rule.id == "RANSOM-BACKUP-001");
        assert_eq!(ours.count(), want, "{name}: {made:#?}");
    }
}
