use proptest::prelude::*;

use super::*;

/// Numbers, names and contents of parts; those that may not be whole end with `!`.
type Parts = Vec<(u32, String, String)>;

fn play(mut entity: Entity, bytes: &[u8], cut: usize) -> Parts {
    let mut parts = Parts::new();
    let mut open = false;
    let mut take = |body: Body<'_>| match body {
        Body::Begin(head) => {
            assert!(!std::mem::replace(&mut open, true));
            let name = String::from_utf8_lossy(head.filename.unwrap_or(b"-")).into_owned();
            parts.push((head.depth, name, String::new()));
        }
        Body::Data(bytes) => {
            assert!(open && !bytes.is_empty());
            let (_, _, text) = parts.last_mut().unwrap();
            text.push_str(&String::from_utf8_lossy(bytes));
        }
        Body::Gap(_) => {}
        Body::End => assert!(std::mem::take(&mut open)),
        Body::Cut => {
            assert!(std::mem::take(&mut open));
            parts.last_mut().unwrap().2.push('!');
        }
    };
    for part in bytes.chunks(cut) {
        entity.data(part, &mut take);
    }
    entity.end(&mut take);
    parts
}

const MAIL: &[u8] = b"From: me\r\nContent-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\nnot this\r\n\
    --a b\r\n\r\nplain\r\n--a\r\ntext\r\n\
    --a b  \r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/html; name=x.html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <p =3D=\r\n>=zz\r\n--a--\r\nnor this\r\n\
    --a b\r\nContent-Disposition: attachment; filename=\"y.bin\"\r\n\
    Content-Transfer-Encoding: BASE64\r\n\r\naGVsbG8g\r\nd29y\r\nbGQ=\r\n--a b--\r\nthe end\r\n";

fn parts(parts: &[(u32, &str, &str)]) -> Parts {
    let owned = |(depth, name, text): &(u32, &str, &str)| (*depth, (*name).into(), (*text).into());
    parts.iter().map(owned).collect()
}

#[test]
fn mail_is_taken_apart() {
    let want = parts(&[
        (2, "-", "plain\r\n--a\r\ntext"),
        (4, "x.html", "<p =>=zz"),
        (5, "y.bin", "hello world"),
    ]);
    for cut in 1..MAIL.len() {
        assert_eq!(play(Entity::new(), MAIL, cut), want, "{cut}");
    }
}

#[test]
fn other_content_is_what_it_is() {
    let cases: [(&str, &[u8], Parts); 6] = [
        (
            "plain",
            b"A: b\r\n\r\ntext\r\n",
            parts(&[(1, "-", "text\r\n")]),
        ),
        ("no headers", b"\r\ntext", parts(&[(1, "-", "text")])),
        ("nothing", b"A: b\r\n\r\n", Parts::new()),
        (
            "a message",
            b"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\n--text",
            parts(&[(2, "-", "--text")]),
        ),
        (
            "bare line feeds",
            b"Content-Type: multipart/x; boundary=b\n\n--b\n\n\r\rx\r\ny\n--b--\n",
            parts(&[(2, "-", "\r\rx\r\ny")]),
        ),
        (
            "without an end",
            b"Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\nx\r\n",
            parts(&[(2, "-", "x")]),
        ),
    ];
    for (name, bytes, want) in cases {
        for cut in 1..=bytes.len() {
            assert_eq!(play(Entity::new(), bytes, cut), want, "{name} {cut}");
        }
    }
}

#[test]
fn parts_that_may_not_be_whole_are_told_so() {
    let of = |coding: &str, text: &str| {
        format!("Content-Transfer-Encoding: {coding}\r\n\r\n{text}").into_bytes()
    };
    for (name, bytes, want) in [
        ("base64", of("base64", "aGVs\r\nbG8="), "hello"),
        ("a group that ends early", of("base64", "aGVsbG8"), "hel!"),
        ("padding within", of("base64", "aGU=bGxv"), "hello"),
        ("padding too early", of("base64", "aGVsb===bG8h"), "hello!!"),
        ("a soft end", of("quoted-printable", "hel=\r\nlo="), "hello"),
    ] {
        assert_eq!(
            play(Entity::new(), &bytes, 3),
            parts(&[(1, "-", want)]),
            "{name}"
        );
    }
}

#[test]
fn what_is_lost_is_lost_of_one_part() {
    let mut told = Vec::new();
    let mut take = |body: Body<'_>| match body {
        Body::End => told.push(b'.'),
        Body::Cut => told.push(b'!'),
        _ => {}
    };
    let mut entity = Entity::of_type(b"multipart/x; boundary=b", None).unwrap();
    entity.data(b"--b\r\n\r\none\r\n--b\r\nA: ", &mut take);
    // Within headers: nobody knows whether the content began.
    entity.gap(9, &mut take);
    entity.data(
        b"b\r\n\r\ntwo\r\n--b\r\n\r\nthree\r\n--b\r\n\r\nfo",
        &mut take,
    );
    entity.lose();
    entity.end(&mut take);
    assert_eq!(told, b".!.!");
}

#[test]
fn types_may_be_told_elsewhere() {
    let form = Entity::of_type(b"multipart/form-data; boundary=--x", None).unwrap();
    let bytes = b"----x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n----x--\r\n";
    assert_eq!(play(form, bytes, 5), parts(&[(2, "-", "1")]));
    for other in [
        &b"text/html; boundary=x"[..],
        b"multipart/mixed",
        b"multipart/x; boundary=",
    ] {
        assert!(Entity::of_type(other, None).is_none());
    }
}

#[test]
fn depth_and_memory_have_limits() {
    let mut bytes = Vec::new();
    for nth in 0..300 {
        bytes.extend(
            format!("Content-Type: multipart/x; boundary={nth}\r\n\r\n--{nth}\r\n").bytes(),
        );
    }
    let mut entity = Entity::new();
    let mut count = 0;
    for part in bytes.chunks(50) {
        entity.data(part, &mut |_| count += 1);
        assert!(entity.held() <= MAX_DEPTH * MAX_BOUNDARY + 3 * MAX_HEADER);
    }
    entity.data(&vec![b'-'; 100_000], &mut |_| count += 1);
    assert!(entity.held() <= MAX_DEPTH * MAX_BOUNDARY + 3 * MAX_HEADER);
    assert_eq!(count, 0);
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in "([-ab=\r\n]|Content-Type: |multipart/x; boundary=a|base64|\r\n\r\n|--a){0,60}", cut in 1..9_usize) {
        prop_assert_eq!(play(Entity::new(), bytes.as_bytes(), cut), play(Entity::new(), bytes.as_bytes(), usize::MAX));
    }
}
