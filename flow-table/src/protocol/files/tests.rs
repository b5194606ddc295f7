use super::super::BodyHead;
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);
const ALL: Hashes = Hashes {
    md5: true,
    sha1: true,
    sha256: true,
};

fn begin(length: Option<u64>, filename: Option<&[u8]>) -> Body<'_> {
    Body::Begin(BodyHead {
        source: "HTTP",
        length,
        filename,
        content_type: None,
        depth: 0,
        range: None,
    })
}

fn play(parts: &[(Side, Body<'_>)]) -> Vec<FileRecord> {
    let mut files = Files::new(ALL);
    let mut rows = Vec::new();
    for (secs, (side, part)) in (0..).zip(parts) {
        rows.extend(files.body(*side, T0 + Span::from_secs(secs), *part));
    }
    rows.extend(files.finish());
    let row = |row| match row {
        Record::File(row) => *row,
        other => panic!("{other:?}"),
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn a_file_is_a_row() {
    let rows = play(&[
        (Resp, begin(Some(12), Some(b"a.txt"))),
        (Resp, Body::Data(b"hello ")),
        (Resp, Body::Data(b"world\n")),
        (Resp, Body::End),
    ]);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!((row.number, row.is_orig, row.timedout), (1, false, false));
    assert_eq!(row.mime_type, Some("text/plain"));
    assert_eq!(row.filename.as_deref(), Some(&b"a.txt"[..]));
    assert_eq!((row.seen_bytes, row.total_bytes), (12, Some(12)));
    assert_eq!(row.duration, Span::from_secs(2));
    assert_eq!(row.md5.as_deref(), Some("6f5902ac237024bdd0c176cb93063dc4"));
    assert_eq!(
        row.sha1.as_deref(),
        Some("22596363b3de40b06f981fb85d82312e8c0ed511")
    );
    assert!(
        row.sha256
            .as_ref()
            .is_some_and(|sum| sum.starts_with("a948904f2f0f479b"))
    );
}

#[test]
fn sides_are_counted_apart() {
    let rows = play(&[
        (Orig, begin(None, None)),
        (Resp, begin(None, None)),
        (Orig, Body::End),
        (Orig, begin(None, None)),
        (Resp, Body::End),
        (Orig, Body::End),
    ]);
    let brief: Vec<(bool, u32)> = rows.iter().map(|row| (row.is_orig, row.number)).collect();
    assert_eq!(brief, [(true, 1), (false, 1), (true, 2)]);
}

#[test]
fn what_is_missing_is_told() {
    let rows = play(&[
        (Resp, begin(Some(9), None)),
        (Resp, Body::Data(b"MZ")),
        (Resp, Body::Gap(5)),
        (Resp, Body::Data(b"xx")),
        (Resp, Body::End),
        (Resp, begin(Some(9), None)),
        (Resp, Body::Data(b"a")),
        (Resp, begin(Some(9), None)),
        (Resp, Body::Data(b"a")),
    ]);
    let [gap, cut, left] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!((gap.seen_bytes, gap.missing_bytes), (4, 5));
    assert_eq!(
        (gap.mime_type, &gap.md5),
        (Some("application/x-dosexec"), &None)
    );
    assert!(cut.timedout && left.timedout);
    assert!(!gap.timedout);
}

#[test]
fn what_is_held_has_a_limit() {
    let mut files = Files::new(Hashes::default());
    let name = vec![b'n'; 5_000];
    assert!(files.body(Orig, T0, begin(None, Some(&name))).is_none());
    for _ in 0..100 {
        assert!(files.body(Orig, T0, Body::Data(&[b'a'; 700])).is_none());
        let most = size_of::<FileRecord>() + MAX_FILENAME + super::super::mime::LOOK;
        assert!(files.held() <= most);
    }
    let Some(Record::File(row)) = files.body(Orig, T0, Body::End) else {
        panic!("no row")
    };
    assert_eq!(row.filename.map(|name| name.len()), Some(MAX_FILENAME));
    assert_eq!(row.md5, None);
}

#[test]
fn parts_are_told_piece_by_piece() {
    let mut files = Files::new(Hashes::default());
    let place = Place::of(b"host", b"/file");
    let range = Range {
        of: Some(place),
        at: Some(2_000),
        whole: Some(5_000),
    };
    let head = BodyHead {
        source: "HTTP",
        range: Some(range),
        ..BodyHead::default()
    };
    let mut told = Vec::new();
    let body = [
        Body::Begin(head),
        Body::Data(&[b'a'; 100]),
        Body::Gap(50),
        Body::Gap(5),
        Body::Data(b"bcd"),
        Body::End,
    ];
    for (secs, part) in (0..).zip(body) {
        told.extend(files.body(Resp, T0 + Span::from_secs(secs), part));
    }
    let pieces: Vec<_> = told
        .into_iter()
        .map(|record| match record {
            Record::Part(part) => (
                part.range.at,
                part.gap,
                part.len,
                part.beginning.len(),
                part.first.since(T0).as_nanos() / 1_000_000_000,
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    // Of the first, what could be among the first bytes of the file.
    let want = [(Some(2_000), 0, 100, 48, 1), (Some(2_100), 55, 3, 0, 4)];
    assert_eq!(pieces, want);
    let [v4, v6] = ["192.0.2.1", "2001:db8::1"].map(|addr| addr.parse().unwrap());
    assert_eq!(place.file(v4), Place::of(b"host", b"/file").file(v4));
    assert_ne!(place.file(v4), place.file(v6));
    assert_ne!(place.file(v4), Place::of(b"host/", b"file").file(v4));
}
