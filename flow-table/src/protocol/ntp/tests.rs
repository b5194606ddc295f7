use proptest::prelude::*;

use super::super::Findings;
use super::*;

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn message(first: u8, stratum: u8, id: [u8; 4], more: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, stratum, 6, 0xe8, 0, 1, 0, 0, 0, 0, 0x80, 0];
    bytes.extend(id);
    bytes.extend([0; 8]);
    bytes.extend(0xdccd_1234_8000_0000_u64.to_be_bytes());
    bytes.extend([0; 16]);
    bytes.extend(more);
    bytes
}

fn read(bytes: &[u8]) -> Findings {
    let mut findings = Findings::default();
    let _ = Ntp::default().data(Side::Orig, T0, bytes, &mut findings);
    findings
}

fn row(bytes: &[u8]) -> NtpRecord {
    match read(bytes).records.as_slice() {
        [Record::Ntp(row)] => **row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clocks_are_read() {
    let got = row(&message(0x24, 2, [192, 0, 2, 1], &[]));
    assert_eq!(
        (got.version, got.mode, got.stratum, got.poll, got.precision),
        (4, 4, 2, 6, -24)
    );
    assert!((got.root_delay.as_secs_f64() - 1.0).abs() < 1e-9);
    assert!((got.root_disp.as_secs_f64() - 0.5).abs() < 1e-9);
    assert!((got.ref_time.as_secs_f64()).abs() < 1e-9);
    assert!((got.org_time.as_secs_f64() - 1_495_438_260.5).abs() < 1e-6);
}

#[test]
fn references_show_as_what_they_are() {
    let cases: [(u8, [u8; 4], &str); 3] = [
        (0, *b"RATE", "RATE"),
        (1, *b"GPS\0", "GPS\\x00"),
        (3, [10, 0, 0, 1], "10.0.0.1"),
    ];
    for (stratum, id, want) in cases {
        let got = row(&message(0x23, stratum, id, &[]));
        assert_eq!(got.ref_id.to_string(), want);
    }
}

#[test]
fn extensions_are_counted() {
    let field = [&[0, 1, 0, 28][..], &[0; 24]].concat();
    let two = [&field[..], &field].concat();
    let cases: [(&str, u8, Vec<u8>, u32); 6] = [
        ("none", 0x23, vec![], 0),
        ("an authentication code", 0x23, vec![7; 20], 0),
        ("one", 0x23, field.clone(), 1),
        ("two and a code", 0x23, [&two[..], &[7; 24]].concat(), 2),
        ("of length zero", 0x23, vec![0; 40], 0),
        ("version 3 has none", 0x1b, field, 0),
    ];
    for (name, first, more, want) in cases {
        let got = row(&message(first, 2, [1; 4], &more));
        assert_eq!(got.num_exts, want, "{name}");
    }
}

#[test]
fn what_is_no_clock_has_no_row() {
    let whole = message(0x23, 2, [1; 4], &[]);
    for (name, bytes, services, weirds) in [
        ("management", &[0x17, 0, 3, 42][..], 1, 0),
        ("cut", &whole[..47], 0, 1),
        ("mode 0", &[0x20; 48], 0, 1),
        ("nothing", &[], 0, 1),
    ] {
        let got = read(bytes);
        let lens = (got.records.len(), got.services.len(), got.weirds.len());
        assert_eq!(lens, (0, services, weirds), "{name}");
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut bytes = bytes;
        let _ = read(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 0x24;
        }
        prop_assert_eq!(read(&bytes).records.len(), usize::from(bytes.len() >= 48));
    }
}
