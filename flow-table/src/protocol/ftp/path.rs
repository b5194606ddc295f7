//! Where a client is on its server.

/// Bytes of a path that are kept.
const MAX_PATH: usize = 4_096;

/// The path of `file`, seen from the directory `from`: without what leads nowhere. What goes up
/// further than is known stays as it is.
pub(super) fn join(from: &[u8], file: &[u8]) -> Vec<u8> {
    let absolute = is_absolute(file);
    let whole = if absolute {
        file.to_vec()
    } else {
        [from, b"/", file].concat()
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for (at, part) in whole.split(|byte| *byte == b'/').enumerate() {
        match part {
            b"" => {}
            b"." if at > 0 => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut path = parts.join(&b'/');
    if whole.first() == Some(&b'/') {
        path.insert(0, b'/');
    }
    path.truncate(MAX_PATH);
    path
}

/// `/…` or `C:\…`.
fn is_absolute(path: &[u8]) -> bool {
    matches!(path, [b'/', ..] | [b'A'..=b'Z' | b'a'..=b'z', b':', b'/' | b'\\', ..])
}

/// The path in a reply's words: in quotes (RFC 959, appendix II), or else from the first slash.
pub(super) fn in_reply(text: &[u8]) -> Option<&[u8]> {
    let mut quoted = text.split(|byte| *byte == b'"').skip(1);
    if let Some(path) = quoted.next().filter(|path| is_absolute(path)) {
        return path.get(..MAX_PATH).or(Some(path));
    }
    let start = text.iter().position(|byte| *byte == b'/')?;
    let path = text.get(start..)?;
    path.split(|byte| matches!(byte, b' ' | b'"')).next()
}
