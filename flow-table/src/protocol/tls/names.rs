//! Zeek's names for TLS's numbers.

use std::borrow::Cow;

/// Name of a version.
pub fn version_name(version: u16) -> Cow<'static, str> {
    match version {
        0x0002 => "SSLv2".into(),
        0x0300 => "SSLv3".into(),
        0x0301 => "TLSv10".into(),
        0x0302 => "TLSv11".into(),
        0x0303 => "TLSv12".into(),
        0x0304 => "TLSv13".into(),
        0xfeff => "DTLSv10".into(),
        0xfefd => "DTLSv12".into(),
        0xfefc => "DTLSv13".into(),
        0x7f00..=0x7fff => format!("TLSv13-draft{}", version & 0xff).into(),
        other => format!("unknown-{other}").into(),
    }
}

/// Name of a group for key exchange.
pub fn curve_name(curve: u16) -> Cow<'static, str> {
    let known = match curve {
        1..=41 => CURVES.get(usize::from(curve) - 1).copied(),
        256 => Some("ffdhe2048"),
        257 => Some("ffdhe3072"),
        258 => Some("ffdhe4096"),
        259 => Some("ffdhe6144"),
        260 => Some("ffdhe8192"),
        512 => Some("MLKEM512"),
        513 => Some("MLKEM768"),
        514 => Some("MLKEM1024"),
        4587 => Some("SecP256r1MLKEM768"),
        4588 => Some("X25519MLKEM768"),
        4589 => Some("SecP384r1MLKEM1024"),
        4590 => Some("curveSM2MLKEM768"),
        16696 => Some("CECPQ2"),
        25497 => Some("X25519Kyber768Draft00"),
        25498 => Some("SecP256r1Kyber768Draft00"),
        0xff01 => Some("arbitrary_explicit_prime_curves"),
        0xff02 => Some("arbitrary_explicit_char2_curves"),
        _ => None,
    };
    match known {
        Some(name) => name.into(),
        None if super::hello::is_grease(curve) => format!("grease_0x{curve:04X}").into(),
        None => format!("unknown-{curve}").into(),
    }
}

const CURVES: [&str; 41] = [
    "sect163k1",
    "sect163r1",
    "sect163r2",
    "sect193r1",
    "sect193r2",
    "sect233k1",
    "sect233r1",
    "sect239k1",
    "sect283k1",
    "sect283r1",
    "sect409k1",
    "sect409r1",
    "sect571k1",
    "sect571r1",
    "secp160k1",
    "secp160r1",
    "secp160r2",
    "secp192k1",
    "secp192r1",
    "secp224k1",
    "secp224r1",
    "secp256k1",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
    "x25519",
    "x448",
    "brainpoolP256r1tls13",
    "brainpoolP384r1tls13",
    "brainpoolP512r1tls13",
    "GC256A",
    "GC256B",
    "GC256C",
    "GC256D",
    "GC512A",
    "GC512B",
    "GC512C",
    "curveSM2",
];

/// Name of an alert.
pub fn alert_name(alert: u8) -> Cow<'static, str> {
    let name = match alert {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        117 => "general_error",
        120 => "no_application_protocol",
        121 => "ech_required",
        other => return format!("unknown-{other}").into(),
    };
    name.into()
}

/// The letter of a handshake message in `ssl_history`, as the server's.
pub(super) const fn letter(message: u8) -> u8 {
    match message {
        0 => b'h',
        1 => b'c',
        2 => b's',
        3 => b'v',
        4 => b't',
        5 => b'e',
        6 => b'j',
        8 => b'o',
        11 => b'x',
        12 => b'k',
        13 => b'r',
        14 => b'n',
        15 => b'y',
        16 => b'g',
        20 => b'f',
        21 => b'w',
        22 => b'u',
        23 => b'a',
        24 => b'p',
        254 => b'm',
        _ => b'z',
    }
}
