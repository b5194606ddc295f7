use base64::Engine as _;
use proptest::prelude::*;

use super::*;

/// Made for this test: P-256, every kind of alternative name.
const ELLIPTIC: &str = "\
    MIICXTCCAgKgAwIBAgIIAOgAAAAAAAEwCgYIKoZIzj0EAwIwVTELMAkGA1UEBhMCREUxFjAUBgNVBAoMDUV4YW1w\
    bGUsIEluYy4xFDAIBgNVBAsMAWEwCAYDVQQLDAFiMRgwFgYDVQQDDA93d3cuZXhhbXBsZS5jb20wHhcNMjYxMTIx\
    MDQzNDA0WhcNMzYxMTE4MDQzNDA0WjBVMQswCQYDVQQGEwJERTEWMBQGA1UECgwNRXhhbXBsZSwgSW5jLjEUMAgG\
    A1UECwwBYTAIBgNVBAsMAWIxGDAWBgNVBAMMD3d3dy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEH\
    A0IABGsyE/pR4J4LEpfFVLUxUE6HizaKs+J+9d/WNMJ5xynL/cF22aCF1TuAm4Cw/px3gU1rYDzAQt3Uc5dlJoqS\
    TpqjgbswgbgwHQYDVR0OBBYEFED0meVCDKFGbj8rfaWF1xsjI3TJMB8GA1UdIwQYMBaAFED0meVCDKFGbj8rfaWF\
    1xsjI3TJMGIGA1UdEQRbMFmCDSouZXhhbXBsZS5jb22CC2V4YW1wbGUub3JngQ1hQGV4YW1wbGUuY29thhRodHRw\
    czovL2V4YW1wbGUuY29tL4cEwAACAYcQIAENuAAAAAAAAAAAAAAAATASBgNVHRMBAf8ECDAGAQH/AgECMAoGCCqG\
    SM49BAMCA0kAMEYCIQDSGJFvxwOgLZPxrHzW+08Y4eyVbd65ewzSUVgFPIvfqwIhAPik1b3D4CQijM5g582TkOrV\
    7J+wBTSqZ7bbND15AqDo";
/// Made for this test: RSA, no alternative names.
const RSA: &str = "\
    MIICNTCCAZ6gAwIBAgIBAzANBgkqhkiG9w0BAQsFADA2MRwwGgYJKoZIhvcNAQkBFg14QGV4YW1wbGUuY29tMRYw\
    FAYDVQQDDA0qLnJzYS5leGFtcGxlMB4XDTI2MTEyMTA0MzQwNFoXDTM2MTExODA0MzQwNFowNjEcMBoGCSqGSIb3\
    DQEJARYNeEBleGFtcGxlLmNvbTEWMBQGA1UEAwwNKi5yc2EuZXhhbXBsZTCBnzANBgkqhkiG9w0BAQEFAAOBjQAw\
    gYkCgYEAyOFBrip9QAtemiTz6YOEw/bEkEmSorK3IrCSy7TIwV3P7FliHdnm83sg4YdreZUfgkvslMn2fkpIcYDH\
    EPs6K24u5Q8flMHVCvp2kbUyCRSJCZN5qiPQCqD/hMXxk3ggb2FDqZEkRoZg3begFC4UlJM/JD0BKfo7YPTXLsZI\
    bC8CAwEAAaNTMFEwHQYDVR0OBBYEFBASiV4AmpXWQt4+1ZSbfbj/SdNWMB8GA1UdIwQYMBaAFBASiV4AmpXWQt4+\
    1ZSbfbj/SdNWMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAh0mByrtzRnnQAzLtM/BncL1X1flx\
    k4EXksdpyB1GJBgRGoP8VduQJ0+u9L+b3fXs3INs3bs5Zjr8n6BiiG+x8Kvfor76oZD5PB7aJ/OpdlvKDvrLnigV\
    lQZFZJ9sIAf2Pi2xyIupHLQ5FTWTLhSyxJUhVEkSrUzhI9Y1NNRwcdc=";

const T0: Timestamp = Timestamp::new(1_800_000_000, 0);
const ORIGIN: Origin = Origin {
    host_cert: true,
    client_cert: false,
};

fn der(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn record(text: &str) -> X509Record {
    read(&der(text), T0, "print".to_owned(), ORIGIN).unwrap()
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn all(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| shown(text)).collect()
}

#[test]
fn a_certificate_with_everything() {
    let row = record(ELLIPTIC);
    let name = "CN=www.example.com,OU=b+OU=a,O=Example\\, Inc.,C=DE";
    assert_eq!(
        (shown(&row.subject), shown(&row.issuer)),
        (name.to_owned(), name.to_owned())
    );
    assert_eq!((row.version, row.serial.as_str()), (3, "E8000000000001"));
    assert_eq!(
        (row.not_valid_before, row.not_valid_after),
        (1_795_235_644, 2_110_595_644)
    );
    assert_eq!(
        (row.key_alg.as_str(), row.sig_alg.as_str()),
        ("id-ecPublicKey", "ecdsa-with-SHA256")
    );
    assert_eq!(
        (row.key_type, row.key_length, row.curve),
        (Some("ecdsa"), Some(256), Some("prime256v1"))
    );
    assert_eq!(row.exponent, None);
    assert_eq!(all(&row.san_dns), ["*.example.com", "example.org"]);
    assert_eq!(
        (all(&row.san_email), all(&row.san_uri)),
        (
            vec!["a@example.com".to_owned()],
            vec!["https://example.com/".to_owned()]
        )
    );
    let ips: Vec<String> = row.san_ip.iter().map(ToString::to_string).collect();
    assert_eq!(ips, ["192.0.2.1", "2001:db8::1"]);
    assert_eq!((row.ca, row.path_len), (Some(true), Some(2)));
    assert_eq!(
        (row.ts, row.fingerprint.as_str(), row.origin),
        (T0, "print", ORIGIN)
    );
}

#[test]
fn an_rsa_certificate() {
    let row = record(RSA);
    assert_eq!(
        shown(&row.subject),
        "CN=*.rsa.example,emailAddress=x@example.com"
    );
    assert_eq!(
        (row.key_type, row.key_length, row.exponent.as_deref()),
        (Some("rsa"), Some(1024), Some("65537"))
    );
    assert_eq!(
        (row.key_alg.as_str(), row.sig_alg.as_str()),
        ("rsaEncryption", "sha256WithRSAEncryption")
    );
    assert_eq!(
        (row.serial.as_str(), row.ca, row.path_len),
        ("03", Some(true), None)
    );
}

#[test]
fn hosts_are_matched() {
    let cases = [
        (ELLIPTIC, "a.example.com", true),
        (ELLIPTIC, "A.EXAMPLE.COM", true),
        (ELLIPTIC, "example.org", true),
        (ELLIPTIC, "example.com", false),
        (ELLIPTIC, "a.b.example.com", false),
        (ELLIPTIC, ".example.com", false),
        (ELLIPTIC, "www.example.org", false),
        (ELLIPTIC, "192.0.2.1", false),
        (RSA, "a.rsa.example", true),
        (RSA, "rsa.example", false),
    ];
    for (certificate, host, want) in cases {
        assert_eq!(record(certificate).is_for(host.as_bytes()), want, "{host}");
    }
    assert!(!names::covers(b"*.com", b"example.com"), "too wide");
}

#[test]
fn bits_are_counted() {
    for (number, want) in [
        (&[0, 0x80, 0][..], 16),
        (&[1, 0], 9),
        (&[0, 0], 0),
        (&[], 0),
    ] {
        assert_eq!(bits(number), want);
    }
}

proptest! {
    #[test]
    fn changed_certificates_do_no_harm(at in 0..600_usize, to in any::<u8>(), cut in 0..700_usize) {
        for text in [ELLIPTIC, RSA] {
            let mut der = der(text);
            if let Some(byte) = der.get_mut(at) { *byte = to; }
            der.truncate(cut);
            let _ = read(&der, T0, String::new(), ORIGIN);
        }
    }
}
