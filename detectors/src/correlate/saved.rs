//! What rules know as bytes. Groups of a rule that says something else by now, or is gone, are of no
//! use: they are left out, counted.

use super::group::Group;
use super::{Correlator, GroupKey, RuleState, key_hash};
use crate::hash::{IdHash, KeyedHash};
use crate::state::{Loader, Saver, State, Unfit};

impl State for Correlator {
    fn save(&self, to: &mut Saver) {
        to.put(&self.rules.len());
        for state in &self.rules {
            to.put(&(&state.rule.info.id, state.version()));
            to.section(|to| {
                to.put(&state.groups.len());
                for group in state.groups.iter() {
                    to.put(&group);
                }
            });
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        for _ in 0..from.take::<usize>()? {
            let (id, version): (String, u128) = from.take()?;
            let groups = from.section()?;
            let mut rules = self.rules.iter_mut();
            match rules.find(|state| state.rule.info.id == id && state.version() == version) {
                Some(state) => state.take_back(&self.hash, groups)?,
                None => self.dropped += 1,
            }
        }
        Ok(())
    }
}

impl Correlator {
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl RuleState {
    /// Another one if the rule says anything else.
    fn version(&self) -> u128 {
        let mut rule = Saver::default();
        rule.put(&self.rule);
        IdHash::new("rule").bytes(&rule.into_bytes()).finish().0
    }

    fn take_back(&mut self, hash: &KeyedHash, mut from: Loader<'_>) -> Result<(), Unfit> {
        if self.groups.len() > 0 {
            return Err(Unfit::Damaged);
        }
        for _ in 0..from.take::<usize>()? {
            let (key, mut group): (GroupKey, Group) = from.take()?;
            group.belongs_to(&self.rule.info);
            let hash = key_hash(hash, &key);
            let taken = self.groups.take_back(hash, key, group);
            taken.ok_or(Unfit::Damaged)?;
        }
        from.end()
    }
}
