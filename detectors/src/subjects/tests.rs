//! Who is evicted, and when.

use serde::Deserialize;

use super::*;

impl Held for u64 {
    fn heap(&self) -> usize {
        0
    }
}

/// How often it came.
#[derive(Default, Serialize, Deserialize)]
struct Visits(u64);

impl Held for Visits {
    fn heap(&self) -> usize {
        0
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.0 > 1)
    }
}

impl Held for Vec<u8> {
    fn heap(&self) -> usize {
        self.capacity()
    }
}

fn spread(key: u64) -> u64 {
    crate::hash::join(key, 1)
}

#[test]
fn evicts_the_longest_untouched_and_the_pinned_last() {
    let mut table: Subjects<u64, u64> = Subjects::new(4, usize::MAX);
    for key in [1, 2, 3, 4] {
        table.update(spread(key), key, |value| *value += key);
    }
    table.pin(spread(2), 2, Pin::Last);
    table.update(spread(1), 1, |value| *value += 10);
    table.update(spread(5), 5, |_| ());
    assert_eq!(table.get(spread(3), 3), None, "3 was touched longest ago");
    table.update(spread(6), 6, |_| ());
    table.update(spread(7), 7, |_| ());
    assert!(table.get(spread(2), 2).is_some(), "2 is oldest but pinned");
    assert_eq!(table.get(spread(1), 1), None);
    for key in [6, 7] {
        table.pin(spread(key), key, Pin::Last);
    }
    table.update(spread(8), 8, |_| ());
    assert_eq!(table.get(spread(2), 2), None, "three of four are pinned");
    assert!(table.get(spread(5), 5).is_some());
    assert_eq!((table.len(), table.evicted()), (4, 4));
    table.remove(spread(6), 6);
    assert_eq!(table.oldest(Pin::Last).map(|(_, key, _)| key), Some(7));
    assert_eq!(table.len(), 3);
}

#[test]
fn who_came_back_outlasts_those_who_came_once() {
    let mut table: Subjects<u64, Visits> = Subjects::new(100, 1 << 20);
    let visit = |table: &mut Subjects<u64, Visits>, key: u64| {
        table.update(spread(key), key, |visits| visits.0 += 1);
    };
    for _ in 0..2 {
        (0..40).for_each(|key| visit(&mut table, key));
    }
    (1_000..4_000).for_each(|key| visit(&mut table, key));
    let back = (0..40).filter(|key| table.get(spread(*key), *key).is_some());
    assert_eq!(back.count(), 40);
    let once = (3_975..4_000).filter(|key| table.get(spread(*key), *key).is_some());
    assert_eq!(once.count(), 25, "the last of them");
}

#[test]
fn who_was_evicted_comes_back_to_stay() {
    let mut table: Subjects<u64, Visits> = Subjects::new(100, 100 * 1_024);
    let visit = |table: &mut Subjects<u64, Visits>, key: u64| {
        table.update(spread(key), key, |visits| visits.0 += 1);
    };
    visit(&mut table, 7);
    (1_000..2_000).for_each(|key| visit(&mut table, key));
    assert!(table.get(spread(7), 7).is_none());
    visit(&mut table, 7);
    (2_000..3_000).for_each(|key| visit(&mut table, key));
    assert!(table.get(spread(7), 7).is_some());
}

#[test]
fn a_newcomer_has_room_whoever_came_back() {
    let mut table: Subjects<u64, Visits> = Subjects::new(100, 1 << 20);
    for key in 0..10_000 {
        for _ in 0..2 {
            table.update(spread(key), key, |visits| visits.0 += 1);
        }
    }
    let newcomers = 20_000..20_025;
    for _ in 0..3 {
        for key in newcomers.clone() {
            table.update(spread(key), key, |visits| visits.0 += 1);
        }
    }
    let back = newcomers.filter(|key| table.get(spread(*key), *key).is_some());
    assert_eq!(back.count(), 25, "a quarter of the table is theirs");
    assert_eq!(table.len(), 100);
}

#[test]
fn stays_within_its_bytes() {
    let mut table: Subjects<u64, Vec<u8>> = Subjects::new(1_000, 20_000);
    for key in 0..1_000 {
        table.update(spread(key), key, |value| value.reserve_exact(1_000));
        assert!(table.bytes() <= 20_000, "{}", table.bytes());
    }
    assert_eq!(table.evicted() + table.len() as u64, 1_000);
    assert!(table.len() > 10);
}
