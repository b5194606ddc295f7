//! Which flow leaves a table that is full.
//!
//! Of a sample of flows the attempts that nobody answered, the longest idle first; only where there
//! is none, the longest idle of all. Several are chosen at a time: the flows of a sample lie side
//! by side, and looking at them costs more than choosing.

use crate::Timestamp;

/// Flows that are looked at together.
const SAMPLE: u32 = 32;
/// Flows that are chosen at once.
const CHOSEN: usize = 16;

/// Who goes first: the lowest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    /// Whether somebody answered.
    pub(crate) answered: bool,
    /// The flow's last packet.
    pub(crate) last: Timestamp,
}

/// The flows that were chosen, and where the search goes on.
#[derive(Debug, Default)]
pub(crate) struct Victims {
    /// The next to go last.
    chosen: Vec<(Rank, u32)>,
    hand: u32,
}

impl Victims {
    /// The slot of the next to go, if it is as it was when it was chosen: `rank_of` tells.
    pub(crate) fn next(&mut self, rank_of: impl Fn(u32) -> Option<Rank>) -> Option<u32> {
        while let Some((rank, slot)) = self.chosen.pop() {
            if rank_of(slot) == Some(rank) {
                return Some(slot);
            }
        }
        None
    }

    /// The slot of the one after it, if any is chosen.
    pub(crate) fn peek(&self) -> Option<u32> {
        self.chosen.last().map(|(_, slot)| *slot)
    }

    /// Chooses among the flows in `slots` slots; of two that rank alike, the one of the lower name:
    /// which has the lower slot depends on how blocks were cut.
    pub(crate) fn choose(
        &mut self,
        slots: u32,
        rank_of: impl Fn(u32) -> Option<Rank>,
        name_of: impl Fn(u32) -> u64,
    ) {
        let slots = slots.max(1);
        let hand = self.hand;
        let sample = (0..SAMPLE.min(slots)).map(|step| (hand + step) % slots);
        self.chosen.clear();
        self.chosen
            .extend(sample.filter_map(|slot| Some((rank_of(slot)?, slot))));
        self.chosen
            .sort_unstable_by(|(rank, slot), (other_rank, other)| {
                let by_name = || name_of(*slot).cmp(&name_of(*other));
                rank.cmp(other_rank).then_with(by_name)
            });
        let unanswered = self.chosen.partition_point(|(rank, _)| !rank.answered);
        self.chosen.truncate(unanswered.clamp(1, CHOSEN));
        self.chosen.reverse();
        self.hand = (hand + SAMPLE) % slots;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flow(answered: bool, secs: i64) -> Rank {
        let last = Timestamp::new(secs, 0);
        Rank { answered, last }
    }

    fn order(flows: &[Option<Rank>]) -> Vec<u32> {
        let rank_of = |slot: u32| *flows.get(slot as usize)?;
        let mut victims = Victims::default();
        victims.choose(u32::try_from(flows.len()).unwrap(), rank_of, u64::from);
        let chosen = victims.chosen.len();
        let order: Vec<u32> = std::iter::from_fn(|| victims.next(rank_of)).collect();
        assert_eq!(order.len(), chosen);
        order
    }

    #[test]
    fn attempts_go_first_and_the_longest_idle_of_them() {
        let flows = [
            Some(flow(true, 1)),
            Some(flow(false, 9)),
            None,
            Some(flow(false, 3)),
            Some(flow(true, 2)),
        ];
        assert_eq!(order(&flows), [3, 1]);
    }

    #[test]
    fn without_attempts_only_the_longest_idle_goes() {
        let flows = [flow(true, 5), flow(true, 2), flow(true, 7)].map(Some);
        assert_eq!(order(&flows), [1]);
        assert_eq!(order(&[]), [0; 0]);
        assert_eq!(order(&[None, None]), [0; 0]);
    }

    #[test]
    fn one_that_moved_since_is_spared() {
        let mut victims = Victims::default();
        let before = |_| Some(flow(false, 1));
        victims.choose(2, before, u64::from);
        assert_eq!(victims.chosen.len(), 2);
        let after = |slot| {
            Some(if slot == 0 {
                flow(false, 2)
            } else {
                flow(true, 1)
            })
        };
        assert_eq!(victims.next(after), None);
    }
}
