use proptest::prelude::*;

use super::*;

fn zip_of(names: &[&str]) -> Vec<u8> {
    let entry = |name: &&str| {
        let mut entry = b"PK\x03\x04\x0a\0".to_vec();
        entry.resize(30, 0);
        entry.extend(name.as_bytes());
        entry
    };
    names.iter().flat_map(entry).collect()
}

#[test]
fn binaries_are_known() {
    let mut tar = vec![0; 300];
    tar[257..262].copy_from_slice(b"ustar");
    let mut bmp = b"BM".to_vec();
    bmp.resize(14, 0);
    bmp.extend([40, 0]);
    let elf = |order: u8, kind: [u8; 2]| {
        let mut elf = b"\x7fELF\x02".to_vec();
        elf.push(order);
        elf.resize(16, 0);
        elf.extend(kind);
        elf
    };
    let cases: [(&str, &[u8]); 18] = [
        ("image/png", b"\x89PNG\r\n"),
        ("image/webp", b"RIFF\0\0\0\0WEBP"),
        ("image/x-ms-bmp", &bmp),
        ("application/x-dosexec", b"MZ\x90\0"),
        ("application/x-executable", &elf(1, [2, 0])),
        ("application/x-sharedlib", &elf(2, [0, 3])),
        ("application/x-java-applet", b"\xca\xfe\xba\xbe\0\0\0\x34"),
        ("application/x-mach-o-executable", b"\xca\xfe\xba\xbe\0\0\0\x02"),
        ("application/pdf", b"%PDF-1.7"),
        ("application/x-gzip", b"\x1f\x8b\x08"),
        ("application/x-tar", &tar),
        ("application/zip", &zip_of(&["a.txt"])),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            &zip_of(&["[Content_Types].xml", "docProps/app.xml", "xl/workbook.xml"]),
        ),
        ("application/vnd.oasis.opendocument.text", &zip_of(&["mimetypeapplication/vnd.oasis.opendocument.textPK"])),
        ("application/java-archive", &zip_of(&["META-INF/MANIFEST.MF"])),
        ("video/mp4", b"\0\0\0\x20ftypisom"),
        (
            "application/ocsp-response",
            b"\x30\x03\x0a\x01\0\xa0\x03\x30\x03\0\0\0\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01\x04",
        ),
        ("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c"),
    ];
    for (want, bytes) in cases {
        assert_eq!(sniff(bytes), Some(want), "{bytes:?}");
    }
}

#[test]
fn all_magic_is_looked_for() {
    for (at, magic, name) in MAGIC {
        let bytes = [&vec![1; at], magic, &[1; 40]].concat();
        assert!(sniff(&bytes).is_some(), "{name}");
    }
}

#[test]
fn texts_are_known() {
    let cases: [(Option<&str>, &[u8]); 26] = [
        (Some("text/plain"), b"ten letter"),
        (Some("text/plain"), b"\xef\xbb\xbften letter"),
        (None, b"nine lett"),
        (None, b"\x01ten letters"),
        (None, b""),
        (Some("text/html"), b"\r\n<!-- x --> <!DOCTYPE html>"),
        (Some("text/html"), b"<HTML><p>"),
        (Some("text/html"), b"<?xml version='1.0'?>\n<html xmlns"),
        (Some("application/xml"), b"<?xml version='1.0'?><other/>"),
        (Some("text/plain"), b"<svg xmlns"),
        (Some("text/rss"), b"<?xml?><rss version"),
        (Some("text/plain"), b"<p>some html"),
        (Some("text/json"), b"{\"a\": 1}"),
        (Some("text/json"), b" [\"a\", 1]"),
        (Some("text/json"), b"[{\"a\""),
        (Some("text/json"), b"{ }"),
        (Some("text/plain"), b"{css: blue; }"),
        (Some("text/plain"), b"[link] text here"),
        (
            Some("application/javascript"),
            b"<script type=\"text/javascript\">",
        ),
        (Some("application/javascript"), b"document.write('x')"),
        (Some("text/x-python"), b"#!/usr/bin/env python3\n"),
        (Some("text/x-shellscript"), b"#!/bin/bash\n"),
        (Some("text/x-php"), b"x <?php echo"),
        (Some("application/x-pem"), b"-----BEGIN CERTIFICATE-----\n"),
        (
            Some("application/pgp-signature"),
            b"-----BEGIN PGP SIGNATURE-----\n",
        ),
        (Some("text/rtf"), b"{\\rtf1\\ansi"),
    ];
    for (want, bytes) in cases {
        assert_eq!(sniff(bytes), want, "{}", String::from_utf8_lossy(bytes));
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(start in prop_oneof![Just(""), Just("<"), Just("{"), Just("["), Just("<!--"), Just("<?xml"), Just("#!"), Just("PK\x03\x04"), Just("<script")], rest in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = sniff(&[start.as_bytes(), &rest].concat());
    }

    #[test]
    fn pieces_tell_what_the_whole_tells(start in prop_oneof![Just("<html>"), Just("{\"a\":1"), Just("MZ"), Just("text")], len in 0..3_000_usize, cut in 1..3_000_usize) {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(start.len() + len, b' ');
        let mut sniffer = Sniffer::default();
        for piece in bytes.chunks(cut) {
            sniffer.data(piece);
            prop_assert!(sniffer.held() <= LOOK);
        }
        prop_assert_eq!(sniffer.end(), sniff(&bytes));
    }
}
