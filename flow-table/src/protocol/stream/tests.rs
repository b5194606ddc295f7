use proptest::prelude::*;

use super::*;

/// What a stream delivered: bytes, and how long each gap was and where.
#[derive(Default, PartialEq, Debug)]
struct Got {
    bytes: Vec<u8>,
    gaps: Vec<(usize, u64)>,
}

impl Got {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
            Piece::Gap(len) => self.gaps.push((self.bytes.len(), len)),
        }
    }
}

/// Where each begins, and its bytes.
type Segments<'a> = &'a [(u64, &'a [u8])];

fn play(segments: Segments<'_>) -> (Stream, Quota, Got) {
    let (mut stream, mut quota, mut got) = (Stream::default(), Quota::new(1 << 20), Got::default());
    for (seq, bytes) in segments {
        stream.segment(*seq, bytes, &mut quota, |piece| got.take(piece));
        assert_eq!(stream.held(), quota.held());
    }
    (stream, quota, got)
}

#[test]
fn segments_are_put_in_order() {
    let cases: [(&str, Segments, &str); 9] = [
        ("in order", &[(1, b"ab"), (3, b"cd")], "abcd"),
        ("swapped", &[(3, b"cd"), (1, b"ab")], "abcd"),
        (
            "backwards",
            &[(4, b"d"), (3, b"c"), (2, b"b"), (1, b"a")],
            "abcd",
        ),
        ("again", &[(1, b"ab"), (1, b"XY"), (2, b"Zc")], "abc"),
        (
            "first wins above a hole",
            &[(3, b"cd"), (1, b"abXY")],
            "abcd",
        ),
        (
            "first wins within",
            &[(3, b"c"), (5, b"e"), (1, b"abXdYf")],
            "abcdef",
        ),
        (
            "growing",
            &[(3, b"c"), (3, b"Xd"), (3, b"XXe"), (1, b"ab")],
            "abcde",
        ),
        ("a hole stays", &[(1, b"a"), (3, b"c")], "a"),
        ("nothing", &[(1, b""), (9, b"")], ""),
    ];
    for (name, segments, want) in cases {
        let (_, _, got) = play(segments);
        assert_eq!(String::from_utf8_lossy(&got.bytes), want, "{name}");
        assert_eq!(got.gaps, [], "{name}");
    }
}

#[test]
fn acknowledged_holes_are_gaps() {
    let (mut stream, mut quota, mut got) = play(&[(1, b"ab"), (5, b"ef"), (9, b"ij")]);
    stream.acked(3, &mut quota, |piece| got.take(piece));
    assert_eq!(got.gaps, []);
    stream.acked(6, &mut quota, |piece| got.take(piece));
    assert_eq!(
        (got.bytes.as_slice(), got.gaps.as_slice()),
        (&b"abef"[..], &[(2, 2)][..])
    );
    stream.acked(20, &mut quota, |piece| got.take(piece));
    assert_eq!(got.bytes, b"abefij");
    assert_eq!(got.gaps, [(2, 2), (4, 2), (6, 9)]);
    assert_eq!((quota.held(), stream.next()), (0, 20));
}

#[test]
fn a_full_stream_gives_up_its_hole() {
    let (mut stream, mut quota, mut got) = (Stream::default(), Quota::new(1 << 30), Got::default());
    let block = [7; 1024];
    for nth in 0..MAX_HELD as u64 / 1024 {
        assert_eq!(got.bytes.len(), 0);
        stream.segment(11 + nth * 1024, &block, &mut quota, |piece| got.take(piece));
    }
    assert_eq!(got.gaps, [(0, 10)]);
    assert_eq!(
        (got.bytes.len(), stream.held(), quota.held()),
        (MAX_HELD, 0, 0)
    );
}

#[test]
fn holes_without_end_are_given_up() {
    let (mut stream, mut quota, mut got) = (Stream::default(), Quota::new(1 << 30), Got::default());
    for nth in 1..=1_000 {
        stream.segment(nth * 2, b"x", &mut quota, |piece| got.take(piece));
        assert!(stream.held() <= MAX_STRETCHES * (STRETCH + 1));
    }
    assert!(got.bytes.len() >= 1_000 - MAX_STRETCHES);
}

#[test]
fn the_quota_of_all_flows_holds() {
    let mut quota = Quota::new(STRETCH + 4);
    let (mut one, mut two) = (Stream::default(), Stream::default());
    let mut got = Got::default();
    one.segment(2, b"bcd", &mut quota, |_| panic!("held"));
    two.segment(3, b"cd", &mut quota, |piece| got.take(piece));
    assert_eq!(
        (got.bytes.as_slice(), got.gaps.as_slice()),
        (&b"cd"[..], &[(0, 2)][..])
    );
    assert_eq!((quota.held(), quota.refused()), (STRETCH + 3, 1));
    one.close(&mut quota);
    assert_eq!((quota.held(), one.held()), (0, 0));
}

#[test]
fn numbers_at_the_end_do_not_overflow() {
    let mut quota = Quota::new(100);
    let mut stream = Stream::starting_at(u64::MAX - 2);
    let mut got = Got::default();
    for seq in [u64::MAX, u64::MAX - 1, u64::MAX - 2, 0] {
        stream.segment(seq, b"abcdef", &mut quota, |piece| got.take(piece));
        stream.acked(u64::MAX, &mut quota, |piece| got.take(piece));
    }
}

fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    prop::collection::vec(any::<u8>(), 1..400).prop_flat_map(|bytes| {
        let len = bytes.len();
        (
            Just(bytes),
            prop::collection::vec((0..len, 1..60_usize), 0..80),
        )
    })
}

proptest! {
    /// However a byte string is cut, repeated and reordered, the same bytes come out.
    #[test]
    fn any_segmentation_delivers_the_same_bytes(
        (bytes, extra) in pieces(), cut in 1..50_usize, keys in prop::collection::vec(any::<u32>(), 500),
    ) {
        let whole = (0..bytes.len()).step_by(cut).map(|at| (at, cut));
        let mut segments: Vec<(u32, (usize, usize))> =
            keys.into_iter().zip(whole.chain(extra)).collect();
        segments.sort_unstable();
        let (mut stream, mut quota, mut got) =
            (Stream::default(), Quota::new(1 << 20), Got::default());
        for (_, (at, len)) in segments {
            let part = &bytes[at..bytes.len().min(at + len)];
            stream.segment(1 + at as u64, part, &mut quota, |piece| got.take(piece));
            prop_assert_eq!(stream.held(), quota.held());
            prop_assert!(bytes.starts_with(&got.bytes));
        }
        prop_assert_eq!(&got.bytes, &bytes);
        prop_assert_eq!((got.gaps.len(), quota.held()), (0, 0));
    }

    /// Bytes and gaps always add up, and what is delivered is what was at that place.
    #[test]
    fn gaps_and_bytes_add_up((bytes, segments) in pieces(), acks in prop::collection::vec(0..500_u64, 80)) {
        let (mut stream, mut quota) = (Stream::default(), Quota::new(4 * STRETCH));
        let mut at = 0_u64;
        let mut right = true;
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Bytes(got) => {
                let from = usize::try_from(at).unwrap();
                right &= bytes.get(from..from + got.len()) == Some(got);
                at += got.len() as u64;
            }
            Piece::Gap(len) => { right &= len > 0; at += len; }
        };
        for ((start, len), ack) in segments.iter().zip(&acks) {
            let part = &bytes[*start..bytes.len().min(start + len)];
            stream.segment(1 + *start as u64, part, &mut quota, &mut take);
            if ack % 5 == 0 && *ack <= bytes.len() as u64 {
                stream.acked(*ack, &mut quota, &mut take);
            }
        }
        prop_assert_eq!(at + 1, stream.next());
        prop_assert!(right);
        stream.close(&mut quota);
        prop_assert_eq!(quota.held(), 0);
    }
}
