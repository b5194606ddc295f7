use proptest::prelude::*;

use super::super::Findings;
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn nbss(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0], &len[1..], body].concat()
}

fn smb1(command: u8, data: &[u8]) -> Vec<u8> {
    nbss(&[b"\xffSMB", &[command][..], &[0; 27], data].concat())
}

fn smb2(command: u8, data: &[u8]) -> Vec<u8> {
    nbss(
        &[
            b"\xfeSMB\x40\0\0\0\0\0\0\0",
            &[command, 0][..],
            &[0; 50],
            data,
        ]
        .concat(),
    )
}

fn rpc(kind: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(16 + data.len()).unwrap().to_le_bytes();
    [&[5, 0, kind, 3, 0x10, 0, 0, 0], &len[..], &[0; 6], data].concat()
}

fn services(mut parser: impl Parser, parts: &[(Side, Vec<u8>)], cut: usize) -> Vec<&'static str> {
    let mut findings = Findings::default();
    for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            let _ = parser.data(*side, T0, part, &mut findings);
        }
    }
    findings.services.iter().map(|service| service.0).collect()
}

/// What is sent, and the services.
type Case = (&'static str, Vec<(Side, Vec<u8>)>, &'static [&'static str]);

fn sessions() -> Vec<Case> {
    vec![
        (
            "SMB 2 with NTLM",
            vec![
                (Orig, smb2(0, b"")),
                (Resp, smb2(0, SPNEGO)),
                (Orig, smb2(1, NTLM)),
                (Resp, smb2(1, NTLM)),
                (Orig, smb2(9, &rpc(11, b""))),
            ],
            &["gssapi", "ntlm", "smb", "dce_rpc"],
        ),
        (
            "SMB 1 first",
            vec![
                (Orig, smb1(0x72, b"")),
                (Resp, smb2(0, SPNEGO)),
                (Orig, smb2(0, b"")),
                (Resp, smb2(0, SPNEGO)),
                (Orig, smb2(1, NTLM)),
            ],
            &["gssapi", "smb", "ntlm"],
        ),
        (
            "SMB 1 with Kerberos",
            vec![
                (Orig, smb1(0x72, b"")),
                (Resp, smb1(0x72, SPNEGO)),
                (Orig, smb1(0x73, &[SPNEGO, KERBEROS].concat())),
            ],
            &["gssapi", "smb", "krb"],
        ),
        (
            "one request",
            vec![(Orig, smb2(5, b"")), (Resp, smb2(5, b""))],
            &[],
        ),
        (
            "marks in a file",
            vec![(Orig, smb2(9, NTLM)), (Orig, smb2(9, SPNEGO))],
            &["smb"],
        ),
    ]
}

#[test]
fn sessions_are_told_in_order() {
    for (name, parts, want) in sessions() {
        for cut in [1, 7, usize::MAX] {
            assert_eq!(services(Smb::default(), &parts, cut), want, "{name}");
        }
    }
}

#[test]
fn calls_are_told_in_order() {
    let parts = [(Orig, rpc(11, NTLM)), (Resp, rpc(12, SPNEGO))];
    for cut in [1, 7, usize::MAX] {
        assert_eq!(
            services(DceRpc::default(), &parts, cut),
            ["ntlm", "dce_rpc", "gssapi"]
        );
    }
}

#[test]
fn signatures_tell() {
    let mut call = rpc(0, b"stub data\x0a\x05\0\0\0\0\0\0signature-of-16b");
    call[10] = 16;
    assert_eq!(
        services(DceRpc::default(), &[(Orig, call.clone())], 9),
        ["ntlm", "dce_rpc"]
    );
    call[10] = 200;
    assert_eq!(services(DceRpc::default(), &[(Orig, call)], 9), ["dce_rpc"]);
}

#[test]
fn it_ends() {
    let (mut smb, mut findings) = (Smb::default(), Findings::default());
    let request = smb2(5, b"");
    for _ in 1..MAX_MESSAGES {
        assert_eq!(smb.data(Orig, T0, &request, &mut findings), Progress::Going);
    }
    assert_eq!(smb.data(Orig, T0, &request, &mut findings), Progress::Done);
    let mut smb = Smb::default();
    let _ = smb.data(Orig, T0, &request[..20], &mut findings);
    assert_eq!(smb.gap(Orig, T0, 10, &mut findings), Progress::Going);
    assert_eq!(smb.gap(Orig, T0, 1_000, &mut findings), Progress::Done);
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..9)) {
        let (mut smb, mut rpc, mut findings) = (Smb::default(), DceRpc::default(), Findings::default());
        for (orig, bytes) in parts {
            let side = if orig { Orig } else { Resp };
            let _ = smb.data(side, T0, &bytes, &mut findings);
            let _ = rpc.data(side, T0, &bytes, &mut findings);
            prop_assert!(smb.held() + rpc.held() <= 4 * super::super::frames::KEPT);
        }
    }
}
