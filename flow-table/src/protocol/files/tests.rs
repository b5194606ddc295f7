use proptest::collection::vec;
use proptest::prelude::*;

use super::super::BodyHead;
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

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
    let mut files = Files::new(Hashes::ALL);
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
    assert_eq!(row.digests, of(b"hello world\n"));
    let Digests { md5, sha1, sha256 } = row.digests;
    assert_eq!(hex(&md5.unwrap()), "6f5902ac237024bdd0c176cb93063dc4");
    assert_eq!(
        hex(&sha1.unwrap()),
        "22596363b3de40b06f981fb85d82312e8c0ed511"
    );
    assert!(hex(&sha256.unwrap()).starts_with("a948904f2f0f479b8f8197694b30184b0d2ed1c1"));
}

fn hex(sum: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15];
    let digits = sum.iter().flat_map(digits);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The digests of these bytes at once.
fn of(bytes: &[u8]) -> Digests {
    let mut hasher = Hasher::new(Hashes::ALL).unwrap();
    hasher.data(bytes);
    hasher.end()
}

#[test]
fn what_may_not_be_whole_has_no_digests() {
    let ab = Body::Data(b"ab");
    let open = begin(None, None);
    let cases: [(&str, &[Body<'_>], bool); 8] = [
        ("whole", &[begin(Some(2), None), ab, Body::End], true),
        ("of any length", &[open, ab, Body::End], true),
        ("short", &[begin(Some(3), None), ab, Body::End], false),
        ("cut", &[open, ab, Body::Cut], false),
        ("never ended", &[open, ab], false),
        ("given up", &[open, ab, open], false),
        ("with a hole", &[open, Body::Gap(1), ab, Body::End], false),
        ("without end", &[open, ab, Body::Gap(1), Body::End], false),
    ];
    for (name, parts, whole) in cases {
        let parts: Vec<_> = parts.iter().map(|part| (Resp, *part)).collect();
        let rows = play(&parts);
        let want = if whole { of(b"ab") } else { Digests::default() };
        assert_eq!(
            (rows[0].digests, rows[0].hashes),
            (want, Hashes::ALL),
            "{name}"
        );
    }
}

#[test]
fn only_digests_that_are_asked_for_are_made() {
    for hashes in (0..8).map(|bits| Hashes {
        md5: bits & 1 != 0,
        sha1: bits & 2 != 0,
        sha256: bits & 4 != 0,
    }) {
        let mut files = Files::new(hashes);
        let parts = [begin(None, None), Body::Data(b"ab"), Body::End];
        let rows = parts
            .into_iter()
            .filter_map(|part| files.body(Resp, T0, part));
        let Some(Record::File(row)) = rows.last() else {
            panic!("no row")
        };
        let all = of(b"ab");
        let want = Digests {
            md5: all.md5.filter(|_| hashes.md5),
            sha1: all.sha1.filter(|_| hashes.sha1),
            sha256: all.sha256.filter(|_| hashes.sha256),
        };
        assert_eq!(row.digests, want, "{hashes:?}");
    }
}

proptest! {
    #[test]
    fn digests_do_not_depend_on_how_bytes_come(bytes in vec(any::<u8>(), 0..600), cuts in vec(1..90_usize, 1..20)) {
        let (mut files, mut rest, mut cuts) = (Files::new(Hashes::ALL), bytes.as_slice(), cuts.iter().cycle());
        prop_assert!(files.body(Resp, T0, begin(None, None)).is_none());
        while let Some(cut) = cuts.next().filter(|_| !rest.is_empty()) {
            let (part, after) = rest.split_at(rest.len().min(*cut));
            prop_assert!(files.body(Resp, T0, Body::Data(part)).is_none());
            rest = after;
        }
        let Some(Record::File(row)) = files.body(Resp, T0, Body::End) else {
            panic!("no row")
        };
        prop_assert_eq!(row.digests, of(&bytes));
    }
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
    assert_eq!(gap.mime_type, Some("application/x-dosexec"));
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
    assert_eq!(row.digests, Digests::default());
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
