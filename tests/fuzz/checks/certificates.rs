//! Certificates. For any bytes: what is kept of one has a limit, and it is for the hosts that it names.

use flow_table::Timestamp;
use flow_table::protocol::x509::{self, MAX_NAMES, Origin};

/// Checks what may be a certificate.
pub fn check(der: &[u8]) {
    let origin = Origin {
        host_cert: true,
        client_cert: false,
    };
    let Some(row) = x509::read(der, Timestamp::ZERO, String::new(), origin) else {
        return;
    };
    let names = [&row.san_dns, &row.san_uri, &row.san_email].map(Vec::len);
    assert!(names.iter().sum::<usize>() + row.san_ip.len() <= MAX_NAMES);
    for name in row.san_dns.iter().filter(|name| !name.contains(&b'*')) {
        assert!(row.is_for(name), "{row:?}");
    }
    let texts = [&row.subject, &row.issuer].map(|text| text.len());
    // Each byte as at most four, and a name for each part of at least two.
    assert!(texts.iter().all(|len| *len <= 64 * der.len()), "{row:?}");
}
