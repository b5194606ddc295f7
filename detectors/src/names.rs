//! The latest names that went into a measure, to be shown as its evidence.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names that are kept for one measure.
const MOST: usize = 5;
/// Characters that are kept of a name: its beginning says what kind of name it is.
const LONGEST: usize = 120;

/// A ring of names that grows only as it is filled.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Names {
    ring: Vec<Arc<str>>,
    next: usize,
}

impl Names {
    /// Adds a name; the oldest of too many goes.
    pub(crate) fn push(&mut self, name: &[u8]) {
        let is_name = |known: &Arc<str>| known.as_bytes() == name;
        if plain(name).is_some() && self.ring.iter().any(is_name) {
            return;
        }
        let name = text(name);
        if self.ring.contains(&name) {
            return;
        }
        if self.ring.len() < MOST {
            self.ring.push(name);
            return;
        }
        if let Some(oldest) = self.ring.get_mut(self.next) {
            *oldest = name;
        }
        self.next = self.next.wrapping_add(1) % MOST;
    }

    /// Whether there were several names, not one alone.
    pub(crate) const fn several(&self) -> bool {
        self.ring.len() > 1
    }

    /// Only this name.
    pub(crate) fn set(&mut self, name: &str) {
        if self.ring.first().is_none_or(|known| &**known != name) {
            self.ring.clear();
            self.ring.push(name.into());
        }
    }

    pub(crate) fn all(&self) -> &[Arc<str>] {
        &self.ring
    }

    pub(crate) fn heap(&self) -> usize {
        heap(&self.ring)
    }
}

/// Bytes that names take on the heap.
pub(crate) fn heap(names: &[Arc<str>]) -> usize {
    // Two counters stand before the text.
    let one = |name: &Arc<str>| size_of::<Arc<str>>() + 2 * size_of::<usize>() + name.len();
    names.iter().map(one).sum()
}

/// A name that is text as it stands, as nearly all are.
fn plain(name: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let all = name.len() <= LONGEST && name.iter().all(is_plain);
    std::str::from_utf8(name).ok().filter(|_| all)
}

/// A name as people read it: what is not printable escaped, what is too long cut.
pub(crate) fn text(name: &[u8]) -> Arc<str> {
    if let Some(plain) = plain(name) {
        return plain.into();
    }
    let mut text: String = name
        .iter()
        .take(LONGEST)
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect();
    if name.len() > LONGEST {
        text.push('…');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_each_once() {
        let mut names = Names::default();
        for number in 0..7 {
            for _ in 0..2 {
                names.push(format!("n{number}.example").as_bytes());
            }
        }
        let mut kept: Vec<&str> = names.all().iter().map(AsRef::as_ref).collect();
        kept.sort_unstable();
        let want = [
            "n2.example",
            "n3.example",
            "n4.example",
            "n5.example",
            "n6.example",
        ];
        assert_eq!(kept, want);
        assert_eq!(names.heap(), 5 * (32 + 10));
    }

    #[test]
    fn text_is_printable_and_short() {
        assert_eq!(&*text(b"a\x00\xff.b"), r"a\x00\xff.b");
        let long = text(&[b'x'; 300]);
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }
}
