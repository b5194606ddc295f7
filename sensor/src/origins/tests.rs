use std::fmt::Write as _;

use super::*;
use crate::samples;

#[path = "../../../tests/support/mmdb.rs"]
mod mmdb;

use mmdb::{Data, country, database, system};

fn countries() -> Vec<u8> {
    let networks = [
        ("198.51.100.0/24", country("AQ")),
        ("203.0.113.0/25", country("BV")),
        ("2001:db8:1::/48", country("TF")),
        (
            "192.0.2.0/24",
            Data::Map(vec![("continent", Data::Map(vec![]))]),
        ),
    ];
    database("Test-Country", &networks)
}

fn systems() -> Vec<u8> {
    let long: &str = "An organisation of which the name goes on for so long that nobody who reads it \
                      will ever want to know how it ends, and so it is cut somewhere around here or there";
    let networks = [
        ("203.0.113.0/24", system(64_500, "Example Hosting")),
        ("2001:db8::/32", system(4_200_000_000, long)),
    ];
    database("Test-ASN", &networks)
}

/// The files for countries and for systems, read.
fn read(country: Option<&[u8]>, system: Option<&[u8]>) -> Result<Origins, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: Option<&[u8]>| {
        let path = dir.path().join(name);
        fs::write(&path, bytes?).unwrap();
        Some(path)
    };
    let read = Origins::read([file("country", country), file("asn", system)]);
    let place = format!("{}/", dir.path().display());
    read.map_err(|problems| problems.to_string().replace(&place, ""))
}

/// What is said of an address, as in outputs.
fn said(origins: &Arc<Origins>, addr: &str) -> String {
    let mut enricher = Enricher::default();
    enricher.ask(Arc::clone(origins));
    let mut signal = samples::signal(1, "10.0.0.1");
    signal.evidence.outside = vec![Outside::at(addr.parse().unwrap())];
    let mut finding = Finding::SignalOpened(signal);
    enricher.enrich(&mut finding);
    assert_eq!(enricher.lost(), None);
    let Finding::SignalOpened(signal) = finding else {
        unreachable!()
    };
    let mut text = String::new();
    for at in signal.evidence.outside {
        let _ = write!(text, "{:?} {:?} {:?}", at.country, at.asn, at.as_org);
    }
    text
}

#[test]
fn addresses_are_placed() {
    let both = Arc::new(read(Some(&countries()), Some(&systems())).unwrap());
    let cases = [
        ("198.51.100.7", r#"Some("AQ") None None"#),
        (
            "203.0.113.7",
            r#"Some("BV") Some(64500) Some("Example Hosting")"#,
        ),
        (
            "203.0.113.200",
            r#"None Some(64500) Some("Example Hosting")"#,
        ),
        ("192.0.2.1", ""),
        ("8.8.8.8", ""),
        ("2001:db9::1", ""),
    ];
    for (addr, want) in cases {
        assert_eq!(said(&both, addr), want, "{addr}");
    }
    let long = said(&both, "2001:db8:1::1");
    assert!(
        long.starts_with(r#"Some("TF") Some(4200000000) Some("An org"#),
        "{long}"
    );
    assert_eq!(
        long.len(),
        r#"Some("TF") Some(4200000000) Some("")"#.len() + LONGEST
    );
    let neither = Arc::new(read(None, None).unwrap());
    assert_eq!(said(&neither, "203.0.113.7"), "");
}

#[test]
fn of_detections_each_signal_is_enriched() {
    let mut made = samples::detection(1, "10.0.0.1");
    for signal in &mut made.signals {
        signal.evidence.outside = vec![Outside::at("198.51.100.7".parse().unwrap())];
    }
    let mut enricher = Enricher::default();
    enricher.ask(Arc::new(read(Some(&countries()), None).unwrap()));
    let mut finding = Finding::DetectionMade(made);
    enricher.enrich(&mut finding);
    let Finding::DetectionMade(made) = finding else {
        unreachable!()
    };
    for signal in made.signals {
        assert_eq!(signal.evidence.outside[0].country.as_deref(), Some("AQ"));
    }
}

#[test]
fn what_is_no_such_database_is_refused() {
    let no_format = "country: is no database in MaxMind's format: ";
    let strange = database(
        "Strange",
        &[("1.0.0.0/8", Data::Map(vec![("country", Data::Text("AQ"))]))],
    );
    let cases: [(&str, &[u8], &str); 6] = [
        ("nothing", b"", no_format),
        ("text", b"203.0.113.0/24,AQ\n", no_format),
        ("packed", b"\x1f\x8b\x08\x00rest", no_format),
        (
            "cut short",
            &countries()[..countries().len() - 10],
            no_format,
        ),
        (
            "the other one",
            &systems(),
            "country: is of the kind Test-ASN, which has no country.iso_code",
        ),
        ("of another schema", &strange, "country: "),
    ];
    for (name, bytes, want) in cases {
        let told = read(Some(bytes), None).unwrap_err();
        assert!(told.starts_with(want), "{name}: {told}");
        assert_eq!(
            told.ends_with("; unpack it first"),
            name == "packed",
            "{told}"
        );
    }
    let both = read(Some(b""), Some(&countries())).unwrap_err();
    assert_eq!(both.lines().count(), 2, "{both}");
    let told = Origins::read([Some("/dev/zero".into()), Some("/nowhere".into())]).unwrap_err();
    let told = told.to_string();
    assert!(told.contains("/dev/zero: is not a file"), "{told}");
    assert!(told.contains("/nowhere: No such file"), "{told}");
}

/// A file in which anything may be wrong is refused, or answers, or says why not.
#[test]
fn damage_is_survived() {
    let whole = countries();
    let addrs = [
        "198.51.100.7",
        "203.0.113.7",
        "2001:db8:1::1",
        "8.8.8.8",
        "::",
    ];
    let mut outcomes = [0; 3];
    for at in 0..whole.len() {
        let cut = whole[..at].to_vec();
        assert!(Database::of(Path::new("x"), cut).is_err(), "cut at {at}");
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let Ok(damaged) = Database::of(Path::new("x"), bytes) else {
                outcomes[0] += 1;
                continue;
            };
            let _ = damaged.any(|_| false);
            let mut enricher = Enricher::default();
            let country = Some(damaged);
            enricher.ask(Arc::new(Origins {
                country,
                system: None,
            }));
            let mut outside = addrs
                .map(|addr| Outside::at(addr.parse().unwrap()))
                .to_vec();
            enricher.place(&mut outside);
            outcomes[if enricher.lost().is_some() { 1 } else { 2 }] += 1;
        }
    }
    assert!(outcomes.iter().all(|times| *times > 0), "{outcomes:?}");
}
