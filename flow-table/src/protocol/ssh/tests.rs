use proptest::prelude::*;

use super::super::Findings;
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let content = [&[4, kind], body, &[0; 4]].concat();
    string(&content)
}

/// A KEXINIT with these lists: kex, host key, cipher, mac, compression; the same both ways.
fn kexinit(lists: [&str; 5]) -> Vec<u8> {
    let [kex, key, cipher, mac, compression] = lists;
    let all = [
        kex,
        key,
        cipher,
        cipher,
        mac,
        mac,
        compression,
        compression,
        "",
        "",
    ];
    let mut body = vec![7; 16];
    body.extend(all.iter().flat_map(|list| string(list.as_bytes())));
    body.extend([0; 5]);
    packet(KEXINIT, &body)
}

const CLIENT: [&str; 5] = [
    "curve25519-sha256,ecdh-sha2-nistp256",
    "ssh-ed25519,ssh-rsa",
    "aes128-ctr,aes256-ctr",
    "hmac-sha2-256",
    "none,zlib",
];
const SERVER: [&str; 5] = [
    "diffie-hellman-group14-sha1,ecdh-sha2-nistp256",
    "ssh-rsa",
    "aes256-ctr",
    "hmac-sha2-256,umac-64",
    "zlib,none",
];

/// A handshake up to where encryption begins.
fn handshake() -> Vec<(Side, Vec<u8>)> {
    vec![
        (Resp, b"hello\r\nSSH-2.0-server\r\n".to_vec()),
        (Orig, b"SSH-2.0-client\r\n".to_vec()),
        (Orig, kexinit(CLIENT)),
        (Resp, kexinit(SERVER)),
        (Orig, packet(30, &string(b"key"))),
        (
            Resp,
            [packet(31, &string(b"host key")), packet(NEWKEYS, &[])].concat(),
        ),
        (Orig, packet(NEWKEYS, &[])),
    ]
}

fn play(parts: &[(Side, Vec<u8>)], cut: usize) -> Findings {
    let (mut ssh, mut findings) = (Ssh::default(), Findings::default());
    'all: for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            if ssh.data(*side, T0, part, &mut findings) == Progress::Done {
                break 'all;
            }
        }
    }
    ssh.finish(T0, &mut findings);
    findings
}

fn row(findings: &Findings) -> &SshRecord {
    match &findings.records[..] {
        [Record::Ssh(row)] => row,
        other => panic!("{other:?}"),
    }
}

fn shown(text: Option<&Text>) -> String {
    text.map_or_else(String::new, |text| {
        String::from_utf8_lossy(text).into_owned()
    })
}

#[test]
fn a_handshake() {
    for cut in [usize::MAX, 1, 7] {
        let findings = play(&handshake(), cut);
        let row = row(&findings);
        assert_eq!(
            (row.version, row.auth_success, row.auth_attempts),
            (Some(2), None, 0)
        );
        let texts = [
            &row.client,
            &row.server,
            &row.kex_alg,
            &row.host_key_alg,
            &row.cipher_alg,
            &row.mac_alg,
            &row.compression_alg,
        ];
        assert_eq!(
            texts.map(|text| shown(text.as_ref())),
            [
                "SSH-2.0-client",
                "SSH-2.0-server",
                "ecdh-sha2-nistp256",
                "ssh-rsa",
                "aes256-ctr",
                "hmac-sha2-256",
                "none"
            ]
        );
        // As sha256sum and base64 have it.
        assert_eq!(
            row.host_key_fingerprint.as_deref(),
            Some("SHA256:+xspGuW/PEF/5qpDMzUSFm9CUN7eQpfJ")
        );
        assert_eq!(
            (row.hassh.as_deref(), row.hassh_server.as_deref()),
            (
                Some("9ad314e016c5561cec5845d8cc73ccb2"),
                Some("8fec83102beccf8376a6ee52b1a8b3c1")
            )
        );
        assert_eq!(
            (findings.services.as_slice(), findings.weirds.len()),
            (&[SSH][..], 0)
        );
    }
}

/// Sizes of encrypted segments, the server's negative; success, attempts.
const SIZES: [(&str, &[i32], Option<bool>, u32); 7] = [
    ("nothing", &[], None, 0),
    ("let in at once", &[48, -48, 64, -32], Some(true), 1),
    (
        "one wrong, one right",
        &[48, -48, 64, -80, 144, -80, 144, -32],
        Some(true),
        2,
    ),
    (
        "three wrong",
        &[48, -48, 64, -80, 144, -80, 144, -80, 144, -80],
        Some(false),
        3,
    ),
    (
        "a banner first",
        &[48, -48, 64, -400, -80, 144, -80],
        Some(false),
        1,
    ),
    ("only methods", &[48, -48, 64, -80], None, 0),
    ("the server alone", &[-48, -80, -80], None, 0),
];

#[test]
fn sizes_tell_who_got_in() {
    for (name, sizes, success, attempts) in SIZES {
        let mut parts = handshake();
        for size in sizes {
            let side = if *size < 0 { Resp } else { Orig };
            parts.push((
                side,
                vec![0xee; usize::try_from(size.unsigned_abs()).unwrap()],
            ));
        }
        let findings = play(&parts, usize::MAX);
        assert_eq!(
            (row(&findings).auth_success, row(&findings).auth_attempts),
            (success, attempts),
            "{name}"
        );
    }
}

#[test]
fn sessions_in_which_nobody_got_in_are_told() {
    use SignInOutcome::{Accepted, Refused};
    let refused: &[i32] = &[48, -48, 64, -80, 112, -80, 112, -80];
    // What both sides send once it is encrypted, how much is lost then; what is told.
    let cases: [(&str, &[i32], u64, &[SignInOutcome]); 7] = [
        ("nobody", refused, 0, &[Refused]),
        ("methods only", &[48, -48, 64, -80], 0, &[Refused]),
        (
            "with a goodbye",
            &[48, -48, 64, -80, 112, -80, -120],
            0,
            &[Refused],
        ),
        ("somebody", &[48, -48, 64, -80, 112, -32], 0, &[Accepted]),
        (
            "who knows",
            &[48, -48, 64, -80, 112, -56, 90, -300, 90, -44],
            0,
            &[],
        ),
        ("nobody asked", &[48, -48], 0, &[]),
        ("a hole", refused, 1, &[]),
    ];
    for (name, sizes, lost, want) in cases {
        let (mut ssh, mut findings) = (Ssh::default(), Findings::default());
        let mut progress = Progress::Going;
        for (side, bytes) in handshake() {
            progress = ssh.data(side, T0, &bytes, &mut findings);
        }
        for size in sizes {
            let side = if *size < 0 { Resp } else { Orig };
            let bytes = vec![0xee; usize::try_from(size.unsigned_abs()).unwrap()];
            progress = ssh.data(side, T0, &bytes, &mut findings);
        }
        if lost > 0 {
            progress = ssh.gap(Resp, T0, lost, &mut findings);
        }
        ssh.finish(T0, &mut findings);
        let told: Vec<_> = findings.sign_ins.iter().map(|told| told.outcome).collect();
        assert_eq!(told, want, "{name}");
        assert_eq!(
            progress == Progress::Done,
            want == [Accepted] || lost > 0,
            "{name}"
        );
    }
}

#[test]
fn compression_hides_sizes() {
    let mut parts = handshake();
    parts[2].1 = kexinit([CLIENT[0], CLIENT[1], CLIENT[2], CLIENT[3], "zlib"]);
    for (side, len) in [(Orig, 48), (Resp, 48), (Orig, 64), (Resp, 32)] {
        parts.push((side, vec![0; len]));
    }
    let findings = play(&parts, usize::MAX);
    assert_eq!(row(&findings).auth_success, None);
    assert_eq!(findings.sign_ins, []);
}

#[test]
fn versions_fit_or_do_not() {
    let cases = [
        ("SSH-2.0-a", "SSH-2.0-b", Some(2)),
        ("SSH-2.0-a", "SSH-1.99-b", Some(2)),
        ("SSH-1.99-a", "SSH-1.99-b", Some(2)),
        ("SSH-1.5-a", "SSH-1.99-b", Some(1)),
        ("SSH-1.5-a", "SSH-1.5-b", Some(1)),
        ("SSH-1.5-a", "SSH-2.0-b", None),
        ("SSH-x", "SSH-2.0-b", None),
    ];
    for (client, server, version) in cases {
        let parts = [
            (Orig, format!("{client}\r\n").into_bytes()),
            (Resp, format!("{server}\n").into_bytes()),
        ];
        assert_eq!(
            row(&play(&parts, usize::MAX)).version,
            version,
            "{client} {server}"
        );
    }
    let one_side = play(&[(Orig, b"SSH-2.0-a\r\n".to_vec())], usize::MAX);
    assert_eq!((row(&one_side).version, one_side.services.len()), (None, 0));
}

#[test]
fn nothing_in_common() {
    let mut parts = handshake();
    parts[3].1 = kexinit(["x", "x", "x", "x", "x"]);
    let findings = play(&parts, usize::MAX);
    assert_eq!(
        shown(row(&findings).kex_alg.as_ref()),
        "Algorithm negotiation failed"
    );
}

#[test]
fn state_is_bounded() {
    let cases: [(&str, Vec<u8>, &str); 4] = [
        (
            "a long line",
            vec![b'x'; MAX_LINE + 1],
            "malformed_ssh_identification",
        ),
        (
            "lines without end",
            b"x\n".repeat(1_000),
            "malformed_ssh_identification",
        ),
        (
            "a long packet",
            b"SSH-2.0-x\r\n\0\x04\0\0".to_vec(),
            "SSH_packet_too_long",
        ),
        (
            "many names",
            [
                b"SSH-2.0-x\r\n".to_vec(),
                kexinit([&"a,".repeat(300), "", "", "", ""]),
            ]
            .concat(),
            "SSH_max_kexinit_kex_algorithms_exceeded",
        ),
    ];
    for (name, bytes, weird) in cases {
        let findings = play(&[(Resp, bytes)], 100);
        assert_eq!(
            findings.weirds.first().map(|weird| weird.name),
            Some(weird),
            "{name}"
        );
    }
    let findings = play(&[(Orig, b"GET / HTTP/1.1\r\n".to_vec())], 100);
    assert_eq!((findings.records.len(), findings.weirds.len()), (0, 1));
}

#[test]
fn a_gap_ends_it() {
    let (mut ssh, mut findings) = (Ssh::default(), Findings::default());
    let _ = ssh.data(Orig, T0, b"SSH-2.0-a\r\n", &mut findings);
    assert_eq!(ssh.gap(Orig, T0, 5, &mut findings), Progress::Done);
    assert_eq!(findings.records.len(), 1);
}

proptest! {
    #[test]
    fn however_streams_are_cut_the_row_is_the_same(cut in 1..200_usize) {
        prop_assert_eq!(play(&handshake(), cut), play(&handshake(), usize::MAX));
    }

    #[test]
    fn changed_handshakes_do_no_harm(part in 0..7_usize, at in 0..300_usize, to in any::<u8>(), cut in 1..90_usize) {
        let mut parts = handshake();
        if let Some(byte) = parts[part].1.get_mut(at) { *byte = to; }
        let _ = play(&parts, cut);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in any::<u8>()) {
        let parts = [(Orig, b"SSH-2.0-a\n".to_vec()), (Resp, packet(kind, &bytes)), (Orig, packet(kind, &bytes)), (Orig, bytes)];
        let _ = play(&parts, usize::MAX);
    }
}
