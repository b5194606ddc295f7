#![expect(clippy::too_many_lines, reason = "flat tables")]

use flow_table::protocol::files::{FileRecord, Place, Range};
use flow_table::{Endpoint, FlowId, IpProto, Side, Uid};

use super::*;

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

/// Bytes of a file that a client got through the so manieth of its flows.
#[derive(Clone, Copy)]
struct Got {
    secs: i64,
    client: u8,
    flow: u8,
    at: Option<u64>,
    gap: u64,
    text: &'static str,
    whole: Option<u64>,
}

const GOT: Got = Got {
    secs: 0,
    client: 1,
    flow: 1,
    at: Some(0),
    gap: 0,
    text: "ten letters",
    whole: None,
};

impl Got {
    fn row(self) -> ProtocolRow {
        let time = T0 + Span::from_secs(self.secs);
        let part = FilePart {
            range: Range {
                of: Some(Place::of(b"host", b"/file")),
                at: self.at,
                whole: self.whole,
            },
            number: 1,
            source: "HTTP",
            side: Side::Resp,
            filename: None,
            first: time,
            last: time,
            gap: self.gap,
            len: self.text.len() as u64,
            beginning: self.text.as_bytes().to_vec(),
        };
        ProtocolRow {
            time,
            uid: Uid::from_bits(self.flow.into()),
            seq: 0,
            id: FlowId {
                orig: Endpoint::new([10, 0, 0, self.client], 40_000 + u16::from(self.flow)),
                resp: Endpoint::new([10, 0, 0, 99], 80),
                proto: IpProto::TCP,
            },
            record: Record::Part(Box::new(part)),
        }
    }
}

fn file(row: ProtocolRow) -> FileRecord {
    match row.record {
        Record::File(file) => *file,
        other => panic!("{other:?}"),
    }
}

/// The rows, as time, flow, bytes seen and missing, and `+` where it is whole.
fn play(got: &[Got]) -> Vec<String> {
    let (mut ranges, mut rows) = (Ranges::default(), Vec::new());
    for part in got {
        ranges.row(&part.row(), &mut rows);
    }
    ranges.finish(&mut rows);
    let told = rows.into_iter().map(|row| {
        let (secs, flow) = (
            row.time.since(T0).as_nanos() / 1_000_000_000,
            row.uid.bits(),
        );
        let file = file(row);
        let whole = if file.timedout { "" } else { "+" };
        format!(
            "{secs}: {flow} {}/{}{whole}",
            file.seen_bytes, file.missing_bytes
        )
    });
    told.collect()
}

#[test]
fn parts_of_a_file_are_joined() {
    let at = |secs, at, text| Got {
        secs,
        at: Some(at),
        text,
        ..GOT
    };
    let of = |flow, part: Got| Got { flow, ..part };
    let whole = |whole, part: Got| Got {
        whole: Some(whole),
        ..part
    };
    let cases: [(&str, Vec<Got>, &[&str]); 9] = [
        ("one part", vec![GOT], &["0: 1 11/0"]),
        ("all of it", vec![whole(11, GOT)], &["0: 1 11/0+"]),
        (
            "two flows, the later part first",
            vec![
                whole(22, at(0, 11, "and so on..")),
                of(2, whole(22, at(1, 0, "ten letters"))),
            ],
            &["1: 1 22/0+", "1: 2 22/0+"],
        ),
        (
            "twice the same",
            vec![at(0, 0, "ten letters"), at(1, 0, "ten letters")],
            &["1: 1 11/0"],
        ),
        (
            "overlapping what waits on both sides",
            vec![at(0, 5, "abc"), at(1, 2, "0123456789"), at(2, 0, "xyz")],
            &["2: 1 12/0"],
        ),
        (
            "the beginning never comes",
            vec![whole(100, at(0, 50, "abc")), whole(100, at(1, 60, "def"))],
            &["1: 1 6/57"],
        ),
        (
            "missed in order, then to the end",
            vec![
                whole(20, at(0, 0, "0123456789")),
                whole(
                    20,
                    Got {
                        gap: 5,
                        ..at(1, 10, "abcde")
                    },
                ),
            ],
            &["1: 1 15/5+"],
        ),
        (
            "places that were not said follow each other",
            vec![Got { at: None, ..GOT }, Got { at: None, ..GOT }],
            &["0: 1 22/0"],
        ),
        (
            "too late for one file",
            vec![GOT, at(121, 0, "again"), at(122, 0, "again and more")],
            &["120: 1 11/0", "122: 1 14/0"],
        ),
    ];
    for (name, got, want) in cases {
        assert_eq!(play(&got), want, "{name}");
    }
}

#[test]
fn clients_have_files_of_their_own() {
    let other = Got {
        client: 2,
        flow: 2,
        ..GOT
    };
    assert_eq!(play(&[GOT, other]), ["0: 1 11/0", "0: 2 11/0"]);
}

#[test]
fn what_it_is_shows_in_its_beginning() {
    let kind = |at| {
        let (mut ranges, mut rows) = (Ranges::default(), Vec::new());
        ranges.row(&Got { at, ..GOT }.row(), &mut rows);
        ranges.finish(&mut rows);
        rows.pop().and_then(|row| file(row).mime_type)
    };
    assert_eq!(kind(Some(0)), Some("text/plain"));
    assert_eq!(kind(Some(5_000)), None);
}

#[test]
fn what_is_waited_for_has_a_limit() {
    let (mut ranges, mut rows) = (Ranges::default(), Vec::new());
    let mut row = GOT.row();
    for nth in 0..2 * MAX_FILES {
        if let Record::Part(part) = &mut row.record {
            part.range.of = Some(Place::of(b"host", nth.to_string().as_bytes()));
        }
        ranges.row(&row, &mut rows);
    }
    assert_eq!(
        (ranges.files.len(), ranges.due.len()),
        (MAX_FILES, MAX_FILES)
    );
    assert_eq!(rows.len(), MAX_FILES);
    // Every second byte of one file.
    for nth in 0..2_000 {
        let part = Got {
            secs: 1,
            at: Some(1 + nth * 2),
            text: "x",
            ..GOT
        };
        ranges.row(&part.row(), &mut rows);
    }
    rows.clear();
    ranges.finish(&mut rows);
    let overflow = |row: ProtocolRow| file(row).overflow_bytes;
    let most = rows.into_iter().map(overflow).max();
    assert!(most > Some(1_500), "{most:?}");
}
